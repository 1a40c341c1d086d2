"""Drain a job and stop it, with a savepoint from which it goes on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.errors import LabkitError
from labkit.flink.environment import newest_state
from labkit.flink.rest import FlinkRest, Job
from labkit.flink.root_cause import RootCause
from labkit.jobs import running_jobs
from labkit.jobs.failure import JobFails, require_sound, whole_trace, why_failing
from labkit.jobs.origin import topic_read_by
from labkit.kafka.offsets import commit_offsets, committed_offsets, furthest, unread
from labkit.settings import Settings
from labkit.system.waiting import wait_until

__all__ = ["Stopped", "drain_and_stop", "stop_or_cancel", "stop_with_savepoint"]

_READ_WITHIN_S = 60
_AWAY = "away"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A job that was at work and is over.

    With a savepoint, or cancelled because it could give none: `cause` says why it failed, None where it had not begun.
    `goes_on_from` is what it goes on from the next time, None for the start of its topic; `more` is where to look.
    """

    job: str
    savepoint: Path | None
    cause: RootCause | None
    goes_on_from: Path | None
    more: str = ""

    def __str__(self) -> str:
        if self.savepoint is not None:
            return f"stopped {self.job}: savepoint {self.savepoint}"
        why = f"because it fails: {self.cause}" if self.cause else "because it was not running yet"
        origin = self.goes_on_from or "the start of its topic"
        told = f"stopped {self.job} without a savepoint, {why}; it goes on from {origin}."
        return f"{told} {self.more}".rstrip()


def drain_and_stop(settings: Settings, name: str, within_s: float = _READ_WITHIN_S) -> Path:
    """Wait until the job has read its topic to the end, then stop it with a savepoint; returns that.

    A JobManager that died is waited for: its jobs come back. Raises `LabkitError` where the job is gone, cannot go
    on (`failure.require_sound`), or does not get there within `within_s` seconds.
    """
    topic = topic_read_by(settings, name)
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
        seen=lambda: f"{left} records are left, and it is {state}{_why(settings, name)}",
        todo="Look at: labkit logs taskmanager",
    )  # fmt: skip
    savepoint = stop_with_savepoint(settings, name)
    if savepoint is None:
        raise LabkitError(f"The job {name} ended by itself.", "Look at: labkit logs taskmanager")
    # Flink's source commits only between two polls, which last up to 10 s where nothing comes in.
    commit_offsets(settings.kafka_bootstrap, topic, group, positions)
    return savepoint


def stop_with_savepoint(settings: Settings, job: str) -> Path | None:
    """Stop the job where it is, so that `submit` goes on from there; None where it does not run.

    Raises `LabkitError` where it gives no savepoint: why it fails, where it does, else what Flink says about it.
    """
    rest = FlinkRest(settings.flink_url)
    name = settings.job_name(job)
    running = rest.running(name)
    if running is None:
        return None
    try:
        path = rest.stop_with_savepoint(running.id, f"file://{settings.savepoints_dir / name}")
    except LabkitError as refused:
        cause = why_failing(rest, running)
        if cause is None:
            raise
        raise LabkitError(f"The job {job} fails: {cause}.", whole_trace(settings, running)) from refused
    running_jobs.remove(settings, job)
    wait_until(
        lambda: rest.running(name) is None, f"The job {job} has ended, after its savepoint",
        seen=lambda: f"it is {rest.state(running.id)}", todo="Look at: labkit logs taskmanager",
    )  # fmt: skip
    return Path(path.removeprefix("file:"))


def stop_or_cancel(settings: Settings, job: str) -> Stopped | None:
    """Stop the job with a savepoint, or cancel it where it can give none; None where it does not run.

    A job that fails, or has not begun, goes on from its last checkpoint: nothing is lost, nothing comes twice. Raises
    `LabkitError` where a job that runs gives no savepoint; then it runs on.
    """
    rest = FlinkRest(settings.flink_url)
    name = settings.job_name(job)
    running = rest.running(name)
    if running is None:
        return None
    if _can_give_savepoint(rest, running):
        try:
            savepoint = stop_with_savepoint(settings, job)
            return Stopped(job, savepoint, None, savepoint) if savepoint else None
        except LabkitError:
            running = rest.running(name)
            if running is None or _can_give_savepoint(rest, running):
                raise
    cause = why_failing(rest, running)
    running_jobs.remove(settings, job)
    with suppress(LabkitError):  # it is over by now
        rest.cancel(running.id)
    wait_until(
        lambda: rest.running(name) is None, f"The job {job} has ended, cancelled",
        seen=lambda: f"it is {rest.state(running.id)}", todo="Look at: labkit logs taskmanager",
    )  # fmt: skip
    more = whole_trace(settings, replace(running, state="CANCELED")) if cause else ""
    return Stopped(job, None, cause, newest_state(settings.cluster, name), more)


def _can_give_savepoint(rest: FlinkRest, job: Job) -> bool:
    """Whether it runs, with all its tasks, and is not between two failures."""
    return job.state == "RUNNING" and set(rest.tasks(job.id)) == {"RUNNING"} and why_failing(rest, job) is None


def _why(settings: Settings, name: str) -> str:
    """ ": ValueError: …" for a job that fails, "" for another."""
    rest = FlinkRest(settings.flink_url)
    try:
        job = next(job for job in rest.jobs() if job.name == settings.job_name(name))
        cause = why_failing(rest, job)
    except (LabkitError, StopIteration):
        cause = None
    return f": {cause}" if cause else ""


def _progress(settings: Settings, rest: FlinkRest, name: str, topic: str) -> tuple[str, dict[int, int]]:
    """The job's state, and how far it has read `topic`. Raises `LabkitError` where the job has ended.

    After the JobManager's death Flink does not answer, or knows no such job; where the job is noted as at work it
    is only away, and comes back.
    """
    try:
        require_sound(settings, name)
        newest = next((job for job in rest.jobs() if job.name == settings.job_name(name)), None)
        if newest is not None and not newest.is_over:
            return newest.state, rest.read_offsets(newest.id, topic)
    except JobFails:
        raise
    except LabkitError:
        if not running_jobs.is_listed(settings, name):
            raise
        newest = None
    if newest is not None or not running_jobs.is_listed(settings, name):
        raise LabkitError(f"The job {name} is not there any more.", "Look at: labkit logs taskmanager")
    return _AWAY, {}
