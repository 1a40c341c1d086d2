"""The rules of a stream that has none on columns: `compare`, called for each record of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from labkit.streams.stream import Stream

__all__ = ["Items", "Results", "ScalarRules"]


@dataclass(frozen=True, slots=True)
class Items:
    """n things of hosts, in order: snapshots, or what the next snapshot of each host is compared with."""

    hostnames: list[str]
    items: list[Any]

    def __len__(self) -> int:
        return len(self.hostnames)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Items:
        """Those at `rows`, in that order."""
        numbers = [int(row) for row in rows]
        return Items([self.hostnames[row] for row in numbers], [self.items[row] for row in numbers])


@dataclass(frozen=True, slots=True)
class Results:
    """k results in the order of their snapshots; timestamp: int64[k], ms."""

    hostnames: list[str]
    timestamp: npt.NDArray[np.int64]
    results: list[Any]


class ScalarRules:
    """What `Columnar` asks for, made of a stream's `compare`."""

    def __init__(self, stream: Stream) -> None:
        self._compare = stream.compare

    def empty(self) -> Items:
        """No host."""
        return Items([], [])

    def compare_all(self, state: Items, now: Items) -> tuple[Items, Results]:
        """What is known of each host, and snapshots that came -> what is known after them, the results."""
        known = dict(zip(state.hostnames, state.items, strict=True))
        compare, results = self._compare, []
        for name, snapshot in zip(now.hostnames, now.items, strict=True):
            _, known[name], result = compare(known.get(name), snapshot)
            if result is not None:
                results.append(result)
        timestamps = np.array([result.timestamp for result in results], dtype=np.int64)
        return Items(list(known), list(known.values())), Results([one.hostname for one in results], timestamps, results)

    def json_lines(self, results: Results) -> bytes:
        """A line of JSON for each result."""
        return _lines(map(orjson.dumps, results.results))


def _lines(texts: Iterable[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in texts)
