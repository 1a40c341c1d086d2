"""A job that fails, in one sentence: the cause in Flink's trace, and where all of the trace is.

The job enrichment fails and is started again: ValueError: no such column (labkit/streams/procstat/intervals.py,
line 48). The whole trace: labkit logs taskmanager, or http://127.0.0.1:8081/#/job/running/f0cf…/exceptions
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.rest import FlinkRest, Job
from labkit.flink.root_cause import RootCause, root_cause
from labkit.jobs import running_jobs
from labkit.jobs.origin import since_noted
from labkit.jobs.partitions import unread_partitions
from labkit.settings import Settings
from labkit.streams.names import JOBS, in_words

__all__ = [
    "JobFails",
    "Trouble",
    "causes",
    "job_failure",
    "require_sound",
    "trouble",
    "watched",
    "whole_trace",
    "why_failing",
]

_LOOK_EVERY_S = 1.0
_ENDED_ON_PURPOSE = ("CANCELLING", "CANCELED", "FINISHED", "SUSPENDED")


class JobFails(LabkitError):
    """A job cannot go on: its own code fails, or it has failed for good."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job that does not run as it should: a sentence, and what to do about it. Not all fail, some have to begin."""

    job: str
    what: str
    todo: str
    fails: bool

    def __str__(self) -> str:
        return f"{self.what} {self.todo}"


def why_failing(rest: FlinkRest, job: Job) -> RootCause | None:
    """Why the job fails; None where it does not, or is over and was not ended by a failure.

    Between two failures Flink says RUNNING for a moment. What a completed checkpoint has come after is overcome;
    where none has, the job still fails if its own code raised it, or if it has failed more than once.
    """
    failures = rest.failures(job.id)
    if not failures or job.state in _ENDED_ON_PURPOSE:
        return None
    cause = root_cause(failures[0].trace)
    if job.state != "RUNNING" or not _all_at_work(rest, job):
        return cause
    completed = rest.checkpoints(job.id)["latest"]["completed"]
    since_ms = completed["trigger_timestamp"] if completed else 0
    new = [failure for failure in failures if failure.at_ms > since_ms]
    return cause if new and (cause.is_python or len(new) > 1) else None


def whole_trace(settings: Settings, job: Job | None) -> str:
    """Where all of the trace is, for a person to look there; without a job, only its manager has it."""
    if job is None:
        return "The whole trace: labkit logs jobmanager"
    page = f"{settings.flink_page}/#/job/{'completed' if job.is_over else 'running'}/{job.id}/exceptions"
    return f"The whole trace: labkit logs taskmanager, or {page}"


def job_failure(settings: Settings, submitted: Submitted, trace: str) -> LabkitError:
    """The trace of a job that did not start -> one sentence, and what to type. It is over by now."""
    cause, name = root_cause(trace), submitted.name
    if submitted.resumed_from is not None and cause.state_does_not_fit:
        return BadInput(
            f"The state in {submitted.resumed_from} does not fit the job {name} any more ({cause}).",
            f"To begin without it: labkit up, then labkit submit {in_words(name)} --fresh",
        )
    origin = f" from {submitted.resumed_from}" if submitted.resumed_from else ""
    job = Job(submitted.job_id, name, "CANCELED") if submitted.job_id else None
    was_a_job = job is not None or "JobInitializationException" in trace
    todo = whole_trace(settings, job) if was_a_job else ""
    return LabkitError(f"The job {name} did not start{origin}: {cause}.", todo)


def require_sound(settings: Settings, *names: str) -> None:
    """Raise `JobFails` where one of the jobs cannot go on: it has failed for good, or its own code fails.

    What a kill, a full disk or a broker that is away has done passes, and Flink starts the job again.
    """
    rest = FlinkRest(settings.flink_url)
    wanted = {settings.job_name(name): name for name in names}
    for job in _newest(rest.jobs()):
        if job.name in wanted and (cause := why_failing(rest, job)) and (cause.is_python or job.is_over):
            raise JobFails(f"The job {wanted[job.name]} {_fails(job)}: {cause}.", whole_trace(settings, job))


@contextmanager
def watched(settings: Settings, names: Sequence[str], stop: threading.Event) -> Iterator[None]:
    """While the block runs, look after these jobs: where one cannot go on, `stop` is set at once.

    At the end of the block that is raised, as by `require_sound`.
    """
    found: list[JobFails] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY_S):
            try:
                require_sound(settings, *names)
            except JobFails as error:
                found.append(error)
                stop.set()
                return
            except LabkitError:  # a JobManager that died comes back, and its jobs with it
                continue

    thread = threading.Thread(target=look, name="watched jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if found:
        raise found[0]


def trouble(settings: Settings) -> list[Trouble]:
    """Each job of this lab that does not run as it should, with the cause that Flink gives.

    Of the jobs that are over, those that nobody has stopped and that failed. Those, too, whose topics were made anew
    or have partitions that the job does not read yet.
    """
    at_work = running_jobs.listed(settings)
    listed = {own.job_name(name) for own, name in at_work}
    return [*_of_flink(settings, listed), *_of_other_topics(at_work), *_partial(settings)]


def causes(settings: Settings) -> list[str]:
    """What may be behind an account that does not balance, or behind silence, a sentence and what to do each.

    Of this pipeline's jobs: those that fail, and, whether they are at work or not, those whose topics were made anew or
    have partitions that they do not read yet. What does not answer is passed over.
    """
    found: list[Trouble] = []
    own = {settings.job_name(name) for name in JOBS}
    with suppress(LabkitError):
        listed = {one.job_name(name) for one, name in running_jobs.listed(settings)}
        found += [one for one in _of_flink(settings, listed) if one.fails and one.job in own]
    found += [*_of_other_topics([(settings, name) for name in JOBS]), *_partial(settings)]
    return [str(one) for one in found]


def _of_flink(settings: Settings, listed: set[str]) -> list[Trouble]:
    """The jobs that fail, or have to begin still; of those that are over, the `listed`."""
    rest = FlinkRest(settings.flink_url)
    found = []
    for job in _newest(rest.jobs()):
        if job.state in _ENDED_ON_PURPOSE or (job.is_over and job.name not in listed):
            continue
        cause = why_failing(rest, job)
        if cause is not None:
            end = ""
            if job.name.partition("-")[0] in JOBS and not job.is_over:
                end = f"To end it: labkit stop {in_words(job.name)}. "
            what, todo = f"The job {job.name} {_fails(job)}: {cause}.", end + whole_trace(settings, job)
            found.append(Trouble(job.name, what, todo, fails=True))
        elif not _all_at_work(rest, job):
            tasks = ", ".join(f"{count} {state}" for state, count in sorted(rest.tasks(job.id).items()))
            what = f"The job {job.name} does not run yet: it is {job.state}, its tasks are {tasks or 'not there'}."
            found.append(Trouble(job.name, what, "If that stays so: labkit logs jobmanager", fails=False))
    return found


def _of_other_topics(jobs: Sequence[tuple[Settings, str]]) -> Iterator[Trouble]:
    """Those of `jobs` whose state is of a topic, or a schema, that was made anew; none where Kafka is away."""
    with suppress(LabkitError):
        for own, name in jobs:
            if (found := since_noted(own, name)) is not None:
                yield Trouble(own.job_name(name), *found, fails=True)


def _partial(settings: Settings) -> Iterator[Trouble]:
    """Those of this pipeline that do not read all of their topic yet."""
    with suppress(LabkitError):
        for found in unread_partitions(settings):
            yield Trouble(*found, fails=False)


def _fails(job: Job) -> str:
    return "has failed" if job.is_over else "fails and is started again"


def _newest(jobs: Sequence[Job]) -> Iterator[Job]:
    """Of each name the newest; what ran under it before is over."""
    names = set()
    for job in jobs:
        if job.name not in names:
            names.add(job.name)
            yield job


def _all_at_work(rest: FlinkRest, job: Job) -> bool:
    tasks = set()
    with suppress(LabkitError):  # it is over by now
        tasks = set(rest.tasks(job.id))
    return bool(tasks) and tasks <= {"RUNNING", "FINISHED"}
