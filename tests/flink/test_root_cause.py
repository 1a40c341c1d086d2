"""What a trace of Flink's comes down to, on traces that Flink wrote; see fixtures/flink_traces/SOURCES.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.flink.root_cause import Frame, RootCause, root_cause
from labkit.settings import REPOSITORY

TRACES = REPOSITORY / "tests" / "fixtures" / "flink_traces"
LAB = Path("/lab")


def cause_in(name: str) -> RootCause:
    return root_cause((TRACES / f"{name}.txt").read_text(), LAB)


@pytest.mark.parametrize(("name", "said"), [
    ("enrichment_in_jvm",
     "ValueError: no such column: idle. (a test) (labkit/streams/procstat/intervals.py, line 48)"),
    ("in_jvm_message_of_three_lines", "ValueError: first line (work/own_job.py, line 13)"),
    ("in_jvm_without_a_message", "AssertionError (work/own_job.py, line 14)"),
    ("in_jvm_raised_in_the_standard_library",
     "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) "
     "(work/own_job.py, line 23)"),
    ("in_jvm_without_a_module", "ModuleNotFoundError: No module named 'no_such_module' (work/own_job.py, line 32)"),
    ("in_process",
     "ProcStatError: /proc/stat line 1, column 5: the text ends in the middle of a line "
     "(labkit/streams/procstat/snapshot.py, line 90)"),
    ("in_process_one_after_another", "KeyError: 'missing' (work/own_job.py, line 21)"),
    ("in_process_without_a_message", "AssertionError (work/own_job.py, line 14)"),
    ("in_process_message_of_three_lines", "ValueError: first line (work/own_job.py, line 13)"),
])  # fmt: skip
def test_where_python_failed_it_is_the_exception_and_the_innermost_line_of_ours(name: str, said: str) -> None:
    found = cause_in(name)
    assert str(found) == said
    assert found.is_python
    assert not found.state_does_not_fit


@pytest.mark.parametrize(("name", "said"), [
    ("java_only", "ClassCastException: class java.lang.String cannot be cast to class java.lang.Long "),
    ("savepoint_out_of_reach", "FileNotFoundException: Cannot find checkpoint or savepoint file/directory 'file:///lab/"),
    ("savepoint_that_is_none", "IOException: Unexpected magic number."),
    ("savepoint_cut_off", "EOFException"),
    ("state_of_the_other_mode", "IllegalStateException: Failed to rollback to checkpoint/savepoint file:/lab/"),
    ("state_of_another_max_parallelism", "IllegalStateException: Failed to rollback to checkpoint/savepoint "),
])  # fmt: skip
def test_else_it_is_the_last_cause_in_one_line_without_a_full_stop(name: str, said: str) -> None:
    found = cause_in(name)
    assert found.cause.startswith(said)
    assert not found.cause.endswith(".")
    assert "\n" not in found.cause
    assert len(found.cause) <= 300
    assert (found.frame, found.is_python) == (None, False)


@pytest.mark.parametrize("file", sorted(TRACES.glob("*.txt")), ids=lambda file: file.stem)
def test_state_does_not_fit_only_where_flink_says_so_not_wherever_a_savepoint_is_named(file: Path) -> None:
    assert cause_in(file.stem).state_does_not_fit is file.stem.startswith("state_of_")


#: In flink-dist-2.3.0.jar; what Python keeps is bytes to Flink, so that the lab's own jobs do not come to them.
@pytest.mark.parametrize("said", [
    "org.apache.flink.util.StateMigrationException: The new state serializer (a) must not be incompatible with "
    "the old state serializer (b).",
    "java.lang.IllegalStateException: There is no operator for the state 8a9b",
    "java.lang.RuntimeException: The new key serializer (a) must be compatible with the previous key serializer (b).",
])  # fmt: skip
def test_these_words_of_flink_say_too_that_state_does_not_fit(said: str) -> None:
    assert root_cause(
        f"java.lang.Exception: Exception while creating\n\tat a.b(c.java:1)\nCaused by: {said}\n"
    ).state_does_not_fit


def test_a_python_error_that_speaks_of_state_is_no_state_that_does_not_fit() -> None:
    trace = "Caused by: pemja.core.PythonException: <class 'ValueError'>: There is no operator for the state\n"
    assert not root_cause(trace).state_does_not_fit


def test_exceptions_that_only_hold_another_are_left_out() -> None:
    refused = (
        "java.util.concurrent.CompletionException: org.apache.flink.runtime.checkpoint.CheckpointException: "
        "Aborting checkpoint. Failure reason: Not all required tasks are currently running."
    )
    assert str(root_cause(refused)) == (
        "CheckpointException: Aborting checkpoint. Failure reason: Not all required tasks are currently running"
    )


def test_of_what_a_client_raised_it_is_flinks_part_or_else_its_own_line() -> None:
    java = (
        'Traceback (most recent call last):\n  File "/lab/labkit/cli/main.py", line 3, in main\n    build()\n'
        "py4j.protocol.Py4JJavaError: An error occurred while calling o8.executeSql.\n"
        ": org.apache.flink.table.api.ValidationException: SQL validation failed.\n\tat a.b(c.java:1)\n"
    )
    assert str(root_cause(java)) == "ValidationException: SQL validation failed"
    python = (
        'Traceback (most recent call last):\n  File "/lab/labkit/flink/enrichment.py", line 119, in build\n'
        '    mode, options = None\n  File "/lab/.venv/lib/python3.11/site-packages/pyflink/table.py", line 3, in x\n'
        "TypeError: cannot unpack non-iterable NoneType object\n"
    )
    found = root_cause(python, LAB)
    assert str(found) == (
        "TypeError: cannot unpack non-iterable NoneType object (labkit/flink/enrichment.py, line 119)"
    )
    assert found.frame == Frame("labkit/flink/enrichment.py", 119, "build", "mode, options = None")


def test_a_line_of_a_cell_is_named_by_its_function() -> None:
    trace = (
        "Caused by: pemja.core.PythonException: <class 'ZeroDivisionError'>: division by zero\n"
        "\tat /tmp/ipykernel_4711/1234567.share(1234567.py:3)\n"
    )
    assert str(root_cause(trace)) == "ZeroDivisionError: division by zero (share, line 3 of its cell)"


def test_a_repository_below_a_folder_of_pythons_name_is_still_ours() -> None:
    trace = (
        "pemja.core.PythonException: <class 'KeyError'>: ('a',)\n\tat /srv/lib/python3/my lab (2)/labkit/a.b(a.py:7)\n"
    )
    found = root_cause(trace, Path("/srv/lib/python3/my lab (2)"))
    assert found.frame == Frame("labkit/a.py", 7, "b")


def test_what_comes_from_a_record_cannot_steer_a_terminal_nor_fill_it() -> None:
    assert root_cause("Caused by: a.B: \x1b[31mred").cause == "B: �[31mred"
    long = root_cause(f"Caused by: java.io.IOException: {'x' * 5000}").cause
    assert (len(long), long[-1]) == (300, "…")


def test_none_is_said_to_be_none() -> None:
    assert str(root_cause("")) == "no reason given"
