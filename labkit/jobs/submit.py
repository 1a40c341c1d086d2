"""Submit the lab's jobs by name, and wait until they run."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from labkit.errors import BadInput, LabkitError
from labkit.flink import environment
from labkit.flink.environment import Submitted
from labkit.flink.rest import FlinkRest
from labkit.jobs import origin, running_jobs
from labkit.jobs.failure import job_failure, why_failing
from labkit.jobs.rows import note_rows, require_own_rows
from labkit.kafka.topics import pipeline_topics, topic_partitions
from labkit.parquet.compact import nothing_half_done
from labkit.parquet.read import parquet_files
from labkit.settings import Settings
from labkit.streams.names import PARQUET, stream_option
from labkit.system.locks import exclusive
from labkit.system.waiting import wait_until

__all__ = ["described", "require_absent", "submit", "submit_when_ready"]

_RETRY_S = 1.0


def submit(settings: Settings, *names: str) -> list[Submitted]:
    """Submit the jobs `names` and wait until they run; each goes on from its newest savepoint or checkpoint.

    Raises `BadInput` where one is there already, a topic is missing, or saved state or rows are of other topics than
    are there now (`labkit.jobs.origin`); `LabkitError` where one does not start: then those that this call submitted
    are stopped again.
    """
    # One at a time: the lab itself submits too, after a JobManager's death, and a job must not be there twice.
    with exclusive(settings.state_dir, "submit.lock", wait=True):
        require_absent(settings, *names)
        made_from = {name: origin.require_same(settings, name) for name in names}
        _require_topics(settings)
        if PARQUET in names:
            require_own_rows(settings, made_from[PARQUET])
        taken: list[Submitted] = []
        try:
            for name in names:
                moved = _set_rows_aside(settings) if name == PARQUET else None
                running_jobs.add(settings, name)
                origin.note(settings, name, made_from[name])
                if name == PARQUET:
                    note_rows(settings, made_from[name])
                taken.append(replace(_hand_over(settings, name, partial(_build, settings, name)), set_aside=moved))
            for job in taken:
                _wait_until_running(settings, job)
        except BaseException:
            for name in names:
                running_jobs.remove(settings, name)
            for job in taken:
                with suppress(LabkitError):
                    FlinkRest(settings.flink_url).cancel(job.job_id)
            raise
    return taken


def described(settings: Settings, job: Submitted) -> str:
    """ "submitted enrichment: job id 4a1f…, begins at the start of its topic" """
    origin = f"goes on from {job.resumed_from}" if job.resumed_from else "begins at the start of its topic"
    return f"submitted {job.name}: job id {job.job_id}, {origin}"


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
                return submit(settings, *absent) if absent else []
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
        return f"Topic {missing} is not there (labkit topics{stream_option(settings.stream)})."
    return "" if rest.overview()["slots-available"] else "No TaskManager has a free slot."


def require_absent(settings: Settings, *names: str) -> None:
    """Raise `BadInput` where one of the jobs is there already."""
    rest = FlinkRest(settings.flink_url)
    for name in names:
        job = rest.running(settings.job_name(name))
        if job is not None:
            stop = f"To stop it: labkit stop {' '.join(names)}{stream_option(settings.stream)}"
            cause = why_failing(rest, job)
            how = f"{job.state}, it fails: {cause}" if cause else job.state
            raise BadInput(
                f"The job {job.name} is there already ({how}); nothing was submitted.",
                "To stop it: tidy(settings)" if settings.suffix else stop,
            )


def _build(settings: Settings, name: str, resume_from: Path | None) -> Any:
    """An environment with the job in it, ready to execute. PyFlink takes a second to import, so it is done here."""
    from labkit.flink import enrichment, parquet_job
    from labkit.flink.tables import Delivery

    if name == PARQUET:
        env, tables = environment.remote_environment(
            settings.cluster, settings.job_name(name), parallelism=1, resume_from=resume_from
        )
        parquet_job.define(tables, settings.flow, settings.parquet_dir)
        return env
    env, tables = environment.remote_environment(
        settings.cluster, settings.job_name(name), parallelism=settings.enrichment_parallelism,
        resume_from=resume_from, **enrichment.python_options(),
    )  # fmt: skip
    delivery = Delivery(settings.delivery, settings.transaction_timeout_s)
    enrichment.define(tables, settings.flow, enrichment.Options(delivery, settings.host_state_s))
    return env


def _hand_over(settings: Settings, name: str, build: Callable[[Path | None], Any]) -> Submitted:
    try:
        return environment.submit(settings.cluster, settings.job_name(name), build)
    except LabkitError:
        raise
    except Exception as error:  # whatever the planner or the cluster threw, in Java or in Python
        resumed_from = environment.newest_state(settings.cluster, settings.job_name(name))
        trace = "".join(traceback.format_exception(error))
        raise job_failure(settings, Submitted(name, "", resumed_from), trace) from error


def _wait_until_running(settings: Settings, submitted: Submitted) -> None:
    """Wait until every task of the job runs; a job that does not get there is for the caller to cancel.

    Raises `BadInput` where its saved state does not fit it, else `LabkitError`.
    """
    rest = FlinkRest(settings.flink_url)
    state, tasks = "", dict[str, int]()

    def runs() -> bool:
        nonlocal state, tasks
        state, tasks = rest.state(submitted.job_id), rest.tasks(submitted.job_id)
        if state == "RUNNING" and set(tasks) == {"RUNNING"}:
            return True
        trace = rest.root_exception(submitted.job_id)
        if state == "FAILED" or trace:
            raise job_failure(settings, submitted, trace)
        return False

    def seen() -> str:
        overview = rest.overview()
        slots = f"{overview['slots-available']} of {overview['slots-total']} slots are free"
        of_tasks = ", ".join(f"{count} tasks {word}" for word, count in tasks.items()) or "no task yet"
        return f"it is {state} ({of_tasks}), {slots}, and it was cancelled"

    wait_until(runs, f"The job {submitted.name} runs", seen=seen, todo="Look at: labkit logs taskmanager")


def _set_rows_aside(settings: Settings) -> Path | None:
    """Where the Parquet job begins anew, it reads all its topic again: rows that are there are of another lab.

    They are moved out of the way, so that no account mixes the two; returns where to.
    """
    goes_on = environment.newest_state(settings.cluster, settings.job_name(PARQUET)) is not None
    if goes_on or not parquet_files(settings.parquet_dir):
        return None
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = settings.output_dir / "earlier" / f"{settings.parquet_dir.name}-{now}"
    aside.parent.mkdir(exist_ok=True)
    with nothing_half_done(settings.rows):
        settings.parquet_dir.rename(aside)
    return aside


def _require_topics(settings: Settings) -> None:
    missing = _missing_topic(settings)
    if missing is not None:
        raise BadInput(
            f"Topic {missing} is not there; nothing was submitted.",
            f"To make it: labkit topics{stream_option(settings.stream)}",
        )


def _missing_topic(settings: Settings) -> str | None:
    there = topic_partitions(settings.kafka_bootstrap)
    return next((topic.name for topic in pipeline_topics(settings.flow) if topic.name not in there), None)
