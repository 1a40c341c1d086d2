"""Back to nothing: what `labkit reset` removes."""

from __future__ import annotations

import shutil
from pathlib import Path

from labkit.errors import BadInput
from labkit.jobs.rows import are_another_labs
from labkit.lab import services
from labkit.parquet.compact import work_folder
from labkit.settings import Settings
from labkit.streams.registry import STREAMS

__all__ = ["reset", "what_goes"]

#: What a command that started nothing may have left in the state folder.
_BEFORE_A_START = {
    "lock", "run.lock", "run.json", "run.json.part", "compact.lock", "submit.lock", "jupyter-token", "producers",
}  # fmt: skip


def what_goes(settings: Settings, *, work: bool = False) -> list[Path]:
    """The folders that `reset` removes, those that exist; with `work` the learner's too.

    Rows of another lab, which writes to the same output folder, stay where they are. Raises `BadInput` for a folder
    that is no lab's.
    """
    state = settings.state_dir
    if state.exists() and not _is_a_labs(state):
        raise BadInput(f"{state} does not look like a lab's state folder; nothing was removed.")
    own = [settings.work_dir] if work else []
    rows: list[Path] = []
    for stream in STREAMS:
        own_rows = settings.for_stream(stream).rows
        lessons = sorted(settings.output_dir.glob(f"{own_rows.path.name}_*"))
        rows += [folder for folder in (own_rows.path, *lessons) if not are_another_labs(settings, folder)]
        rows.append(work_folder(own_rows))
    return [folder for folder in (state, *rows, settings.plots_dir, *own) if folder.exists()]


def _is_a_labs(state: Path) -> bool:
    if not state.is_dir():
        return False
    names = {file.name for file in state.iterdir()}
    return "supervisord.conf" in names or names <= _BEFORE_A_START


def reset(settings: Settings, *, work: bool = False) -> None:
    """Stop the services and remove what `what_goes` names."""
    services.down(settings)
    for folder in what_goes(settings, work=work):
        shutil.rmtree(folder.resolve())
        if folder.is_symlink():
            folder.unlink()
