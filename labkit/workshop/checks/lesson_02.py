"""Judges of lesson 02: records in a topic of their own, and offsets of groups of their own."""

from __future__ import annotations

import gc
import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from labkit.jobs.reset import delete_groups
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.topics import admin_client, topic_partitions
from labkit.settings import Settings, load_settings
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.system.waiting import NotInTime, patience, wait_until
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.new_topic import new_name, new_topic
from labkit.workshop.checks.outcome import Judge, NotYet, raised
from labkit.workshop.checks.relay import Relay
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.slow_broker import SlowBroker

__all__ = ["JUDGES", "MEETS", "judge_02a", "judge_02b"]

MEETS: Meets = {
    "02a": {
        "task": "keys, partitions, order, times and values of 30 records; the number; one record that is refused; "
        "a topic that takes nothing for 11 s",
        "boundaries": "no reading, 7 and 30; four partitions and three; hosts with a dot, a dash, an underscore; a "
        "time that is no whole second; one record refused between others",
        "arguments": "an address that leads to the broker, which counts who comes; topics of names made up each time",
        "ends": "all records are in the topic when it returns; a producer is left to Python to take down",
        "twice": "four calls in all, each with its own number; none sends what another sent",
        "point": "the key decides the partition, a host stays in order, and delivery reports are what is counted",
    },
    "02b": {
        "task": "an error of handle, what is committed then, the next call, a new group, the number, 5 s of silence",
        "boundaries": "count 0, smaller than, equal to and larger than what is there; 5 s from the last record on, "
        "not from the call on; a record that takes a second; records whose value is empty, or none",
        "arguments": "an address that leads to the broker, which counts who comes; two groups, a topic's name made up",
        "ends": "nothing comes at the end; after an error and after success no member and no thread of it is left",
        "twice": "the same group is called again, and goes on behind what is done",
        "point": "members of the group are looked at while handle runs; its offsets after each call",
    },
}

_SUFFIX = "_ex02"
#: So begin the names of what the check makes.
_OWN = "asked-"
_PARTITIONS = 4
_HOSTS = ("web-1", "db-2", "web.3", "node_7.rack-2", "two-cpus")
_PER_HOST = 6


def _readings() -> list[Snapshot]:
    """A few readings of each host, in the order of time. Their times are not those of now."""
    cpu = CpuTimes("cpu", 4705, 150, 1120, 16250)
    first = Snapshot("", 1_795_000_000_123, (cpu, cpu._replace(id="cpu0")), btime=1_795_000_000)
    return [
        replace(first, hostname=host, timestamp=first.timestamp + 1007 * number + place, ctxt=number)
        for number in range(_PER_HOST)
        for place, host in enumerate(_HOSTS)
    ]


def _java_partition(key: bytes, partitions: int) -> int:
    """Where Java's clients put a key: murmur2 of it, positive, modulo the number of partitions."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    found = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for start in range(0, whole, 4):
        part = int.from_bytes(key[start : start + 4], "little") * factor & mask
        found = (found * factor & mask) ^ ((part ^ part >> 24) * factor & mask)
    if rest := key[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    return ((found ^ found >> 15) & 0x7FFFFFFF) % partitions


# --- 02a ---------------------------------------------------------------------------------------------------------

#: The second trial's topic, and how many CPU lines make a reading that it refuses. (At the least 130 bytes each.)
_SMALL_MESSAGE_BYTES = 20_000
_TOO_MANY_CPUS = 400
#: Longer than people let flush wait.
_SLOW_S = 11.0
_NAMES = ("bootstrap", "topic", "readings")
_FLUSH = "produce only puts a record into the client's memory; flush waits until all are answered; with acks=0 none is."
_COUNT = "Count the delivery reports (on_delivery) that have no error, and return that number after the flush."
_NO_ACKS = "(With acks=0 a report comes from the client, as soon as it has sent the record, and is never an error.)"


def judge_02a(answer: Any, _: Settings) -> str:
    """Let it send readings of five hosts, and look at every record that came."""
    settings = load_settings(suffix=_SUFFIX)
    readings = _readings()
    with new_topic(settings, _OWN, _PARTITIONS) as topic, Relay(settings.kafka_bootstrap) as relay:
        values = (relay.address, topic, readings)
        said = called(answer, values, f"{len(readings)} readings of {len(_HOSTS)} hosts", names=_NAMES)
        found = list(read_topic(settings.kafka_bootstrap, topic))
        _require_all(settings, found, readings, said)
        relay.require_visit("; the records came")
        _require_keys(found, readings)
        _require_partitions(found, _PARTITIONS)
        _require_values(found, readings)
        _require_acknowledged(said, len(readings))
        none = called(answer, (settings.kafka_bootstrap, topic, []), "no reading at all", names=_NAMES)
        if none != 0 or isinstance(none, bool):
            raise NotYet(f"Your function was given no reading, and returned {shown(none)}; it is 0.")
    _judge_refused(answer, settings)
    _judge_three(answer, settings)
    _judge_slow(answer, settings)
    return f"{len(found)} records of {len(_HOSTS)} hosts, each host in one partition, in order, with its own time."


def _value(reading: Snapshot) -> dict[str, Any]:
    """What as_json makes of it, as JSON is read again."""
    made: dict[str, Any] = json.loads(json.dumps({**asdict(reading), "cpus": [cpu._asdict() for cpu in reading.cpus]}))
    return made


def _read(record: Message) -> dict[str, Any]:
    """The snapshot in a record's value."""
    value = record.value() or b""
    try:
        found: dict[str, Any] = json.loads(value)
        found["hostname"] + "", found["timestamp"] + 0
    except (ValueError, KeyError, TypeError):
        raise NotYet(f"A record has the value {value[:40]!r}.", "It is as_json(reading), all of it.") from None
    return found


def _require_all(settings: Settings, found: Sequence[Message], readings: Sequence[Snapshot], said: Any) -> None:
    """Raise `NotYet` where there are fewer records than readings, or more."""
    if len(found) > len(readings):
        raise NotYet(f"{len(found)} records are in the topic; it was asked for {len(readings)}.", "Send each once.")
    if len(found) == len(readings):
        return
    seen = (
        f"{len(found)} of {len(readings)} records were in the topic when your function returned; it returned {said!r}."
    )
    if not found and (elsewhere := _elsewhere(settings, readings)):
        raise NotYet(f"{seen} They are in {elsewhere}.", "Use topic, which it is given.")
    hosts = Counter(_read(record)["hostname"] for record in found)
    if set(hosts.values()) == {1} and len(hosts) == len(_HOSTS):
        raise NotYet(f"{seen} There is one of each host.", "Every reading becomes a record.")
    is_all_answered = bool(found) and said == len(found)
    if is_all_answered:
        missing = Counter(reading.hostname for reading in readings) - hosts
        which = ", ".join(f"{count} of {host}" for host, count in missing.items())
        raise NotYet(f"{seen} Missing are {which}.")
    raise NotYet(seen, _FLUSH)


def _elsewhere(settings: Settings, readings: Sequence[Snapshot]) -> str:
    """Another topic of the exercise that has a record with the times of `readings`, or ""."""
    times = {reading.timestamp for reading in readings}
    for name in topic_partitions(settings.kafka_bootstrap):
        if (
            name.endswith(_SUFFIX)
            and not name.startswith(_OWN)
            and any(record.timestamp()[1] in times for record in read_topic(settings.kafka_bootstrap, name))
        ):
            return name
    return ""


def _require_keys(found: Sequence[Message], readings: Sequence[Snapshot]) -> None:
    keys: dict[str, list[bytes]] = {}
    for record in found:
        keys.setdefault(str(_read(record)["hostname"]), []).append(record.key() or b"")
    if strange := set(keys) - {reading.hostname for reading in readings}:
        raise NotYet(f"A record's value has the host {min(strange)!r}, which no reading has.")
    for host, of_host in keys.items():
        if not any(of_host):
            raise NotYet(f"A record of {host} has no key.", "The key decides the partition: key=reading.hostname.")
        wrong = next((key for key in of_host if key != host.encode()), None)
        if wrong is None:
            continue
        what = f"A record of {host} has the key {wrong.decode(errors='replace')!r}; it is the host's name."
        if len(set(of_host)) > 1:
            raise NotYet(
                f"{what} Its {len(of_host)} records have {len(set(of_host))} keys.",
                "With a key of its own each record goes anywhere; the key is what has to stay in order: the host.",
            )
        if all(set(others) == set(of_host) for others in keys.values()):
            raise NotYet(f"{what} All hosts have that key.", "Then all records go to one partition.")
        raise NotYet(what)


def _require_partitions(found: Sequence[Message], partitions: int) -> None:
    places = {host.encode(): set[int]() for host in _HOSTS}
    for record in found:
        places.setdefault(record.key() or b"", set()).add(record.partition() or 0)
    places = {key: there for key, there in places.items() if there}
    for key, there in places.items():
        wanted = _java_partition(key, partitions)
        if there == {wanted}:
            continue
        hint = ""
        if all(there == {zlib.crc32(key) % partitions} for key, there in places.items()):
            hint = "That is the hash that this client takes by itself; the setting is called partitioner."
        elif len(there) > 1:
            hint = "Records of one key have to be in one partition, or their order is lost."
        which = ", ".join(map(str, sorted(there)))
        raise NotYet(
            f"{key.decode(errors='replace')} is in partition {which} of {partitions}; Java's clients put that key into "
            f"partition {wanted}.",
            hint,
        )


def _require_values(found: Sequence[Message], readings: Sequence[Snapshot]) -> None:
    for host in _HOSTS:
        sent = [reading for reading in readings if reading.hostname == host]
        records = [record for record in found if record.key() == host.encode()]
        came = [_read(record)["timestamp"] for record in records]
        times = [reading.timestamp for reading in sent]
        if came != times:
            is_order = sorted(came) == sorted(times)
            what = "came in another order" if is_order else "are not those that it was given"
            raise NotYet(f"The readings of {host} {what}: their times are {shown(came)}.")
        for record, reading in zip(records, sent, strict=True):
            if _read(record) != _value(reading):
                raise NotYet(
                    f"A record of {host} has the value {(record.value() or b'')[:60]!r}; as_json makes another one.",
                    "It is as_json(reading), all of it.",
                )
            _require_time(host, record.timestamp()[1], reading.timestamp)


def _require_time(host: str, came: int, wanted: int) -> None:
    if came == wanted:
        return
    hint = ""
    if abs(came - time.time() * 1000) < 600_000:
        hint = "That is now: without timestamp= the client takes the time of sending."
    elif came == wanted // 1000:
        hint = "Those are seconds: it is in ms."
    elif came == wanted // 1000 * 1000:
        hint = "Its milliseconds are cut off: take the snapshot's timestamp as it is."
    raise NotYet(f"A record of {host} has the time {came}; its reading is of {wanted} (ms).", hint)


def _require_acknowledged(said: Any, wanted: int) -> None:
    if said == wanted and not isinstance(said, bool):
        return
    hint = "Is there a return at its end?" if said is None else _COUNT
    raise NotYet(f"Your function returned {shown(said)}; Kafka has acknowledged {wanted} records.", hint)


def _judge_refused(answer: Any, settings: Settings) -> None:
    """A topic that takes no large messages, and one reading that is: its partition gets nothing else."""
    small = [reading for reading in _readings() if reading.hostname == "web-1"]
    cpus = tuple(small[0].cpus[0]._replace(user=zlib.crc32(b"%d" % n)) for n in range(_TOO_MANY_CPUS))
    readings = [*small[:3], replace(small[0], hostname="two-cpus", cpus=cpus), *small[3:]]
    what = f"The broker refused one of {len(readings)} readings, which was too large."
    with new_topic(settings, _OWN, _PARTITIONS, _SMALL_MESSAGE_BYTES) as topic:
        values = (settings.kafka_bootstrap, topic, readings)
        try:
            said = called(answer, values, "a reading that the broker refused", names=_NAMES)
        except NotYet as error:
            if error.__cause__ is None:
                raise
            raise NotYet(
                f"{what} Your function raised {raised(error.__cause__)}.",
                "One that is refused is no reason to stop: count the reports that have no error.",
            ) from error
        found = len(list(read_topic(settings.kafka_bootstrap, topic)))
    if found < len(small):
        hint = "A record that is refused is no reason to keep the rest: send them all, and count what was acknowledged."
        raise NotYet(
            f"{what} Of the {len(small)} others {found} are there; your function returned {said!r}.",
            f"{_COUNT} {_NO_ACKS}" if isinstance(said, int) and said > found else hint,
        )
    if said != found:
        raise NotYet(f"{what} Your function returned {shown(said)}; {found} are there.", _COUNT)


def _judge_three(answer: Any, settings: Settings) -> None:
    """A topic of three partitions."""
    readings = _readings()[: 2 * len(_HOSTS)]
    with new_topic(settings, _OWN, 3) as topic:
        said = called(answer, (settings.kafka_bootstrap, topic, readings), "three partitions", names=_NAMES)
        found = list(read_topic(settings.kafka_bootstrap, topic))
    _require_all(settings, found, readings, said)
    _require_partitions(found, 3)
    _require_acknowledged(said, len(readings))


def _judge_slow(answer: Any, settings: Settings) -> None:
    """A broker that takes the records, and says so late."""
    readings = _readings()[: len(_HOSTS)]
    with new_topic(settings, _OWN, _PARTITIONS) as topic, SlowBroker(settings.kafka_bootstrap, _SLOW_S) as broker:
        began = time.monotonic()
        said = called(answer, (broker.address, topic, readings), "a slow broker", names=_NAMES)
        came_back_s = time.monotonic() - began
        broker.require_asked()
        found = len(list(read_topic(settings.kafka_bootstrap, topic)))
    if said == found == len(readings):
        return
    raise NotYet(
        f"The broker took {_SLOW_S:.0f} s to acknowledge anything. Your function came back after {came_back_s:.1f} s "
        f"and returned {shown(said)}; {found} of {len(readings)} records are in the topic.",
        "flush(5) waits for 5 s at most, and returns how many have no answer yet. flush() waits for all."
        if came_back_s < _SLOW_S else "",
    )  # fmt: skip


# --- 02b ---------------------------------------------------------------------------------------------------------

_Place = tuple[int, int]  # partition, offset
_FAILS_AT = 6  # records that are handled before
_FEW = 4
_SILENCE_S = 5.0
#: A clock, and a poll that comes back a little early.
_EARLY_S = 0.15
_TOO_LONG_S = 9.0
_CALL_S = 20.0
_SLOW_HANDLE_S = 1.0
_COMMIT_EACH = "Commit each record when its handle has come back: consumer.commit(record, asynchronous=False)."
_CLOSE = "Close it however it ends: try, finally. Else the next member waits until Kafka gives this one up."
_BATCH = "commit() without a record commits all that was handed to the consumer; commit(record) just that one."
_GIVEN = ("bootstrap", "topic", "group", "count", "handle")


class _OddError(Exception):
    """What the judge's handle raises."""


class _Handle:
    """The handle of one call: notes what comes, looks at the group at the first record, fails where it shall."""

    def __init__(self, settings: Settings, topic: str, group: str, fails_at: int | None = None, slow: bool = False):
        self._settings, self._topic, self._group = settings, topic, group
        self._fails_at, self._slow = fails_at, slow
        self.done: list[_Place] = []
        self.failed: _Place | None = None
        #: {partition: offset} of the group when handle failed.
        self.committed: dict[int, int] = {}
        self.after: list[_Place] = []
        self.times: list[float] = []
        self.problem: NotYet | None = None

    def __call__(self, record: Any = None, *others: Any) -> None:
        self.times.append(time.monotonic())
        if not isinstance(record, Message) or others:
            self._note(f"handle was given {shown(record)}; it is to be given the record, confluent_kafka's message.")
            return
        if record.error() is not None:
            self._note(f"handle was given an event, not a record: {record.error().str()}.")
            return
        place = (record.partition() or 0, record.offset() or 0)
        if len(self.times) == 1:
            self._look()
        if self.failed is not None:
            self.after.append(place)
        elif len(self.done) == self._fails_at:
            self.failed = place
            self.committed = committed_offsets(self._settings.kafka_bootstrap, self._topic, self._group)
            raise _OddError("the check's handle fails at this record")
        self.done.append(place)

    def _look(self) -> None:
        if not _members(self._settings, self._group):
            other = _group_that_reads(self._settings, self._topic)
            self._note(
                f"While handle was called, the group {self._group} had no member{f'; {other} had' if other else ''}.",
                "Use group, which it is given."
                if other
                else "subscribe makes a consumer a member of its group; with assign it takes its partitions by hand.",
            )
        if self._slow:
            threading.Event().wait(_SLOW_HANDLE_S)

    def _note(self, what: str, hint: str = "") -> None:
        self.problem = self.problem or NotYet(what, hint)


def _members(settings: Settings, group: str) -> list[Any]:
    admin = admin_client(settings.kafka_bootstrap)  # has to be there until the answer is
    (asked,) = admin.describe_consumer_groups([group]).values()
    return list(asked.result().members)


def _group_that_reads(settings: Settings, topic: str) -> str:
    """A group that has a member with partitions of `topic`, or ""."""
    admin = admin_client(settings.kafka_bootstrap)
    names = [group.group_id for group in admin.list_consumer_groups().result().valid]
    for name, asked in (admin.describe_consumer_groups(names) if names else {}).items():
        places = [place for member in asked.result().members for place in member.assignment.topic_partitions]
        if any(place.topic == topic for place in places):
            return str(name)
    return ""


def judge_02b(answer: Any, _: Settings) -> str:
    """Let it fail at the seventh record, then go on, and compare what was handled with what there is."""
    settings = load_settings(suffix=_SUFFIX)
    total = len(_readings())
    groups = [new_name(settings, _OWN) for _ in range(3)]
    with new_topic(settings, _OWN, _PARTITIONS) as topic:
        _fill(settings, topic, _readings())
        try:
            first = _judge_failing(answer, settings, topic, groups[0], groups[2], total)
            _judge_rest(answer, settings, topic, groups[0], first, total)
            _judge_counts(answer, settings, topic, groups[1], total)
        finally:
            with suppress(Exception):  # a group that still has a member stays
                delete_groups(settings, groups)
    return f"{total} records: handle failed at the seventh, and none was skipped and none came twice."


def _fill(settings: Settings, topic: str, readings: Sequence[Snapshot]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "partitioner": "murmur2_random"})
    for place, reading in enumerate(readings):
        value = (str(reading.timestamp), "", None)[place % 3]
        producer.produce(topic, key=reading.hostname, value=value, timestamp=reading.timestamp)
    producer.flush()


def _call(answer: Any, values: tuple[str, str, str, int, _Handle], what: str) -> tuple[Any, float]:
    """What it returned, and when; a problem that handle has noted comes before all others."""
    handle = values[-1]
    try:
        said = called(answer, values, what, within_s=_CALL_S, lets_out=(_OddError,), names=_GIVEN)
    except (NotYet, _OddError):
        if handle.problem is not None:
            raise handle.problem from None
        raise
    returned = time.monotonic()
    if handle.problem is not None:
        raise handle.problem
    return said, returned


def _judge_failing(answer: Any, settings: Settings, topic: str, group: str, other: str, total: int) -> _Handle:
    handle = _Handle(settings, topic, group, fails_at=_FAILS_AT)
    before = _threads()
    began = time.monotonic()
    with Relay(settings.kafka_bootstrap) as relay:
        values = (relay.address, topic, group, total, handle)
        try:
            said, returned = _call(answer, values, f"{total} records, and a handle that raises at the seventh")
        except _OddError:
            _require_left(settings, group, "After the error of handle")
        except NotYet as error:
            if _has_no_offset(error.__cause__):
                raise NotYet(error.what, f"There was nothing left to commit. {_BATCH}") from error.__cause__
            if error is handle.problem or handle.failed is None or not _comes_from(error, _OddError):
                raise
            raise NotYet(
                f"handle raised {_OddError.__name__} at the seventh record, and your function raised "
                f"{raised(error.__cause__ or error)}.",
                "Let the same error out: no other one in its place.",
            ) from error
        else:
            _complain_of_none(answer, settings, topic, other, handle, said, returned - began)
        relay.require_visit()
    _require_no_threads(before, "After the error of handle")
    _require_committed(settings, topic, group, handle)
    return handle


def _has_no_offset(error: BaseException | None) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == KafkaError._NO_OFFSET


def _comes_from(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _complain_of_none(
    answer: Any, settings: Settings, topic: str, other: str, handle: _Handle, said: Any, took_s: float
) -> None:
    """It came back without the error of handle."""
    what = f"your function came back after {took_s:.1f} s with {shown(said)}"
    if handle.failed is None:
        seen = f"handle was called {len(handle.done)} times; there were 30 records, count was 30, and {what}."
        if handle.done:
            raise NotYet(seen)
        if took_s < _SILENCE_S - 0.5:
            raise NotYet(
                seen, "A new member waits a moment for its partitions: only when nothing came for 5 s is it the end."
            )
        raise NotYet(seen, _why_nothing(answer, settings, topic, other))
    if handle.failed in handle.after:
        seen = "it was handed out again in the same call"
    elif handle.after:
        seen = f"{len(handle.after)} records more were handed out"
    else:
        seen = "nothing more was handed out"
    raise NotYet(
        f"handle raised an error at the seventh record; {seen}, and {what}.",
        "Let the error out, whoever called should know: no except around handle, or a raise at its end.",
    )


def _why_nothing(answer: Any, settings: Settings, topic: str, group: str) -> str:
    """Whether it gets what is written while it waits: then it begins at the end."""
    handle = _Handle(settings, topic, group)
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.3):
            _fill(settings, topic, _readings()[:1])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with suppress(Exception):
            _call(answer, (settings.kafka_bootstrap, topic, group, 1, handle), "records that come meanwhile")
    finally:
        over.set()
        writer.join()
    if handle.done and handle.done[0][1] >= _PER_HOST:
        return (
            "It gets only what is written while it waits. A group that is new begins at the end, unless the consumer "
            "says: auto.offset.reset."
        )
    return ""


def _require_left(settings: Settings, group: str, when: str) -> None:
    members = _members(settings, group)
    if names := [member.group_instance_id for member in members if member.group_instance_id]:
        raise NotYet(
            f"{when} the group still had a member, with the group.instance.id {names[0]!r}.",
            "A member with such a name stays when it is closed, until its session.timeout.ms is over: leave the name "
            "out.",
        )
    if members:
        raise NotYet(f"{when} your consumer was still a member of its group.", _CLOSE)


def _threads() -> set[str]:
    """Threads of Kafka clients in this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            if (task / "comm").read_text().startswith("rdk:"):
                found.add(task.name)
    return found


def _require_no_threads(before: set[str], when: str) -> None:
    gc.collect()
    try:
        wait_until(
            lambda: not _threads() - before, "They end", within_s=3,
            seen=lambda: f"{len(_threads() - before)} threads are there",
        )  # fmt: skip
    except NotInTime:
        count = len(_threads() - before)
        raise NotYet(
            f"{when} a Kafka client of yours was still open: {count} threads of it.", "Close it, however it ends."
        ) from None


def _counts(places: Sequence[_Place]) -> dict[int, int]:
    return {number: sum(1 for place in places if place[0] == number) for number in range(_PARTITIONS)}


def _require_committed(settings: Settings, topic: str, group: str, handle: _Handle) -> None:
    """What was handled before the error is committed, and nothing else."""
    committed = committed_offsets(settings.kafka_bootstrap, topic, group)
    handled = _counts(handle.done)
    assert handle.failed is not None
    partition, offset = handle.failed
    if beyond := [number for number in handled if committed[number] > handled[number]]:
        where = partition if partition in beyond else beyond[0]
        raise NotYet(
            f"handle failed at partition {partition}, offset {offset}. In partition {where} {handled[where]} records "
            f"are handled, and the group's offset is {committed[where]}: the next call skips "
            f"{'the one that failed' if where == partition else 'some'}.",
            _why_beyond(handle, handled),
        )
    again = [place for place in handle.done if place[1] >= committed[place[0]]]
    if not again:
        return
    ends = {number: max(0, count - 1) for number, count in handled.items()}
    is_one_less = len(handle.done) > len(again) and committed == ends
    raise NotYet(
        f"{len(again)} of the {len(handle.done)} records that were handled before the error are not committed: "
        "the next call is given them again.",
        "Is the last one committed, too? Where you commit an offset: it is that of the next record, offset + 1."
        if is_one_less
        else f"When handle raises, what was done before has to be committed, too. {_COMMIT_EACH}",
    )


def _why_beyond(handle: _Handle, handled: Mapping[int, int]) -> str:
    at_once = sum(max(0, handle.committed[number] - count) for number, count in handled.items())
    if at_once > 1:
        return f"Records were committed before their handle was called. {_BATCH}"
    if at_once == 1:
        return "It was committed before its handle came back: commit a record after that."
    return (
        "It was committed after handle had failed. enable.auto.commit does so when the consumer closes, and so does a "
        "commit in finally."
    )


def _require_number(said: Any, wanted: int) -> None:
    if said != wanted or isinstance(said, bool):
        raise NotYet(
            f"Your function returned {shown(said)}; it handled {wanted} records.",
            "Is there a return at its end?" if said is None else "",
        )


def _judge_rest(answer: Any, settings: Settings, topic: str, group: str, first: _Handle, total: int) -> None:
    """The same group again, with a count of just what is left."""
    left = total - len(first.done)
    handle = _Handle(settings, topic, group)
    before = _threads()
    what = f"the same group again, with the {left} records that are left"
    said, returned = _call(answer, (settings.kafka_bootstrap, topic, group, left, handle), what)
    twice = set(handle.done) & set(first.done)
    again = len(twice) + len(handle.done) - len(set(handle.done))
    if again:
        raise NotYet(
            f"{again} records were handed out a second time, though their handle had come back without an error.",
            _COMMIT_EACH,
        )
    if not handle.times:
        raise NotYet(f"Called again for the same group, with {left} of {total} records left, your function handled "
                     f"nothing, and returned {shown(said)}.")  # fmt: skip
    if len(handle.done) < left:
        is_lost = first.failed not in handle.done
        also = ", among them the one that failed" if is_lost else ""
        raise NotYet(f"{left - len(handle.done)} of {total} records were never handled{also}. The second call had "
                     f"count {left} and returned {shown(said)}.")  # fmt: skip
    if _is_disordered(handle.done):
        raise NotYet("Records of one partition were handed out in another order than they are there.")
    _require_soon(handle, returned, left)
    _require_number(said, left)
    _require_left(settings, group, f"When all {left} were handled,")
    _require_no_threads(before, "When all was handled")
    _require_at(settings, topic, group, [*first.done, *handle.done])


def _is_disordered(places: Sequence[_Place]) -> bool:
    for number in range(_PARTITIONS):
        offsets = [place[1] for place in places if place[0] == number]
        if offsets != sorted(offsets):
            return True
    return False


def _require_soon(handle: _Handle, returned: float, count: int) -> None:
    """With `count` of them it is done; so long it would only take to wait once more."""
    waited = returned - handle.times[-1]
    if waited > patience(_SILENCE_S - 0.5):
        raise NotYet(
            f"count was {count}, and {count} records were handled; your function came back {waited:.1f} s later.",
            "When there were count of them, it is done: do not wait for another one.",
        )


def _require_at(settings: Settings, topic: str, group: str, done: Sequence[_Place]) -> None:
    """The group's offsets are just behind what is done."""
    wanted = _counts(done)
    committed = committed_offsets(settings.kafka_bootstrap, topic, group)
    if committed == wanted:
        return
    behind = sum(max(0, count - committed[number]) for number, count in wanted.items())
    if behind:
        last = done[-1][0]
        in_others = committed[last] >= wanted[last]
        raise NotYet(
            f"{len(done)} records were handled, and the group is still {behind} records behind"
            f"{f': in partition {last}, which had the last of them, it is not' if in_others else ''}.",
            "The commit of a record is one for its partition alone." if in_others
            else "Wait for the commit of the last record: asynchronous=False.",
        )  # fmt: skip
    ahead = sum(max(0, committed[number] - count) for number, count in wanted.items())
    raise NotYet(f"{len(done)} records were handled, and the group has committed {ahead} more: those are skipped.",
                 _BATCH)  # fmt: skip


def _judge_counts(answer: Any, settings: Settings, topic: str, group: str, total: int) -> None:
    """A group that is new: a count smaller than what is there, 0, and larger."""
    few = _Handle(settings, topic, group)
    what = f"a new group, with a count of {_FEW} where {total} records are"
    said, returned = _call(answer, (settings.kafka_bootstrap, topic, group, _FEW, few), what)
    if not few.done:
        raise NotYet(
            f"Called for another group, which is new, your function handled nothing and returned {shown(said)}; "
            f"there are {total} records.",
        )
    if len(few.done) != _FEW:
        raise NotYet(f"count was {_FEW}, and handle was called {len(few.done)} times; there were {total} records.")
    _require_soon(few, returned, _FEW)
    _require_number(said, _FEW)
    _require_at(settings, topic, group, few.done)
    none = _Handle(settings, topic, group)
    said, _ = _call(answer, (settings.kafka_bootstrap, topic, group, 0, none), "a count of 0")
    if none.times:
        raise NotYet(f"count was 0, and handle was called {len(none.times)} times.")
    _require_number(said, 0)
    _judge_silence(answer, settings, topic, group, few, total)


def _judge_silence(answer: Any, settings: Settings, topic: str, group: str, few: _Handle, total: int) -> None:
    left = total - len(few.done)
    handle = _Handle(settings, topic, group, slow=True)
    before = _threads()
    began = time.monotonic()
    what = f"a count of {total + 70} where {left} records are left"
    said, returned = _call(answer, (settings.kafka_bootstrap, topic, group, total + 70, handle), what)
    took = returned - began
    seen = f"count was {total + 70}, {left} records were left; {len(handle.done)} were handled"
    if len(handle.done) != left:
        raise NotYet(f"{seen} when your function came back, after {took:.1f} s.", _why_early(handle, began, took))
    silence = returned - handle.times[-1]
    if silence < _SILENCE_S - _EARLY_S:
        raise NotYet(
            f"{seen}, and your function came back {silence:.1f} s after the last one; nothing has to have come for "
            "5 s.",
            _why_early(handle, began, took),
        )
    if silence > patience(_TOO_LONG_S):
        raise NotYet(f"{seen}, and your function came back {silence:.1f} s after the last one; it should after 5 s.")
    _require_number(said, left)
    _require_left(settings, group, "When nothing came any more,")
    _require_no_threads(before, "When nothing came any more")
    _require_at(settings, topic, group, [*few.done, *handle.done])


def _why_early(handle: _Handle, began: float, took: float) -> str:
    if handle.times and handle.times[0] - began > _SILENCE_S - 0.5:
        return "consume(…, timeout=5) waits 5 s in all and then gives what came: ask again until it gives nothing."
    if _SILENCE_S - 0.2 < took < _SILENCE_S + _SLOW_HANDLE_S:
        return "That is 5 s in all. They begin anew with each record."
    return ""


JUDGES: dict[str, Judge] = {"02a": judge_02a, "02b": judge_02b}
