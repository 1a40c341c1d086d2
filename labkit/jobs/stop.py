"""Drain a job and stop it, with a savepoint from which it goes on."""

from __future__ import annotations

from pathlib import Path

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.kafka.offsets import commit_offsets, committed_offsets, furthest, unread
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT
from labkit.system.waiting import wait_until

__all__ = ["drain_and_stop", "stop_with_savepoint"]

_READ_WITHIN_S = 60
_AWAY = "away"


def drain_and_stop(settings: Settings, name: str, within_s: float = _READ_WITHIN_S) -> Path:
    """Wait until the job has read its topic to the end, then stop it with a savepoint; returns that.

    A JobManager that died is waited for: its jobs come back. Raises `LabkitError` where the job is gone, or does
    not get there within `within_s` seconds.
    """
    topic = _topic_of(settings, name)
    rest = FlinkRest(settings.flink_url)
    group = settings.job_name(name)
    state, left, positions = _AWAY, 0, dict[int, int]()

    def has_read_all() -> bool:
        nonlocal state, left, positions
        committed = committed_offsets(settings.kafka_bootstrap, topic, group)
        state, read = _progress(settings, rest, name, topic)
        left = unread(settings.kafka_bootstrap, topic, positions := furthest(committed, read))
        return not left and state != _AWAY

    wait_until(
        has_read_all, f"The job {name} has read {topic} to its end", within_s,
        seen=lambda: f"{left} records are left, and it is {state}", todo="Look at: labkit logs taskmanager",
    )  # fmt: skip
    savepoint = stop_with_savepoint(settings, name)
    if savepoint is None:
        raise LabkitError(f"The job {name} ended by itself.", "Look at: labkit logs taskmanager")
    # Flink's source commits only between two polls, which last up to 10 s where nothing comes in.
    commit_offsets(settings.kafka_bootstrap, topic, group, positions)
    return savepoint


def stop_with_savepoint(settings: Settings, job: str) -> Path | None:
    """Stop the job where it is, so that `submit` goes on from there; None where it does not run.

    Raises `LabkitError` where Flink takes no savepoint, or the job does not end.
    """
    rest = FlinkRest(settings.flink_url)
    name = settings.job_name(job)
    running = rest.running(name)
    if running is None:
        return None
    path = rest.stop_with_savepoint(running.id, f"file://{settings.savepoints_dir / name}")
    running_jobs.remove(settings, job)
    wait_until(
        lambda: rest.running(name) is None, f"The job {job} has ended, after its savepoint",
        seen=lambda: f"it is {rest.state(running.id)}", todo="Look at: labkit logs taskmanager",
    )  # fmt: skip
    return Path(path.removeprefix("file:"))


def _progress(settings: Settings, rest: FlinkRest, name: str, topic: str) -> tuple[str, dict[int, int]]:
    """The job's state, and how far it has read `topic`. Raises `LabkitError` where the job has ended.

    After the JobManager's death Flink does not answer, or knows no such job; where the job is noted as at work it
    is only away, and comes back.
    """
    try:
        newest = next((job for job in rest.jobs() if job.name == settings.job_name(name)), None)
        if newest is not None and not newest.is_over:
            return newest.state, rest.read_offsets(newest.id, topic)
    except LabkitError:
        if not running_jobs.is_listed(settings, name):
            raise
        newest = None
    if newest is not None or not running_jobs.is_listed(settings, name):
        raise LabkitError(f"The job {name} is not there any more.", "Look at: labkit logs taskmanager")
    return _AWAY, {}


def _topic_of(settings: Settings, name: str) -> str:
    return settings.snapshots_topic if name == ENRICHMENT else settings.metrics_topic
