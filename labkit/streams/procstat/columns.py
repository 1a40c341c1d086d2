"""Many snapshots at once, as columns of numbers.

    hostnames  [web, db]        timestamp [7000, 7010]     pattern [0, 0]
    patterns   [(cpu, cpu0)]    counters  [[4705, 150, …], [4701, …], [99, …], [98, …]]   one row a CPU line

Snapshots of one machine name the same CPUs in the same order. That list of names is its pattern; it is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labkit.streams.procstat.snapshot import Snapshot

__all__ = ["COUNTERS", "Columns", "Pattern", "empty", "join", "of_snapshots"]

#: The columns of a CPU line that shares are made of: guest and guest_nice are inside user and nice.
COUNTERS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

Pattern = tuple[str, ...]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """n snapshots with m CPU lines in all: what of them goes into an interval.

    hostnames: n names. timestamp (ms), btime (s): int64[n]. pattern: int64[n], an index into `patterns`, the names
    of a snapshot's CPUs in their order. counters: int64[m, 8], ticks in the order of `COUNTERS`.
    """

    hostnames: list[str]
    timestamp: Numbers
    btime: Numbers
    pattern: Numbers
    patterns: list[Pattern]
    counters: Numbers

    def __len__(self) -> int:
        return len(self.hostnames)

    @cached_property
    def lines(self) -> Numbers:
        """How many CPU lines each snapshot has: int64[n]."""
        return np.array([len(names) for names in self.patterns], dtype=np.int64)[self.pattern]

    @cached_property
    def begins(self) -> Numbers:
        """Where the lines of each snapshot begin in `counters`, and where the last one's end: int64[n + 1]."""
        return np.concatenate(([0], np.cumsum(self.lines)))

    def take(self, rows: Sequence[int] | Numbers) -> Columns:
        """The snapshots at `rows`, in that order."""
        rows = np.asarray(rows, dtype=np.int64)
        lines = self.lines[rows]
        used, pattern = np.unique(self.pattern[rows], return_inverse=True)
        return Columns(
            [self.hostnames[row] for row in rows.tolist()],
            self.timestamp[rows],
            self.btime[rows],
            pattern,
            [self.patterns[index] for index in used.tolist()],
            self.counters[ranges(self.begins[rows], lines)],
        )


def ranges(begins: Numbers, lengths: Numbers) -> Numbers:
    """[5, 0], [2, 3] -> [5, 6, 0, 1, 2]: the numbers of every range, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(total, dtype=np.int64)


def empty() -> Columns:
    """No snapshot at all."""
    none = np.empty(0, dtype=np.int64)
    return Columns([], none, none, none, [], np.empty((0, len(COUNTERS)), dtype=np.int64))


def of_snapshots(snapshots: Iterable[Snapshot]) -> Columns:
    """Snapshots -> the same as columns."""
    taken = list(snapshots)
    known: dict[Pattern, int] = {}
    pattern = [known.setdefault(tuple(cpu.id for cpu in one.cpus), len(known)) for one in taken]
    counters = [cpu[1 : 1 + len(COUNTERS)] for one in taken for cpu in one.cpus]
    return Columns(
        [one.hostname for one in taken],
        np.array([one.timestamp for one in taken], dtype=np.int64),
        np.array([one.btime for one in taken], dtype=np.int64),
        np.array(pattern, dtype=np.int64),
        list(known),
        np.array(counters, dtype=np.int64).reshape(-1, len(COUNTERS)),
    )


def join(first: Columns, second: Columns) -> Columns:
    """`first` and then `second`."""
    known = {names: index for index, names in enumerate(first.patterns)}
    moved = np.array([known.setdefault(names, len(known)) for names in second.patterns], dtype=np.int64)
    return Columns(
        first.hostnames + second.hostnames,
        np.concatenate((first.timestamp, second.timestamp)),
        np.concatenate((first.btime, second.btime)),
        np.concatenate((first.pattern, moved[second.pattern] if len(second) else second.pattern)),
        list(known),
        np.concatenate((first.counters, second.counters)),
    )
