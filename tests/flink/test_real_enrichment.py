"""Where the enrichment runs, and what it has loaded: inside the JVM or in processes, its state, new code."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from labkit.errors import BadInput, LabkitError
from labkit.flink import enrichment, environment
from labkit.flink.environment import newest_state
from labkit.flink.rest import FlinkRest
from labkit.flink.stale_code import changed_since
from labkit.jobs.failure import JobFails, why_failing
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.avro import MAX_SNAPSHOT_BYTES
from labkit.kafka.producer import produce
from labkit.lab import services
from labkit.lab.supervisor import control
from labkit.pipeline.run import run
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from tests.support.feeds import hosts, shares_by_pandas
from tests.support.labs import Labkit
from tests.support.pipelines import finish, idle, rows_of, workers
from tests.support.records import count_letters, new_letters, send_raw, v1
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def own(lab: Settings) -> Settings:
    """Topics, rows and jobs of its own, on the services that are up."""
    return idle(load_settings(suffix="_engine"))


def test_more_bytes_in_a_row_than_there_is_memory_for_are_taken(own: Settings) -> None:
    """The TaskManager has about 180 MB for what is on its way to Python and back, and as much again for the rest."""
    known = count_letters(own)
    too_large = bytes(2 * MAX_SNAPSHOT_BYTES)
    large = hosts(["large"], 6, seed=9, cpus=8000)
    records: list[tuple[bytes | None, bytes | None]] = []
    for snapshot in large:
        records += [(b"large", v1(own, snapshot)), *[(b"large", too_large)] * 20]
    send_raw(own, records)
    submit(own, *JOBS)
    finish(own)
    assert [letter.value == too_large for letter in new_letters(own, known)] == [True] * 20 * len(large)
    pd.testing.assert_frame_equal(rows_of(own, {"large"}), shares_by_pandas(large))


@pytest.mark.parametrize("place", ["jvm", "processes"])
def test_python_runs_inside_the_jvm_or_without_a_shared_library_in_processes_and_goes_on_from_its_state(
    lab: Settings, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = idle(load_settings(suffix=f"_in_{place}"))
    if place == "processes":
        monkeypatch.setattr("labkit.flink.enrichment.find_libpython", lambda: None)
    feed = hosts(["goes-on"], 4, seed=10)
    for snapshots in (feed[:2], feed[2:]):
        submit(own, *JOBS)
        assert len(workers(own)) == (own.enrichment_parallelism if place == "processes" else 0)
        produce(own.flow, snapshots)
        finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"goes-on"}), shares_by_pandas(feed))


def test_metrics_are_found_by_a_part_of_their_name_and_stand_behind_their_vertex(lab: Settings) -> None:
    own = idle(load_settings(suffix="_named"))
    (job,) = submit(own, ENRICHMENT)
    rest = FlinkRest(own.flink_url)
    names = {str(vertex["name"]) for vertex in rest.job(job.job_id)["vertices"]}
    wait_for(lambda: len(rest.metrics(job.job_id, r"^0\.numRecordsIn$")) == len(names))
    found = rest.metrics(job.job_id, r"^0\.numRecords(In|Out)$")
    assert set(found) == {f"{name}: 0.numRecords{way}" for name in names for way in ("In", "Out")}
    assert all(value >= 0 for value in found.values())
    assert rest.metrics(job.job_id, "of no metric") == {}
    stop_with_savepoint(own, ENRICHMENT)


def test_state_of_the_other_mode_is_refused(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyFlink itself would begin without it, and say nothing."""
    state = newest_state(own.cluster, own.job_name(ENRICHMENT))
    assert state
    with monkeypatch.context() as patch:
        patch.setattr("labkit.flink.enrichment.find_libpython", lambda: None)
        with pytest.raises(BadInput, match="does not fit the job enrichment any more"):
            submit(own, ENRICHMENT)
    assert newest_state(own.cluster, own.job_name(ENRICHMENT)) == state


def test_state_that_is_out_of_reach_is_not_said_to_be_another_jobs(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = own.savepoints_dir / own.job_name(ENRICHMENT) / "savepoint-gone"
    monkeypatch.setattr(environment, "newest_state", lambda *_: gone)
    with pytest.raises(LabkitError, match=f"did not start from {gone}: FileNotFoundException: Cannot find") as refused:
        submit(own, ENRICHMENT)
    assert "--fresh" not in str(refused.value)


#: What every command says of a job that fails; the innermost line of ours is in this file.
CAUSE = r"ValueError: no such column: idle \(tests/flink/test_real_enrichment\.py, line \d+\)"
CAUSE_IN = re.compile(CAUSE)
ENRICH = enrichment.Enrich


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the enrichment is submitted with code that fails at its first record.

    The class is one of a function: it goes to the worker as it is, in no module that is imported there.
    """

    class Fails(enrichment.Enrich):
        def process_element(self, value, ctx):
            raise ValueError("no such column: idle.")
            yield

    monkeypatch.setattr(enrichment, "Enrich", Fails)


@pytest.mark.parametrize("place", ["jvm", "processes"])
@pytest.mark.usefixtures("failing")
def test_a_job_whose_code_fails_says_so_in_every_command_that_meets_it_and_can_be_stopped(
    lab: Settings, place: str, labkit: Labkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = idle(load_settings(suffix=f"_fails_in_{place}"))
    if place == "processes":
        monkeypatch.setattr(enrichment, "find_libpython", lambda: None)
    job = own.job_name(ENRICHMENT)
    submit(own, ENRICHMENT)
    feed = hosts(["fails"], 3, seed=13)
    produce(own.flow, feed)
    rest = FlinkRest(own.flink_url)
    wait_for(lambda: (running := rest.running(job)) is not None and why_failing(rest, running) is not None)
    for command in ("status", "doctor"):
        told = labkit(command)
        assert told.returncode == 1, told.stdout
        (line,) = (line for line in told.stdout.splitlines() if CAUSE_IN.search(line))
        assert f"The job {job} fails and is started again: ValueError" in line
        assert re.search(r"The whole trace: labkit logs taskmanager, or http://\S+/exceptions", told.stdout)
    for words in (["ledger"], ["watch", "--seconds", "12"]):
        told = labkit(*words, LABKIT_SUFFIX=own.suffix)
        assert CAUSE_IN.search(told.stderr), told
    with pytest.raises(JobFails, match=CAUSE):
        drain_and_stop(own, ENRICHMENT)
    for command, status in (("submit", 2), ("stop", 0)):
        told = labkit(command, ENRICHMENT, LABKIT_SUFFIX=own.suffix)
        (line,) = (told.stdout + told.stderr).splitlines()
        assert told.returncode == status, line
        assert CAUSE_IN.search(line)
        assert ".." not in line
    assert "without a savepoint" in line
    assert rest.running(job) is None
    monkeypatch.setattr(enrichment, "Enrich", ENRICH)
    submit(own, *JOBS)
    finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"fails"}), shares_by_pandas(feed))


@pytest.mark.usefixtures("failing")
def test_a_run_whose_job_fails_ends_with_the_cause_long_before_its_time(lab: Settings) -> None:
    own = idle(load_settings(suffix="_fails_in_run"))
    begin = time.monotonic()
    with pytest.raises(JobFails, match=CAUSE):
        for _ in run(own, 600):
            pass
    assert time.monotonic() - begin < 120, "it does not go on for its 600 s"
    assert not any(FlinkRest(own.flink_url).running(own.job_name(job)) for job in JOBS)


def test_a_job_that_waits_for_the_registry_inside_the_jvm_can_be_stopped_and_takes_nothing_with_it(
    own: Settings,
) -> None:
    """Flink interrupts a task that is to end, and kills a TaskManager whose task does not end."""
    waiting = hosts(["waits"], 4, seed=11)
    produce(own.flow, waiting)
    (before,) = control.processes(own)["taskmanager"]
    services.stop_one(own, "registry")
    try:
        submit(own, *JOBS)
        rest = FlinkRest(own.flink_url)
        job = rest.running(own.job_name(ENRICHMENT))
        assert job
        wait_for(lambda: is_blocked(rest, job.id), 60)
        rest.cancel(job.id)
        wait_for(lambda: rest.state(job.id) == "CANCELED", 30)
        stop_with_savepoint(own, PARQUET)
    finally:
        services.up(own)
    (after,) = control.processes(own)["taskmanager"]
    assert after.pid == before.pid
    submit(own, *JOBS)
    finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"waits"}), shares_by_pandas(waiting))


def is_blocked(rest: FlinkRest, job_id: str) -> bool:
    """Whether a checkpoint of the job has waited for seconds: its barrier is behind the batch that waits."""
    long_ago = (time.time() - 3) * 1000
    return any(
        one["status"] == "IN_PROGRESS" and one["trigger_timestamp"] < long_ago
        for one in rest.checkpoints(job_id)["history"]
    )


@pytest.fixture
def newer() -> Iterator[Path]:
    """A file of labkit that is younger than the TaskManager; at the end it is as old as it was."""
    file = REPOSITORY / "labkit" / "streams" / "__init__.py"
    was = file.stat()
    os.utime(file)
    yield file
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def test_new_code_is_taken_with_the_next_submit_unless_a_job_runs_on_the_old(
    own: Settings, newer: Path, labkit: Labkit
) -> None:
    """The TaskManager's JVM loads a module of Python once."""
    here = {"LABKIT_SUFFIX": own.suffix}
    (before,) = control.processes(own)["taskmanager"]
    submit(own, PARQUET)
    refused = labkit("submit", ENRICHMENT, **here)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert "labkit/streams/__init__.py was changed after the TaskManager had started" in refused.stderr
    assert "labkit stop parquet, then the same again" in refused.stderr
    stop_with_savepoint(own, PARQUET)
    done = labkit("submit", *JOBS, **here)
    assert done.returncode == 0, done.stderr
    assert "the TaskManager has been started anew" in done.stdout
    (after,) = control.processes(own)["taskmanager"]
    assert after.pid != before.pid
    feed = hosts(["with-new-code"], 3, seed=12)
    produce(own.flow, feed)
    finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"with-new-code"}), shares_by_pandas(feed))


def test_which_file_is_younger_is_told_by_its_name(tmp_path: Path) -> None:
    package = tmp_path / "labkit"
    (package / "flink").mkdir(parents=True)
    old, new = package / "settings.py", package / "flink" / "enrichment.py"
    for file in (old, new):
        file.touch()
        os.utime(file, (1_000, 1_000))
    assert changed_since(2_000, package) is None
    os.utime(new, (3_000, 3_000))
    assert changed_since(2_000, package) == Path("labkit/flink/enrichment.py")
