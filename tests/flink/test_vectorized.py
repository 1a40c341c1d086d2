"""What the engine works out on columns is what `compare` and `SnapshotCodec.decode` say, snapshot by snapshot."""

from __future__ import annotations

import itertools
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.flink.engine.record_batch import decode_headers
from labkit.kafka.avro import MAX_SNAPSHOT_BYTES, DeserializationError, SnapshotCodec, Unreadable, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.procstat import columnar
from labkit.streams.procstat.columns import Columns, empty, join, of_snapshots
from labkit.streams.procstat.intervals import compare_all
from labkit.streams.procstat.json_lines import json_lines
from labkit.streams.procstat.metrics import LastGood, compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import FORGET_AFTER_MS, MAX_HOSTNAME
from tests.support.strategies import ANY_TICKS, cpu_times, recordings

SCHEMA = read_schema(REPOSITORY / "schemas", PROCSTAT)
V2: dict[str, Any] = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "kernel", "type": "string", "default": ""}]}
OTHER: dict[str, Any] = {"type": "record", "name": "Other", "fields": [{"name": "n", "type": "long"}]}
REGISTERED = {7: SCHEMA, 8: V2, 9: OTHER}

#: Steps that make every verdict likely, and every kind of counter: still, small, large, back.
TICKS = st.one_of(st.integers(0, 400), st.sampled_from([0, 2**53 + 1, 2**60, 2**62, 2**63 - 1]))
NAMES = st.permutations(["cpu", "cpu0", "cpu1", "cpu2"]).flatmap(
    lambda names: st.integers(1, 4).map(lambda count: names[:count])
)


@st.composite
def streams(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots of a few hosts as they might come: late, repeated, after a reboot, with other CPUs, years later."""
    stream = []
    for _ in range(draw(st.integers(0, 25))):
        host = draw(st.sampled_from(["a", "b", "ü"]))
        timestamp = draw(st.one_of(st.integers(0, 5_000), st.just(FORGET_AFTER_MS + 2_000)))
        cpus = tuple(draw(cpu_times(TICKS, name)) for name in draw(NAMES))
        btime = draw(st.sampled_from([1_000, 1_001, 1_002, 5_000]))
        stream.append(Snapshot(host, timestamp, cpus, btime=btime))
    return stream


def in_batches(stream: list[Snapshot], cuts: list[int]) -> tuple[Columns, list[dict[str, Any]]]:
    """What `compare_all` makes of it, cut at `cuts`: the last good snapshots, and the records."""
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    memory, records = empty(), []
    for begin, end in itertools.pairwise(edges):
        memory, intervals = compare_all(memory, of_snapshots(stream[begin:end]))
        records += [json.loads(text) for text in json_lines(intervals).splitlines()]
    return memory, records


@given(streams(), st.lists(st.integers(0, 25), max_size=3))
def test_intervals_are_those_of_compare_however_the_stream_is_cut(stream: list[Snapshot], cuts: list[int]) -> None:
    states: dict[str, LastGood] = {}
    records = []
    for snapshot in stream:
        _, states[snapshot.hostname], metrics = compare(states.get(snapshot.hostname), snapshot)
        if metrics is not None:
            records.append(json.loads(json.dumps(metrics.as_record())))
    memory, found = in_batches(stream, cuts)
    assert found == records
    assert memory.hostnames == list(states)
    wanted = of_snapshots(Snapshot(name, one.timestamp, one.cpus, btime=one.btime) for name, one in states.items())
    assert memory.timestamp.tolist() == wanted.timestamp.tolist()
    assert memory.btime.tolist() == wanted.btime.tolist()
    assert memory.counters.tolist() == wanted.counters.tolist()
    assert [memory.patterns[one] for one in memory.pattern] == [wanted.patterns[one] for one in wanted.pattern]


@given(recordings())
def test_a_batch_changes_none_of_the_columns_that_it_was_given(stream: list[Snapshot]) -> None:
    """iowait falls in nearly every one of them, and the highest is kept in columns of the batch's own."""
    batch = of_snapshots(stream)
    given_state, _ = compare_all(empty(), batch)
    before = given_state.counters.tolist()
    compare_all(given_state, of_snapshots([replace(one, timestamp=one.timestamp + 10**6) for one in stream[::-1]]))
    assert given_state.counters.tolist() == before
    assert batch.counters.tolist() == of_snapshots(stream).counters.tolist()


def test_patterns_that_nobody_has_any_more_are_forgotten() -> None:
    memory = empty()
    for number in range(20):
        cpus = (CpuTimes("cpu", number, 0, 0, 0), CpuTimes(f"cpu{number}", number, 0, 0, 0))
        memory, _ = compare_all(memory, of_snapshots([Snapshot("a", number, cpus)]))
    assert memory.patterns == [("cpu", "cpu19")]


@given(streams(), st.data())
def test_taking_and_joining_change_no_snapshot(stream: list[Snapshot], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(stream) - 1), max_size=10)) if stream else []
    cut = data.draw(st.integers(0, len(stream)))
    joined = join(of_snapshots(stream[:cut]), of_snapshots(stream[cut:])).take(rows)
    wanted = of_snapshots([stream[row] for row in rows])
    assert (joined.hostnames, joined.counters.tolist()) == (wanted.hostnames, wanted.counters.tolist())
    assert joined.begins.tolist() == wanted.begins.tolist()


def codec(**registered: Any) -> SnapshotCodec:
    return SnapshotCodec(PROCSTAT, SCHEMA, REGISTERED.get)


SNAPSHOTS = st.builds(
    Snapshot,
    st.one_of(st.text(max_size=5), st.sampled_from(["x" * MAX_HOSTNAME, "x" * (MAX_HOSTNAME + 1), "ü" * 200])),
    st.one_of(st.integers(0, 10**13), st.sampled_from([-1, 253_402_300_799_999, 253_402_300_800_000, 2**63 - 1])),
    st.lists(
        st.sampled_from(["cpu", "cpu0", "cpu1", "cpu10", "", "ü" * 16, "x" * 17]).flatmap(
            lambda name: cpu_times(st.one_of(ANY_TICKS, st.integers(0, 200), st.just(-1)), name)
        ),
        max_size=4,
    ).map(tuple),
    st.lists(st.one_of(ANY_TICKS, st.just(-1)), max_size=3).map(tuple),
    st.lists(ANY_TICKS, max_size=70).map(tuple),
    *[st.one_of(ANY_TICKS, st.just(-5))] * 5,
)


@st.composite
def values(draw: st.DrawFn) -> bytes | None:
    """A Kafka value: mostly a snapshot, perhaps cut, longer, with another id or with a byte changed."""
    value = codec().encode(draw(SNAPSHOTS), draw(st.sampled_from([7, 7, 7, 7, 8, 9, 5])))
    match draw(st.sampled_from(["as it is"] * 6 + ["cut", "longer", "null", "changed", "magic", "v2"])):
        case "cut":
            return value[: draw(st.integers(0, len(value)))]
        case "longer":
            return value + draw(st.binary(min_size=1, max_size=9))
        case "null":
            return None
        case "changed":
            place = draw(st.integers(0, len(value) - 1))
            return value[:place] + bytes([draw(st.integers(0, 255))]) + value[place + 1 :]
        case "magic":
            return b"\x01" + value[1:]
        case "v2":
            return b"\0\0\0\0\x08" + value[5:] + b"\x06abc"
    return value


def said(reasons: dict[int, DeserializationError]) -> dict[int, tuple[Unreadable, str]]:
    return {number: (reason.kind, str(reason)) for number, reason in reasons.items()}


def one_by_one(batch: list[bytes | None]) -> tuple[list[int], list[Snapshot], dict[int, str]]:
    numbers, snapshots, reasons = [], [], {}
    decoder = codec()
    for number, value in enumerate(batch):
        try:
            snapshots.append(decoder.decode(value))
            numbers.append(number)
        except DeserializationError as reason:
            reasons[number] = (reason.kind, str(reason))
    return numbers, snapshots, reasons


@given(st.lists(values(), max_size=8))
@example([b"\0\0\0\0\7" + b"\0" * (MAX_SNAPSHOT_BYTES - 4)])
@example([b"", b"\0", b"\0\0\0\0\7"])
def test_a_batch_is_read_as_its_values_are_one_by_one(batch: list[bytes | None]) -> None:
    numbers, snapshots, reasons = one_by_one(batch)
    found_numbers, columns, found_reasons = batch_decoder(SCHEMA, codec(), columnar).decode(batch)
    assert said(found_reasons) == reasons
    assert found_numbers.tolist() == numbers
    wanted = of_snapshots(snapshots)
    assert columns.hostnames == wanted.hostnames
    assert columns.timestamp.tolist() == wanted.timestamp.tolist()
    assert columns.btime.tolist() == wanted.btime.tolist()
    assert columns.counters.tolist() == wanted.counters.tolist()
    assert [columns.patterns[one] for one in columns.pattern] == [wanted.patterns[one] for one in wanted.pattern]


def test_names_that_are_not_utf_8_are_refused_as_one_by_one_and_the_others_are_read() -> None:
    sound = codec().encode(Snapshot("web", 7, (CpuTimes("cpu", *range(10)),), (5,), (1,), 70), 7)
    batch: list[bytes | None] = [sound.replace(b"web", b"w\xffb"), sound, sound.replace(b"cpu", b"c\xbcu"), sound]
    _, _, reasons = one_by_one(batch)
    numbers, columns, found = batch_decoder(SCHEMA, codec(), columnar).decode(batch)
    assert (said(found), set(reasons)) == (reasons, {0, 2})
    assert (numbers.tolist(), columns.hostnames, columns.patterns) == ([1, 3], ["web", "web"], [("cpu",)])


def test_sound_values_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = tuple(CpuTimes(name, *range(10**6, 10**6 + 10)) for name in ("cpu", "cpu0"))
    batch = [codec().encode(Snapshot(f"h{number}", number, cpus, (5, 200), (1,), 70), 7) for number in range(50)]
    decoder = batch_decoder(SCHEMA, codec(), columnar)
    monkeypatch.setattr(SnapshotCodec, "decode", lambda *_: pytest.fail("read one by one"))
    numbers, columns, _ = decoder.decode(batch)
    assert numbers.tolist() == list(range(50))
    assert columns.hostnames == [f"h{number}" for number in range(50)]


def test_numbers_written_longer_than_they_need_to_be_are_read_too() -> None:
    snapshot = Snapshot("h", 5, (CpuTimes("cpu", 1, 2, 3, 4),))
    value = codec().encode(snapshot, 7)
    longer = value[:5] + b"\x82\x00" + value[6:]  # the length of the name, 1, in two bytes
    assert codec().decode(longer) == snapshot
    _, columns, reasons = batch_decoder(SCHEMA, codec(), columnar).decode([longer, value])
    assert (columns.hostnames, reasons) == (["h", "h"], {})


def test_an_id_that_is_registered_later_is_then_read() -> None:
    registered: dict[int, Any] = {}
    clock = [0.0]
    late = SnapshotCodec(PROCSTAT, SCHEMA, registered.get, lambda: clock[0])
    decoder = batch_decoder(SCHEMA, late, columnar)
    value = codec().encode(Snapshot("h", 5, (CpuTimes("cpu", 1, 2, 3, 4),)), 7)
    assert list(decoder.decode([value])[2]) == [0]
    registered[7] = SCHEMA
    clock[0] = 61.0
    assert decoder.decode([value])[2] == {}


def test_no_snapshots_make_no_intervals() -> None:
    memory, intervals = compare_all(empty(), empty())
    assert (len(memory), json_lines(intervals)) == (0, b"")
    assert np.array_equal(intervals.begins, [0])


def test_an_interval_in_which_every_cpu_is_left_out_is_there_with_none() -> None:
    first = Snapshot("a", 1, (CpuTimes("cpu", 5, 5, 5, 5),))
    _, intervals = compare_all(empty(), of_snapshots([first, replace(first, timestamp=2)]))
    assert json.loads(json_lines(intervals))["cpu_metrics"] == []


@given(st.lists(st.tuples(st.text(max_size=4), st.one_of(st.none(), st.binary(max_size=9))), max_size=4))
def test_headers_come_back_as_they_were_written(headers: list[tuple[str, bytes | None]]) -> None:
    written = b""
    for name, value in headers:
        in_bytes = name.encode()
        length = -1 if value is None else len(value)
        written += struct.pack(">ii", len(in_bytes), length) + in_bytes + (value or b"")
    assert decode_headers(written or None) == dict(headers)
