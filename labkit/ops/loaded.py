"""Code that a job would not see: the job in batches runs inside the TaskManager, which loads labkit's code once."""

from __future__ import annotations

from pathlib import Path

import psutil

import labkit
from labkit.errors import BadInput
from labkit.ops import control
from labkit.settings import Settings

__all__ = ["changed_since", "require_code_as_loaded"]


def require_code_as_loaded(settings: Settings) -> None:
    """Raise `BadInput` where a file of labkit was changed after this machine's TaskManager had started."""
    if settings.in_containers:  # their code is that of their image
        return
    for process in control.processes(settings)["taskmanager"]:
        try:
            started = psutil.Process(process.pid or 0).create_time()
        except psutil.Error:  # it has just ended; the next one loads what is there
            continue
        if file := changed_since(started, Path(labkit.__file__).parent):
            raise BadInput(
                f"{file} was changed after the TaskManager had started, and the job in batches runs inside it; "
                "nothing was submitted.",
                "Start it with the new code: labkit down, then labkit up",
            )


def changed_since(started_s: float, package: Path) -> Path | None:
    """A Python file of `package` that is younger than `started_s` (seconds since the epoch), from its parent on."""
    changed = (file for file in sorted(package.rglob("*.py")) if file.stat().st_mtime > started_s)
    return next((file.relative_to(package.parent) for file in changed), None)
