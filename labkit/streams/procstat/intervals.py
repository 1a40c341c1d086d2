"""Columns of snapshots -> columns of intervals: `compare` of `procstat.metrics` for many snapshots at once.

The rules, and the words for them, are there; a property test holds the two equal, snapshot by snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labkit.streams.procstat.columns import COUNTERS, Columns, Pattern, join, ranges
from labkit.streams.procstat.metrics import BTIME_SLACK_S, IDLE_RESET_TICKS, UTILIZATION_COLUMNS
from labkit.streams.rules import FORGET_AFTER_MS

__all__ = ["Intervals", "compare_all"]

_IDLE, _IOWAIT = COUNTERS.index("idle"), COUNTERS.index("iowait")
#: Eight numbers below this add up within an int64.
_LARGEST = 2**60

Numbers = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Intervals:
    """k intervals with j CPUs in all, in the order of their snapshots.

    hostnames: k names. timestamp, time_delta_ms: int64[k], ms. begins: int64[k + 1], where the CPUs of each begin.
    cpu_ids: j names. shares: float64[j, 9], per cent, in the order of `UTILIZATION_COLUMNS`.
    """

    hostnames: list[str]
    timestamp: Numbers
    time_delta_ms: Numbers
    begins: Numbers
    cpu_ids: list[str]
    shares: Shares


def compare_all(state: Columns, now: Columns) -> tuple[Columns, Intervals]:
    """The last good snapshot of each host, and snapshots that came -> the last good ones after them, the intervals.

    `state` has a host once; `now` may have it many times, in the order in which they came.
    """
    both = join(state, now)
    befores, afters, newest = _pairs(both, len(state))
    names, rows_before, rows_after, lengths = _lines(both, befores, afters)
    passed = both.counters[rows_after] - both.counters[rows_before]
    started_over = passed[:, _IDLE] <= -IDLE_RESET_TICKS
    fell = (passed[:, _IOWAIT] < 0) & ~started_over
    if fell.any():
        goes_on = ~started_over
        _keep_highest_iowait(both.counters, rows_before[goes_on], rows_after[goes_on], fell[goes_on])
        passed[:, _IOWAIT] = both.counters[rows_after, _IOWAIT] - both.counters[rows_before, _IOWAIT]
    shares, measured = _shares(passed, started_over)
    of_pair = np.repeat(np.arange(len(afters)), lengths)[measured]
    counts = np.bincount(of_pair, minlength=len(afters))
    taken = np.array(afters, dtype=np.int64)
    intervals = Intervals(
        [both.hostnames[row] for row in afters],
        both.timestamp[taken],
        both.timestamp[taken] - both.timestamp[np.array(befores, dtype=np.int64)],
        np.concatenate(([0], np.cumsum(counts))),
        names if measured.all() else [name for name, is_in in zip(names, measured.tolist(), strict=True) if is_in],
        shares[measured],
    )
    return both.take(newest), intervals


def _pairs(both: Columns, known: int) -> tuple[list[int], list[int], list[int]]:
    """(rows before, rows after) of every interval, and the row of each host's last good snapshot."""
    timestamps, btimes = both.timestamp.tolist(), both.btime.tolist()
    last_good = {name: row for row, name in enumerate(both.hostnames[:known])}
    befores: list[int] = []
    afters: list[int] = []
    for row in range(known, len(both)):
        name = both.hostnames[row]
        before = last_good.get(name)
        if before is not None and abs(btimes[row] - btimes[before]) <= BTIME_SLACK_S:
            passed = timestamps[row] - timestamps[before]
            if passed <= 0:  # rejected; the last good one is kept
                continue
            if passed <= FORGET_AFTER_MS:
                befores.append(before)
                afters.append(row)
        last_good[name] = row
    return befores, afters, list(last_good.values())


def _lines(both: Columns, befores: list[int], afters: list[int]) -> tuple[list[str], Numbers, Numbers, Numbers]:
    """The CPUs that are in both snapshots of a pair, in the order of the later one.

    Returns their names, the rows of `counters` before and after, and how many there are of each pair.
    """
    before, after = np.array(befores, dtype=np.int64), np.array(afters, dtype=np.int64)
    begins, lines = both.begins, both.lines
    patterns = both.pattern.tolist()
    if np.array_equal(both.pattern[before], both.pattern[after]):
        names = [name for row in afters for name in both.patterns[patterns[row]]]
        return names, ranges(begins[before], lines[before]), ranges(begins[after], lines[after]), lines[after]
    matches: dict[tuple[int, int], tuple[list[str], Numbers, Numbers]] = {}
    names, rows_before, rows_after, lengths = [], [], [], []
    for old, new in zip(befores, afters, strict=True):
        pair = patterns[old], patterns[new]
        if pair not in matches:
            matches[pair] = _match(both.patterns[pair[0]], both.patterns[pair[1]])
        matched, there, here = matches[pair]
        names += matched
        rows_before.append(begins[old] + there)
        rows_after.append(begins[new] + here)
        lengths.append(len(matched))
    return names, np.concatenate(rows_before), np.concatenate(rows_after), np.array(lengths, dtype=np.int64)


def _match(before: Pattern, after: Pattern) -> tuple[list[str], Numbers, Numbers]:
    there = {name: index for index, name in enumerate(before)}
    here = [index for index, name in enumerate(after) if name in there]
    names = [after[index] for index in here]
    return names, np.array([there[name] for name in names], dtype=np.int64), np.array(here, dtype=np.int64)


def _keep_highest_iowait(counters: Numbers, before: Numbers, after: Numbers, fell: npt.NDArray[np.bool_]) -> None:
    """Make iowait in `counters` the highest that there was so far, where it is lower: 100, 90, 110 -> 100, 100, 110.

    Row `after[i]` follows row `before[i]`, pairs in the order of time; it is lower in the pairs that `fell`. Each such
    row is gone through once, and no other.
    """
    following = np.full(len(counters), -1, dtype=np.int64)
    following[before] = after
    follows, iowait = following.tolist(), counters[:, _IOWAIT].tolist()
    for row in before[fell].tolist():
        highest, lower = iowait[row], follows[row]
        while lower >= 0 and iowait[lower] < highest:
            iowait[lower] = counters[lower, _IOWAIT] = highest
            lower = follows[lower]


def _shares(passed: Numbers, started_over: npt.NDArray[np.bool_]) -> tuple[Shares, npt.NDArray[np.bool_]]:
    """Ticks that passed, int64[m, 8] -> float64[m, 9], and which rows are measured; see `cpu_utilization`."""
    np.maximum(passed, 0, out=passed)
    whole = passed.sum(axis=1)
    total, busy = whole.astype(np.float64), (whole - passed[:, _IDLE]).astype(np.float64)
    large = (passed >= _LARGEST).any(axis=1)
    if large.any():  # where an int64 overflows, Python's numbers do not
        total[large] = [float(sum(row)) for row in passed[large].tolist()]
        busy[large] = [float(sum(row) - row[_IDLE]) for row in passed[large].tolist()]
    measured = ~started_over & (total > 0)
    divisor = np.where(total > 0, total, 1.0)[:, None]
    shares = np.empty((len(passed), len(UTILIZATION_COLUMNS)))
    shares[:, :-1] = passed * 100.0 / divisor
    shares[:, -1] = busy * 100.0 / divisor[:, 0]
    return shares, measured
