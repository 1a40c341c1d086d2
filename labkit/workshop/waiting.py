"""Waiting for a thing that is on its way, never for a time.

records = wait_for_records(settings, "procstat_counts_nb04", 601)      601 committed records, or a sentence why not
"""

from __future__ import annotations

from confluent_kafka import Message

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.flink.root_cause import root_cause
from labkit.kafka.consumer import read_topic
from labkit.settings import Settings
from labkit.system.waiting import WITHIN_S, wait_until

__all__ = ["WITHIN_S", "wait_for_records", "wait_for_start", "wait_until"]

_READ_AGAIN_S = 0.3


def wait_for_start(rest: FlinkRest, job_id: str, within_s: float = WITHIN_S) -> None:
    """Wait until every task of the job runs. Raises `LabkitError` where one fails, with the cause."""

    state, tasks = "", dict[str, int]()

    def runs() -> bool:
        nonlocal state, tasks
        trace = rest.root_exception(job_id)
        if trace:
            raise LabkitError(f"The job fails: {root_cause(trace)}.", "Its page has the whole trace, under Exceptions.")
        state, tasks = rest.state(job_id), rest.tasks(job_id)
        return state == "RUNNING" and set(tasks) == {"RUNNING"}

    wait_until(runs, f"Job {job_id} is running", within_s, seen=lambda: f"it is {state}, its tasks are {tasks}")


def wait_for_records(settings: Settings, topic: str, count: int, within_s: float = WITHIN_S) -> list[Message]:
    """Read `topic` again and again until it has `count` committed records; all that are there then.

    Raises `LabkitError` where that takes more than `within_s`, and says how many there were.
    """
    found: list[Message] = []

    def are_there() -> bool:
        nonlocal found
        found = list(read_topic(settings.kafka_bootstrap, topic))
        return len(found) >= count

    wait_until(
        are_there, f"{topic} has {count} committed records", within_s, _READ_AGAIN_S,
        seen=lambda: f"there are {len(found)}",
        todo="Look at the job on Flink's page: is it running, has it had a checkpoint?",
    )  # fmt: skip
    return found
