"""The bytes of a damaged Avro record, value by value: what can be read of them, and where that ends.

    0a 68 6f 73 74 31 | 02 | 02 06 63 70      hostname "host1", timestamp 1, cpus: one item, its id 3 bytes long
    ->  value {"hostname": "host1", "timestamp": 1, "cpus": [{}]}
        broke "cpus[0].id: 3 bytes are promised, 2 are left"

fastavro, which reads the good ones, reads a record whole or not at all.
Source: the Avro specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["Readable", "read_what_can_be"]

_LONG_BYTES = 10  # 64 bits, seven in a byte

Keep = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Readable:
    """`value` as far as it could be read, the position after it, and what broke there ("" where nothing did)."""

    value: Any
    end: int
    broke: str


def read_what_can_be(data: bytes, start: int, schema: Any) -> Readable:
    """Read one value of `schema` (as `fastavro.parse_schema` returns it) from `data[start:]`.

    A list or map that promises more items than there are bytes left counts as broken.
    """
    reader = _Reader(data, start, schema)
    got: list[Any] = []
    try:
        reader.read(schema, got.append)
    except _BrokenError as broken:
        return Readable(got[0] if got else None, reader.at, f"{reader.where()}{broken}")
    except RecursionError:
        return Readable(None, reader.at, "records lie in each other without an end")
    return Readable(got[0], reader.at, "")


class _BrokenError(Exception):
    """The bytes do not go on as the schema says."""


class _Reader:
    """Reads on from `at`. `path` is where in the record it is: ["cpus", "[0]", "id"]."""

    def __init__(self, data: bytes, start: int, schema: Any) -> None:
        self.at = start
        self._data = data
        self._path: list[str] = []
        self._named = {name: one for one in _definitions(schema) if (name := one.get("name"))}
        self._plain: dict[str, Callable[[], Any]] = {
            "null": lambda: None,
            "boolean": lambda: self._take(1) != b"\0",
            "int": self._long,
            "long": self._long,
            "float": lambda: struct.unpack("<f", self._take(4))[0],
            "double": lambda: struct.unpack("<d", self._take(8))[0],
            "bytes": lambda: self._take(self._long()),
            "string": self._text,
        }

    def where(self) -> str:
        """The value that it is in: "cpus[0].id: "."""
        path = "".join(part if part.startswith("[") else f".{part}" for part in self._path).lstrip(".")
        return f"{path}: " if path else ""

    def read(self, schema: Any, keep: Keep) -> None:
        """Read one value and hand it to `keep`: a list or record before its parts, so that those read stay."""
        if isinstance(schema, list):
            return self.read(_chosen(schema, self._long(), "branch of a union"), keep)
        kind = schema if isinstance(schema, str) else schema["type"]
        if not isinstance(kind, str):
            return self.read(kind, keep)
        if kind in self._plain:
            return keep(self._plain[kind]())
        definition = self._named.get(kind, schema)
        if definition["type"] == "record":
            self._record(definition, keep)
        elif definition["type"] == "array":
            self._array(definition, keep)
        elif definition["type"] == "map":
            self._map(definition, keep)
        elif definition["type"] == "enum":
            keep(_chosen(definition["symbols"], self._long(), "symbol"))
        else:
            keep(self._take(definition["size"]))
        return None

    def _record(self, schema: Any, keep: Keep) -> None:
        record: dict[str, Any] = {}
        keep(record)
        for field in schema["fields"]:
            self._part(field["name"], field["type"], partial(record.__setitem__, field["name"]))

    def _array(self, schema: Any, keep: Keep) -> None:
        items: list[Any] = []
        keep(items)
        for _ in self._blocks():
            self._part(f"[{len(items)}]", schema["items"], items.append)

    def _map(self, schema: Any, keep: Keep) -> None:
        entries: dict[str, Any] = {}
        keep(entries)
        for _ in self._blocks():
            key = self._text()
            self._part(f"[{key!r}]", schema["values"], partial(entries.__setitem__, key))

    def _part(self, name: str, schema: Any, keep: Keep) -> None:
        self._path.append(name)
        self.read(schema, keep)
        self._path.pop()

    def _blocks(self) -> Iterator[None]:
        """Once for each item of an array or map: blocks of a count and as many items, and a 0 at the end."""
        while count := self._long():
            if count < 0:  # then the block's length in bytes follows
                count = -count
                self._long()
            if count > len(self._data) - self.at:
                raise _BrokenError(f"{count} items are promised, {len(self._data) - self.at} bytes are left")
            for _ in range(count):
                yield None

    def _take(self, count: int) -> bytes:
        left = len(self._data) - self.at
        if count < 0:
            raise _BrokenError(f"a length of {count}")
        if count > left:
            raise _BrokenError(f"{count} bytes are promised, {left} are left")
        self.at += count
        return self._data[self.at - count : self.at]

    def _long(self) -> int:
        zigzag = 0
        for index in range(_LONG_BYTES):
            if self.at + index >= len(self._data):
                raise _BrokenError("the bytes end inside a number" if index else "the bytes end before it")
            byte = self._data[self.at + index]
            zigzag |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                self.at += index + 1
                return zigzag >> 1 ^ -(zigzag & 1)
        raise _BrokenError(f"a number of more than {_LONG_BYTES} bytes")

    def _text(self) -> str:
        begin = self.at
        try:
            return self._take(self._long()).decode()
        except UnicodeDecodeError:
            self.at = begin
            raise _BrokenError("no UTF-8 text") from None


def _definitions(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema with a name of its own inside `schema`; others may refer to it by that name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _definitions(branch)
    elif isinstance(schema, dict):
        if schema.get("type") in ("record", "enum", "fixed"):
            yield schema
        for part in ("type", "items", "values"):
            yield from _definitions(schema.get(part))
        for field in schema.get("fields", ()):
            yield from _definitions(field["type"])


def _chosen(choices: list[Any], index: int, what: str) -> Any:
    if not 0 <= index < len(choices):
        raise _BrokenError(f"{what} {index} where there are {len(choices)}")
    return choices[index]
