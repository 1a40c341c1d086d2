"""A stream without rules on columns: the engine reads and compares batches as `SnapshotCodec.decode` and `compare`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.flink.engine.batch import enrich, rules_of
from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.kafka.avro import DeserializationError, Schema, SnapshotCodec, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.meminfo import MEMINFO
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import Comparison, by_time
from labkit.streams.stream import Stream
from tests.support.strategies import damaged, snapshots


class Core(NamedTuple):
    """A part with every kind of value."""

    name: str
    on: bool
    load: float
    ticks: int
    temperatures: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Another order than the schema's, parts within, and by keyword alone."""

    timestamp: int
    hostname: str
    cores: tuple[Core, ...]
    small: int
    load: float
    names: tuple[str, ...]


@dataclass(frozen=True)
class Load:
    """All of it again, so that nothing that was read wrongly stays unseen."""

    hostname: str
    timestamp: int
    time_delta_ms: int
    seen: str


def _compare(before: int | None, now: Reading) -> Comparison[int, Load]:
    return by_time(before, now, lambda now, passed: Load(now.hostname, now.timestamp, passed, repr(now)))


def _check(reading: Reading) -> str:
    return "" if reading.small >= 0 else "it has a negative small"


def _schema(*more: Any, hostname: Any = "string") -> Schema:
    core = {"type": "record", "name": "Core", "fields": [
        {"name": "name", "type": "string"}, {"name": "ticks", "type": "long"}, {"name": "on", "type": "boolean"},
        {"name": "load", "type": "double"}, {"name": "temperatures", "type": {"type": "array", "items": "float"}},
    ]}  # fmt: skip
    return {"type": "record", "name": "Reading", "fields": [
        {"name": "hostname", "type": hostname}, {"name": "timestamp", "type": "long"},
        {"name": "cores", "type": {"type": "array", "items": core}}, {"name": "small", "type": "int"},
        {"name": "load", "type": "double"}, {"name": "names", "type": {"type": "array", "items": "string"}}, *more,
    ]}  # fmt: skip


READING = replace(MEMINFO, name="reading", snapshot=Reading, result=Load, compare=_compare, check=_check)
WITH_A_NOTE = {"name": "note", "type": "string", "default": "a note that the snapshot leaves out"}
WITH_A_UNION = {"name": "more", "type": ["null", "long"], "default": None}
STREAMS: dict[str, tuple[Stream, Schema]] = {
    "procstat": (replace(PROCSTAT, columnar=None), read_schema(REPOSITORY / "schemas", PROCSTAT)),
    "meminfo": (MEMINFO, read_schema(REPOSITORY / "schemas", MEMINFO)),
    "every kind": (READING, _schema()),
    "a text more": (READING, _schema(WITH_A_NOTE)),
    "a union": (READING, _schema(WITH_A_UNION)),
}

NAMES = st.one_of(st.sampled_from(["a", "b"]), st.text(max_size=4), st.just("x" * 256))
TIMES = st.one_of(st.integers(0, 5_000), st.sampled_from([-1, 253_402_300_800_000]))
LONGS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-100, 100))
FLOATS = st.one_of(st.floats(width=32), st.just(0.5))
READINGS = st.builds(
    Reading,
    timestamp=TIMES, hostname=NAMES, small=st.integers(-2, 2**31 - 1), load=st.floats(),
    cores=st.lists(st.builds(Core, st.text(max_size=3), st.booleans(), st.floats(), LONGS,
                             st.lists(FLOATS, max_size=2).map(tuple)), max_size=3).map(tuple),
    names=st.lists(st.text(max_size=3), max_size=3).map(tuple),
)  # fmt: skip
MEMORY = st.builds(
    MEMINFO.snapshot, NAMES, TIMES, st.integers(-1, 2**40), *[st.integers(0, 2**33)] * 6, st.just(8), st.integers(0, 9)
)
ANY = {"procstat": snapshots(), "meminfo": MEMORY}


@st.composite
def values(draw: st.DrawFn, name: str) -> bytes | None:
    """A value of that stream: mostly as it was written, perhaps cut, longer, or with a byte changed."""
    stream, schema = STREAMS[name]
    value = SnapshotCodec(stream, schema, {1: schema}.get).encode(draw(ANY.get(name, READINGS)), 1)
    broken = draw(damaged(value))
    return draw(st.sampled_from([value, value, value, broken, broken, broken, None]))


def one_by_one(stream: Stream, schema: Schema, batch: list[bytes | None]) -> tuple[list[bytes], dict[int, str]]:
    codec = SnapshotCodec(stream, schema, {1: schema}.get)
    states: dict[str, Any] = {}
    lines, reasons = [], {}
    for number, value in enumerate(batch):
        try:
            snapshot = codec.decode(value)
        except DeserializationError as reason:
            reasons[number] = str(reason)
            continue
        _, states[snapshot.hostname], result = stream.compare(states.get(snapshot.hostname), snapshot)
        if result is not None:
            lines.append(orjson.dumps(result))
    return lines, reasons


def parts(batch: list[bytes | None], cut: int) -> Iterator[tuple[int, list[bytes | None]]]:
    yield 0, batch[:cut]
    yield cut, batch[cut:]


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
def test_a_batch_is_read_and_compared_as_its_records_are_one_by_one(name: str, data: st.DataObject) -> None:
    stream, schema = STREAMS[name]
    batch = data.draw(st.lists(values(name), max_size=8))
    rules = rules_of(stream, schema)
    decoder = batch_decoder(schema, SnapshotCodec(stream, schema, {1: schema}.get), rules)
    known, lines, reasons = None, [], {}
    for first, part in parts(batch, data.draw(st.integers(0, len(batch)))):
        _, found, unread = decoder.decode(part)
        reasons |= {first + number: str(reason) for number, reason in unread.items()}
        crossed = pickle.loads(pickle.dumps(found.take(range(len(found))), protocol=5))
        known, results = enrich(rules, known, crossed, wall_s=0.0, keep_for_s=float("inf"))
        lines += rules.json_lines(results).splitlines()
    assert (lines, reasons) == one_by_one(stream, schema, batch)


@pytest.mark.parametrize("name", ["procstat", "meminfo", "every kind", "a text more"])
def test_sound_records_of_a_plain_schema_are_not_read_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, schema = STREAMS[name]
    codec = SnapshotCodec(stream, schema, {1: schema}.get)
    simulated = {"procstat": PROCSTAT, "meminfo": MEMINFO}.get(name)
    if simulated is None:
        cores = (Core("ü", True, 0.25, -7, (0.5,)), Core("", False, float("inf"), 2**63 - 1, ()))
        snapshot: Any = Reading(timestamp=7, hostname="ü", cores=cores, small=0, load=-0.0, names=("", "ü"))
    else:
        text = {"procstat": "cpu 1 2 3 4\nbtime 5\n",
                "meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\n"}[name]  # fmt: skip
        snapshot = stream.parse(text, "h", 7)
    value = codec.encode(snapshot, 1)
    monkeypatch.setattr(SnapshotCodec, "decode", lambda *_: pytest.fail("read one by one"))
    numbers, found, reasons = batch_decoder(schema, codec, rules_of(stream, schema)).decode([value] * 3)
    assert (numbers.tolist(), found.hostnames, reasons) == ([0, 1, 2], [snapshot.hostname] * 3, {})
