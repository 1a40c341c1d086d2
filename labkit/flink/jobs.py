"""Submit, drain and stop the lab's two jobs by name."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from labkit import kafka_admin
from labkit.consumer import commit_offsets, committed_offsets, unread
from labkit.errors import BadInput, LabkitError
from labkit.flink import session
from labkit.flink.names import ENRICHMENT, JOBS, PARQUET
from labkit.flink.rest import FlinkRest
from labkit.flink.session import Submitted
from labkit.settings import Settings

__all__ = ["finish", "forget", "require_absent", "stop_with_savepoint", "submit", "what_fresh_empties"]

_MODULES = {ENRICHMENT: "labkit.flink.enrichment", PARQUET: "labkit.flink.parquet_sink"}
_READ_WITHIN_S = 60


def submit(settings: Settings, *names: str) -> list[Submitted]:
    """Submit the jobs `names` and wait until they run; each goes on from its newest savepoint or checkpoint.

    Raises `BadInput` where one is there already, `LabkitError` where one does not start; then those
    that this call submitted are stopped again.
    """
    require_absent(settings, *names)
    _require_topics(settings)
    taken: list[Submitted] = []
    try:
        for name in names:
            module = import_module(_MODULES[name])  # PyFlink takes a second to import: not before it is needed
            taken.append(session.submit(settings, name, partial(module.build, settings)))
        for job in taken:
            session.wait_until_running(settings, job)
    except BaseException:
        for job in taken:
            with suppress(LabkitError):
                FlinkRest(settings.flink_url).cancel(job.job_id)
        raise
    return taken


def require_absent(settings: Settings, *names: str) -> None:
    """Raise `BadInput` where one of the jobs is there already."""
    rest = FlinkRest(settings.flink_url)
    for name in names:
        job = rest.running(name)
        if job is not None:
            raise BadInput(
                f"The job {name} is there already ({job.state}); nothing was submitted.",
                f"To stop it: labkit stop {name}",
            )


def what_fresh_empties(settings: Settings, name: str) -> list[str]:
    """What `forget` would empty, for a person to agree to."""
    rows = [str(settings.parquet_dir), "the saved state of the parquet job"]
    if name == PARQUET:
        return rows
    topics = [f"topic {settings.metrics_topic}", f"topic {settings.dead_letters_topic}"]
    return [*topics, "the saved state of the enrichment job", *rows]


def forget(settings: Settings, name: str) -> None:
    """Empty the job's output and saved state, and those of the job that reads its output.

    Without that, a job that begins anew would write every result a second time.
    """
    affected = JOBS if name == ENRICHMENT else (PARQUET,)
    require_absent(settings, *affected)
    if name == ENRICHMENT:
        results = [topic for topic in kafka_admin.pipeline_topics(settings)
                   if topic.name != settings.snapshots_topic]  # fmt: skip
        kafka_admin.delete_topics(settings, [topic.name for topic in results])
        kafka_admin.create_topics(settings, results)
    kafka_admin.delete_groups(settings, list(affected))
    shutil.rmtree(settings.parquet_dir, ignore_errors=True)
    for job in affected:
        shutil.rmtree(settings.savepoints_dir / job, ignore_errors=True)
        shutil.rmtree(settings.checkpoints_dir / job, ignore_errors=True)


def finish(settings: Settings, name: str) -> Path:
    """Wait until the job has read its topic to the end, then stop it with a savepoint; returns that.

    Raises `LabkitError` where the job is gone or does not get there within a minute.
    """
    topic = _topic_of(settings, name)
    rest = FlinkRest(settings.flink_url)
    job = rest.running(name)
    if job is None:
        raise LabkitError(f"The job {name} is not there any more.", "Look at: labkit logs taskmanager")
    deadline = time.monotonic() + _READ_WITHIN_S
    committed = committed_offsets(settings, topic, name)
    while left := unread(settings, topic, positions := _furthest(committed, rest.read_offsets(job.id, topic))):
        if time.monotonic() > deadline:
            raise LabkitError(
                f"The job {name} has not read {left} records of {topic} within {_READ_WITHIN_S} s "
                f"(it is {rest.state(job.id)}).",
                "Look at: labkit logs taskmanager",
            )
        committed = committed_offsets(settings, topic, name)
    savepoint = session.stop(settings, name)
    if savepoint is None:
        raise LabkitError(f"The job {name} ended by itself.", "Look at: labkit logs taskmanager")
    # Flink's source commits only between two polls, which last up to 10 s where nothing comes in.
    commit_offsets(settings, topic, name, positions)
    return savepoint


def stop_with_savepoint(settings: Settings, name: str) -> Path | None:
    """Stop the job where it is, so that `submit` goes on from there; None where it does not run."""
    return session.stop(settings, name)


def _topic_of(settings: Settings, name: str) -> str:
    return settings.snapshots_topic if name == ENRICHMENT else settings.metrics_topic


def _furthest(committed: dict[int, int], read: dict[int, int]) -> dict[int, int]:
    return {partition: max(offset, read.get(partition, 0)) for partition, offset in committed.items()}


def _require_topics(settings: Settings) -> None:
    there = kafka_admin.topic_partitions(settings.kafka_bootstrap)
    for topic in kafka_admin.pipeline_topics(settings):
        if topic.name not in there:
            raise BadInput(f"Topic {topic.name} is not there; nothing was submitted.", "To make it: make setup")
