"""Why a job does not run, in one sentence: the cause in Flink's trace, and what to type."""

from __future__ import annotations

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.rest import FlinkRest
from labkit.settings import Settings

__all__ = ["cause_of", "job_failure", "trouble"]


def cause_of(trace: str) -> str:
    """Flink's trace -> its last "Caused by", or its first line, without the full stop; "" for none."""
    lines = trace.splitlines() or [""]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines)[-1 if causes else 0].rstrip(".")


def job_failure(submitted: Submitted, trace: str) -> LabkitError:
    """Flink's trace of a job that did not start -> one sentence, and what to type."""
    cause = cause_of(trace) or "no reason given"
    job = submitted.name
    if submitted.resumed_from is not None and ("savepoint" in trace.lower() or "restore" in trace.lower()):
        return BadInput(
            f"The state in {submitted.resumed_from} does not fit the job {job} any more ({cause}).",
            f"To begin without it: labkit up, then labkit submit {job} --fresh",
        )
    return LabkitError(f"The job {job} did not start: {cause}.", "Look at: labkit logs taskmanager")


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
