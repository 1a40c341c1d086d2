"""Submit, drain and stop the lab's two jobs by name."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from labkit import kafka_admin
from labkit.errors import BadInput, LabkitError
from labkit.flink import session
from labkit.flink.names import ENRICHMENT, JOBS, PARQUET
from labkit.flink.session import Submitted
from labkit.ops import at_work, services
from labkit.ops.compact import nothing_half_done, work_folder
from labkit.ops.flink_rest import FlinkRest
from labkit.ops.loaded import require_code_as_loaded
from labkit.ops.offsets import commit_offsets, committed_offsets, furthest, unread
from labkit.parquet_io import parquet_files
from labkit.settings import Settings

__all__ = [
    "cause_of", "delete_groups", "delete_topics", "described", "finish", "forget", "require_absent",
    "stop_with_savepoint", "submit", "submit_when_ready", "trouble", "what_fresh_empties",
]  # fmt: skip

_MODULES = {ENRICHMENT: "labkit.flink.enrichment", PARQUET: "labkit.flink.parquet_sink"}
_IN_BATCHES = "labkit.fast.job"
_READ_WITHIN_S = 60
_RUNNING_WITHIN_S = 60
_POLL_S = 0.1
_RETRY_S = 1.0
_AWAY = "away"
_ITS_WAY = "Each way has a state of its own: was enrichment_in_batches changed? Then set it as it was. "


def submit(settings: Settings, *names: str) -> list[Submitted]:
    """Submit the jobs `names` and wait until they run; each goes on from its newest savepoint or checkpoint.

    Raises `BadInput` where one is there already, the cluster is another lab's, or the TaskManager has loaded older
    code than the job's; `LabkitError` where one does not start: then those that this call submitted are stopped again.
    """
    if ENRICHMENT in names and settings.enrichment_in_batches:
        require_code_as_loaded(settings)
    return _submit(settings, *names)


def _submit(settings: Settings, *names: str) -> list[Submitted]:
    # One at a time: the lab itself submits too, after a JobManager's death, and a job must not be there twice.
    with services.exclusive(settings, "submit.lock", wait=True):
        require_absent(settings, *names)
        _require_topics(settings)
        taken: list[Submitted] = []
        try:
            for name in names:
                module = _job_of(settings, name)
                moved = _set_rows_aside(settings) if name == PARQUET else None
                at_work.note(settings, name)
                taken.append(replace(_hand_over(settings, name, partial(module.build, settings)), set_aside=moved))
            for job in taken:
                _wait_until_running(settings, job)
        except BaseException:
            for name in names:
                at_work.strike_off(settings, name)
            for job in taken:
                with suppress(LabkitError):
                    FlinkRest(settings.flink_url).cancel(job.job_id)
            raise
    return taken


def described(settings: Settings, job: Submitted) -> str:
    """ "submitted enrichment (in batches): job id 4a1f…, begins at the start of its topic" """
    origin = f"goes on from {job.resumed_from}" if job.resumed_from else "begins at the start of its topic"
    in_batches = settings.enrichment_in_batches and job.name == settings.job_name(ENRICHMENT)
    return f"submitted {job.name}{' (in batches)' if in_batches else ''}: job id {job.job_id}, {origin}"


def submit_when_ready(
    settings: Settings,
    names: Sequence[str],
    say: Callable[[str], None],
    is_wanted: Callable[[str], bool] = lambda _: True,
) -> list[Submitted]:
    """Submit those of `names` that are not there, once there are the topics and free slots.

    Kafka, the topics and the cluster are waited for, as long as a job `is_wanted`; `say` hears each reason
    once. Raises `BadInput` where a job's saved state does not fit it.
    """
    told = ""
    while True:
        try:
            rest = FlinkRest(settings.flink_url)
            absent = [name for name in names if is_wanted(name) and rest.running(settings.job_name(name)) is None]
            reason = _what_is_missing(settings, rest) if absent else ""
            if not reason:
                for name in names:
                    if name not in absent:
                        say(f"The job {name} is there already.")
                return _submit(settings, *absent) if absent else []
        except BadInput:
            raise
        except LabkitError as error:
            reason = error.what
        if reason != told:
            told = reason
            say(f"{reason} Waiting for it.")
        time.sleep(_RETRY_S)


def _what_is_missing(settings: Settings, rest: FlinkRest) -> str:
    """A sentence about what has to be there before a job can run, or ""."""
    missing = _missing_topic(settings)
    if missing is not None:
        return f"Topic {missing} is not there (make setup)."
    return "" if rest.overview()["slots-available"] else "No TaskManager has a free slot."


def require_absent(settings: Settings, *names: str) -> None:
    """Raise `BadInput` where one of the jobs is there already, or the cluster is another lab's."""
    services.require_own(settings)
    rest = FlinkRest(settings.flink_url)
    for name in names:
        job = rest.running(settings.job_name(name))
        if job is not None:
            stop = f"To stop it: labkit stop {name}" if len(names) == 1 else "To stop everything: labkit down"
            raise BadInput(
                f"The job {job.name} is there already ({job.state}); nothing was submitted.",
                "To stop it: tidy(settings)" if settings.suffix else stop,
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
        delete_topics(settings, [topic.name for topic in results])
        kafka_admin.create_topics(settings, results)
    delete_groups(settings, [settings.job_name(job) for job in affected])
    for folder in (settings.parquet_dir, work_folder(settings)):
        shutil.rmtree(folder, ignore_errors=True)
    for job in affected:
        shutil.rmtree(settings.savepoints_dir / settings.job_name(job), ignore_errors=True)
        shutil.rmtree(settings.checkpoints_dir / settings.job_name(job), ignore_errors=True)


def finish(settings: Settings, name: str, within_s: float = _READ_WITHIN_S) -> Path:
    """Wait until the job has read its topic to the end, then stop it with a savepoint; returns that.

    A JobManager that died is waited for: its jobs come back. Raises `LabkitError` where the job is gone, or does
    not get there within `within_s` seconds.
    """
    topic = _topic_of(settings, name)
    rest = FlinkRest(settings.flink_url)
    group = settings.job_name(name)
    deadline = time.monotonic() + within_s
    while True:
        committed = committed_offsets(settings, topic, group)
        state, read = _progress(settings, rest, name, topic)
        left = unread(settings, topic, positions := furthest(committed, read))
        if not left and state != _AWAY:
            break
        if time.monotonic() > deadline:
            raise LabkitError(
                f"The job {name} has not read {left} records of {topic} within {within_s:g} s (it is {state}).",
                "Look at: labkit logs taskmanager",
            )
    savepoint = stop_with_savepoint(settings, name)
    if savepoint is None:
        raise LabkitError(f"The job {name} ended by itself.", "Look at: labkit logs taskmanager")
    # Flink's source commits only between two polls, which last up to 10 s where nothing comes in.
    commit_offsets(settings, topic, group, positions)
    return savepoint


def stop_with_savepoint(settings: Settings, job: str) -> Path | None:
    """Stop the job where it is, so that `submit` goes on from there; None where it does not run.

    Raises `BadInput` where the job is another lab's.
    """
    services.require_own(settings)
    rest = FlinkRest(settings.flink_url)
    name = settings.job_name(job)
    running = rest.running(name)
    if running is None:
        return None
    path = rest.stop_with_savepoint(running.id, f"file://{settings.savepoints_dir / name}")
    at_work.strike_off(settings, job)
    deadline = time.monotonic() + _RUNNING_WITHIN_S
    while rest.state(running.id) != "FINISHED" and time.monotonic() < deadline:
        time.sleep(_POLL_S)
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
        if not at_work.is_noted(settings, name):
            raise
        newest = None
    if newest is not None or not at_work.is_noted(settings, name):
        raise LabkitError(f"The job {name} is not there any more.", "Look at: labkit logs taskmanager")
    time.sleep(_POLL_S)
    return _AWAY, {}


def trouble(settings: Settings) -> list[str]:
    """A sentence for each job of this lab that is not running as it should, with the cause that Flink gives."""
    rest = FlinkRest(settings.flink_url)
    found = []
    for job in rest.jobs():
        if job.is_over or (job.state == "RUNNING" and set(rest.tasks(job.id)) == {"RUNNING"}):
            continue
        cause = cause_of(rest.root_exception(job.id)) or "no reason given"
        found.append(f"The job {job.name} is {job.state}: {cause}.")
    return found


def _job_of(settings: Settings, name: str) -> Any:
    """The module whose `build` makes the job. PyFlink takes a second to import: not before it is needed."""
    in_batches = name == ENRICHMENT and settings.enrichment_in_batches
    return import_module(_IN_BATCHES if in_batches else _MODULES[name])


def _hand_over(settings: Settings, name: str, build: Callable[[Path | None], Any]) -> Submitted:
    try:
        return session.submit(settings, settings.job_name(name), build)
    except LabkitError:
        raise
    except Exception as error:  # whatever the planner or the cluster threw, in Java or in Python
        resumed_from = session.newest_state(settings, settings.job_name(name))
        raise _job_failure(Submitted(name, "", resumed_from), str(error)) from error


def cause_of(trace: str) -> str:
    """Flink's trace -> its last "Caused by", or its first line, without the full stop; "" for none."""
    lines = trace.splitlines() or [""]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines)[-1 if causes else 0].rstrip(".")


def _job_failure(submitted: Submitted, trace: str) -> LabkitError:
    """Flink's trace of a job that did not start -> one sentence, and what to type."""
    cause = cause_of(trace) or "no reason given"
    job = submitted.name
    if submitted.resumed_from is not None and ("savepoint" in trace.lower() or "restore" in trace.lower()):
        way = _ITS_WAY if job.startswith(ENRICHMENT) else ""
        return BadInput(
            f"The state in {submitted.resumed_from} does not fit the job {job} any more ({cause}).",
            f"{way}To begin without it: labkit up, then labkit submit {job} --fresh",
        )
    return LabkitError(f"The job {job} did not start: {cause}.", "Look at: labkit logs taskmanager")


def _wait_until_running(settings: Settings, submitted: Submitted) -> None:
    """Wait until every task of the job runs. A job that does not get there is cancelled.

    Raises `BadInput` where its saved state does not fit it, else `LabkitError`.
    """
    rest = FlinkRest(settings.flink_url)
    deadline = time.monotonic() + _RUNNING_WITHIN_S
    while time.monotonic() < deadline:
        state, tasks = rest.state(submitted.job_id), rest.tasks(submitted.job_id)
        if state == "RUNNING" and set(tasks) == {"RUNNING"}:
            return
        trace = rest.root_exception(submitted.job_id)
        if state == "FAILED" or trace:
            if state != "FAILED":
                rest.cancel(submitted.job_id)
            raise _job_failure(submitted, trace)
        time.sleep(_POLL_S)
    rest.cancel(submitted.job_id)
    overview = rest.overview()
    raise LabkitError(
        f"The job {submitted.name} did not start within {_RUNNING_WITHIN_S} s "
        f"({overview['slots-available']} of {overview['slots-total']} slots are free); it was cancelled.",
        "Look at: labkit logs taskmanager",
    )


def _set_rows_aside(settings: Settings) -> Path | None:
    """Where the Parquet job begins anew, it reads all its topic again: rows that are there are of another lab.

    They are moved out of the way, so that no account mixes the two; returns where to.
    """
    goes_on = session.newest_state(settings, settings.job_name(PARQUET)) is not None
    if goes_on or not parquet_files(settings.parquet_dir):
        return None
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = settings.output_dir / "earlier" / f"{settings.parquet_dir.name}-{now}"
    aside.parent.mkdir(exist_ok=True)
    with nothing_half_done(settings):
        settings.parquet_dir.rename(aside)
    return aside


def _topic_of(settings: Settings, name: str) -> str:
    return settings.snapshots_topic if name == ENRICHMENT else settings.metrics_topic


def _require_topics(settings: Settings) -> None:
    missing = _missing_topic(settings)
    if missing is not None:
        raise BadInput(f"Topic {missing} is not there; nothing was submitted.", "To make it: make setup")


def _missing_topic(settings: Settings) -> str | None:
    there = kafka_admin.topic_partitions(settings.kafka_bootstrap)
    return next((topic.name for topic in kafka_admin.pipeline_topics(settings) if topic.name not in there), None)


def delete_topics(settings: Settings, names: list[str]) -> None:
    """Delete those of `names` that are there, and wait until the broker has forgotten them."""
    there = kafka_admin.topic_partitions(settings.kafka_bootstrap)
    known = [name for name in names if name in there]
    if known:
        admin = kafka_admin.admin_client(settings.kafka_bootstrap)
        for outcome in admin.delete_topics(known).values():
            outcome.result()
    while any(name in kafka_admin.topic_partitions(settings.kafka_bootstrap) for name in known):
        time.sleep(0.1)


def delete_groups(settings: Settings, names: list[str]) -> None:
    """Forget how far the consumer groups `names` have read; those that are not there are no error."""
    admin = kafka_admin.admin_client(settings.kafka_bootstrap)
    for name, outcome in admin.delete_consumer_groups(names).items():
        try:
            outcome.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise LabkitError(f"Group {name} could not be deleted: {error.args[0].str()}.") from None
