"""The producer: keyed, framed, flushed on a signal, patient with what is away."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic

from labkit.errors import LabkitError
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import unread
from labkit.kafka.producer import produce
from labkit.kafka.topics import admin_client
from labkit.lab import services, status
from labkit.pipeline.run import prepare
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.sources.live import read_snapshot
from labkit.streams.procstat.snapshot import Snapshot
from tests.support.commands import at_work
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.topics import ends, sent_since


@pytest.fixture
def before(lab: Settings) -> dict[int, int]:
    """Where the snapshots topic ended before the test."""
    prepare(lab)
    return ends(lab)


def test_the_producers_health_is_that_of_the_pipeline_whatever_a_lessons_settings_are(
    lab: Settings, before: dict[int, int]
) -> None:
    now = read_snapshot(lab.hostname)
    in_an_hour = replace(now, hostname="health-1", timestamp=now.timestamp + 3_600_000)
    produce(lab.flow, [in_an_hour])
    assert ends(lab)[0] == before[0], "another host is needed: with this one partition 0 would tell as well"
    for settings in (lab, load_settings(suffix="_lesson"), load_settings(suffix="_lesson", partitions=1)):
        healthy, word = status._producer_health(settings)
        assert healthy
        assert word.startswith("newest snapshot -3"), word


@pytest.fixture
def producing(before: dict[int, int]) -> Iterator[subprocess.Popen[str]]:
    """`labkit produce` as a process of its own, five snapshots a second."""
    with at_work("produce", "--interval", "0.2") as process:
        yield process


@pytest.fixture
def no_registry(lab: Settings, before: dict[int, int]) -> Iterator[None]:
    """The registry is stopped until the test starts it, at the latest until its end."""
    services.stop_one(lab, "registry")
    yield
    services.up(lab)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_and_exits_0(
    lab: Settings, before: dict[int, int], producing: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert producing.stdout is not None
    for _ in range(3):
        assert "cpu lines" in producing.stdout.readline()
    producing.send_signal(number)
    rest, said = producing.communicate(timeout=30)
    assert producing.returncode == 0, said
    acknowledged, _, sent = rest.splitlines()[-1].split()[:3]
    assert acknowledged == sent
    assert len(sent_since(lab, before)) == int(acknowledged)
    assert "Stopping" in said


def test_records_carry_key_timestamp_and_what_was_read(lab: Settings, before: dict[int, int]) -> None:
    feed = [read_snapshot("roundtrip"), *hosts(["a", "b"], 2, seed=1)]
    assert produce(lab.flow, feed).acknowledged == len(feed)
    records = list(read_topic(lab.kafka_bootstrap, lab.snapshots_topic, before))
    assert sorted(sent_since(lab, before), key=repr) == sorted(feed, key=repr)
    assert {(record.key(), record.timestamp()[1]) for record in records} == {
        (snapshot.hostname.encode(), snapshot.timestamp) for snapshot in feed
    }
    partitions = {record.key(): record.partition() for record in records}
    assert all(record.partition() == partitions[record.key()] for record in records), "same key, same partition"


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_sent_unframed(
    lab: Settings, before: dict[int, int], no_registry: None, labkit: Labkit
) -> None:
    with at_work("produce", "--interval", "0.2") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "registry does not answer" in said
        assert "Waiting for it" in said
        assert "labkit up" in said
        assert unread(lab.kafka_bootstrap, lab.snapshots_topic, before) == 0
        gave_up = labkit("produce", "--seconds", "1")
        assert (gave_up.returncode, gave_up.stdout) == (1, "Nothing was sent.\n")
        services.up(lab)
        for _ in range(5):
            assert "cpu lines" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(sent_since(lab, before)) >= 5


def test_a_broker_that_is_away_is_waited_for_and_nothing_acknowledged_is_missing(
    lab: Settings, before: dict[int, int], producing: subprocess.Popen[str]
) -> None:
    assert producing.stdout is not None
    assert producing.stderr is not None
    producing.stdout.readline()
    pid = next(row.pid for row in services.status(lab) if row.name == "kafka")
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert "snapshots wait for it" in producing.stderr.readline()
    assert "Kafka is back" in producing.stderr.readline()
    services.up(lab)
    producing.send_signal(signal.SIGTERM)
    rest, said = producing.communicate(timeout=60)
    assert producing.returncode == 0, said
    acknowledged = int(rest.splitlines()[-1].split()[0])
    arrived = sent_since(lab, before)
    assert len(arrived) >= acknowledged
    stamps = [snapshot.timestamp for snapshot in arrived]
    assert stamps == sorted(set(stamps)), "in order, none twice"


def test_at_its_end_a_source_waits_for_a_frozen_broker_until_somebody_stops_it(
    lab: Settings, before: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in a drill: the broker took a minute to come back, and the producer had given up after 25 s."""
    monkeypatch.setattr("labkit.kafka.producer._FLUSH_S", 0.1)
    pid = next(row.pid for row in services.status(lab) if row.name == "kafka")
    assert pid
    stop = threading.Event()

    def source(host: str, at_the_end: threading.Timer) -> Iterator[Snapshot]:
        os.kill(pid, signal.SIGSTOP)
        yield from hosts([host], 3, seed=1)
        at_the_end.start()

    try:
        with pytest.raises(LabkitError, match="3 snapshots were not acknowledged"):
            produce(lab.flow, source("impatient", threading.Timer(2, stop.set)), stop=stop)
        os.kill(pid, signal.SIGCONT)
        counts = produce(lab.flow, source("patient", threading.Timer(2, os.kill, (pid, signal.SIGCONT))))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert counts.acknowledged == 3


def test_of_a_recording_that_ends_in_the_middle_it_says_what_was_sent(
    before: dict[int, int], lab: Settings, labkit: Labkit, tmp_path: Path
) -> None:
    whole = (REPOSITORY / "labkit" / "recordings" / "two_cpus.gz").read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 10])
    done = labkit("produce", "--replay", str(tmp_path / "cut.gz"), "--speed", "max")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"{tmp_path / 'cut.gz'} is no whole gzip file of text."]
    # Only its own: what the test before gave up on may still have been on its way to the broker.
    sent = sum(snapshot.hostname == "two-cpus" for snapshot in sent_since(lab, before))
    assert sent
    assert done.stdout.splitlines()[-1] == f"{sent} of {sent} snapshots acknowledged by Kafka."


def test_snapshots_that_kafka_refuses_are_said_and_the_exit_status_is_not_0(lab: Settings, labkit: Labkit) -> None:
    admin = admin_client(lab.kafka_bootstrap)
    topic = NewTopic("strict", num_partitions=1, config={"message.timestamp.after.max.ms": "1000"})
    admin.create_topics([topic])["strict"].result()
    words = ["produce", "--fleet", "1", "--seconds", "1", "--speed", "max", "--start", "2100-01-01"]
    done = labkit(*words, LABKIT_SNAPSHOTS_TOPIC="strict")
    assert done.returncode == 1
    assert "A snapshot was not taken" in done.stderr
    assert done.stdout.splitlines()[-1] == "0 of 2 snapshots acknowledged by Kafka."
