"""The rules of a stream that has none on columns: its `check` and `compare`, called for each record of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, get_args, get_origin

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyruhvro

from labkit.streams.arrow import are_sound, is_plain, offsets, texts
from labkit.streams.records import fields_of
from labkit.streams.stream import Stream

__all__ = ["Items", "Results", "ScalarRules"]


@dataclass(frozen=True, slots=True)
class Items:
    """n things of hosts, in order: snapshots, Avro bodies, or what the next snapshot of each host is compared with."""

    hostnames: list[str]
    items: list[Any]

    def __len__(self) -> int:
        return len(self.hostnames)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Items:
        """Those at `rows`, in that order."""
        chosen = [int(row) for row in rows]
        return Items([self.hostnames[row] for row in chosen], [self.items[row] for row in chosen])


@dataclass(frozen=True, slots=True)
class Results:
    """k results in the order of their snapshots; timestamp: int64[k], ms; lines: the JSON of each."""

    hostnames: list[str]
    timestamp: npt.NDArray[np.int64]
    lines: list[bytes]


class ScalarRules:
    """What `Columnar` asks for, made of a stream's `check` and `compare`.

    Where the schema is plain, snapshots go from one task to the next as the Avro bodies that they came in. Each is
    built when its turn comes: few live at a time, and nothing is pickled field by field.
    """

    def __init__(self, stream: Stream, schema: Any) -> None:
        self.is_plain = is_plain(schema)
        self._schema, self._kind = json.dumps(schema), stream.snapshot
        self._check, self._compare = stream.check, stream.compare

    def empty(self) -> Items:
        """No host."""
        return Items([], [])

    def of_arrow(self, batch: pa.RecordBatch, bodies: list[bytes]) -> tuple[Items, npt.NDArray[np.bool_]]:
        """Bodies as one batch -> those that are sound, still as bodies, and which these are."""
        good = are_sound(batch, bodies)
        snapshots = _instances(self._kind)(batch)
        good &= np.fromiter(map(self._is_sound, snapshots), dtype=bool, count=len(batch))
        found = Items(texts(batch.column("hostname")), bodies)
        return (found if good.all() else found.take(np.flatnonzero(good))), good

    def _is_sound(self, snapshot: Any) -> bool:
        try:
            return not self._check(snapshot)
        except Exception:  # the codec says why
            return False

    def compare_all(self, state: Items, now: Items) -> tuple[Items, Results]:
        """What is known of each host, and snapshots that came -> what is known after them, the results."""
        known = dict(zip(state.hostnames, state.items, strict=True))
        compare, hostnames, timestamps, lines = self._compare, [], [], []
        for name, snapshot in zip(now.hostnames, self._snapshots(now.items), strict=True):
            _, known[name], result = compare(known.get(name), snapshot)
            if result is not None:  # written at once: thousands that wait for it would keep Python's collector busy
                hostnames.append(result.hostname)
                timestamps.append(result.timestamp)
                lines.append(orjson.dumps(result))
        results = Results(hostnames, np.array(timestamps, dtype=np.int64), lines)
        return Items(list(known), list(known.values())), results

    def _snapshots(self, items: list[Any]) -> Iterable[Any]:
        if not self.is_plain or not items:
            return items
        return _instances(self._kind)(pyruhvro.deserialize_array(items, self._schema))

    def json_lines(self, results: Results) -> bytes:
        """A line of JSON for each result."""
        return b"".join(line + b"\n" for line in results.lines)


@cache
def _instances(kind: Any) -> Callable[[Any], Iterator[Any]]:
    """What turns a column into values of `kind`, by the types of its fields: a dataclass, a named tuple, a tuple of
    either, or what Arrow has.
    """
    if get_origin(kind) is tuple:
        inner = _instances(get_args(kind)[0])
        return lambda column: _tuples(inner(column.values), np.diff(offsets(column)).tolist())
    readers = [(name, _instances(hint)) for name, hint in fields_of(kind).items()]
    if not readers:
        return _plain
    make = kind
    if any(field.kw_only for field in getattr(kind, "__dataclass_fields__", {}).values()):
        names = [name for name, _ in readers]

        def make(*values: Any) -> Any:
            return kind(**dict(zip(names, values, strict=True)))

    return lambda column: map(make, *(read(_field(column, name)) for name, read in readers))


def _field(column: pa.StructArray | pa.RecordBatch, name: str) -> pa.Array:
    return column.column(name) if isinstance(column, pa.RecordBatch) else column.field(name)


def _tuples(values: Iterator[Any], counts: list[int]) -> Iterator[tuple[Any, ...]]:
    return (tuple(islice(values, count)) for count in counts)


def _plain(column: pa.Array) -> Iterator[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return iter(texts(column))
    return iter(column.to_numpy(zero_copy_only=False).tolist())
