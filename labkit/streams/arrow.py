"""Avro bodies that were read as one Arrow batch: the numbers and texts in it, and how long each body must have been.

The reader (pyruhvro, in Rust) minds neither bytes that are left over nor text that is no UTF-8. `body_lengths` works
out from the values how many bytes each body takes; a body of another length is not what was read. Only plain schemas
can be followed: `is_plain`.

All of this runs inside Flink's JVM, in one of several interpreters of one process. There nothing of pyarrow may fail,
and nothing may hand Python's memory to it (`pa.array(…)` of an array of numpy): both take the interpreter's lock in a
way that waits for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labkit.streams.rules import LAST_TIMESTAMP, MAX_HOSTNAME

__all__ = ["are_sound", "body_lengths", "check_texts", "is_plain", "numbers", "offsets", "sums", "texts"]

#: IEEE 754, binary64: where the exponent is, how wide, and what it is for 1.0.
_EXPONENT_AT, _EXPONENT, _EXPONENT_OF_ONE_BIT = 52, 0x7FF, 1023
_PLAIN = ("int", "long", "float", "double", "boolean", "string")

Numbers = npt.NDArray[np.int64]


def is_plain(schema: Any) -> bool:
    """An Avro schema of records, arrays, texts and numbers alone: no unions, logical types, names that refer back."""
    if isinstance(schema, str):
        return schema in _PLAIN
    if not isinstance(schema, dict) or "logicalType" in schema:
        return False
    match schema.get("type"):
        case "record":
            return bool(schema["fields"]) and all(is_plain(field["type"]) for field in schema["fields"])
        case "array":
            return is_plain(schema["items"])
        case inner:
            return is_plain(inner)


def body_lengths(batch: pa.RecordBatch) -> Numbers:
    """How many bytes each row takes as an Avro body of a plain schema, every number as short as can be: int64[rows]."""
    return sum((_lengths(column) for column in batch.columns), np.zeros(len(batch), dtype=np.int64))


def are_sound(batch: pa.RecordBatch, bodies: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Which bodies are, byte for byte, what was read, and have a time and a hostname within the bounds of any snapshot.

    In bytes a name may be longer than in letters; then the codec counts.
    """
    timestamp, name_bytes = numbers(batch.column("timestamp")), np.diff(offsets(batch.column("hostname")))
    lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
    in_bounds = (timestamp >= 0) & (timestamp <= LAST_TIMESTAMP) & (name_bytes <= MAX_HOSTNAME)
    return np.asarray(in_bounds & (body_lengths(batch) == lengths))


def check_texts(batch: pa.RecordBatch) -> None:
    """Raises `UnicodeDecodeError` where a text in it, at any depth, is no UTF-8."""
    for column in batch.columns:
        _check_texts(column)


def numbers(column: pa.Array) -> Numbers:
    """A column of whole numbers."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def texts(column: pa.Array) -> list[str]:
    """A column of texts; those that are the same are one object."""
    found = column.dictionary_encode()
    different = found.dictionary.to_pylist()
    return [different[index] for index in found.indices.to_numpy().tolist()]


def offsets(column: pa.Array) -> Numbers:
    """Where each text or list begins, and where the last one ends: int64[rows + 1]."""
    if isinstance(column, pa.ListArray):
        return np.asarray(column.offsets.to_numpy(), dtype=np.int64)
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    found = np.frombuffer(column.buffers()[1], dtype=width)
    return np.asarray(found[column.offset : column.offset + len(column) + 1], dtype=np.int64)


def sums(begins: Numbers, values: Numbers) -> Numbers:
    """The sum of `values` from each begin to the next."""
    so_far = np.concatenate(([0], np.cumsum(values)))
    return np.asarray(so_far[begins[1:]] - so_far[begins[:-1]])


def _check_texts(column: pa.Array) -> None:
    kind = column.type
    if pa.types.is_list(kind):
        _check_texts(column.values)
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            _check_texts(column.field(number))
    elif (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and len(column):
        edges = offsets(column)
        data = memoryview(column.buffers()[2] or b"")[edges[0] : edges[-1]]
        str(data, "utf-8")
        # All of it is UTF-8; so is each of them, if none begins within a letter.
        begins = edges[:-1][np.diff(edges) > 0] - edges[0]
        within = np.frombuffer(data, dtype=np.uint8)[begins] & 0xC0 == 0x80
        if within.any():
            begin = int(begins[within][0])
            raise UnicodeDecodeError("utf-8", bytes(data), begin, begin + 1, "a text begins within a letter")


def _lengths(column: pa.Array) -> Numbers:
    kind = column.type
    if pa.types.is_integer(kind):
        return _varint(numbers(column))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        in_bytes = np.diff(offsets(column))
        return in_bytes + _varint(in_bytes)
    if pa.types.is_list(kind):
        return _array(offsets(column), _lengths(column.values))
    if pa.types.is_struct(kind):
        return cast(Numbers, sum(_lengths(column.field(number)) for number in range(kind.num_fields)))
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return np.full(len(column), max(kind.bit_width // 8, 1), dtype=np.int64)
    raise TypeError(f"{kind} is not of a plain schema")


def _varint(values: Numbers) -> Numbers:
    """How many bytes Avro takes for each: seven bits a byte, one bit for the sign.

    As a float a number shows its bits in the exponent. Beyond 2**53 it could be rounded up to one bit more; with the
    bit under its highest cleared it cannot.
    """
    values = values ^ (values >> 63)  # zig-zag takes as many bits for -n - 1 as for n
    cleared = values & ~(values >> 1)
    bits = (cleared.astype(np.float64).view(np.int64) >> _EXPONENT_AT & _EXPONENT) - _EXPONENT_OF_ONE_BIT
    length: Numbers = (np.maximum(bits, -1) + 8) // 7
    return length


def _array(begins: Numbers, sizes: Numbers) -> Numbers:
    """What an array takes: the count of its one block where there is any, the items, and a 0."""
    counts = np.diff(begins)
    return np.asarray(sums(begins, sizes) + np.where(counts > 0, _varint(counts), 0) + 1)
