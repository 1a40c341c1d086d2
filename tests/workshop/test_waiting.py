"""Waiting ends when the thing is there, and says what was waited for when it is not."""

from __future__ import annotations

import pytest

from labkit.errors import LabkitError
from labkit.workshop.waiting import cause, wait_until

JAVA = """\
org.apache.flink.util.FlinkRuntimeException: Global failure
\tat org.apache.flink.runtime.source.Coordinator.lambda(Coordinator.java:12)
Caused by: java.lang.RuntimeException: Failed to get metadata for topics [a].
\tat org.apache.flink.connector.kafka.Metadata.get(Metadata.java:47)
Caused by: UnknownTopicOrPartitionException: This server does not host this topic-partition.
"""
PYTHON = """\
java.lang.RuntimeException: Error received from SDK harness for instruction 1: Traceback (most recent call last):
  File "sdk_worker.py", line 311, in _execute
    response = task()
  File "cell.py", line 3, in pair
ValueError: no number: 'x'

\tat org.apache.beam.runners.Client.poll(Client.java:84)
Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 1
"""


def test_the_answer_is_the_first_true_one() -> None:
    answers = iter([0, "", None, 7, 8])
    assert wait_until(lambda: next(answers), "A number has come") == 7


def test_what_does_not_come_is_named() -> None:
    with pytest.raises(LabkitError, match=r"A number has come: not within 0 s\."):
        wait_until(lambda: 0, "A number has come", within_s=0)


def test_what_was_seen_last_is_told_and_what_to_type() -> None:
    seen: list[int] = []
    with pytest.raises(LabkitError) as caught:
        wait_until(
            lambda: seen.append(len(seen)), "Seven have come", within_s=0.05, poll_s=0.01,
            seen=lambda: f"{len(seen)} have", todo="Type: labkit status",
        )  # fmt: skip
    assert caught.value.what == f"Seven have come: not within 0.05 s; {len(seen)} have."
    assert caught.value.todo == "Type: labkit status"
    assert len(seen) > 1


def test_an_error_of_the_condition_ends_the_waiting_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, "It is done", within_s=60)


def test_the_cause_of_a_java_failure_is_the_last_one() -> None:
    assert cause(JAVA) == "UnknownTopicOrPartitionException: This server does not host this topic-partition."


def test_the_cause_of_a_python_failure_is_the_last_line_of_its_traceback() -> None:
    assert cause(PYTHON) == "ValueError: no number: 'x'"


def test_a_trace_without_causes_is_its_first_line_and_none_is_said_to_be_none() -> None:
    assert cause("NoResourceAvailableException: none\n\tat a.b(c.java:1)") == "NoResourceAvailableException: none"
    assert cause("") == "no reason given"
