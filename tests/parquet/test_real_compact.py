"""`labkit compact` on files that Flink wrote: same rows, same types, and the pipeline goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow.parquet as pq
import pytest

from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.lab.account import measure
from labkit.parquet.compact import compact, work_folder
from labkit.parquet.read import parquet_files, read_metrics
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.streams.procstat.snapshot import Snapshot
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.pipelines import balanced_account, finish, idle
from tests.support.waiting import wait_for

#: 2025-10-01T00:00:00Z, a date that no other test writes.
BEGIN_MS = 1_759_276_800_000
DATE = "2025-10-01"


@pytest.fixture(scope="module")
def prepared(lab: Settings) -> Iterator[Settings]:
    """The lab, with topics and schema there and, before and after, no job at work."""
    yield idle(lab)
    for job in JOBS:
        stop_with_savepoint(lab, job)


def through(settings: Settings, feed: list[Snapshot]) -> None:
    """Both jobs read `feed`, and are stopped in order."""
    submit(settings, *JOBS)
    produce(settings.flow, feed)
    for job in JOBS:
        drain_and_stop(settings, job)


def test_files_of_flink_are_merged_and_everybody_still_agrees(prepared: Settings, labkit: Labkit) -> None:
    feed = hosts(["many-2", "many-1"], 40, seed=31, start_ms=BEGIN_MS, cpus=12)
    folder = prepared.parquet_dir / f"date={DATE}"
    through(prepared, feed[:40])
    through(prepared, feed[40:])
    before, schema = read_metrics(folder), pq.ParquetFile(parquet_files(folder)[0]).schema
    assert len(parquet_files(folder)) >= 2
    done = labkit("compact", DATE)
    assert done.returncode == 0, done.stderr
    (file,) = parquet_files(folder)
    assert pq.ParquetFile(file).schema.equals(schema)
    pd.testing.assert_frame_equal(read_metrics(folder), before)
    assert f"-> 1, {len(before)} rows" in done.stdout
    assert measure(prepared).balances
    assert labkit("compact", DATE).stdout == "There is nothing to merge.\n"


def test_a_date_that_the_job_writes_is_left_alone_and_the_job_goes_on_in_a_merged_one(
    prepared: Settings, labkit: Labkit
) -> None:
    folder = prepared.parquet_dir / f"date={DATE}"
    feed = hosts(["compacted-late"], 40, seed=32, start_ms=BEGIN_MS + 3_600_000)
    through(prepared, feed[:20])  # beside the merged file of before
    submit(prepared, ENRICHMENT)
    # No checkpoint while the test looks: the file in the making stays one until the job is stopped.
    submit(prepared.model_copy(update={"checkpoint_interval_s": 600}), PARQUET)
    produce(prepared.flow, feed[20:])
    wait_for(lambda: any(path.name[0] == "." for path in folder.iterdir()))
    before = parquet_files(folder)
    (result,) = compact(prepared.rows, DATE)
    assert "the Parquet job writes it now" in result.left_alone
    assert parquet_files(folder) == before
    finish(prepared)
    compact(prepared.rows, DATE)
    assert len(parquet_files(folder)) == 1
    balanced_account(prepared)
    assert not work_folder(prepared.rows).exists()
