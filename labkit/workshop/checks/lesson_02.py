"""Judges of lesson 02: records in a topic of their own, and offsets of a group of their own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from confluent_kafka import Message, Producer

from labkit.jobs.reset import delete_groups, delete_topics
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.topics import MAX_MESSAGE_BYTES, Topic, admin_client, create_topics
from labkit.settings import Settings, load_settings
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.workshop.checks.outcome import NotYet

__all__ = ["JUDGES", "judge_02a", "judge_02b"]

_SUFFIX = "_ex02"
_PARTITIONS = 4
#: Hosts of the judge, and where Java's clients put them in a topic of four partitions.
_HOSTS = {"web-1": 1, "web-2": 2, "db-1": 2, "db-2": 0, "two-cpus": 3}
_PER_HOST = 6
_COMMIT_EACH = "Commit each record when its handle has come back: consumer.commit(record, asynchronous=False)."
#: The second trial's topic, and how many CPU lines make a reading that it refuses. (At the least 130 bytes each.)
_SMALL_MESSAGE_BYTES = 20_000
_TOO_MANY_CPUS = 400


def judge_02a(answer: Callable[[str, str, list[Snapshot]], int], _: Settings) -> str:
    """Let it send readings of five hosts, and look at every record that came."""
    settings = load_settings(suffix=_SUFFIX)
    readings = _readings()
    with _topic(settings) as topic:
        said = answer(settings.kafka_bootstrap, topic, readings)
        found = list(read_topic(settings.kafka_bootstrap, topic))
    if len(found) < len(readings):
        raise NotYet(
            f"{len(found)} of {len(readings)} records were in the topic when your function returned.",
            "produce only puts a record into the client's memory; flush waits until all are answered.",
        )
    if len(found) > len(readings):
        raise NotYet(f"{len(found)} records are in the topic; it was asked for {len(readings)}.", "Send each once.")
    _check_keys(found)
    _check_values(found, readings)
    if said != len(readings):
        raise NotYet(
            f"Your function returned {said!r}; Kafka has acknowledged {len(readings)} records.",
            "Count the delivery reports that have no error, and return that number.",
        )
    _judge_refused(answer, settings)
    return f"{len(found)} records of {len(_HOSTS)} hosts, each host in one partition, in order, with its own time."


def _judge_refused(answer: Callable[[str, str, list[Snapshot]], int], settings: Settings) -> None:
    """A topic that takes no large messages, and one reading that is: its partition gets nothing else."""
    small = [reading for reading in _readings() if reading.hostname == "web-1"]
    cpus = small[0].cpus * _TOO_MANY_CPUS
    readings = [*small[:3], replace(small[0], hostname="two-cpus", cpus=cpus), *small[3:]]
    with _topic(settings, max_message_bytes=_SMALL_MESSAGE_BYTES) as topic:
        try:
            said = answer(settings.kafka_bootstrap, topic, readings)
        except Exception as error:
            raise NotYet(
                f"The broker refused one reading, which was too large. Your function raised {type(error).__name__}.",
                "Count the reports that have no error. The others were not written, and the sender is told by the sum.",
            ) from error
        found = len(list(read_topic(settings.kafka_bootstrap, topic)))
    if found < len(small):
        raise NotYet(
            f"The broker refused one reading, which was too large. Of the {len(small)} others {found} are there.",
            "A record that is refused is no reason to keep the rest: send them all, and count what was acknowledged.",
        )
    if said != found:
        raise NotYet(
            f"The broker refused one reading, which was too large. Your function returned {said!r}; {found} are there.",
            "A record is safe when its delivery report has no error: count those, in on_delivery.",
        )


def _check_keys(found: list[Message]) -> None:
    for record in found:
        host = _read(record)["hostname"]
        key = (record.key() or b"").decode(errors="replace")
        if not key:
            raise NotYet(f"A record of {host} has no key.", "The key decides the partition: key=reading.hostname.")
        if key != host:
            raise NotYet(
                f"A record of {host} has the key {key!r}.",
                "With a key of its own each record goes anywhere; the key is what has to stay in order: the host.",
            )
    for record in found:
        host, partition = record.key().decode(), record.partition()
        if partition != _HOSTS[host]:
            raise NotYet(
                f"{host} is in partition {partition}; Java's clients put that key into partition {_HOSTS[host]}.",
                "This client's own default is another hash; the setting is called partitioner.",
            )


def _check_values(found: list[Message], readings: list[Snapshot]) -> None:
    for host in _HOSTS:
        sent = [reading.timestamp for reading in readings if reading.hostname == host]
        records = [record for record in found if record.key() == host.encode()]
        came = [_read(record)["timestamp"] for record in records]
        if came != sent:
            raise NotYet(
                f"The readings of {host} are not those that it was given, in their order.", "Send them in turn."
            )
        for record, timestamp in zip(records, sent, strict=True):
            if record.timestamp()[1] != timestamp:
                raise NotYet(
                    f"A record of {host} has the time {record.timestamp()[1]}; its reading is of {timestamp}.",
                    "Without timestamp= the client takes the time of sending.",
                )


def _read(record: Message) -> dict[str, Any]:
    """The snapshot in a record's value."""
    value = record.value() or b""
    try:
        found = json.loads(value)
        return {"hostname": str(found["hostname"]), "timestamp": int(found["timestamp"])}
    except (ValueError, KeyError, TypeError):
        raise NotYet(f"A record has the value {value[:40]!r}.", "It is as_json(reading), all of it.") from None


class _OddError(Exception):
    """What the judge's handle raises, once."""


def judge_02b(answer: Callable[[str, str, str, int, Callable[[Message], None]], int], _: Settings) -> str:
    """Let it fail at the seventh record, then go on, and compare what was handled with what there is."""
    settings = load_settings(suffix=_SUFFIX)
    readings = _readings()
    group = f"asked_{uuid.uuid4().hex[:8]}{_SUFFIX}"
    handled: list[tuple[int, int]] = []
    failed: list[tuple[int, int]] = []

    def handle(record: Message) -> None:
        place = (record.partition(), record.offset())
        if len(handled) == 6 and not failed:
            failed.append(place)
            raise _OddError("the judge's handle fails at the seventh record")
        handled.append(place)

    with _topic(settings) as topic:
        _fill(settings, topic, readings)
        try:
            _fail_once(answer, settings, topic, group, handle, len(readings))
            _require_left(settings, group)
            _require_committed(settings, topic, group, handled)
            left = len(readings) - len(handled)
            said = answer(settings.kafka_bootstrap, topic, group, left, handle)
            _require_all(settings, topic, group, handled, failed, readings)
        finally:
            with suppress(Exception):  # a group that still has a member stays
                delete_groups(settings, [group])
    if said != left:
        raise NotYet(f"The second call returned {said!r}; it handled {left} records.", "Return how many were handled.")
    return f"{len(readings)} records: handle failed at the seventh, and none was skipped and none came twice."


def _fail_once(
    answer: Callable[..., Any],
    settings: Settings,
    topic: str,
    group: str,
    handle: Callable[[Message], None],
    count: int,
) -> None:
    try:
        answer(settings.kafka_bootstrap, topic, group, count, handle)
    except _OddError:
        return
    raise NotYet(
        "handle raised an error at the seventh record, and your function went on as if nothing had happened.",
        "Let the error out: whoever called should know.",
    )


def _require_left(settings: Settings, group: str) -> None:
    admin = admin_client(settings.kafka_bootstrap)
    (asked,) = admin.describe_consumer_groups([group]).values()
    if asked.result().members:
        raise NotYet(
            "After the error your consumer was still a member of its group.",
            "The next one waits 45 s, until Kafka gives the old one up. Close it however it ends: try, finally.",
        )


def _require_committed(settings: Settings, topic: str, group: str, handled: list[tuple[int, int]]) -> None:
    committed = committed_offsets(settings.kafka_bootstrap, topic, group)
    again = sum(offset >= committed[partition] for partition, offset in handled)
    if again:
        raise NotYet(
            f"{again} of the {len(handled)} records that were handled before the error are not committed: "
            "the next call is given them again.",
            _COMMIT_EACH,
        )


def _require_all(
    settings: Settings,
    topic: str,
    group: str,
    handled: list[tuple[int, int]],
    failed: list[tuple[int, int]],
    readings: list[Snapshot],
) -> None:
    again = len(handled) - len(set(handled))
    if again:
        raise NotYet(
            f"{again} records were handed out a second time, though their handle had come back without an error.",
            _COMMIT_EACH,
        )
    if len(handled) < len(readings) or set(failed) - set(handled):
        partition, offset = failed[0]
        gone = len(readings) - len(set(handled))
        raise NotYet(
            f"{gone} of {len(readings)} records were never handled, among them the one that failed "
            f"(partition {partition}, offset {offset}).",
            "The group's offset went past it. Commit a record after its handle came back, and nothing before "
            "(enable.auto.commit does it for you, at the wrong moment).",
        )
    ends = {number: sum(1 for place in handled if place[0] == number) for number in range(_PARTITIONS)}
    committed = committed_offsets(settings.kafka_bootstrap, topic, group)
    if committed != ends:
        behind = sum(ends.values()) - sum(committed.values())
        raise NotYet(
            f"Everything was handled, and the group is still {behind} records behind.",
            "Wait for the commit of the last record: asynchronous=False.",
        )


def _readings() -> list[Snapshot]:
    """A few readings of each host, in the order of time. Their times are not those of now."""
    cpu = CpuTimes("cpu", 4705, 150, 1120, 16250)
    first = Snapshot("", 1_795_000_000_123, (cpu,), btime=1_795_000_000)
    return [
        replace(first, hostname=host, timestamp=first.timestamp + 1000 * number + place, ctxt=number)
        for number in range(_PER_HOST)
        for place, host in enumerate(_HOSTS)
    ]


def _fill(settings: Settings, topic: str, readings: list[Snapshot]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "partitioner": "murmur2_random"})
    for reading in readings:
        producer.produce(topic, key=reading.hostname, value=str(reading.timestamp), timestamp=reading.timestamp)
    producer.flush()


@contextmanager
def _topic(settings: Settings, max_message_bytes: int = MAX_MESSAGE_BYTES) -> Iterator[str]:
    """A new topic that is gone afterwards."""
    name = f"asked_{uuid.uuid4().hex[:8]}{_SUFFIX}"
    create_topics(settings.kafka_bootstrap, [Topic(name, _PARTITIONS, max_message_bytes)])
    try:
        yield name
    finally:
        delete_topics(settings, [name])


JUDGES = {"02a": judge_02a, "02b": judge_02b}
