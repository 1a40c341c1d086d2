"""Whose rows are in the folder that the Parquet job writes to: a note in it says what they were made from.

    output/cpu_metrics/.made-from.json      as `labkit.jobs.origin` has it beside the job's state

A job that went on there with the state of another lab would mix the two, and no ledger could tell them apart.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from labkit.errors import BadInput
from labkit.flink.environment import newest_state
from labkit.jobs.origin import Origin, begin_anew, change, read_origin, state_note, write_origin
from labkit.parquet.read import parquet_files
from labkit.settings import Settings
from labkit.streams.names import PARQUET

__all__ = ["are_another_labs", "note_rows", "require_own_rows"]

#: Hidden: who reads Parquet passes over it.
_NOTE = ".made-from.json"


def require_own_rows(settings: Settings, now: Origin, *, begins_anew: bool = False) -> None:
    """Raise `BadInput` where the rows that are there were not made from the metrics topic of `now`.

    Rows of an earlier lab that is gone are no error for a job that begins anew, because it is to or because it has no
    saved state: they are emptied or set aside. Those of another lab that is still there are left to that.
    """
    saved = read_origin(settings.parquet_dir / _NOTE)
    if saved is None or change(saved, now) is None or not parquet_files(settings.parquet_dir):
        return
    goes_on = not begins_anew and newest_state(settings.cluster, settings.job_name(PARQUET)) is not None
    others = _is_there(settings, saved)
    if not goes_on and not others:
        return
    whose = f"the lab in {saved.lab}" if others else "an earlier lab"
    raise BadInput(
        f"The rows in {settings.parquet_dir} are of {whose}, not of this one's {settings.metrics_topic}; "
        "nothing was changed.",
        "Set LABKIT_OUTPUT_DIR to another folder."
        if others
        else "Move that folder away, or empty it: " + begin_anew(settings, PARQUET),
    )


def note_rows(settings: Settings, origin: Origin) -> None:
    """Write down in the folder of the rows what they are made from; a folder that cannot be written the job names."""
    folder = settings.parquet_dir
    with suppress(OSError):
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(folder.parent.stat().st_mode & 0o777)  # as Flink would have made it for the others, too
        write_origin(folder / _NOTE, origin)


def are_another_labs(settings: Settings, folder: Path) -> bool:
    """Whether the rows in `folder` are noted as those of a lab whose state folder is another one, and is there."""
    saved = read_origin(folder / _NOTE)
    return saved is not None and Path(saved.lab) != settings.state_dir and Path(saved.lab).is_dir()


def _is_there(settings: Settings, saved: Origin) -> bool:
    """Whether these rows belong to another lab that still has the state of their job."""
    other = Path(saved.lab)
    if other == settings.state_dir:
        return False
    found = read_origin(other / state_note(settings, PARQUET).relative_to(settings.state_dir))
    return found is not None and found.topics == saved.topics
