"""Invariant 14 on single values: a snapshot survives the wire, anything else is refused with its reason."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.kafka.avro import ASK_AGAIN_S, DeserializationError, Schema, SnapshotCodec
from labkit.kafka.topics import MAX_MESSAGE_BYTES
from labkit.settings import REPOSITORY
from labkit.streams.procstat.metrics import compare
from labkit.streams.procstat.snapshot import MAX_CPU_LINES, MAX_CPU_NAME, CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import LAST_TIMESTAMP, MAX_HOSTNAME
from tests.support.avro_examples import (
    CODEC,
    CORRUPT,
    HEADER,
    HOSTILE,
    REGISTERED,
    SCHEMA,
    SCHEMA_ID,
    TINY,
    TWO_CPUS,
    V2,
    V2_ID,
    varint,
    written_with_v2,
)
from tests.support.strategies import snapshots

WITHOUT_DEFAULT: Schema = json.loads(
    (REPOSITORY / "schemas/examples/procstat_snapshot.v2-without-default.avsc").read_text()
)


def test_the_schema_has_the_fields_of_a_snapshot_in_its_order() -> None:
    assert [field["name"] for field in SCHEMA["fields"]] == [field.name for field in fields(Snapshot)]
    cpu = SCHEMA["fields"][2]["type"]["items"]
    assert tuple(field["name"] for field in cpu["fields"]) == CpuTimes._fields


@given(snapshots(), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_back(snapshot: Snapshot, schema_id: int) -> None:
    codec = SnapshotCodec(PROCSTAT, SCHEMA, {schema_id: SCHEMA}.get)
    assert codec.decode(codec.encode(snapshot, schema_id)) == snapshot


def test_the_bytes_are_those_of_the_wire_format_and_of_avro() -> None:
    by_hand = bytes.fromhex(
        "00 00010203"  # the magic byte, schema id 0x010203 with its highest byte first
        "0a 686f737431  02"  # hostname: 5 characters, zig-zag 10; timestamp 1, zig-zag 2
        "02  06 637075  02 04 06 8001  00 00 00 00 00 00  00"  # cpus: a block of 1, its fields; no further block
        "02 0a 00  00"  # intr: a block of 1, the 5, no further block; softirq: no block
        "00 808001 00 00 00"  # ctxt, btime 8192 as zig-zag 16384 = 0x4000, processes, procs_running, procs_blocked
    )
    assert CODEC.encode(TINY, 0x010203) == by_hand


def test_a_snapshot_of_4096_cpus_with_20000_interrupts_is_not_too_large() -> None:
    cpus = tuple(CpuTimes(f"cpu{number}", *[2**40] * 10) for number in range(4096))
    large = replace(TWO_CPUS, cpus=cpus, intr=(2**40,) * 20_000)
    assert CODEC.decode(CODEC.encode(large, SCHEMA_ID)) == large


@pytest.mark.parametrize(("value", "words"), CORRUPT.values(), ids=CORRUPT.keys())
def test_a_corrupt_value_is_refused_with_words_of_its_own(value: bytes | None, words: str) -> None:
    with pytest.raises(DeserializationError, match=words):
        CODEC.decode(value)


@pytest.mark.parametrize("wrong", [{"intr": (3, -1)}, {"ctxt": -1}], ids=str)
def test_a_negative_number_is_refused_in_the_other_counters_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeserializationError, match="negative"):
        CODEC.decode(CODEC.encode(replace(TWO_CPUS, **wrong), SCHEMA_ID))


@pytest.mark.parametrize("timestamp", [-1, -(2**63), LAST_TIMESTAMP + 1, 2**63 - 1])
def test_a_time_that_neither_kafka_nor_a_date_folder_can_hold_is_refused(timestamp: int) -> None:
    with pytest.raises(DeserializationError, match="not in the years 1970 to 9999"):
        CODEC.decode(CODEC.encode(replace(TWO_CPUS, timestamp=timestamp), SCHEMA_ID))


@pytest.mark.parametrize("timestamp", [0, LAST_TIMESTAMP])
def test_the_first_and_the_last_time_are_read(timestamp: int) -> None:
    assert CODEC.decode(CODEC.encode(replace(TWO_CPUS, timestamp=timestamp), SCHEMA_ID)).timestamp == timestamp


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"cpus": tuple(CpuTimes(f"cpu{number}", 0, 0, 0, 0) for number in range(MAX_CPU_LINES + 1))}, "more CPUs, or"),
        ({"cpus": (CpuTimes("c" * (MAX_CPU_NAME + 1), 0, 0, 0, 0),)}, "a longer name, than a machine can have"),
        ({"hostname": "h" * (MAX_HOSTNAME + 1)}, "its hostname is longer than a machine's can be"),
    ],
    ids=["lines", "CPU", "host"],
)
def test_more_than_metrics_of_one_message_can_hold_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(DeserializationError, match=reason):
        CODEC.decode(CODEC.encode(replace(TINY, **wrong), SCHEMA_ID))


def test_the_metrics_of_the_largest_snapshot_that_is_read_fit_into_a_message() -> None:
    ids = [f"{number:x}".rjust(MAX_CPU_NAME, "\x01") for number in range(MAX_CPU_LINES)]
    ticks = [2**60, *[7] * 7]  # shares with as many digits as there are
    first = replace(TINY, hostname="\x01" * MAX_HOSTNAME, cpus=tuple(CpuTimes(name, 0, 0, 0, 0) for name in ids))
    second = replace(first, timestamp=first.timestamp + 1, cpus=tuple(CpuTimes(name, *ticks) for name in ids))
    read = [CODEC.decode(CODEC.encode(snapshot, SCHEMA_ID)) for snapshot in (first, second)]
    metrics = compare(*read).result
    assert metrics is not None
    assert len(metrics.cpu_metrics) == MAX_CPU_LINES
    assert len(orjson.dumps(metrics.as_record())) < MAX_MESSAGE_BYTES


def test_a_snapshot_cut_anywhere_is_refused() -> None:
    whole = CODEC.encode(TWO_CPUS, SCHEMA_ID)
    for length in range(len(whole)):
        with pytest.raises(DeserializationError):
            CODEC.decode(whole[:length])


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda body: HEADER + body))
def test_any_bytes_are_a_snapshot_or_are_refused(value: bytes) -> None:
    assert_read_or_refused(value)


@given(st.data())
def test_a_snapshot_with_some_bytes_changed_is_a_snapshot_or_is_refused(data: st.DataObject) -> None:
    value = bytearray(CODEC.encode(TWO_CPUS, SCHEMA_ID))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(len(HEADER), len(value) - 1))] = data.draw(st.integers(0, 255))
    assert_read_or_refused(bytes(value))


def assert_read_or_refused(value: bytes) -> None:
    with suppress(DeserializationError):
        assert isinstance(CODEC.decode(value), Snapshot)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_few_bytes_that_promise_a_trillion_items_cost_neither_time_nor_memory(value: bytes) -> None:
    tracemalloc.start()
    begin = time.monotonic()
    try:
        with pytest.raises(DeserializationError):
            CODEC.decode(value)
        assert time.monotonic() - begin < 1
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


class Questions:
    """A registry that counts what it is asked, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.registered = dict(REGISTERED)
        self.now_s = 1000.0
        self.codec = SnapshotCodec(PROCSTAT, SCHEMA, self.schema, clock=lambda: self.now_s)

    def schema(self, schema_id: int) -> Schema | None:
        self.asked.append(schema_id)
        return self.registered.get(schema_id)

    def refuses(self, schema_id: int) -> bool:
        try:
            self.codec.decode(CODEC.encode(TINY, schema_id))
        except DeserializationError:
            return True
        return False


def test_the_registry_is_asked_for_a_schema_id_once_whether_it_knows_it_or_not() -> None:
    questions = Questions()
    for _ in range(3):
        assert not questions.refuses(SCHEMA_ID)
        assert questions.refuses(99)
        assert questions.refuses(8)
    assert questions.asked == [SCHEMA_ID, 99, 8]


def test_an_unknown_schema_id_is_asked_for_again_after_a_minute_and_once_only() -> None:
    questions = Questions()
    for second in range(10 * int(ASK_AGAIN_S)):
        questions.now_s = 1000.0 + second
        for _ in range(5):
            assert questions.refuses(99)
    assert questions.asked == [99] * 10


def test_a_schema_that_is_registered_later_is_seen_within_a_minute_and_then_kept_for_good() -> None:
    questions = Questions()
    assert questions.refuses(99)
    questions.registered[99] = SCHEMA
    questions.now_s += ASK_AGAIN_S - 0.001
    assert questions.refuses(99)
    questions.now_s += 0.001
    assert not questions.refuses(99)
    questions.now_s += 10 * ASK_AGAIN_S
    assert not questions.refuses(99)
    assert questions.asked == [99, 99]


def test_a_schema_that_is_not_ours_never_will_be_and_is_not_asked_for_again() -> None:
    questions = Questions()
    for _ in range(3):
        assert questions.refuses(8)
        questions.now_s += 2 * ASK_AGAIN_S
    assert questions.asked == [8]


def test_a_registry_that_is_away_is_no_answer_and_nothing_is_remembered_of_it() -> None:
    def away(_: int) -> Schema | None:
        raise ConnectionError

    answers = [away, away, REGISTERED.get]
    codec = SnapshotCodec(PROCSTAT, SCHEMA, lambda schema_id: answers.pop(0)(schema_id))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            codec.decode(CODEC.encode(TINY, SCHEMA_ID))
    assert codec.decode(CODEC.encode(TINY, SCHEMA_ID)) == TINY


def test_ids_that_came_once_are_forgotten() -> None:
    questions = Questions()
    for schema_id in range(1000, 2000):
        assert questions.refuses(schema_id)
        questions.now_s += 1
    assert len(questions.codec._asked_at) <= ASK_AGAIN_S + 1


def test_the_second_version_is_the_first_and_one_field_at_its_end() -> None:
    for schema in (V2, WITHOUT_DEFAULT):
        assert schema["fields"][:-1] == SCHEMA["fields"]
    assert V2["fields"][-1]["default"] == ""
    assert "default" not in WITHOUT_DEFAULT["fields"][-1]


@given(snapshots(), st.text())
def test_records_of_both_versions_are_read_side_by_side(snapshot: Snapshot, kernel: str) -> None:
    codec = SnapshotCodec(PROCSTAT, SCHEMA, {SCHEMA_ID: SCHEMA, V2_ID: V2}.get)
    first, second = CODEC.encode(snapshot, SCHEMA_ID), written_with_v2(snapshot, kernel)
    assert codec.decode(first) == codec.decode(second) == codec.decode(first) == snapshot


def test_a_field_in_the_middle_of_a_later_schema_is_left_alone_too() -> None:
    middle = {**SCHEMA, "fields": [SCHEMA["fields"][0], V2["fields"][-1], *SCHEMA["fields"][1:]]}
    codec = SnapshotCodec(PROCSTAT, SCHEMA, {SCHEMA_ID: SCHEMA, 10: middle}.get)
    v1_body = CODEC.encode(TINY, 10)
    hostname_ends = len(HEADER) + 6
    value = v1_body[:hostname_ends] + varint(4) + b"6.18" + v1_body[hostname_ends:]
    assert codec.decode(value) == TINY


def test_a_reader_of_the_second_version_reads_the_first_and_fills_the_field_in() -> None:
    codec = SnapshotCodec(PROCSTAT, V2, {SCHEMA_ID: SCHEMA, V2_ID: V2}.get)
    assert codec.decode(CODEC.encode(TINY, SCHEMA_ID)) == TINY
    assert codec.decode(written_with_v2(TINY, "6.18.2")) == TINY
    body = io.BytesIO(CODEC.encode(TINY, SCHEMA_ID)[len(HEADER) :])
    assert fastavro.schemaless_reader(body, SCHEMA, V2)["kernel"] == ""


def test_without_a_default_the_second_version_cannot_read_the_first() -> None:
    body = io.BytesIO(CODEC.encode(TINY, SCHEMA_ID)[len(HEADER) :])
    with pytest.raises(fastavro.read.SchemaResolutionError, match="kernel"):
        fastavro.schemaless_reader(body, SCHEMA, WITHOUT_DEFAULT)


def test_a_schema_id_whose_schema_is_no_avro_is_refused() -> None:
    json_schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {}}
    with pytest.raises(DeserializationError, match="schema id 7"):
        SnapshotCodec(PROCSTAT, SCHEMA, {SCHEMA_ID: json_schema}.get).decode(CODEC.encode(TINY, SCHEMA_ID))
