"""Partitions raised under running jobs: found within a bounded time and said meanwhile; nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions, OffsetSpec

from labkit.jobs.partitions import unread_partitions
from labkit.jobs.stop import stop_or_cancel
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.kafka.topics import DISCOVERY_S, admin_client, topic_partitions
from labkit.lab.account import measure
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS
from labkit.watch.poll import follow
from labkit.workshop.lesson import clear
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.pipelines import finish, idle
from tests.support.waiting import wait_for

SUFFIX = "_raised"
#: So many that some of them are in each new partition.
FIRST, SECOND, THIRD, FOURTH = (
    [f"{kind}{number}" for number in range(40)] for kind in ("first", "second", "third", "fourth")
)


@pytest.fixture(scope="module")
def own(lab: Settings) -> Iterator[Settings]:
    """Topics of four partitions, and no job at work; each test raises that number further."""
    own = load_settings(suffix=SUFFIX)
    clear(own)
    yield idle(own)
    clear(own)


@pytest.fixture(autouse=True)
def none_is_left(own: Settings) -> Iterator[None]:
    """No job outlives its test."""
    yield
    for job in JOBS:
        stop_or_cancel(own, job)


def raise_partitions(own: Settings, number: int, *topics: str) -> None:
    admin = admin_client(own.kafka_bootstrap)
    for outcome in admin.create_partitions([NewPartitions(topic, number) for topic in topics]).values():
        outcome.result()
    wait_for(lambda: all(topic_partitions(own.kafka_bootstrap)[topic] == number for topic in topics))


def ends(own: Settings, topic: str, numbers: range) -> list[int]:
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in numbers}
    admin = admin_client(own.kafka_bootstrap)  # held until they have answered: without it they never would
    return [answer.result().offset for answer in admin.list_offsets(asked).values()]


def test_what_a_job_does_not_read_yet_is_named(own: Settings, labkit: Labkit, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tables", "parquet_job"):
        monkeypatch.setattr(f"labkit.flink.{module}.DISCOVERY_S", 3600)
    submit(own, *JOBS)
    produce(own.flow, hosts(FIRST, 5, seed=41))
    wait_for(lambda: not measure(own).uncommitted)
    assert unread_partitions(own) == []
    raise_partitions(own, 8, own.snapshots_topic)
    produce(own.flow, hosts(SECOND, 5, seed=42))
    assert all(ends(own, own.snapshots_topic, range(4, 8)))
    named = f"The job {own.job_name(ENRICHMENT)} does not read partitions 4 to 7 of {own.snapshots_topic} yet"
    wait_for(lambda: any(what.startswith(named) for _, what, _ in unread_partitions(own)))
    status, ledger = (labkit(word, LABKIT_SUFFIX=SUFFIX) for word in ("status", "ledger"))
    assert status.returncode == ledger.returncode == 0, "what comes a little later is no fault"
    assert "in flight" in ledger.stdout
    assert named in status.stdout
    assert named in ledger.stderr


def test_more_partitions_than_the_settings_ask_for_are_fine_and_fewer_are_said(own: Settings, labkit: Labkit) -> None:
    raise_partitions(own, 8, own.metrics_topic, own.dead_letters_topic)
    made = labkit("topics", LABKIT_SUFFIX=SUFFIX)
    assert made.returncode == 0, made.stderr
    assert f"{own.snapshots_topic}: there already, 8 partitions" in made.stdout
    status = labkit("status", LABKIT_SUFFIX=SUFFIX)
    assert status.returncode == 0
    assert "partitions" not in status.stdout
    fewer = f"{own.snapshots_topic} has 8 partitions, the settings ask for at least 9"
    refused = labkit("topics", LABKIT_SUFFIX=SUFFIX, LABKIT_PARTITIONS="9")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"Topic {fewer}; nothing was changed.")
    assert fewer in labkit("status", LABKIT_SUFFIX=SUFFIX, LABKIT_PARTITIONS="9").stdout


def test_running_jobs_find_new_partitions_within_seconds_and_read_them_from_their_start(own: Settings) -> None:
    submit(own, *JOBS)
    known = measure(own).metrics.found
    raise_partitions(own, 12, own.snapshots_topic, own.metrics_topic)
    produce(own.flow, hosts(THIRD, 5, seed=43))
    assert all(ends(own, own.snapshots_topic, range(8, 12)))
    wait_for(lambda: not unread_partitions(own), within_s=3 * DISCOVERY_S)
    wait_for(lambda: not measure(own).uncommitted, within_s=3 * DISCOVERY_S)
    account = finish(own)
    assert account.metrics.found == 4 * len(FIRST + SECOND + THIRD) > known


def test_the_live_view_shows_what_comes_in_a_new_partition(own: Settings) -> None:
    """It begins at the end of the topic, and at the start of what is new since."""
    seen = set[str]()
    stop = threading.Event()

    def look() -> None:
        for poll in follow(own.flow, stop, seconds=12 * DISCOVERY_S):
            seen.update(one.hostname for one in poll.metrics)
            if seen >= set(FOURTH):
                return

    viewer = threading.Thread(target=look)
    viewer.start()
    try:
        raise_partitions(own, 16, own.metrics_topic)
        submit(own, *JOBS)  # what writes the results knows of the new partitions from its start
        produce(own.flow, hosts(FOURTH, 3, seed=44))
        viewer.join()
    finally:
        stop.set()
    assert seen >= set(FOURTH)
    assert all(ends(own, own.metrics_topic, range(12, 16)))
