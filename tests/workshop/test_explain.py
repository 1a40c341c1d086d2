"""How a trace becomes a sentence; that each kind is provoked by a real service is in test_real_explain.py."""

from __future__ import annotations

import re
import string

import pytest

from labkit.errors import BadInput
from labkit.workshop.check import NotSolved
from labkit.workshop.explain import KINDS, Explanation, Kind, explained


def test_an_error_of_labkit_is_its_own_sentence() -> None:
    assert explained(BadInput("Port 80 is taken.", "Stop it.")) == Explanation("Port 80 is taken.", "Stop it.")
    told = explained(NotSolved("06a"))
    assert told is not None
    assert "Exercise 06a is not solved yet" in str(told)


def test_an_error_that_nobody_knows_has_no_explanation() -> None:
    assert explained(ValueError("three is not two")) is None
    assert explained("") is None


def test_text_and_exception_give_the_same_explanation() -> None:
    try:
        nobody_made_this  # noqa: B018
    except NameError as error:
        told = explained(error)
    assert told is not None
    assert told.what.startswith("There is no nobody_made_this in this kernel")
    assert told == explained("Traceback (most recent call last):\nNameError: name 'nobody_made_this' is not defined")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_is_one_sentence_and_something_to_do_and_has_every_word_it_needs(kind: Kind) -> None:
    pattern = re.compile(kind.pattern)
    words = {*pattern.groupindex, *kind.see("")}
    for text in (kind.what, kind.todo):
        assert re.search(r"\.({known})?$", text)
        assert {name for _, name, _, _ in string.Formatter().parse(text) if name} <= words


def test_the_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_what_a_trace_says_is_not_taken_for_a_template() -> None:
    told = explained("py4j.protocol.Py4JJavaError\nCaused by: java.lang.IllegalStateException: {surprise} {0}")
    assert told is not None
    assert told.what == "Flink says: IllegalStateException: {surprise} {0}."
    assert told.todo == "If that is not enough: labkit logs taskmanager."


def test_a_function_that_fails_inside_the_jvm_is_explained_as_one_in_a_process_is() -> None:
    raised = "Caused by: pemja.core.PythonException: <class {}\n\tat /tmp/ipykernel_7/1.share(1.py:3)\n".format
    told = explained(raised("'ZeroDivisionError'>: division by zero"))
    assert told is not None
    assert told.what == (
        "Your function raised ZeroDivisionError: division by zero in a Python worker of Flink, "
        "in share, line 3 of its cell."
    )
    told = explained(raised("'ModuleNotFoundError'>: No module named 'only_here'"))
    assert told is not None
    assert told.what.startswith("A Python worker of Flink cannot import only_here")


@pytest.mark.parametrize(("trace", "what"), [
    (
        "py4j.protocol.Py4JJavaError: An error occurred while calling o8.executeSql.\n"
        ": org.apache.flink.table.api.ValidationException: SQL validation failed. From line 1\n"
        "\tat org.apache.flink.table.planner.calcite.FlinkPlannerImpl.validate(FlinkPlannerImpl.scala:200)\n"
        "Caused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'cpus' not found in any table\n",
        "Flink says: SqlValidatorException: Column 'cpus' not found in any table.",
    ),
    (
        "py4j.protocol.Py4JJavaError: An error occurred while calling o8.attachAsDataStream.\n"
        ": org.apache.flink.table.api.ValidationException: Column types of query result and sink do not match.\n"
        "Cause: Incompatible types for sink column 'partition' at position 0.\n\n"
        "Query schema: [partition: BIGINT, records: BIGINT]\nSink schema:  [partition: INT, records: BIGINT]\n"
        "\tat org.apache.flink.table.planner.connectors.DynamicSinkUtils.x(DynamicSinkUtils.java:1)\n",
        "Flink says: ValidationException: Column types of query result and sink do not match. "
        "Query schema: [partition: BIGINT, records: BIGINT]. Sink schema: [partition: INT, records: BIGINT].",
    ),
])  # fmt: skip
def test_what_the_planner_refused_is_one_line_and_no_log_is_named(trace: str, what: str) -> None:
    told = explained(trace)
    assert told is not None
    assert told.what == what
    assert "labkit logs" not in told.todo
    assert "before there was a job" in told.todo
