"""Judges of the exercises of 07: a mean weighted by time in SQL, and burns that end where a pause begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import duckdb
import pandas as pd

from labkit.settings import Settings
from labkit.sources.recording import ReplaySource
from labkit.streams.procstat.metrics import compare
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import Judge, NotYet
from labkit.workshop.lesson import RECORDING

__all__ = ["JUDGES", "judge_07a", "judge_07b"]

_START = pd.Timestamp("2026-11-20T09:00:00Z")
_LEVEL, _LEAST, _PAUSE_MS = 40, pd.Timedelta("10s"), 3000

#: (hostname, cpu_id, second at which the interval ended, its length in s, user %, system %)
_Row = tuple[str, str, int, int, float, float]


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    """Rows of `read_metrics`; the shares that an exercise does not look at are 0."""
    return pd.DataFrame(
        {
            "hostname": host, "ts": _START + pd.Timedelta(seconds=end), "time_delta_ms": 1000 * length, "cpu_id": cpu,
            "user_pct": user, "nice_pct": 0.0, "system_pct": system, "idle_pct": 100.0 - user - system,
            "iowait_pct": 0.0, "irq_pct": 0.0, "softirq_pct": 0.0, "steal_pct": 0.0, "total_busy_pct": user + system,
        }
        for host, cpu, end, length, user, system in rows
    )  # fmt: skip


# --- 07a ---------------------------------------------------------------------------------------------------------


def _means() -> pd.DataFrame:
    """Two hosts that both have a cpu0; web-1's second interval is a pause of a minute, and quiet."""
    rows: list[_Row] = []
    for end, length, cpu0, cpu1 in ((1, 1, 90.0, 20.0), (61, 60, 6.0, 24.0), (62, 1, 80.0, 22.0)):
        rows += [("web-1", "cpu", end, length, (cpu0 + cpu1) / 2, 0.0)]
        rows += [("web-1", "cpu0", end, length, cpu0, 0.0), ("web-1", "cpu1", end, length, cpu1, 0.0)]
    for end, length in ((1, 1), (2, 1), (3, 1)):
        rows += [("db-1", name, end, length, 25.0 + 5 * end, 15.0) for name in ("cpu", "cpu0")]
    return _frame(rows)


def judge_07a(answer: Any, _: Settings) -> str:
    """`answer` is query: -> a SELECT of hostname, cpu_id, mean_busy from `rows`, the busiest first."""
    rows = _means()
    text = called(answer, (), "when it was called", "It takes nothing and returns a text.")
    if not isinstance(text, str):
        raise NotYet(f"query() gives {shown(text)}; it has to give the text of a SELECT.", "Is there a return?")
    got = _asked(text, rows)
    for column in ("hostname", "cpu_id", "mean_busy"):
        if column not in got.columns:
            raise NotYet(
                f"The answer has the columns {', '.join(got.columns)}, and no {column}.",
                "Two hosts may both have a cpu0; name the mean with AS mean_busy.",
            )
    said = [(line.hostname, line.cpu_id, float(line.mean_busy)) for line in got.itertuples()]
    if any(cpu == "cpu" for _, cpu, _ in said):
        raise NotYet("The answer has a row for cpu.", "That is the line of all CPUs together: WHERE cpu_id <> 'cpu'.")
    _same_means(said, rows[rows["cpu_id"] != "cpu"])
    if [mean for *_, mean in said] != sorted((mean for *_, mean in said), reverse=True):
        order = ", ".join(f"{host} {cpu}" for host, cpu, _ in said)
        raise NotYet(f"The order is {order}.", "The busiest comes first: ORDER BY mean_busy DESC.")
    return "Each CPU of each host once, weighted by time, the busiest first."


def _asked(text: str, rows: pd.DataFrame) -> pd.DataFrame:
    with duckdb.connect() as database:
        database.register("rows", rows)
        try:
            return database.execute(text).df()
        except duckdb.Error as error:
            raise NotYet(
                f"DuckDB says: {str(error).splitlines()[0]}", "Try duckdb.sql(query()).df() in a cell."
            ) from error


def _same_means(said: list[tuple[str, str, float]], cpus: pd.DataFrame) -> None:
    for (host, cpu), rows in cpus.groupby(["hostname", "cpu_id"]):
        mine = [mean for name, line, mean in said if (name, line) == (host, cpu)]
        if len(mine) != 1:
            raise NotYet(f"{host} {cpu} is there {len(mine)} times.", "GROUP BY hostname, cpu_id: a row for each.")
        weight = rows["time_delta_ms"]
        wanted = float((rows["total_busy_pct"] * weight).sum() / weight.sum())
        if abs(mine[0] - wanted) > 1e-6:
            each = zip(rows["total_busy_pct"], weight, strict=True)
            lengths = ", ".join(f"{pct:g} % for {ms / 1000:g} s" for pct, ms in each)
            raise NotYet(
                f"{host} {cpu} has mean_busy {mine[0]:.1f}; it is {wanted:.1f}.",
                f"It was busy {lengths}. Each share counts as long as it lasted: multiply, sum, divide by the time.",
            )


# --- 07b ---------------------------------------------------------------------------------------------------------

_Burn = tuple[str, str, pd.Timestamp, pd.Timestamp, str]


def _steady(host: str, cpu: str, begin: int, end: int, user: float, system: float = 0.0) -> list[_Row]:
    """A row a second from `begin` to `end`."""
    return [(host, cpu, second + 1, 1, user, system) for second in range(begin, end)]


def _machine(host: str, *stretches: tuple[int, int, float, float]) -> list[_Row]:
    """cpu0 as `stretches` say (begin, end, user, system), cpu1 idle, and the line cpu: half of cpu0."""
    rows: list[_Row] = []
    for begin, end, user, system in stretches:
        rows += _steady(host, "cpu0", begin, end, user, system) + _steady(host, "cpu1", begin, end, 1.0)
        rows += _steady(host, "cpu", begin, end, user / 2, system / 2)
    return rows


def _pause(host: str, begin: int, end: int, user: float) -> list[_Row]:
    """One interval from `begin` to `end`, of all three lines."""
    return [(host, cpu, end, end - begin, user, 0.0) for cpu in ("cpu", "cpu0", "cpu1")]


def _cases() -> Iterable[tuple[str, pd.DataFrame, str]]:
    """(what is in the rows, the rows, what somebody has forgotten who is wrong here)"""
    quiet = (2.0, 1.0)
    one = _machine("lab", (0, 20, *quiet), (20, 40, 3.0, 95.0), (40, 50, *quiet), (50, 51, 90.0, 5.0), (51, 60, *quiet))
    yield "One burn of 20 s and one busy second", _frame(one), (
        "Leave out the line cpu; a burn begins where its first interval begins (ts - time_delta_ms), "
        "and lasts 10 s or more."
    )  # fmt: skip
    left, right = _machine("web-1", (0, 30, 97.0, 2.0), (30, 40, *quiet)), _machine("web-2", (0, 40, *quiet))
    both = _frame([*left, *right]).sort_values(["ts", "hostname"], ignore_index=True)
    yield "Two hosts, of which one burns", both, "Two hosts may both have a cpu0: group by host and CPU."
    paused = [*_machine("lab", (0, 20, *quiet)), *_pause("lab", 20, 80, 50.0), *_machine("lab", (80, 90, *quiet))]
    yield "A pause of a minute, whose mean is 50 %", _frame(paused), "An interval of more than 3 s belongs to no burn."
    around = [*_machine("lab", (0, 9, *quiet), (9, 17, 98.0, 1.0)), *_pause("lab", 17, 77, 50.0)]
    around += _machine("lab", (77, 85, 98.0, 1.0), (85, 95, *quiet))
    yield "8 s of load, a pause, 8 s of load", _frame(around), (
        "When the pause is left out, the rows around it become neighbours. A stretch goes on only where an interval "
        "begins at the moment at which the one before it ended."
    )  # fmt: skip
    hole = _machine("lab", (0, 5, *quiet), (5, 12, 98.0, 1.0), (30, 37, 98.0, 1.0), (37, 45, *quiet))
    yield "7 s of load, 18 s without rows, 7 s of load", _frame(hole), (
        "A stretch goes on only where an interval begins at the moment at which the one before it ended."
    )  # fmt: skip
    just = _machine(
        "lab", (0, 10, *quiet), (10, 20, 95.0, 2.0), (20, 30, *quiet), (30, 39, 95.0, 2.0), (39, 45, 2.0, 1.0)
    )
    yield "10 s of load, and later 9 s", _frame(just), "10 s are enough for a burn, 9 s are not."
    level = _machine("lab", (0, 10, *quiet), (10, 22, 40.0, 0.0), (22, 30, *quiet), (30, 42, 39.5, 0.0))
    yield "12 s at 40 %, and later 12 s at 39.5 %", _frame(level), "40 % itself is a burn's share, 39.5 % is not."
    slow = [row for end in (3, 6, 9, 12) for row in _pause("lab", end - 3, end, 95.0)]
    slow += [row for end in (30, 34, 38, 42) for row in _pause("lab", end - 4, end, 95.0)]
    yield "Busy intervals of 3 s, and later of 4 s", _frame(slow), (
        "An interval of 3 s is no pause yet, one of 4 s is: a pause is more than 3 s."
    )  # fmt: skip
    shuffled = _frame(one).sample(frac=1, random_state=3)
    yield "The rows in no order at all", shuffled, "Sort by host, CPU and time first."
    yield "The recording", _recorded(), "Draw it: plots.cpu_usage(rows)."


def judge_07b(answer: Any, _: Settings) -> str:
    """`answer` is burns: rows -> [(hostname, cpu_id, begin, end, kind), …]."""
    count = 0
    for what, rows, hint in _cases():
        wanted = set(_burns(rows))
        got = _as_burns(called(answer, (rows.copy(),), f"this: {what}", hint))
        if extra := sorted(set(got) - wanted):
            raise NotYet(f"{what}: you found {_told(extra[0])}, which {_instead(extra[0], wanted)}.", hint)
        if missing := sorted(wanted - set(got)):
            raise NotYet(f"{what}: you did not find {_told(missing[0])}.", hint)
        if len(got) != len(wanted):
            raise NotYet(f"{what}: you found {_told(got[0])} twice.", hint)
        count += len(wanted)
    return f"All {count} burns found, and none invented: not in a pause, not across one, not in the line cpu."


def _burns(rows: pd.DataFrame) -> Iterable[_Burn]:
    for (host, cpu), lines in rows[rows["cpu_id"] != "cpu"].groupby(["hostname", "cpu_id"]):
        stretch: list[Any] = []
        for line in [*lines.sort_values("ts").itertuples(), None]:
            fits = line is not None and line.total_busy_pct >= _LEVEL and line.time_delta_ms <= _PAUSE_MS
            if stretch and not (fits and _begin(line) == stretch[-1].ts):
                if stretch[-1].ts - _begin(stretch[0]) >= _LEAST:
                    more_user = sum(each.user_pct - each.system_pct for each in stretch) > 0
                    yield host, cpu, _begin(stretch[0]), stretch[-1].ts, "user" if more_user else "system"
                stretch = []
            if fits:
                stretch.append(line)


def _begin(line: Any) -> pd.Timestamp:
    return line.ts - pd.Timedelta(milliseconds=line.time_delta_ms)


def _as_burns(got: Any) -> list[_Burn]:
    """What the learner's function gave, as tuples. Raises `NotYet` where it is something else."""
    if isinstance(got, pd.DataFrame) or not isinstance(got, Iterable):
        raise NotYet(f"burns gives a {type(got).__name__}; it has to give a list of tuples.", "Is there a return?")
    found = []
    for burn in got:
        if not isinstance(burn, tuple | list) or len(burn) != 5:
            raise NotYet(f"{shown(burn)} is no burn.", "A burn is a tuple (hostname, cpu_id, begin, end, kind).")
        host, cpu, begin, end, kind = burn
        try:
            found.append((str(host), str(cpu), pd.Timestamp(begin), pd.Timestamp(end), str(kind)))
        except (TypeError, ValueError):
            raise NotYet(f"{shown(begin)} – {shown(end)} are no times.", "begin and end are Timestamps.") from None
        if found[-1][2].tz is None or found[-1][3].tz is None:
            raise NotYet(f"{begin} has no time zone.", "Take begin and end from ts, which is in UTC.")
    return found


def _told(burn: _Burn) -> str:
    host, cpu, begin, end, kind = burn
    return f"{host} {cpu} {begin:%H:%M:%S} – {end:%H:%M:%S} {kind}"


def _instead(burn: _Burn, wanted: set[_Burn]) -> str:
    near = [other for other in wanted if other[:2] == burn[:2] and other[2] <= burn[3] and burn[2] <= other[3]]
    return f"should be {_told(near[0])}" if near else "is none"


def _recorded() -> pd.DataFrame:
    """The recording's rows, as the two jobs make them."""
    found, before = [], None
    for snapshot in ReplaySource(RECORDING):
        _, before, metrics = compare(before, snapshot)
        for cpu in metrics.cpu_metrics if metrics else ():
            when = pd.Timestamp(snapshot.timestamp, unit="ms", tz="UTC")
            length = metrics.time_delta_ms if metrics else 0
            found.append({"hostname": snapshot.hostname, "ts": when, "time_delta_ms": length, **asdict(cpu)})
    return pd.DataFrame(found)


JUDGES: dict[str, Judge] = {"07a": judge_07a, "07b": judge_07b}
