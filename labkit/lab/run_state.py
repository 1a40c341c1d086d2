"""What a `labkit run` has at work, kept in a file, so that one that was killed (SIGKILL, power) is not in the way.

.lab/run.json   {"pid": 4711, "since": 1795680773.1, "services": true, "jobs": ["enrichment", "parquet"]}

It is written before anything is started, and it is gone at the end of a run that ended in any other way.
The next run stops those jobs with a savepoint and goes on from there: nothing is lost, nothing comes twice.
What a person starts in between (`labkit up`, `labkit submit`) is the person's, and no run's any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from labkit.settings import Settings

__all__ = ["RunState", "clear", "hand_over", "left_behind", "read", "write"]


@dataclass(frozen=True, slots=True)
class RunState:
    """The run with that pid (which began at `since`, s since the epoch) started the services, and these jobs."""

    pid: int
    since: float
    services: bool
    jobs: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether that very process is still there."""
        try:
            return bool(psutil.Process(self.pid).create_time() == self.since)
        except psutil.NoSuchProcess:
            return False

    @property
    def what(self) -> str:
        """A sentence about a run that was killed."""
        left = f"the jobs {' and '.join(self.jobs)}" if self.jobs else "the services"
        return f"A `labkit run` (pid {self.pid}) was killed and left {left} at work."

    @property
    def todo(self) -> str:
        """What to type about it."""
        return "To go on from there: labkit run. To stop everything: labkit down"


def write(settings: Settings, *, services: bool, jobs: Iterable[str] = ()) -> None:
    """Write down what this process has at work; seen whole or not at all."""
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    me = psutil.Process()
    at_work = RunState(me.pid, me.create_time(), services, tuple(jobs))
    _replace(_file(settings), at_work)


def read(settings: Settings) -> RunState | None:
    """What the run that is at work, or the one that was killed, has written down; None where there is neither."""
    try:
        found = json.loads(_file(settings).read_text())
        return RunState(found["pid"], found["since"], found["services"], tuple(found["jobs"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def left_behind(settings: Settings) -> RunState | None:
    """What a run that was killed has left at work, or None."""
    found = read(settings)
    return found if found and not found.is_alive and (found.services or found.jobs) else None


def hand_over(settings: Settings, *, services: bool = False, jobs: Iterable[str] = ()) -> None:
    """A person wants these now: the next run leaves them alone."""
    found = left_behind(settings)
    if found is not None:
        left = tuple(job for job in found.jobs if job not in set(jobs))
        _replace(_file(settings), replace(found, services=found.services and not services, jobs=left))


def clear(settings: Settings) -> None:
    """Nothing is at work any more."""
    _file(settings).unlink(missing_ok=True)


def _file(settings: Settings) -> Path:
    return settings.state_dir / "run.json"


def _replace(file: Path, at_work: RunState) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(asdict(at_work)))
    part.replace(file)
