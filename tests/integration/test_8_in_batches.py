"""The enrichment in batches keeps what the one by record promises: corrupt records, kills, stops. More cases of it are
in test_9_semantics.py, and in tests/unit/test_fast.py."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from labkit.avro_codec import MAX_SNAPSHOT_BYTES
from labkit.flink.names import ENRICHMENT, JOBS
from labkit.flink.session import newest_state
from labkit.ops import jobs
from labkit.ops.flink_rest import FlinkRest
from labkit.producer import produce
from labkit.settings import Settings, load_settings
from tests.conftest import Labkit
from tests.integration.feeds import hosts, shares_by_pandas
from tests.integration.pipelines import finish, idle
from tests.integration.test_4_pipeline import kill_a_taskmanager_under_load, rows_of
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
    assert len(refused.stderr.splitlines()) == 1
    assert FlinkRest(in_batches.flink_url).running(job) is None
    assert newest_state(in_batches, job) == state
    jobs.submit(in_batches, *JOBS)
    produce(in_batches, hosts(["after-the-refusal"], 3, seed=8))
    finish(in_batches)
