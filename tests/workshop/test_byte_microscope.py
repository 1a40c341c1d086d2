"""The byte microscope: its pieces are what fastavro reads, they cover every byte, and its words are right."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.settings import REPOSITORY
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.workshop.pictures.byte_microscope import Piece, byte_microscope, meaning, pieces, zigzag
from tests.support.strategies import snapshots

SCHEMA = read_schema(REPOSITORY / "schemas", PROCSTAT)
CPUS = (CpuTimes("cpu", 4705, 150, 1120, 16250), CpuTimes("cpu0", 1, 2, 3, 4))
SNAPSHOT = Snapshot("two-cpus", 1795368345547, CPUS, (98332, 0), (7, 7), 300, 1795353464, 1, 1, 0)
LONG = st.integers(-(2**63), 2**63 - 1)


def encoded(snapshot: Snapshot, schema_id: int = 7) -> bytes:
    return SnapshotCodec(PROCSTAT, SCHEMA, lambda _: SCHEMA).encode(snapshot, schema_id)


def framed(schema: Any, value: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return b"\0\0\0\0\7" + body.getvalue()


def by_place(value: bytes, schema: Any = SCHEMA) -> dict[tuple[str, str], Any]:
    return {(piece.path, piece.role): piece.value for piece in pieces(value, schema)}


@given(LONG)
def test_every_number_comes_back_through_varint_and_zig_zag(number: int) -> None:
    found = by_place(framed("long", number), "long")
    assert found["", "number"] == number


@pytest.mark.parametrize(("unsigned", "number"), [(0, 0), (1, -1), (2, 1), (3, -2), (10, 5), (2**64 - 1, -(2**63))])
def test_zig_zag_as_the_specification_has_it(unsigned: int, number: int) -> None:
    assert zigzag(unsigned) == number


@given(snapshots())
def test_the_pieces_of_a_snapshot_are_what_fastavro_reads(snapshot: Snapshot) -> None:
    value = encoded(snapshot)
    read = fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(SCHEMA), None)
    found = by_place(value)
    assert found["hostname", "text"] == read["hostname"]
    assert found["timestamp", "number"] == read["timestamp"]
    for index, cpu in enumerate(read["cpus"]):
        assert found[f"cpus[{index}].id", "text"] == cpu["id"]
        for name in CpuTimes._fields[1:]:
            assert found[f"cpus[{index}].{name}", "number"] == cpu[name]
    for name in ("intr", "softirq"):
        assert [found[f"{name}[{index}]", "number"] for index in range(len(read[name]))] == read[name]
    assert found["procs_blocked", "number"] == read["procs_blocked"]


@given(snapshots())
def test_the_pieces_cover_every_byte_once_and_in_order(snapshot: Snapshot) -> None:
    value = encoded(snapshot)
    found = pieces(value, SCHEMA)
    assert [piece.start for piece in found] == [0, *(piece.end for piece in found[:-1])]
    assert found[-1].end == len(value)
    assert all(piece.end > piece.start and meaning(value, piece) for piece in found)


KINDS: list[tuple[Any, Any]] = [
    ("null", None),
    ("boolean", True),
    ("float", 0.5),
    ("double", -1.25),
    ("bytes", b"\xff\0"),
    ("string", ""),
    ({"type": "long", "logicalType": "timestamp-millis"}, 5),
    ({"type": "fixed", "name": "Four", "size": 4}, b"abcd"),
    ({"type": "enum", "name": "Colour", "symbols": ["red", "blue"]}, "blue"),
    ({"type": "map", "values": "long"}, {"a": 1, "b": -1}),
    (["null", "string"], "x"),
]


@pytest.mark.parametrize(("kind", "content"), KINDS, ids=lambda one: str(one)[:20])
def test_every_kind_of_avro_is_read_to_its_end(kind: Any, content: Any) -> None:
    schema = {"type": "record", "name": "Any", "fields": [{"name": "it", "type": kind}, {"name": "z", "type": "int"}]}
    value = framed(schema, {"it": content, "z": 42})
    found = pieces(value, schema)
    assert found[-1] == Piece(len(value) - 1, len(value), "z", "number", 42)
    said = [piece.value for piece in found if piece.path.startswith("it")]
    if content is not None and not isinstance(content, dict):
        assert content in [*said, ""]


def test_a_schema_may_be_named_again_further_down() -> None:
    pair = {"type": "record", "name": "n.Pair", "fields": [{"name": "x", "type": "int"}]}
    fields = [
        {"name": "a", "type": pair},
        {"name": "b", "type": "n.Pair"},
        {"name": "c", "type": {"type": "array", "items": "n.Pair"}},
    ]
    schema = {"type": "record", "name": "n.Two", "fields": fields}
    found = by_place(framed(schema, {"a": {"x": 1}, "b": {"x": 2}, "c": [{"x": 3}]}), schema)
    assert [found[path, "number"] for path in ("a.x", "b.x", "c[0].x")] == [1, 2, 3]


def test_a_number_is_worked_out_in_words() -> None:
    value = encoded(SNAPSHOT)
    frame, number, length, _, time, *_ = pieces(value, SCHEMA)
    assert meaning(value, frame) == "0x00: Confluent's wire format begins here"
    assert meaning(value, number).startswith("0x00000007 → 7")
    assert meaning(value, length) == "0x10 → 00010000 → unsigned 16 → zig-zag 8 → length 8"
    assert meaning(value, time).endswith(f"unsigned {2 * SNAPSHOT.timestamp} → zig-zag {SNAPSHOT.timestamp}")
    user = next(piece for piece in pieces(value, SCHEMA) if piece.path == "cpus[0].user")
    assert meaning(value, user) == "66 + 73·128 → unsigned 9410 → zig-zag 4705"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "no bytes"),
        (b"{}", "0x7b is not the magic byte"),
        (b"\0\0\0", "inside the schema id"),
        (encoded(SNAPSHOT)[:5], "end before a number"),
        (encoded(SNAPSHOT)[:9], "8 bytes are promised, 3 are left"),
        (encoded(SNAPSHOT)[:16], "inside a number"),
        (encoded(SNAPSHOT) + b"!", "left over"),
        (b"\0\0\0\0\7" + b"\xff" * 20, "more than 10 bytes"),
        (b"\0\0\0\0\7\2\xff\0\0", "no UTF-8"),
        (b"\0\0\0\0\7\0\0\x7e", "63 items are promised, 0 bytes are left"),
        (b"\0\0\0\0\7\1", "-1 bytes are promised"),
    ],
)
def test_what_cannot_be_read_is_one_last_piece_that_says_why(value: bytes, why: str) -> None:
    *_, last = pieces(value, SCHEMA)
    assert last.role == "broken"
    assert why in last.value
    assert last.end == len(value)


@given(st.binary(max_size=60))
def test_any_bytes_at_all_are_covered_by_pieces(value: bytes) -> None:
    found = pieces(b"\0\0\0\0\7" + value, SCHEMA)
    assert found[-1].end == len(value) + 5
    assert [piece.start for piece in found] == [0, *(piece.end for piece in found[:-1])]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_picture_has_every_byte_shown_and_a_line_for_each_piece() -> None:
    value = encoded(SNAPSHOT)
    figure = byte_microscope(value, SCHEMA, fields=7)
    said = texts(figure)
    end = pieces(value, SCHEMA)[6].end
    assert f"{end} of {len(value)} bytes" in said
    assert [text for text in said if len(text) == 2 and text in {f"{byte:02x}" for byte in value}][:end] == [
        f"{byte:02x}" for byte in value[:end]
    ]
    assert "hostname" in said
    assert "0x10 → 00010000 → unsigned 16 → zig-zag 8 → length 8" in said
    assert len(figure.findobj(Rectangle)) >= end + 7


def test_all_of_a_short_value_is_shown_and_a_broken_one_is_explained() -> None:
    assert "all 6 bytes" in texts(byte_microscope(framed("int", 3), "int"))
    said = texts(byte_microscope(b'{"hostname": "two-cpus"}' * 10, SCHEMA))
    assert any("not the magic byte" in text for text in said)
    assert "16 of 240 bytes" in said
    assert {"(no frame)", "unreadable"} <= set(said)
    cut_off = texts(byte_microscope(encoded(SNAPSHOT)[:12], SCHEMA))
    assert {"(frame)", "(the rest)", "broken"} <= set(cut_off)
    assert "(no frame)" not in cut_off


@pytest.mark.parametrize("value", [encoded(SNAPSHOT), b'{"hostname": "two-cpus"}' * 10, encoded(SNAPSHOT)[:40]])
def test_no_text_is_cut_off_or_lies_on_another(value: bytes) -> None:
    figure = byte_microscope(value, SCHEMA, fields=20)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text()]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])
