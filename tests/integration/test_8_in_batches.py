"""The enrichment in batches keeps what the one by record promises: corrupt records, kills, stops. More cases of it are
in test_9_semantics.py, and in tests/unit/test_fast.py."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from labkit.avro_codec import MAX_SNAPSHOT_BYTES
from labkit.errors import BadInput
from labkit.flink.names import ENRICHMENT, JOBS, PARQUET
from labkit.flink.session import newest_state
from labkit.ops import control, jobs, loaded, services
from labkit.ops.flink_rest import FlinkRest
from labkit.producer import produce
from labkit.settings import Settings, load_settings
from tests.conftest import Labkit
from tests.integration.feeds import hosts, shares_by_pandas
from tests.integration.pipelines import finish, idle
from tests.integration.test_1_services import wait_for
from tests.integration.test_4_pipeline import kill_a_taskmanager_under_load, rows_of, workers
from tests.integration.test_7_dead_letters import (
    count_letters,
    every_kind_beside_sound_ones,
    new_letters,
    send_raw,
    v1,
)


@pytest.fixture(scope="module")
def in_batches(lab: Settings) -> Settings:
    """Topics, rows and jobs of its own, on the services that are up."""
    return idle(load_settings(suffix="_in_batches", enrichment_in_batches=True))


@pytest.fixture
def at_work(in_batches: Settings) -> Iterator[Settings]:
    """Both jobs at work; a test that passes has ended them with `finish`."""
    jobs.submit(in_batches, *JOBS)
    yield in_batches
    for job in JOBS:
        jobs.stop_with_savepoint(in_batches, job)


def test_every_kind_of_corrupt_record_is_a_letter_and_the_others_are_enriched(at_work: Settings) -> None:
    every_kind_beside_sound_ones(at_work)


def test_a_taskmanager_killed_under_load_loses_nothing_and_doubles_nothing(at_work: Settings) -> None:
    kill_a_taskmanager_under_load(at_work)


def test_more_bytes_in_a_row_than_there_is_memory_for_are_taken(in_batches: Settings) -> None:
    """The TaskManager has about 180 MB for what is on its way to Python and back, and as much again for the rest."""
    known = count_letters(in_batches)
    too_large = bytes(2 * MAX_SNAPSHOT_BYTES)
    large = hosts(["large"], 6, seed=9, cpus=8000)
    records: list[tuple[bytes | None, bytes | None]] = []
    for snapshot in large:
        records += [(b"large", v1(in_batches, snapshot)), *[(b"large", too_large)] * 20]
    send_raw(in_batches, records)
    jobs.submit(in_batches, *JOBS)
    finish(in_batches)
    assert [letter.value == too_large for letter in new_letters(in_batches, known)] == [True] * 20 * len(large)
    pd.testing.assert_frame_equal(rows_of(in_batches, {"large"}), shares_by_pandas(large))


@pytest.mark.parametrize("place", ["jvm", "processes"])
def test_python_runs_inside_the_jvm_or_without_a_shared_library_in_processes_and_goes_on_from_its_state(
    lab: Settings, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = idle(load_settings(suffix=f"_in_{place}", enrichment_in_batches=True))
    if place == "processes":
        monkeypatch.setattr("labkit.fast.job.find_libpython", lambda: None)
    feed = hosts(["goes-on"], 4, seed=10)
    for snapshots in (feed[:2], feed[2:]):
        jobs.submit(own, *JOBS)
        assert len(workers(own)) == (own.enrichment_parallelism if place == "processes" else 0)
        produce(own, snapshots)
        finish(own)
    pd.testing.assert_frame_equal(rows_of(own, {"goes-on"}), shares_by_pandas(feed))


def test_state_of_the_other_mode_is_refused(in_batches: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyFlink itself would begin without it, and say nothing."""
    state = newest_state(in_batches, in_batches.job_name(ENRICHMENT))
    assert state
    with monkeypatch.context() as patch:
        patch.setattr("labkit.fast.job.find_libpython", lambda: None)
        with pytest.raises(BadInput, match="does not fit the job enrichment any more"):
            jobs.submit(in_batches, ENRICHMENT)
    assert newest_state(in_batches, in_batches.job_name(ENRICHMENT)) == state


def test_a_job_that_waits_for_the_registry_inside_the_jvm_can_be_stopped_and_takes_nothing_with_it(
    in_batches: Settings,
) -> None:
    """Flink interrupts a task that is to end, and kills a TaskManager whose task does not end."""
    waiting = hosts(["waits"], 4, seed=11)
    produce(in_batches, waiting)
    (before,) = control.processes(in_batches)["taskmanager"]
    services.stop_one(in_batches, "registry")
    try:
        jobs.submit(in_batches, *JOBS)
        rest = FlinkRest(in_batches.flink_url)
        job = rest.running(in_batches.job_name(ENRICHMENT))
        assert job
        wait_for(lambda: is_blocked(rest, job.id), 60)
        rest.cancel(job.id)
        wait_for(lambda: rest.state(job.id) == "CANCELED", 30)
        jobs.stop_with_savepoint(in_batches, PARQUET)
    finally:
        services.up(in_batches)
    (after,) = control.processes(in_batches)["taskmanager"]
    assert after.pid == before.pid
    jobs.submit(in_batches, *JOBS)
    finish(in_batches)
    pd.testing.assert_frame_equal(rows_of(in_batches, {"waits"}), shares_by_pandas(waiting))


def is_blocked(rest: FlinkRest, job_id: str) -> bool:
    """Whether a checkpoint of the job has waited for seconds: its barrier is behind the pack that waits."""
    long_ago = (time.time() - 3) * 1000
    return any(
        one["status"] == "IN_PROGRESS" and one["trigger_timestamp"] < long_ago
        for one in rest.checkpoints(job_id)["history"]
    )


def test_code_that_the_taskmanager_has_not_loaded_is_not_submitted(in_batches: Settings, tmp_path: Path) -> None:
    (taskmanager,) = control.processes(in_batches)["taskmanager"]
    started = psutil.Process(taskmanager.pid).create_time()
    loaded.require_code_as_loaded(in_batches)
    package = tmp_path / "labkit"
    (package / "fast").mkdir(parents=True)
    for file, age in ((package / "metrics.py", -60), (package / "fast" / "job.py", -60)):
        file.touch()
        os.utime(file, (started + age, started + age))
    assert loaded.changed_since(started, package) is None
    os.utime(package / "fast" / "job.py", (started + 60, started + 60))
    assert loaded.changed_since(started, package) == Path("labkit/fast/job.py")


def test_state_of_the_other_way_is_refused_in_one_sentence_and_nothing_is_lost(
    in_batches: Settings, labkit: Labkit
) -> None:
    here = {"LABKIT_SUFFIX": in_batches.suffix}
    job = in_batches.job_name(ENRICHMENT)
    state = newest_state(in_batches, job)
    assert state
    refused = labkit("submit", ENRICHMENT, **here, LABKIT_ENRICHMENT_IN_BATCHES="false")
    assert refused.returncode == 2, refused.stderr
    assert "does not fit the job enrichment any more" in refused.stderr
    assert "was enrichment_in_batches changed?" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert FlinkRest(in_batches.flink_url).running(job) is None
    assert newest_state(in_batches, job) == state
    jobs.submit(in_batches, *JOBS)
    produce(in_batches, hosts(["after-the-refusal"], 3, seed=8))
    finish(in_batches)
