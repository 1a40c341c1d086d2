"""Which rules does a program keep? One host for each rule, a few snapshots each, and what must come of them.

    "an older snapshot is rejected"  t=0 s, 2 s, 1 s, 3 s  ->  intervals 0–2 s and 2–3 s

What must come is worked out by `labkit.streams.procstat.metrics`. Records that cannot be read come in a topic of their
own: a program that they stop would show nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import orjson
from confluent_kafka import Producer

from benchmarks.side_by_side.feed import START_MS
from labkit.jobs.reset import delete_topics
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import register_snapshot_schema
from labkit.kafka.topics import MAX_MESSAGE_BYTES, create_topics, pipeline_topics
from labkit.settings import Settings
from labkit.streams.procstat.metrics import compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import FORGET_AFTER_MS

ORDER = "the records of a host come in the order of their times"
NEWEST = "the newest record of a host does not wait for the next snapshot"
CORRUPT = "records that cannot be read are set aside, the others go on"
#: Hosts enough that each partition gets a last, late snapshot: a window closes only then.
_CLOSERS = 64
_CPUS = ("cpu", "cpu0", "cpu1")
_DAY_MS = 86_400_000


def _at(second: float, *, ticks: int | None = None, cpus: Iterable[str] = _CPUS, btime: int = 1_000) -> Snapshot:
    """A host that has worked evenly for `ticks` (unless told, a hundred a second)."""
    done = round(second * 100) if ticks is None else ticks
    lines = tuple(
        CpuTimes(name, 50_000 + done // 2, 0, 9_000 + done // 4, 800_000 + done // 4, 5, 0, 1, 0) for name in cpus
    )
    return Snapshot("", START_MS + round(second * 1000), lines, btime=btime)


def _with(snapshot: Snapshot, place: int, **counters: int) -> Snapshot:
    cpus = list(snapshot.cpus)
    cpus[place] = cpus[place]._replace(**counters)
    return replace(snapshot, cpus=tuple(cpus))


_FORGOTTEN_S = FORGET_AFTER_MS / 1000
#: Each is seconds of one host, in the order in which they are sent.
RULES: dict[str, list[Snapshot]] = {
    "the first snapshot of a host gives nothing": [_at(0), _at(1), _at(2)],
    "after a pause an interval has its true length": [_at(0), _at(1), _at(31), _at(32)],
    "a snapshot that comes twice is rejected": [_at(0), _at(1), _at(1), _at(2)],
    "an older snapshot is rejected": [_at(0), _at(2), _at(1), _at(3)],
    "after a reboot the host starts over": [_at(0), _at(1), _at(2, ticks=-30_000, btime=2_000),
                                            _at(3, ticks=-29_900, btime=2_000)],
    "after a reboot that set the clock back, too": [
        _at(10), _at(11), _at(2, ticks=-30_000, btime=2_000), _at(3, ticks=-29_900, btime=2_000)],
    "a host silent for more than 30 days is new": [_at(0), _at(1), _at(2 + _FORGOTTEN_S), _at(3 + _FORGOTTEN_S)],
    "a CPU whose idle falls starts over alone": [_at(0), _at(1), _with(_at(2), 1, idle=7), _with(_at(3), 1, idle=90)],
    "a counter that steps back counts as 0": [_at(0), _at(1), _with(_at(2), 1, softirq=0), _at(3)],
    "iowait that falls and comes back is not new": [
        _at(0), _at(1), _with(_at(2), 1, iowait=2), _at(3), _with(_at(4), 1, iowait=9)],
    "a CPU whose idle falls begins anew with its iowait": [
        _at(0), _at(1), _with(_at(2), 1, idle=7, iowait=1), _with(_at(3), 1, idle=90, iowait=4)],
    "a CPU that goes and comes back is matched by name": [_at(0), _at(1), _at(2, cpus=("cpu", "cpu1")), _at(3), _at(4)],
    "a CPU whose counters all stood still is left out": [
        _at(0), _at(1), replace(_at(2), cpus=(*_at(2).cpus[:2], _at(1).cpus[2])), _at(3)],
    "an interval in which all stood still has no CPUs": [_at(0), _at(1), _at(2, ticks=100), _at(3)],
}  # fmt: skip


def broken_values(good: bytes, encode: Callable[[Snapshot], bytes]) -> dict[str, bytes]:
    """{what is wrong: a value that nobody can read}, made from a good one."""
    first = _at(0)
    return {
        "empty": b"",
        "short": good[:4],
        "wrong magic": b"\x01" + good[1:],
        "unknown schema id": good[:1] + (2**31 - 1).to_bytes(4, "big") + good[5:],
        "cut off": good[:-3],
        "bytes left over": good + b"\x00",
        "negative counter": encode(_with(first, 1, user=-1)),
        "a CPU twice": encode(replace(first, cpus=(*first.cpus, first.cpus[0]))),
        "no CPUs": encode(replace(first, cpus=())),
        "2 MB": good + bytes(2_000_000),
    }


class Trial:
    """Values to send, by host, and what must come out: the rules, or the records that cannot be read."""

    def __init__(self, settings: Settings, *, corrupt: bool) -> None:
        schema, schema_id = read_schema(settings.schema_dir, PROCSTAT), register_snapshot_schema(settings.flow)
        codec = SnapshotCodec(PROCSTAT, schema, lambda _: schema)
        self._settings = settings
        self._values: list[tuple[str, bytes, int]] = []
        self._expected: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._rule_of: dict[str, str] = {}
        self.broken = 0

        def add(host: str, snapshots: list[Snapshot]) -> None:
            last = None
            for snapshot in snapshots:
                now = replace(snapshot, hostname=host)
                self._values.append((host, codec.encode(now, schema_id), now.timestamp))
                _, last, metrics = compare(last, now)
                if metrics is not None:
                    self._expected[host].append(orjson.loads(orjson.dumps(metrics.as_record())))

        if corrupt:
            name = "corrupt"
            good = codec.encode(replace(_at(0), hostname=name), schema_id)
            broken = broken_values(
                good, lambda snapshot: codec.encode(replace(snapshot, hostname="corrupt"), schema_id)
            )
            self._rule_of[name] = CORRUPT
            add(name, [_at(0), _at(1), _at(2)])
            middle = [(name, value, START_MS) for value in broken.values()]
            self._values[1:1] = middle
            self.broken = len(middle)
        else:
            for number, (rule, snapshots) in enumerate(RULES.items()):
                self._rule_of[f"rule-{number}"] = rule
                add(f"rule-{number}", snapshots)
        last = START_MS + FORGET_AFTER_MS + _DAY_MS
        for number in range(_CLOSERS):
            closing = replace(_at(0), hostname=f"closing-{number}", timestamp=last)
            self._values.append((closing.hostname, codec.encode(closing, schema_id), last))

    def send(self) -> None:
        """Make the topic of snapshots anew with these."""
        settings = self._settings
        delete_topics(settings, [settings.snapshots_topic])
        create_topics(settings.kafka_bootstrap, pipeline_topics(settings.flow)[:1])
        producer = Producer(
            {"bootstrap.servers": settings.kafka_bootstrap, "partitioner": "murmur2_random",
             "message.max.bytes": MAX_MESSAGE_BYTES, "enable.idempotence": True}
        )  # fmt: skip
        for host, value, at in self._values:
            producer.produce(settings.snapshots_topic, value, host, timestamp=at)
        producer.flush()

    @property
    def records(self) -> int:
        """How many must come out."""
        return sum(map(len, self._expected.values()))

    def kept(self) -> dict[str, bool]:
        """{rule: whether the committed records are just those that must be, in whatever order}."""

        def wanted(host: str) -> list[dict[str, Any]]:
            return sorted(self._expected[host], key=lambda record: record["timestamp"])

        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in read_topic(self._settings.kafka_bootstrap, self._settings.metrics_topic):
            metrics = orjson.loads(record.value())
            found[metrics["hostname"]].append(metrics)
        for records in found.values():
            records.sort(key=lambda record: record["timestamp"])  # their order is a matter of its own
        right = {rule: found[host] == wanted(host) for host, rule in self._rule_of.items()}
        if self.broken:
            aside = sum(1 for _ in read_topic(self._settings.kafka_bootstrap, self._settings.dead_letters_topic))
            right[CORRUPT] &= aside == self.broken
        return right
