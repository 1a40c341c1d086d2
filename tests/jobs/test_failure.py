"""What is said of a job that did not start, and of one that was stopped; on traces that Flink wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.root_cause import RootCause
from labkit.jobs.failure import job_failure
from labkit.jobs.stop import Stopped
from labkit.settings import REPOSITORY, load_settings

STATE = Path("/lab/.lab/flink/savepoints/enrichment/savepoint-1")


def said_of(name: str, job_id: str = "", resumed_from: Path | None = STATE) -> LabkitError:
    trace = (REPOSITORY / "tests" / "fixtures" / "flink_traces" / f"{name}.txt").read_text()
    return job_failure(load_settings(flink_port=8081), Submitted("enrichment", job_id, resumed_from), trace)


@pytest.mark.parametrize("name", ["state_of_the_other_mode", "state_of_another_max_parallelism"])
def test_where_flink_says_that_state_does_not_fit_there_is_a_way_to_begin_without_it(name: str) -> None:
    error = said_of(name)
    assert isinstance(error, BadInput)
    assert error.what.startswith(f"The state in {STATE} does not fit the job enrichment any more (IllegalState")
    assert error.todo.endswith("labkit submit enrichment --fresh")


@pytest.mark.parametrize("name", ["savepoint_out_of_reach", "savepoint_that_is_none", "savepoint_cut_off"])
def test_where_it_cannot_be_read_the_cause_is_said_and_nobody_is_told_to_empty_the_output(name: str) -> None:
    error = said_of(name)
    assert not isinstance(error, BadInput)
    assert error.what.startswith(f"The job enrichment did not start from {STATE}: ")
    assert not error.what.endswith("..")
    assert error.todo == "The whole trace: labkit logs jobmanager"


@pytest.mark.parametrize("resumed_from", [STATE, None])
def test_code_that_fails_is_named_with_file_and_line_and_where_the_whole_trace_is(resumed_from: Path | None) -> None:
    error = said_of("in_process_without_a_message", "0ab1", resumed_from)
    assert "AssertionError (/lab/work/own_job.py, line 14)." in error.what
    assert "does not fit" not in error.what
    assert error.todo == (
        "The whole trace: labkit logs taskmanager, or http://127.0.0.1:8081/#/job/completed/0ab1/exceptions"
    )


def test_a_job_that_gave_no_savepoint_says_why_and_where_it_goes_on() -> None:
    cause = RootCause("KeyError: 'a'")
    assert str(Stopped("parquet", STATE, None, STATE)) == f"stopped parquet: savepoint {STATE}"
    assert str(Stopped("parquet", None, cause, STATE, "More.")) == (
        f"stopped parquet without a savepoint, because it fails: KeyError: 'a'; it goes on from {STATE}. More."
    )
    assert str(Stopped("parquet", None, None, None)) == (
        "stopped parquet without a savepoint, because it was not running yet; it goes on from the start of its topic."
    )
