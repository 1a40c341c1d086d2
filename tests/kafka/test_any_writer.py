"""Whatever schema a record came with, and whatever its bytes: it is read as the reader's schema says, or has a reason.

The codec has the last word; the engine (both its ways) and the repair of dead letters say the same. Run it longer:
pytest tests/kafka/test_any_writer.py --hypothesis-profile=long --hypothesis-seed=1
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.dead_letters.letters import DeadLetter, Diagnoser
from labkit.flink.engine.batch import rules_of
from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.flink.engine.scalar import ScalarRules
from labkit.kafka.avro import DeserializationError, Schema, SnapshotCodec, Unreadable
from labkit.streams.procstat.columns import of_snapshots
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.records import to_record
from tests.support.avro_examples import SCHEMA, TINY, TWO_CPUS, varint
from tests.support.strategies import damaged, snapshots

#: What a writer may add: a field's type, and values of it. Kafka's clients and other languages write all of these.
MORE: tuple[tuple[Any, Any], ...] = (
    (["null", "string"], st.sampled_from([None, "six"])),
    ({"type": "map", "values": ["null", "double"]}, st.just({"a": 1.5, "b": None})),
    ({"type": "enum", "name": "Kind", "symbols": ["BARE", "GUEST"], "default": "BARE"}, st.just("GUEST")),
    ({"type": "fixed", "name": "Digest", "size": 4}, st.just(b"\0\1\2\3")),
    ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, st.just(b"\x04\xd2")),
    ({"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"}, st.just(bytes(12))),
    ({"type": "string", "logicalType": "uuid"}, st.sampled_from(["", "no uuid"])),
    ({"type": "int", "logicalType": "date"}, st.integers(-(2**31), 2**31 - 1)),
    ({"type": "int", "logicalType": "time-millis"}, st.integers(-(2**31), 2**31 - 1)),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.integers(-(2**63), 2**63 - 1)),
    ({"type": "record", "name": "other.CpuTimes", "fields": [{"name": "id", "type": "float"}]}, st.just({"id": 1.0})),
    ({"type": "array", "items": {"type": "array", "items": "boolean"}}, st.just([[True], []])),
    ({"type": "record", "name": "Chain", "fields": [{"name": "next", "type": ["null", "Chain"]}]},
     st.just({"next": {"next": None}})),
)  # fmt: skip
LOGICAL = ("timestamp-millis", "timestamp-micros", "time-micros", "local-timestamp-millis", "nobody-knows-this-one")

Field, Record = dict[str, Any], dict[str, Any]


def _fields(schema: Schema) -> list[Field]:
    return list(schema["fields"])


@st.composite
def written(draw: st.DrawFn) -> tuple[Schema, Record, Snapshot | None]:
    """A writer's schema, a record of it, and the snapshot that it has to be read as; None where it is none."""
    schema = copy.deepcopy(SCHEMA)
    snapshot: Snapshot = draw(st.one_of(snapshots(), st.sampled_from([TINY, TWO_CPUS])))
    record = to_record(snapshot)
    readable = True
    for field in _fields(schema):
        if field["type"] != "long":
            continue
        match draw(st.sampled_from(["as it is"] * 6 + ["logical", "union", "null", "int", "string", "float"])):
            case "logical":
                field["type"] = {"type": "long", "logicalType": draw(st.sampled_from(LOGICAL))}
            case "union":
                field["type"] = draw(st.sampled_from([["null", "long"], ["string", "long", "null"]]))
            case "null":
                field["type"], record[field["name"]], readable = ["null", "long"], None, False
            case "int" if -(2**31) <= record[field["name"]] < 2**31:
                field["type"] = draw(st.sampled_from(["int", {"type": "int", "logicalType": "date"}]))
            case "string":
                field["type"], record[field["name"]], readable = "string", str(record[field["name"]]), False
            case "float":
                field["type"], record[field["name"]], readable = "double", 1.5, False
    for number, (kind, values) in enumerate(draw(st.lists(st.sampled_from(MORE), max_size=3, unique_by=id))):
        schema["fields"].append({"name": f"more_{number}", "type": kind})
        record[f"more_{number}"] = draw(values)
    schema["fields"] = draw(st.permutations(schema["fields"]))
    cpu = next(field for field in schema["fields"] if field["name"] == "cpus")["type"]["items"]
    cpu["fields"] = draw(st.permutations(cpu["fields"]))
    match draw(st.sampled_from(["as it is"] * 8 + ["left out", "renamed", "parsed", "documented"])):
        case "left out":
            gone = draw(st.sampled_from(schema["fields"]))
            schema["fields"].remove(gone)
            readable = readable and gone["name"].startswith("more_")
        case "renamed":
            schema["name"], schema["aliases"], readable = "SnapshotOfMine", [SCHEMA["name"]], False
        case "parsed":
            schema |= {"__fastavro_parsed__": True, "__named_schemas": {}}
        case "documented":
            schema |= {"doc": "long", "order": 7, "logicalType": "record"}
    return schema, record, snapshot if readable else None


def body_of(schema: Schema, record: Record) -> bytes:
    """As any other Avro library writes it: by types alone."""
    plain = _without(schema, ("logicalType", "__fastavro_parsed__", "__named_schemas"))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(plain), record)
    return out.getvalue()


def _without(schema: Any, names: tuple[str, ...]) -> Any:
    if isinstance(schema, dict):
        return {name: _without(value, names) for name, value in schema.items() if name not in names}
    return [_without(value, names) for value in schema] if isinstance(schema, list) else schema


def said(read: Callable[[], Any]) -> Any:
    """What is read, or why not."""
    try:
        return read()
    except DeserializationError as reason:
        return reason.kind, str(reason)


def agreed(schema: Schema, value: bytes) -> Any:
    """What the codec says of a value; the engine, in both its ways, and the repair say the same."""
    registered = {1: SCHEMA, 2: schema}.get
    codec = SnapshotCodec(PROCSTAT, SCHEMA, registered)
    by_codec = said(lambda: codec.decode(value))
    own = codec.encode(TINY, 1)
    for stream in (PROCSTAT, replace(PROCSTAT, columnar=None)):
        rules = rules_of(stream, SCHEMA)
        numbers, found, reasons = batch_decoder(SCHEMA, codec, rules).decode([own, value, own])
        if isinstance(by_codec, Snapshot):
            assert (numbers.tolist(), reasons) == ([0, 1, 2], {})
            if not isinstance(rules, ScalarRules):
                assert np.array_equal(found.counters, of_snapshots([TINY, by_codec, TINY]).counters)
        else:
            assert (numbers.tolist(), list(reasons)) == ([0, 2], [1])
            assert (reasons[1].kind, str(reasons[1])) == by_codec
        rules.compare_all(rules.empty(), found)
    letter = DeadLetter("dead", 0, "", None, value, "", 0, ())
    examination = Diagnoser(PROCSTAT, SCHEMA, registered).examine(letter)
    assert examination.still == ("" if isinstance(by_codec, Snapshot) else by_codec[1])
    if examination.repair is not None:
        assert codec.decode(examination.repair.value) == examination.repair.snapshot
    return by_codec


@given(written(), st.data())
def test_a_record_of_any_schema_is_read_as_ours_or_has_a_reason(
    found: tuple[Schema, Record, Snapshot | None], data: st.DataObject
) -> None:
    schema, record, snapshot = found
    header = bytes([0, 0, 0, 0, 2])
    body = body_of(schema, record)
    whole = agreed(schema, header + body)
    if snapshot is not None:
        assert whole == snapshot
    else:
        assert isinstance(whole[0], Unreadable)
    agreed(schema, header + data.draw(damaged(body)))


JSON = st.recursive(
    st.sampled_from(["long", "string", "null", "CpuTimes", "no type", 7, None, True]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(lambda of: {"type": of}, inner),
        st.builds(lambda of: {"type": "record", "name": "R", "fields": [{"name": "a", "type": of}]}, inner),
        st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "symbols", "size", "values"]), inner),
    ),
    max_leaves=8,
)


@given(JSON, st.binary(max_size=20))
def test_what_is_hardly_a_schema_is_a_reason_too(schema: Any, body: bytes) -> None:
    assert not isinstance(agreed(schema, bytes([0, 0, 0, 0, 2]) + body), Snapshot)


@pytest.mark.parametrize("logical", LOGICAL)
def test_a_timestamp_with_a_logical_type_is_the_number_that_it_is(logical: str) -> None:
    schema = copy.deepcopy(SCHEMA)
    schema["fields"][1]["type"] = {"type": "long", "logicalType": logical}
    assert agreed(schema, bytes([0, 0, 0, 0, 2]) + body_of(schema, to_record(TWO_CPUS))) == TWO_CPUS


NOTHING = {"type": "record", "name": "Nothing", "fields": [{"name": "a", "type": "null"}]}
ITSELF = {"type": "record", "name": "Itself", "fields": [{"name": "a", "type": "Itself"}]}


@pytest.mark.parametrize(
    "items", ["null", {"type": "fixed", "name": "Empty", "size": 0}, NOTHING, ITSELF, {"type": "null"}], ids=str
)
def test_an_array_whose_items_take_no_bytes_is_refused_before_it_is_counted_through(items: Any) -> None:
    schema = copy.deepcopy(SCHEMA)
    schema["fields"].append({"name": "more", "type": {"type": "array", "items": items}})
    body = body_of(SCHEMA, to_record(TINY)) + varint(2**62 - 1) + b"\0"
    assert "take no bytes" in agreed(schema, bytes([0, 0, 0, 0, 2]) + body)[1]
