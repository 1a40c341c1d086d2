"""The bytes of a Kafka value in Confluent's wire format, one by one, each with its field and its meaning.

    00 | 00 00 00 07 | 10 | 74 77 6f 2d 63 70 75 73 | …
    magic  schema id   hostname: length   hostname: text

    pieces(value, schema)  ->  [Piece(0, 1, "", "magic byte", 0), Piece(1, 5, "", "schema id", 7),
                                Piece(5, 6, "hostname", "length", 8), Piece(6, 14, "hostname", "text", "two-cpus"), …]
    meaning(value, piece)  ->  "0x10 → 00010000 → unsigned 16 → zig-zag 8 → length 8"
    byte_microscope(value, schema)  ->  a picture of them

Sources: the Avro specification, "Binary encoding"; Confluent's page "Wire format".
"""

from __future__ import annotations

import struct
import textwrap
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labkit.analysis.paper import on_paper
from labkit.kafka.avro import HEADER_BYTES, MAGIC

__all__ = ["Piece", "byte_microscope", "meaning", "pieces", "zigzag"]

_LONG_BYTES = 10  # 64 bits, seven in a byte
#: Roles of the pieces that are a zig-zag number.
_NUMBERS = ("length", "item count", "block bytes", "end of array", "end of map", "branch", "symbol", "number")
_BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Piece:
    """`value[start:end]` is one thing: the `role` it has in the field `path`, such as "length" in "cpus[0].id"."""

    start: int
    end: int
    path: str
    role: str
    value: Any


def zigzag(unsigned: int) -> int:
    """0 1 2 3 4 … -> 0 -1 1 -2 2 …: small numbers stay small, whatever their sign."""
    return unsigned >> 1 ^ -(unsigned & 1)


def pieces(value: bytes, schema: Any) -> list[Piece]:
    """Every byte of `value` in order, in pieces: the frame, then the Avro body as `schema` says.

    `schema` is that with which the value was written, as JSON. The pieces have no gaps. Where the bytes do not go on
    as they should, the last piece has the role "broken", and its value says why; it holds all bytes that are left.
    """
    return list(_Body(value).read(schema))


class _BrokenError(Exception):
    """The bytes do not go on as the schema says."""


class _Body:
    """Reads on from `at`. `known` are the schemas with a name, as they are met."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._at = 0
        self._known: dict[str, Any] = {}

    def read(self, schema: Any) -> Iterator[Piece]:
        try:
            yield from self._frame()
            yield from self._any(schema, "")
            if self._at < len(self._value):
                raise _BrokenError("bytes are left over after the Avro body")
        except _BrokenError as broken:
            yield Piece(self._at, len(self._value), "", _BROKEN, str(broken))

    def _frame(self) -> Iterator[Piece]:
        if not self._value:
            raise _BrokenError("there are no bytes")
        if self._value[0] != MAGIC:
            raise _BrokenError(f"0x{self._value[0]:02x} is not the magic byte 0x00: no frame, so no schema id")
        yield self._piece(1, "", "magic byte", MAGIC)
        if len(self._value) < HEADER_BYTES:
            raise _BrokenError("the bytes end inside the schema id")
        yield self._piece(4, "", "schema id", int.from_bytes(self._value[1:HEADER_BYTES], "big"))

    def _any(self, schema: Any, path: str) -> Iterator[Piece]:
        if isinstance(schema, list):
            chosen = yield from self._number(path, "branch")
            yield from self._any(_one_of(schema, chosen), path)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if isinstance(kind, dict | list):
            yield from self._any(kind, path)
            return
        if isinstance(schema, dict) and kind in ("record", "enum", "fixed"):
            self._known |= _names(schema)
        known = self._known.get(kind) or self._known.get(kind.rpartition(".")[2])
        definition = known or (schema if isinstance(schema, dict) else {"type": kind})
        yield from self._one(definition, path)

    def _one(self, schema: dict[str, Any], path: str) -> Iterator[Piece]:
        kind = schema["type"]
        if kind == "record":
            for field in schema["fields"]:
                yield from self._any(field["type"], f"{path}.{field['name']}".lstrip("."))
        elif kind in ("array", "map"):
            yield from self._blocks(schema, path)
        elif kind in ("string", "bytes"):
            yield from self._text(path, kind)
        elif kind in ("int", "long"):
            yield from self._number(path, "number")
        elif kind == "enum":
            start, chosen = self._at, self._varint()
            yield Piece(start, self._at, path, "symbol", _one_of(schema["symbols"], chosen))
        elif kind != "null":
            yield self._fixed(schema, path)

    def _blocks(self, schema: dict[str, Any], path: str) -> Iterator[Piece]:
        """Blocks of a count and as many items, and a 0 at the end; a count below 0 has its bytes behind it."""
        index, kind = 0, schema["type"]
        while count := (yield from self._count(path, kind)):
            if count < 0:
                yield from self._number(path, "block bytes")
            if abs(count) > len(self._value) - self._at:
                raise _BrokenError(f"{abs(count)} items are promised, {len(self._value) - self._at} bytes are left")
            for _ in range(abs(count)):
                if kind == "array":
                    yield from self._any(schema["items"], f"{path}[{index}]")
                else:
                    key = yield from self._text(f"{path}[{index}] key", "string")
                    yield from self._any(schema["values"], f"{path}[{key!r}]")
                index += 1

    def _count(self, path: str, kind: str) -> Generator[Piece, None, int]:
        start, count = self._at, self._varint()
        yield Piece(start, self._at, path, "item count" if count else f"end of {kind}", count)
        return count

    def _number(self, path: str, role: str) -> Generator[Piece, None, int]:
        start, number = self._at, self._varint()
        yield Piece(start, self._at, path, role, number)
        return number

    def _text(self, path: str, kind: str) -> Generator[Piece, None, Any]:
        length = yield from self._number(path, "length")
        self._require(length)
        data = self._value[self._at : self._at + length]
        try:
            content: Any = data.decode() if kind == "string" else data
        except UnicodeDecodeError:
            raise _BrokenError(f"{path}: no UTF-8 text") from None
        if length:
            yield self._piece(length, path, "text" if kind == "string" else "bytes", content)
        return content

    def _fixed(self, schema: dict[str, Any], path: str) -> Piece:
        kind = schema["type"]
        size = {"boolean": 1, "float": 4, "double": 8}.get(kind) or schema["size"]
        self._require(size)
        data = self._value[self._at : self._at + size]
        if kind == "boolean":
            return self._piece(size, path, kind, data != b"\0")
        if kind in ("float", "double"):
            return self._piece(size, path, kind, struct.unpack("<f" if kind == "float" else "<d", data)[0])
        return self._piece(size, path, "bytes", data)

    def _piece(self, size: int, path: str, role: str, content: Any) -> Piece:
        self._at += size
        return Piece(self._at - size, self._at, path, role, content)

    def _require(self, size: int) -> None:
        left = len(self._value) - self._at
        if not 0 <= size <= left:
            raise _BrokenError(f"{size} bytes are promised, {left} are left")

    def _varint(self) -> int:
        unsigned = 0
        for index in range(_LONG_BYTES):
            if self._at + index >= len(self._value):
                raise _BrokenError("the bytes end inside a number" if index else "the bytes end before a number")
            byte = self._value[self._at + index]
            unsigned |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                self._at += index + 1
                return zigzag(unsigned)
        raise _BrokenError(f"a number of more than {_LONG_BYTES} bytes")


def _names(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema by its name as it stands there, by its full name and by its short one."""
    name = schema["name"]
    full = name if "." in name or not schema.get("namespace") else f"{schema['namespace']}.{name}"
    return {name: schema, full: schema, full.rpartition(".")[2]: schema}


def _one_of(choices: list[Any], index: int) -> Any:
    if not 0 <= index < len(choices):
        raise _BrokenError(f"choice {index} where there are {len(choices)}")
    return choices[index]


def meaning(value: bytes, piece: Piece) -> str:
    """How the bytes of a piece come to their meaning, in words: a zig-zag number is worked out step by step."""
    data = value[piece.start : piece.end]
    if piece.role == "schema id":
        return f"0x{data.hex()} → {piece.value}: ask the registry for schema {piece.value}"
    if piece.role == "magic byte":
        return "0x00: Confluent's wire format begins here"
    if piece.role == _BROKEN:
        return str(piece.value)
    if piece.role not in _NUMBERS:
        return repr(piece.value)
    unsigned = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data))
    if len(data) == 1:
        bits = f"0x{data.hex()} → {data[0]:08b}"
    else:
        parts = [f"{byte & 0x7F}{_weight(index)}" for index, byte in enumerate(data) if byte & 0x7F]
        bits = " + ".join(parts) or "0"
    result = f"zig-zag {zigzag(unsigned)}"
    named = "" if piece.role == "number" else f" → {piece.role} {_of(piece, zigzag(unsigned))}".rstrip()
    return f"{bits} → unsigned {unsigned} → {result}{named}"


def _of(piece: Piece, number: int) -> str:
    if piece.role.startswith("end of"):
        return ""
    return str(piece.value if piece.role == "symbol" else number)


def _weight(index: int) -> str:
    """What the seven bits of a number's byte `index` count for: "", "·128", "·128²", …"""
    return ("", "·128", *(f"·128{power}" for power in "²³⁴⁵⁶⁷⁸⁹"))[index]


#: Okabe and Ito's colours, made light enough for black text; neighbours differ in brightness too.
_COLOURS = ("#A6D8F0", "#F6D58A", "#9FDCC8", "#F4B183", "#E3C3DA", "#F7F0A0", "#A3C4E0")
_BAD = "#D55E00"
_UNREAD = "#E4E4E4"
_ROW_BYTES = 16
_BYTE_IN, _ROW_IN, _LINE_IN = 0.86, 0.92, 0.36
_LONGEST_MEANING = 84
_LONGEST_BROKEN = _ROW_BYTES


@on_paper
def byte_microscope(value: bytes, schema: Any, fields: int = 14) -> Figure:
    """A framed value -> a picture of its first `fields` pieces: each byte in the colour of its piece, and a table.

    A number above the first byte of a piece leads to its line in the table, which has the field and how the bytes
    come to their meaning. `schema` is that with which the value was written, as JSON.
    """
    every = pieces(value, schema)
    shown = every[:fields]
    end = min(shown[-1].end, shown[-1].start + _LONGEST_BROKEN) if shown[-1].role == _BROKEN else shown[-1].end
    rows = max(1, -(-end // _ROW_BYTES))
    lines = sum(len(_wrapped(value, piece)) for piece in shown)
    width = _ROW_BYTES * _BYTE_IN + 1.5
    height = 1.05 + rows * _ROW_IN + (lines + 1) * _LINE_IN + 0.2
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    title = f"{end} of {len(value)} bytes" if end < len(value) else f"all {len(value)} bytes"
    axes.text(0.3, 0.5, title, size=18, weight="bold", va="center")
    for number, piece in enumerate(shown):
        _draw_bytes(axes, value, piece, number, end)
    for row in range(rows):
        axes.text(0.95, _top(row) + 0.29, str(row * _ROW_BYTES), size=12, ha="right", va="center", color="#555555")
    _draw_table(axes, value, shown, 1.05 + rows * _ROW_IN)
    return figure


def _draw_bytes(axes: Axes, value: bytes, piece: Piece, number: int, end: int) -> None:
    for place in range(piece.start, min(piece.end, end)):
        row, column = divmod(place, _ROW_BYTES)
        left, top = 1.1 + column * _BYTE_IN, _top(row)
        colour = _UNREAD if _unframed(piece) and place else _colour(piece, number)
        axes.add_patch(Rectangle((left, top), _BYTE_IN, 0.58, facecolor=colour, edgecolor="white"))
        axes.text(left + _BYTE_IN / 2, top + 0.29, f"{value[place]:02x}", size=17, family="monospace",
                  ha="center", va="center")  # fmt: skip
        if place == piece.start:
            axes.plot([left, left], [top - 0.22, top + 0.58], color="black", linewidth=1.5)
            axes.text(left + 0.06, top - 0.11, str(number + 1), size=12, weight="bold", va="center")


def _draw_table(axes: Axes, value: bytes, shown: list[Piece], top: float) -> None:
    columns = (0.3, 0.8, 4.0, 6.0)
    for left, head in zip(columns[1:], ("field", "what", "how to read it"), strict=True):
        axes.text(left, top + 0.12, head, size=13, weight="bold", va="center", color="#555555")
    line = top + _LINE_IN
    for number, piece in enumerate(shown):
        words = _wrapped(value, piece)
        axes.add_patch(Rectangle((0.25, line), 0.45, 0.3, facecolor=_colour(piece, number)))
        middle = line + 0.15
        axes.text(0.475, middle, str(number + 1), size=12, weight="bold", ha="center", va="center")
        for left, text in zip(columns[1:], (*_named(piece), words[0]), strict=True):
            axes.text(left, middle, text, size=13.5, va="center")
        for index, more in enumerate(words[1:], start=1):
            axes.text(columns[3], middle + index * _LINE_IN, more, size=13.5, va="center")
        line += len(words) * _LINE_IN


def _named(piece: Piece) -> tuple[str, str]:
    """A line's field and role. Bytes that lead nowhere are of no field; those without a frame may well be sound."""
    if _unframed(piece):
        return "(no frame)", "unreadable"
    return piece.path or ("(the rest)" if piece.role == _BROKEN else "(frame)"), piece.role


def _unframed(piece: Piece) -> bool:
    return piece.role == _BROKEN and piece.start == 0


def _wrapped(value: bytes, piece: Piece) -> list[str]:
    return textwrap.wrap(meaning(value, piece), _LONGEST_MEANING, max_lines=3, placeholder=" …") or [""]


def _colour(piece: Piece, number: int) -> str:
    return _BAD if piece.role == _BROKEN else _COLOURS[number % len(_COLOURS)]


def _top(row: int) -> float:
    return 1.15 + row * _ROW_IN
