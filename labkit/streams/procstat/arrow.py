"""Snapshots that came as one Arrow batch -> columns, and which of them are beyond doubt.

Where the length of a body does not come out, or a number is out of bounds, the body counts as unsound, and whoever
asked decodes it one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labkit.streams.arrow import are_sound, numbers, offsets, sums, texts
from labkit.streams.procstat.columns import COUNTERS, Columns, Pattern
from labkit.streams.procstat.snapshot import CPU_COLUMNS, MAX_CPU_LINES, MAX_CPU_NAME, SINGLE_NUMBERS

__all__ = ["of_arrow"]

Numbers = npt.NDArray[np.int64]


def of_arrow(batch: pa.RecordBatch, bodies: Sequence[bytes]) -> tuple[Columns, npt.NDArray[np.bool_]]:
    """Bodies, and the same as one batch -> the snapshots that are sound, and which bodies those are."""
    cpus = batch.column("cpus")
    begins, lines = offsets(cpus), cpus.values
    counters = [numbers(lines.field(name)) for name in CPU_COLUMNS]
    pattern, patterns = _patterns(lines.field("id"), begins)
    good = np.array([_is_sound(names) for names in patterns], dtype=bool)[pattern]
    good &= are_sound(batch, bodies)
    good &= sums(begins, (np.bitwise_or.reduce(counters) < 0).astype(np.int64)) == 0
    for name in ("intr", "softirq"):
        column = batch.column(name)
        good &= sums(offsets(column), (numbers(column.values) < 0).astype(np.int64)) == 0
    for name in SINGLE_NUMBERS:
        good &= numbers(batch.column(name)) >= 0
    columns = Columns(
        texts(batch.column("hostname")), numbers(batch.column("timestamp")), numbers(batch.column("btime")),
        pattern, patterns, np.stack(counters[: len(COUNTERS)], axis=1),
    )  # fmt: skip
    return (columns if good.all() else columns.take(np.flatnonzero(good))), good


def _patterns(ids: pa.StringArray, begins: Numbers) -> tuple[Numbers, list[Pattern]]:
    """The names of each snapshot's CPUs: an index for each snapshot, into the list of the different ones."""
    edges_of_names = offsets(ids)
    text = ids.buffers()[2].to_pybytes() if len(ids) else b""
    in_bytes = np.diff(edges_of_names).astype(np.uint32)
    known: dict[tuple[bytes, bytes], int] = {}
    edges = edges_of_names[begins].tolist()
    bounds = begins.tolist()
    found = []
    for row in range(len(bounds) - 1):
        key = text[edges[row] : edges[row + 1]], in_bytes[bounds[row] : bounds[row + 1]].tobytes()
        found.append(known.setdefault(key, len(known)))
    return np.array(found, dtype=np.int64), [_names(*key) for key in known]


def _names(text: bytes, in_bytes: bytes) -> Pattern:
    ends = np.cumsum(np.frombuffer(in_bytes, dtype=np.uint32)).tolist()
    return tuple(text[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False))


def _is_sound(names: Pattern) -> bool:
    return 0 < len(names) <= MAX_CPU_LINES and len(set(names)) == len(names) and max(map(len, names)) <= MAX_CPU_NAME
