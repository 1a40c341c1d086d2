"""Partitions raised under running jobs: found within a bounded time and said meanwhile; nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions, OffsetSpec

from labkit.jobs.failure import trouble
from labkit.jobs.partitions import unread_partitions
from labkit.jobs.stop import stop_or_cancel
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.kafka.topics import DISCOVERY_S, admin_client, topic_partitions
from labkit.lab.account import measure
from labkit.settings import Settings, load_settings
from labkit.streams.names import JOBS
from labkit.watch.poll import follow
from labkit.workshop.lesson import clear
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.pipelines import finish, idle
from tests.support.waiting import wait_for

SUFFIX = "_raised"
#: So many that every one of eight partitions has some.
FIRST, LATER = ([f"{kind}{number}" for number in range(40)] for kind in ("first", "later"))


@pytest.fixture
def at_work(lab: Settings) -> Iterator[Settings]:
    """Both jobs at work, on topics of four partitions."""
    own = load_settings(suffix=SUFFIX)
    clear(own)
    idle(own)
    submit(own, *JOBS)
    yield own
    for job in JOBS:
        stop_or_cancel(own, job)
    clear(own)


def raise_partitions(own: Settings, *topics: str) -> None:
    admin = admin_client(own.kafka_bootstrap)
    for outcome in admin.create_partitions([NewPartitions(topic, 8) for topic in topics]).values():
        outcome.result()
    wait_for(lambda: all(topic_partitions(own.kafka_bootstrap)[topic] == 8 for topic in topics))


def ends(own: Settings, topic: str) -> list[int]:
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(8)}
    return [answer.result().offset for answer in admin_client(own.kafka_bootstrap).list_offsets(asked).values()]


def test_new_partitions_are_read_from_their_start_within_seconds_and_named_until_then(
    at_work: Settings, labkit: Labkit
) -> None:
    own = at_work
    produce(own.flow, hosts(FIRST, 5, seed=41))
    wait_for(lambda: not measure(own).uncommitted)
    assert unread_partitions(own) == []
    raise_partitions(own, own.snapshots_topic, own.metrics_topic)
    produce(own.flow, hosts(LATER, 5, seed=42))
    assert all(ends(own, own.snapshots_topic)), "a new partition is empty; it would show nothing"
    named = [what for _, what, _ in unread_partitions(own)]
    assert f"The job {own.job_name(JOBS[0])} does not read partitions 4 to 7 of {own.snapshots_topic} yet" in named[0]
    assert named[0] in " ".join(str(one) for one in trouble(own))
    assert named[0] in labkit("ledger", LABKIT_SUFFIX=SUFFIX).stderr
    wait_for(lambda: not unread_partitions(own), within_s=3 * DISCOVERY_S)
    wait_for(lambda: not measure(own).uncommitted, within_s=30)
    account = finish(own)
    assert account.metrics.found == 4 * (len(FIRST) + len(LATER))


def test_more_partitions_than_the_settings_ask_for_are_fine_everywhere(at_work: Settings, labkit: Labkit) -> None:
    own = at_work
    raise_partitions(own, own.snapshots_topic, own.metrics_topic, own.dead_letters_topic)
    for job in JOBS:
        stop_or_cancel(own, job)
    made = labkit("topics", LABKIT_SUFFIX=SUFFIX)
    assert made.returncode == 0, made.stderr
    assert f"{own.snapshots_topic}: there already, 8 partitions" in made.stdout
    for words in (["submit", *JOBS], ["status"], ["ledger"]):
        answer = labkit(*words, LABKIT_SUFFIX=SUFFIX)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    fewer = labkit("topics", LABKIT_SUFFIX=SUFFIX, LABKIT_PARTITIONS="9")
    assert fewer.returncode == 2
    assert fewer.stderr.startswith(f"Topic {own.snapshots_topic} has 8 partitions, the settings ask for at least 9")
    assert (
        "has 8 partitions, the settings ask for at least 9"
        in labkit("status", LABKIT_SUFFIX=SUFFIX, LABKIT_PARTITIONS="9").stdout
    )


def test_the_live_view_shows_what_comes_in_a_new_partition(at_work: Settings) -> None:
    """It begins at the end of the topic, and at the start of what is new since."""
    own = at_work
    stop, seen = threading.Event(), set[str]()

    def look() -> None:
        for poll in follow(own.flow, stop, seconds=6 * DISCOVERY_S):
            seen.update(one.hostname for one in poll.metrics)
            if seen >= set(LATER):
                return

    viewer = threading.Thread(target=look)
    viewer.start()
    try:
        raise_partitions(own, own.metrics_topic)
        for job in JOBS:
            stop_or_cancel(own, job)
        submit(own, *JOBS)  # their producer knows of the new partitions from its start
        produce(own.flow, hosts(LATER, 3, seed=43))
        viewer.join()
    finally:
        stop.set()
    assert seen == set(LATER)
    assert all(ends(own, own.metrics_topic))
