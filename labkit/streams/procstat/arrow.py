"""Snapshots that came as one Arrow batch (read by pyruhvro, in Rust) -> columns, and which of them are beyond doubt.

The reader minds neither bytes that are left over nor text that is no UTF-8. So the length of every body is worked out
from the values in it: where it does not come out, or a number is out of bounds, the body counts as unsound, and
whoever asked decodes it one by one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labkit.streams.procstat.columns import COUNTERS, Columns, Pattern
from labkit.streams.procstat.snapshot import CPU_COLUMNS, MAX_CPU_LINES, MAX_CPU_NAME
from labkit.streams.rules import LAST_TIMESTAMP, MAX_HOSTNAME

__all__ = ["of_arrow"]

_SINGLES = ("ctxt", "btime", "processes", "procs_running", "procs_blocked")
#: IEEE 754, binary64: where the exponent is, how wide, and what it is for 1.0.
_EXPONENT_AT, _EXPONENT, _EXPONENT_OF_ONE_BIT = 52, 0x7FF, 1023

Numbers = npt.NDArray[np.int64]


def of_arrow(batch: pa.RecordBatch, lengths: Numbers) -> tuple[Columns, npt.NDArray[np.bool_]]:
    """Bodies of those lengths (bytes) as one batch -> the snapshots that are sound, and which bodies those are."""
    names = batch.column("hostname")
    hostnames = _texts(names)
    name_bytes = np.diff(_offsets(names))
    timestamp = _numbers(batch.column("timestamp"))
    cpus = batch.column("cpus")
    begins = _offsets(cpus)
    lines = cpus.values
    counters = [_numbers(lines.field(name)) for name in CPU_COLUMNS]
    ids = lines.field("id")
    pattern, patterns = _patterns(ids, begins)
    good = np.array([_is_sound(names) for names in patterns], dtype=bool)[pattern]
    good &= (timestamp >= 0) & (timestamp <= LAST_TIMESTAMP) & (name_bytes <= MAX_HOSTNAME)
    good &= np.array([hostname is not None for hostname in hostnames])
    read = name_bytes + _varint(name_bytes) + _varint(timestamp)
    in_ids = np.diff(_offsets(ids))
    line_bytes = sum((_varint(column) for column in counters), in_ids + _varint(in_ids))
    read += _array_bytes(begins, line_bytes)
    good &= _of_each(begins, (np.bitwise_or.reduce(counters) < 0).astype(np.int64)) == 0
    for name in ("intr", "softirq"):
        column = batch.column(name)
        numbers = _numbers(column.values)
        read += _array_bytes(_offsets(column), _varint(numbers))
        good &= _of_each(_offsets(column), (numbers < 0).astype(np.int64)) == 0
    singles = {name: _numbers(batch.column(name)) for name in _SINGLES}
    for column in singles.values():
        read += _varint(column)
        good &= column >= 0
    good &= read == lengths
    columns = Columns(
        [hostname or "" for hostname in hostnames],
        timestamp, singles["btime"], pattern, patterns, np.stack(counters[: len(COUNTERS)], axis=1),
    )  # fmt: skip
    return (columns if good.all() else columns.take(np.flatnonzero(good))), good


def _texts(column: pa.StringArray) -> list[str | None]:
    """The texts; None where the bytes are not UTF-8, which nobody has looked at so far."""
    found = column.cast(pa.binary()).dictionary_encode()
    texts = [_text(data) for data in found.dictionary.to_pylist()]
    return [texts[index] for index in found.indices.to_pylist()]


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _patterns(ids: pa.StringArray, begins: Numbers) -> tuple[Numbers, list[Pattern]]:
    """The names of each snapshot's CPUs: an index for each snapshot, into the list of the different ones."""
    offsets = _offsets(ids)
    text = ids.buffers()[2].to_pybytes() if len(ids) else b""
    lengths = np.diff(offsets).astype(np.uint32)
    known: dict[tuple[bytes, bytes], int] = {}
    edges = offsets[begins].tolist()
    bounds = begins.tolist()
    found = []
    for row in range(len(bounds) - 1):
        key = text[edges[row] : edges[row + 1]], lengths[bounds[row] : bounds[row + 1]].tobytes()
        found.append(known.setdefault(key, len(known)))
    return np.array(found, dtype=np.int64), [_names(*key) for key in known]


def _names(text: bytes, lengths: bytes) -> Pattern:
    ends = np.cumsum(np.frombuffer(lengths, dtype=np.uint32)).tolist()
    names = tuple(_text(text[begin:end]) for begin, end in zip([0, *ends], ends, strict=False))
    return () if None in names else names  # type: ignore[return-value]


def _is_sound(names: Pattern) -> bool:
    # In bytes a name may be longer than in letters; then the codec counts.
    return 0 < len(names) <= MAX_CPU_LINES and len(set(names)) == len(names) and max(map(len, names)) <= MAX_CPU_NAME


def _numbers(column: pa.Array) -> Numbers:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def _offsets(column: pa.Array) -> Numbers:
    """Where each text or list begins, and where the last one ends; from 0 on."""
    if isinstance(column, pa.ListArray):
        return np.asarray(column.offsets.to_numpy(), dtype=np.int64)
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    offsets = np.frombuffer(column.buffers()[1], dtype=width)
    return np.asarray(offsets[column.offset : column.offset + len(column) + 1], dtype=np.int64)


def _varint(numbers: Numbers) -> Numbers:
    """How many bytes Avro takes for each that is not negative: seven bits a byte, one bit for the sign.

    As a float a number shows its bits in the exponent. Beyond 2**53 it could be rounded up to one bit more; with the
    bit under its highest cleared it cannot.
    """
    cleared = numbers & ~(numbers >> 1)
    bits = (cleared.astype(np.float64).view(np.int64) >> _EXPONENT_AT & _EXPONENT) - _EXPONENT_OF_ONE_BIT
    length: Numbers = (np.maximum(bits, -1) + 8) // 7
    return length


def _array_bytes(begins: Numbers, sizes: Numbers) -> Numbers:
    """What an array of Avro takes: the count of its one block where there is any, the items, and a 0."""
    counts = np.diff(begins)
    of_block = np.where(counts > 0, _varint(counts), 0)
    return np.asarray(_of_each(begins, sizes) + of_block + 1)


def _of_each(begins: Numbers, numbers: Numbers) -> Numbers:
    """The sum of `numbers` from each begin to the next."""
    sums = np.concatenate(([0], np.cumsum(numbers)))
    return np.asarray(sums[begins[1:]] - sums[begins[:-1]])
