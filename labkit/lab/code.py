"""Changed code takes effect with the next job: a TaskManager that has loaded an older labkit is started anew.

The enrichment runs inside the TaskManager's JVM, where Python loads a module once.
"""

from __future__ import annotations

from pathlib import Path

import psutil

import labkit
from labkit.errors import BadInput
from labkit.flink.rest import FlinkRest
from labkit.flink.stale_code import changed_since
from labkit.lab import services
from labkit.lab.supervisor import control
from labkit.settings import Settings
from labkit.streams.names import JOBS, stream_option
from labkit.streams.registry import STREAMS

__all__ = ["take_new_code"]


def take_new_code(settings: Settings) -> Path | None:
    """Start this machine's TaskManager anew where a file of labkit is younger than it; returns that file, or None.

    Raises `BadInput` where a job runs on it. In containers the code is that of their image.
    """
    file = None if settings.in_containers else _changed(settings)
    if file is None:
        return None
    running = [job.name for job in FlinkRest(settings.flink_url).jobs() if not job.is_over]
    if running:
        raise BadInput(
            f"{file} was changed after the TaskManager had started, and {' and '.join(running)} "
            f"{'runs' if len(running) == 1 else 'run'} on it; nothing was submitted.",
            f"To take the new code: {_how_to_stop(settings, running)}, then the same again",
        )
    services.restart(settings, "taskmanager")
    return file


def _changed(settings: Settings) -> Path | None:
    for process in control.processes(settings)["taskmanager"]:
        try:
            started_s = psutil.Process(process.pid or 0).create_time()
        except psutil.Error:  # it has just ended; the next one loads what is there
            continue
        if file := changed_since(started_s, Path(labkit.__file__).parent):
            return file
    return None


def _how_to_stop(settings: Settings, running: list[str]) -> str:
    """What to type, stream by stream; jobs of a notebook end there."""
    words, known = [], set[str]()
    for stream in STREAMS:
        own = settings.for_stream(stream)
        mine = [job for job in JOBS if own.job_name(job) in running]
        known.update(own.job_name(job) for job in mine)
        if mine:
            words.append(f"labkit stop {' '.join(mine)}{stream_option(stream)}")
    return ", ".join([*words, *(["tidy(settings) in the notebook"] if set(running) - known else [])])
