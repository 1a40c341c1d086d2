"""Judges of the exercises of 07: a mean weighted by time in SQL, and burns that end where a pause begins.

Why an answer is wrong is found out by making known mistakes on purpose: the one whose result is the answer's own, on
everything that was tried, is its cause. Where none is, no cause is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from itertools import pairwise
from numbers import Real
from typing import Any

import duckdb
import pandas as pd

from labkit.settings import Settings
from labkit.sources.recording import ReplaySource
from labkit.streams.procstat.metrics import compare
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import Judge, NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.lesson import RECORDING

__all__ = ["JUDGES", "MEETS", "judge_07a", "judge_07b"]

MEETS: Meets = {
    "07a": {
        "task": "names of the columns, a row for each CPU of each host, the means, the order, one SELECT, no line cpu",
        "boundaries": "hosts with one to three CPUs; cpu1 beside cpu10; names with - _ and .; intervals of 1, 2, 2.5, "
        "3, 10 and 60 s; rows that are missing; means that differ from their rounded ones",
        "arguments": "three different tables rows; the function itself is given nothing",
        "twice": "query() is called twice and gives the same text",
        "point": "the order by weighted means is another one than by plain means, by the highest share and by name",
    },
    "07b": {
        "task": "begin, end, kind of each burn; the line cpu, pauses, missing rows, several hosts, any order of rows",
        "boundaries": "10, 9.9 and 9 s; 40 and 39.96 %; intervals of 0.99, 1, 2.5, 3 and 3.001 s; a hole of one row; "
        "burns from the first row and up to the last; cpu1 beside cpu10; names with - _ and .",
        "arguments": "seventeen tables, each with other burns; the recording is the last",
        "twice": "the first table is given twice, and what an earlier table had may not come again",
        "point": "a burn beside a pause ends there, load on both sides of it is not one burn, nor across a hole",
    },
}

_START = pd.Timestamp("2026-11-20T09:00:00Z")

#: (hostname, cpu_id, second at which the interval ended, its length in s, user %, system %, irq %)
_Row = tuple[str, str, float, float, float, float, float]


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    """Rows of `read_metrics`. Of what is not busy a quarter is iowait."""
    return pd.DataFrame(
        {
            "hostname": host, "ts": _START + pd.Timedelta(milliseconds=round(1000 * end)),
            "time_delta_ms": round(1000 * length), "cpu_id": cpu,
            "user_pct": user, "nice_pct": 0.0, "system_pct": system, "idle_pct": 0.75 * (100.0 - user - system - irq),
            "iowait_pct": 0.25 * (100.0 - user - system - irq), "irq_pct": irq, "softirq_pct": 0.0, "steal_pct": 0.0,
            "total_busy_pct": user + system + irq,
        }
        for host, cpu, end, length, user, system, irq in rows
    )  # fmt: skip


def _recorded() -> pd.DataFrame:
    """The recording's rows, as the two jobs make them."""
    return pd.DataFrame(_records())


@cache
def _records() -> list[dict[str, Any]]:
    found, before = [], None
    for snapshot in ReplaySource(RECORDING):
        _, before, metrics = compare(before, snapshot)
        for cpu in metrics.cpu_metrics if metrics else ():
            when = pd.Timestamp(snapshot.timestamp, unit="ms", tz="UTC")
            length = metrics.time_delta_ms if metrics else 0
            found.append({"hostname": snapshot.hostname, "ts": when, "time_delta_ms": length, **asdict(cpu)})
    return found


# --- 07a ---------------------------------------------------------------------------------------------------------

#: (end, length in s), {CPU: its share in each of the intervals}
_Lines = tuple[str, tuple[tuple[float, float], ...], Mapping[str, tuple[float, ...]]]

_FIRST: tuple[_Lines, ...] = (
    ("web-1", ((1, 1), (61, 60), (62, 1), (93, 1)), {
        "cpu0": (90.0, 6.0, 80.0, 70.0), "cpu1": (20.0, 24.0, 22.0, 26.3), "cpu10": (35.2, 12.1, 99.0, 3.0),
    }),
    ("db_2.local", ((3, 3), (4, 1), (6, 2)), {"cpu0": (45.0, 50.0, 55.0)}),
    ("app", ((1, 1), (2, 1)), {"cpu0": (10.0, 20.63), "cpu1": (0.0, 0.0)}),
)  # fmt: skip
_SECOND: tuple[_Lines, ...] = (("solo", ((2.5, 2.5), (12.5, 10)), {"cpu0": (31.0, 7.0), "cpu3": (8.0, 17.5)}),)


def _table(hosts: Iterable[_Lines]) -> pd.DataFrame:
    rows: list[_Row] = []
    for host, intervals, shares in hosts:
        for place, (end, length) in enumerate(intervals):
            each = {cpu: pct[place] for cpu, pct in shares.items()}
            for cpu, pct in {"cpu": sum(each.values()) / len(each), **each}.items():
                rows.append((host, cpu, end, length, 0.6 * pct, 0.3 * pct, 0.1 * pct))
    return _frame(rows)


def judge_07a(answer: Any, _: Settings) -> str:
    """`answer` is query: -> a SELECT of hostname, cpu_id, mean_busy from `rows`, the busiest first."""
    text = called(answer, (), "nothing at all, as query() is called,")
    if not isinstance(text, str):
        raise NotYet(
            f"query() gives {shown(text)}; it has to give the text of a SELECT.",
            "There is no return in what was run." if text is None else "",
        )
    if (again := called(answer, (), "nothing at all, called a second time,")) != text:
        raise NotYet(f"query() gave another text when it was called again: {shown(again)}.", "")
    _require_one_select(text)
    for what, rows in (
        ("three hosts", _table(_FIRST)),
        ("one host", _table(_SECOND)),
        ("the recording", _recorded()),
    ):
        _require_means(what, _asked(text, rows, what), rows)
    return "Each CPU of each host once, weighted by time, the busiest first."


def _require_one_select(text: str) -> None:
    try:
        found = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise NotYet(
            f"DuckDB cannot read the text: {_first_line(error)}", "Try duckdb.sql(query()) in a cell."
        ) from None
    if len(found) != 1:
        raise NotYet(f"The text holds {len(found)} statements; one SELECT is asked for.", "")
    if found[0].type != duckdb.StatementType.SELECT:
        raise NotYet(f"The text is a statement of the kind {found[0].type.name}; a SELECT is asked for.", "")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


def _asked(text: str, rows: pd.DataFrame, what: str) -> pd.DataFrame:
    with duckdb.connect() as database:
        database.register("rows", rows)
        try:
            return database.execute(text).df()
        except duckdb.Error as error:
            raise NotYet(
                f"With the rows of {what} DuckDB says: {_first_line(error)}", "Try duckdb.sql(query()).df() in a cell."
            ) from None


_Means = dict[tuple[str, str], float]


def _require_means(what: str, got: pd.DataFrame, rows: pd.DataFrame) -> None:
    columns = list(got.columns)
    if sorted(columns) != ["cpu_id", "hostname", "mean_busy"]:
        raise NotYet(
            f"The answer has the columns {', '.join(columns)}; it has to have hostname, cpu_id and mean_busy, "
            "and no other.",
            "Name the mean: … AS mean_busy."
            if {"hostname", "cpu_id"} == set(columns[:2]) and len(columns) == 3
            else "",
        )
    said = [(str(line.hostname), str(line.cpu_id), line.mean_busy) for line in got.itertuples()]
    for host, cpu, mean in said:
        if not _is_number(mean):
            raise NotYet(f"{host} {cpu} has mean_busy {mean!r}, which is no number.", "")
    wanted = _means(rows[rows["cpu_id"] != "cpu"])
    _require_each_once(what, [(host, cpu) for host, cpu, _ in said], said, wanted, rows)
    _require_values(what, {(host, cpu): float(mean) for host, cpu, mean in said}, wanted, rows)
    means = [float(mean) for *_, mean in said]
    if any(not _close(*pair) and pair[0] < pair[1] for pair in pairwise(means)):
        order = ", ".join(f"{host} {cpu} {float(mean):.1f}" for host, cpu, mean in said)
        raise NotYet(f"{what.capitalize()}: the order is {order}; the busiest of all has to come first.", _order(said))


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _order(said: Sequence[tuple[str, str, Any]]) -> str:
    means = [float(mean) for *_, mean in said]
    if means == sorted(means):
        return "This is the least busy first: ORDER BY … sorts upwards unless it says DESC."
    if [str(mean) for mean in means] == sorted((str(mean) for mean in means), reverse=True):
        return "They are sorted as texts: '9' comes before '80' there. Sort by the number."
    if [host for host, *_ in said] in (sorted(hosts := [host for host, *_ in said]), sorted(hosts, reverse=True)):
        return "They are sorted by host first; sort by mean_busy alone."
    return ""


def _require_each_once(
    what: str,
    found: Sequence[tuple[str, str]],
    said: Sequence[tuple[str, str, Any]],
    wanted: _Means,
    rows: pd.DataFrame,
) -> None:
    if any(cpu == "cpu" for _, cpu in found):
        raise NotYet(
            f"{what.capitalize()}: the answer has a row for the line cpu.",
            "That is the line of all CPUs together: WHERE cpu_id <> 'cpu'.",
        )
    cpus = rows[rows["cpu_id"] != "cpu"]
    if len(found) == cpus["cpu_id"].nunique() < len(wanted) and len({cpu for _, cpu in found}) == len(found):
        pooled = {cpu: _weighted(group) for cpu, group in cpus.groupby("cpu_id")}
        plain = {cpu: float(group["total_busy_pct"].mean()) for cpu, group in cpus.groupby("cpu_id")}
        mine = {cpu: float(mean) for _, cpu, mean in said}
        hint = "Two hosts may both have a cpu0: GROUP BY hostname, cpu_id." if _alike(mine, pooled, plain) else ""
        raise NotYet(f"{what.capitalize()} with {len(wanted)} CPUs: the answer has {len(found)} rows.", hint)
    for host, cpu in found:
        if (host, cpu) not in wanted:
            raise NotYet(f"{what.capitalize()}: the answer has a row for {host} {cpu}, and there is no such CPU.", "")
    for key in wanted:
        if (times := found.count(key)) != 1:
            raise NotYet(
                f"{what.capitalize()}: the answer has {times or 'no'} {'row' if times < 2 else 'rows'} for "
                f"{' '.join(key)}, and {len(found)} rows in all; there are {len(wanted)} CPUs.",
                "One row for each CPU of each host: GROUP BY hostname, cpu_id." if times > 1 else "",
            )


def _require_values(what: str, mine: _Means, wanted: _Means, rows: pd.DataFrame) -> None:
    wrong = next((key for key in wanted if not _close(mine[key], wanted[key])), None)
    if wrong is None:
        return
    host, cpu = wrong
    lines = rows[(rows["hostname"] == host) & (rows["cpu_id"] == cpu)].head(4)
    each = ", ".join(f"{row.total_busy_pct:g} % for {row.time_delta_ms / 1000:g} s" for row in lines.itertuples())
    got, is_ = _apart(mine[wrong], wanted[wrong])
    raise NotYet(
        f"{what.capitalize()}: {host} {cpu} has mean_busy {got}; it is {is_} (busy {each}).", _why(mine, rows, wanted)
    )


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-6 * max(1.0, abs(other))


def _alike(mine: Mapping[Any, float], *others: Mapping[Any, float]) -> bool:
    return any(mine.keys() == other.keys() and all(_close(mine[key], other[key]) for key in other) for other in others)


def _apart(one: float, other: float) -> tuple[str, str]:
    """Both with as many digits as show that they differ."""
    for digits in range(1, 12):
        texts = f"{one:.{digits}f}", f"{other:.{digits}f}"
        if texts[0] != texts[1]:
            return texts
    return repr(one), repr(other)


def _weighted(rows: pd.DataFrame, column: str = "total_busy_pct") -> float:
    return float((rows[column] * rows["time_delta_ms"]).sum() / rows["time_delta_ms"].sum())


def _means(rows: pd.DataFrame, mean: Callable[[pd.DataFrame], float] = _weighted) -> _Means:
    return {(host, cpu): mean(group) for (host, cpu), group in rows.groupby(["hostname", "cpu_id"])}


def _over_time(group: pd.DataFrame) -> float:
    return float((group["total_busy_pct"] * group["time_delta_ms"]).sum())


def _short(group: pd.DataFrame) -> pd.DataFrame:
    return group[group["time_delta_ms"] <= _PAUSE_MS]


_EACH = "Each share counts as long as it lasted: multiply it by time_delta_ms, sum, divide by the sum of time_delta_ms."
#: A mistake, and what to say about it.
_FALSE_MEANS: tuple[tuple[Callable[[pd.DataFrame], float], str], ...] = (
    (lambda group: group["total_busy_pct"].mean(), f"That is the mean of the rows, whatever their length. {_EACH}"),
    (lambda group: group["total_busy_pct"].max(), f"That is the highest share. {_EACH}"),
    (lambda group: group["total_busy_pct"].median(), f"That is the median of the rows. {_EACH}"),
    (lambda group: group["total_busy_pct"].sum(), f"That is the sum of the shares. {_EACH}"),
    (lambda group: _over_time(group) / len(group), "That is divided by the number of rows. " + _EACH),
    (lambda group: _over_time(group) / len(group) / 1000, "That is divided by the number of rows. " + _EACH),
    (lambda group: _over_time(group), f"That is not divided by anything. {_EACH}"),
    (lambda group: _over_time(group) / 1000, f"That is not divided by the sum of the time. {_EACH}"),
    (
        lambda group: _over_time(group) / (group["ts"].max() - group["ts"].min()).total_seconds() / 1000,
        "That is divided by the time from the first ts to the last: the first interval's length is not in it, and "
        "missing rows are.",
    ),
    (lambda group: _weighted(_short(group)), "Without the long intervals it would be that. They count too, as long as "
     "they lasted."),
    (lambda group: _short(group)["total_busy_pct"].mean(), f"Without the long intervals it would be that. {_EACH}"),
    (lambda group: _weighted(group, "user_pct"), "That is the mean of user_pct alone; total_busy_pct is asked for."),
    (
        lambda group: _weighted(group, "user_pct") + _weighted(group, "system_pct"),
        "That is user_pct and system_pct; total_busy_pct has irq, nice and others too.",
    ),
    (lambda group: 100 - _weighted(group, "idle_pct"), "That is 100 - idle_pct, in which iowait_pct counts as busy."),
    (lambda group: _weighted(group) / 100, "That is a hundredth of it: total_busy_pct is in percent already."),
    (lambda group: _weighted(group) * 1000, "That is a thousand times as much: divide ms by ms, or s by s."),
    (lambda group: _weighted(group) / 1000, "That is a thousandth of it: divide ms by ms, or s by s."),
    (lambda group: _weighted(group, "time_delta_ms"), "That is a mean of time_delta_ms, not of total_busy_pct."),
)  # fmt: skip


def _why(mine: _Means, rows: pd.DataFrame, wanted: _Means) -> str:
    """The mistake that gives exactly these means, in words; "" where none that is known does."""
    for digits in range(6):
        if _alike(mine, {key: round(mean, digits) for key, mean in wanted.items()}):
            return "It is rounded. The task shows few digits; the answer is to have them all."
    if _alike(mine, {key: math.floor(mean) for key, mean in wanted.items()}):
        return "Its digits behind the point are cut off: // divides whole numbers."
    cpus = rows[rows["cpu_id"] != "cpu"]
    return next((hint for mean, hint in _FALSE_MEANS if _alike(mine, _means(cpus, mean))), "")


# --- 07b ---------------------------------------------------------------------------------------------------------

_LEVEL, _LEAST_MS, _PAUSE_MS = 40.0, 10_000, 3000
_Burn = tuple[str, str, pd.Timestamp, pd.Timestamp, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """A row; `begin` and `end` in ms since 1970."""

    host: str
    cpu: str
    begin: int
    end: int
    length: int
    user: float
    system: float
    idle: float
    busy: float


def _lines(rows: pd.DataFrame) -> list[_Line]:
    columns = ["hostname", "cpu_id", "user_pct", "system_pct", "idle_pct", "total_busy_pct", "time_delta_ms"]
    ends = [moment.value // 1_000_000 for moment in rows["ts"]]
    return [
        _Line(host, cpu, end - length, end, length, user, system, idle, busy)
        for end, host, cpu, user, system, idle, busy, length in zip(
            ends, *(rows[name].tolist() for name in columns), strict=True
        )
    ]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a burn is; with one of the values changed, what somebody takes it for who is wrong. Times in ms."""

    busy: Callable[[_Line], float] = lambda line: line.busy
    is_busy: Callable[[float], bool] = lambda busy: busy >= _LEVEL
    is_pause: Callable[[int], bool] = lambda length: length > _PAUSE_MS
    #: so long after the end of the interval before: 0 where it begins when that one ended
    follows: Callable[[int], bool] = lambda after: after == 0
    is_long: Callable[[int, int], bool] = lambda length, rows: length >= _LEAST_MS
    apart: tuple[str, ...] = ("host", "cpu")
    begin: Callable[[list[_Line]], int] = lambda stretch: stretch[0].begin
    end: Callable[[list[_Line]], int] = lambda stretch: stretch[-1].end
    more_user: Callable[[list[_Line]], bool] = lambda stretch: sum(line.user - line.system for line in stretch) > 0
    pauses_are_left_out_first: bool = False
    total_line: bool = False
    in_order: bool = True
    ended_by_a_row: bool = False
    seconds: bool = False


def _burns(lines: Iterable[_Line], rules: _Rules | None = None) -> list[_Burn]:
    """The burns, sorted."""
    how = rules or _Rules()
    groups: dict[tuple[str, ...], list[_Line]] = {}
    for line in lines:
        if line.cpu != "cpu" or how.total_line:
            groups.setdefault(tuple(getattr(line, name) for name in how.apart), []).append(line)
    found = []
    for group in groups.values():
        if how.seconds:
            group[:] = [replace(line, begin=line.end - 1000) for line in group]
        if how.in_order:
            group.sort(key=lambda line: line.end)
        for stretch, is_last in _stretches(group, how):
            begin, end = how.begin(stretch), how.end(stretch)
            if how.is_long(end - begin, len(stretch)) and not (is_last and how.ended_by_a_row):
                kind = "user" if how.more_user(stretch) else "system"
                found.append((stretch[0].host, stretch[0].cpu, _moment(begin), _moment(end), kind))
    return sorted(found)


def _stretches(group: Sequence[_Line], how: _Rules) -> Iterator[tuple[list[_Line], bool]]:
    """(busy lines that go on from one to the next, whether they are the last ones)"""
    stretch: list[_Line] = []
    for line in group:
        pause = how.is_pause(line.length)
        if pause and how.pauses_are_left_out_first:
            continue
        fits = not pause and how.is_busy(how.busy(line))
        if stretch and not (fits and how.follows(line.begin - stretch[-1].end)):
            yield stretch, False
            stretch = []
        if fits:
            stretch.append(line)
    if stretch:
        yield stretch, True


def _moment(ms: int) -> pd.Timestamp:
    return pd.Timestamp(ms, unit="ms", tz="UTC")


_NEIGHBOURS = "A stretch goes on only where an interval begins at the moment at which the one before it ended."
_PAUSES = "An interval of more than 3 s belongs to no burn."
_HOSTS = "Two hosts may both have a cpu0: look at each host's CPUs by themselves."
_BEGINS = "A burn begins where its first interval begins, ts - time_delta_ms; you take that interval's end."
_BIT_MORE = "3.001 s are more than 3 s, so they are a pause."
_PARTS = "a burn's share is total_busy_pct, which has irq and others too."
_WHOLE = "kind is what was more in the whole burn"


def _any(*_: object) -> bool:
    return True


def _none(*_: object) -> bool:
    return False


def _late(stretch: list[_Line]) -> int:
    return stretch[0].end


#: A mistake, and what to say about it.
_FALSE_RULES: tuple[tuple[_Rules, str], ...] = (
    (_Rules(seconds=True), "An interval is not always 1 s: it is time_delta_ms long."),
    (_Rules(begin=lambda stretch: stretch[0].end - 1000), "An interval is not always 1 s: it is time_delta_ms long."),
    (_Rules(follows=_any, pauses_are_left_out_first=True),
     f"When the pauses are left out, the rows around them become neighbours. {_NEIGHBOURS}"),
    (_Rules(follows=_any), f"Where rows are missing, a burn ends too. {_NEIGHBOURS}"),
    (_Rules(follows=lambda after: after <= _PAUSE_MS), f"A hole of 3 s and less ends a burn too. {_NEIGHBOURS}"),
    (_Rules(is_pause=_none), _PAUSES),
    (_Rules(is_pause=_none, follows=_any), _PAUSES),
    (_Rules(total_line=True), "Leave out the line cpu: it is all CPUs together."),
    (_Rules(apart=("cpu",)), _HOSTS),
    (_Rules(apart=("cpu",), follows=_any), _HOSTS),
    (_Rules(apart=("host",)), "Look at each CPU by itself."),
    (_Rules(apart=("host",), follows=_any), "Look at each CPU by itself."),
    (_Rules(begin=_late), _BEGINS),
    (_Rules(begin=_late, is_long=lambda length, _: length >= _LEAST_MS - 1000), _BEGINS),
    (_Rules(begin=_late, is_long=lambda _, rows: rows >= 10), _BEGINS),
    (_Rules(end=lambda stretch: stretch[-1].begin), "A burn ends where its last interval ends, which is its ts."),
    (_Rules(is_busy=lambda busy: busy > _LEVEL), "40 % itself is a burn's share: 40 or above."),
    (_Rules(is_busy=lambda busy: round(busy) >= _LEVEL), "39.96 % is below 40 %; do not round."),
    (_Rules(is_long=lambda length, _: length > _LEAST_MS), "10 s themselves are enough: 10 s or more."),
    (_Rules(is_long=lambda length, _: length >= _LEAST_MS - 1000), "10 s or more; 9 s are not enough."),
    (_Rules(is_long=lambda length, _: round(length / 1000) >= 10), "9.9 s are not 10 s; do not round."),
    (_Rules(is_long=lambda _, rows: rows >= 10),
     "Ten intervals need not be 10 s: take the time from begin to end, not the number of rows."),
    (_Rules(is_long=lambda _, rows: rows > 10), "Take the time from begin to end, not the number of rows."),
    (_Rules(is_long=_any), "A burn lasts 10 s or more; shorter stretches are none."),
    (_Rules(is_pause=lambda length: length >= _PAUSE_MS), "3 s themselves are no pause yet: more than 3 s."),
    (_Rules(is_pause=lambda length: length > 1000), "A pause is an interval of more than 3 s; one of 3 s is none yet."),
    (_Rules(is_pause=lambda length: length >= _PAUSE_MS + 1000), _BIT_MORE),
    (_Rules(is_pause=lambda length: length > _PAUSE_MS + 1000), _BIT_MORE),
    (_Rules(more_user=_any), 'kind is "system" where system_pct was more.'),
    (_Rules(more_user=_none), 'kind is "user" where user_pct was more.'),
    (_Rules(more_user=lambda stretch: stretch[0].user > stretch[0].system), f"{_WHOLE}; you take its first interval."),
    (_Rules(more_user=lambda stretch: stretch[-1].user > stretch[-1].system), f"{_WHOLE}; you take its last interval."),
    (_Rules(more_user=lambda stretch: max(line.user for line in stretch) > max(line.system for line in stretch)),
     f"{_WHOLE}; you take the highest share of each."),
    (_Rules(more_user=lambda stretch: sum(line.user > line.system for line in stretch) * 2 > len(stretch)),
     f"{_WHOLE}; you count the intervals in which each was more."),
    (_Rules(more_user=lambda stretch: sum(line.user - line.system for line in stretch) <= 0),
     "The two kinds are exchanged."),
    (_Rules(busy=lambda line: line.user), "You look at user_pct; a burn's share is total_busy_pct."),
    (_Rules(busy=lambda line: max(line.user, line.system)), f"You look at user_pct and at system_pct; {_PARTS}"),
    (_Rules(busy=lambda line: line.user + line.system), f"You look at user_pct + system_pct; {_PARTS}"),
    (_Rules(busy=lambda line: 100 - line.idle),
     "You look at 100 - idle_pct, in which iowait_pct is busy; a burn's share is total_busy_pct."),
    (_Rules(in_order=False), "The rows come in any order: sort them by host, CPU and ts."),
    (_Rules(ended_by_a_row=True), "A burn may go on up to the last row: end it there."),
)  # fmt: skip


def _steady(host: str, cpu: str, begin: float, end: float, *shares: float, every: float = 1.0) -> list[_Row]:
    """Rows from `begin` to `end`, each of `every` seconds."""
    user, system, irq = (*shares, 0.0, 0.0)[:3]
    count = round((end - begin) / every)
    return [(host, cpu, begin + (place + 1) * every, every, user, system, irq) for place in range(count)]


def _machine(host: str, *stretches: tuple[float, ...], cpus: tuple[str, str] = ("cpu0", "cpu1")) -> list[_Row]:
    """The first CPU as `stretches` say (begin, end, user, system, irq), the second idle, and the line cpu: the half."""
    rows: list[_Row] = []
    for begin, end, *shares in stretches:
        rows += _steady(host, "cpu", begin, end, *(share / 2 for share in shares))
        rows += _steady(host, cpus[0], begin, end, *shares) + _steady(host, cpus[1], begin, end, 1.0)
    return rows


def _pause(host: str, begin: float, end: float, user: float) -> list[_Row]:
    """One interval from `begin` to `end`, of all three lines."""
    return [(host, cpu, end, end - begin, user, 0.0, 0.0) for cpu in ("cpu", "cpu0", "cpu1")]


def _cases() -> Iterator[tuple[str, pd.DataFrame]]:
    """(what is in the rows, the rows)"""
    quiet, load = (2.0, 1.0), (95.0, 2.0)
    one = _machine(
        "lab", (0, 20, *quiet), (20, 21, 97.0, 1.0), (21, 40, 3.0, 95.0), (40, 50, *quiet), (50, 51, 90.0, 5.0),
        (51, 60, *quiet),
    )  # fmt: skip
    yield "One burn of 20 s and one busy second", _frame(one)
    yield "The same rows once more", _frame(one)
    left = _machine("web-1", (0, 40, *quiet))
    right = _machine("web_2.local", (0, 29, 97.0, 2.0), (29, 30, 20.0, 60.0), (30, 40, *quiet))
    both = _frame([*left, *right]).sort_values(["ts", "hostname"], ignore_index=True)
    yield "Two hosts, of which one burns from its first row on", both
    yield (
        "A burn up to the last row, on cpu10",
        _frame(_machine("lab", (0, 9, *quiet), (9, 30, *load), cpus=("cpu10", "cpu1"))),
    )
    paused = [*_machine("lab", (0, 20, *quiet)), *_pause("lab", 20, 80, 50.0), *_machine("lab", (80, 90, *quiet))]
    yield "A pause of a minute, whose mean is 50 %", _frame(paused)
    around = [*_machine("lab", (0, 9, *quiet), (9, 17, *load)), *_pause("lab", 17, 77, 50.0)]
    around += _machine("lab", (77, 85, *load), (85, 95, *quiet))
    yield "8 s of load, a pause of a minute, 8 s of load", _frame(around)
    beside = [*_machine("lab", (0, 12, *load)), *_pause("lab", 12, 72, 95.0), *_machine("lab", (72, 84, 2.0, 95.0))]
    yield "12 s of load, a pause of a minute, 12 s of load", _frame(beside)
    hole = _machine("lab", (0, 5, *quiet), (5, 12, *load), (30, 37, *load), (37, 45, *quiet))
    yield "7 s of load, 18 s without rows, 7 s of load", _frame(hole)
    missing = _machine("lab", (0, 5, *quiet), (5, 12, *load), (13, 20, *load), (20, 25, *quiet))
    yield "7 s of load, one row missing, 7 s of load", _frame(missing)
    just = _machine(
        "lab", (0, 10, *quiet), (10, 11, 50.0, 40.0), (11, 20, 2.0, 95.0), (20, 30, *quiet), (30, 39, *load),
        (39, 45, *quiet),
    )  # fmt: skip
    yield "10 s of load, and later 9 s", _frame(just)
    odd = [*_steady("lab", "cpu0", 0, 9.9, *load, every=0.99), *_steady("lab", "cpu0", 9.9, 12.4, *quiet, every=2.5)]
    odd += _steady("lab", "cpu0", 12.4, 22.4, *load, every=2.5)
    yield "Ten busy intervals of 0.99 s, and later four of 2.5 s", _frame(odd)
    level = _machine("lab", (0, 10, *quiet), (10, 22, 40.0, 0.0), (22, 30, *quiet), (30, 42, 39.96, 0.0))
    yield "12 s at 40 %, and later 12 s at 39.96 %", _frame(level)
    parts = _machine("lab", (0, 12, 30.0, 7.0, 8.0), (12, 20, *quiet), (20, 32, 20.0, 15.0), (32, 40, *quiet),
                     (40, 52, 25.0, 20.0))  # fmt: skip
    yield "12 s at 45 % (8 of them irq), later 12 s at 35 %, and 12 s at 45 % (20 of them system)", _frame(parts)
    few = _machine("lab", (0, 9, 25.0, 20.0), (9, 12, 1.0, 95.0), (12, 20, *quiet), (20, 29, 20.0, 25.0),
                   (29, 32, 95.0, 1.0))  # fmt: skip
    yield "9 s a little more of one kind, then 3 s nearly all of the other; and later the reverse", _frame(few)
    slow = [row for end in (3, 6, 9, 12) for row in _pause("lab", end - 3, end, 95.0)]
    slow += [row for end in (30, 33.001, 36.002, 39.003) for row in _pause("lab", end - 3.001, end, 95.0)]
    yield "Busy intervals of 3 s, and later of 3.001 s", _frame(slow)
    moved = [*_machine("a", (0, 8, *load), (8, 16, *quiet)), *_machine("b", (0, 8, *quiet), (8, 16, *load))]
    moved += [*_steady("c", "cpu0", 0, 8, *load), *_steady("c", "cpu1", 8, 16, *load)]
    yield "8 s of load on one CPU, the next 8 s on another", _frame(moved).sort_values("ts", ignore_index=True)
    yield "The rows in no order at all", _frame(one).sample(frac=1, random_state=3)


def judge_07b(answer: Any, _: Settings) -> str:
    """`answer` is burns: rows -> [(hostname, cpu_id, begin, end, kind), …]."""
    count = 0
    tried: list[_Tried] = []
    for what, rows in [*_cases(), ("The recording", _recorded())]:
        lines = _lines(rows)
        wanted, got = _burns(lines), _found(answer, what, rows)
        tried.append((lines, got))
        if got != wanted:
            raise NotYet(_difference(what, got, wanted), _cause(answer, tried, rows))
        count += len(wanted)
    return f"All {count} burns found, and none invented: not in a pause, not across one, not in the line cpu."


_Tried = tuple[list[_Line], list[_Burn]]


def _found(answer: Callable[..., Any], what: str, rows: pd.DataFrame) -> list[_Burn]:
    return sorted(_as_burns(called(answer, (rows,), f"this: {what}", names=("rows",)), what))


def _difference(what: str, got: list[_Burn], wanted: list[_Burn]) -> str:
    if extra := [burn for burn in got if burn not in wanted]:
        return f"{what}: you found {_told(extra[0])}, which {_instead(extra[0], wanted)}."
    if missing := [burn for burn in wanted if burn not in got]:
        found = f"; you found {len(got)}" if got else "; you found none"
        return f"{what}: you did not find {_told(missing[0])}{found}."
    twice = next(burn for burn in got if got.count(burn) > 1)
    return f"{what}: you found {_told(twice)} {got.count(twice)} times."


def _cause(answer: Callable[..., Any], tried: Sequence[_Tried], rows: pd.DataFrame) -> str:
    """The mistake that gives exactly what the answer gives for every table; or ""."""
    lines, got = tried[-1]
    before = [burn for _, burns in tried[:-1] for burn in burns]
    if before and got and set(got) - set(_burns(lines)) <= set(before) and len(got) >= len(before):
        return "That is of an earlier call: does the list begin empty in each call?"
    try:
        in_order = rows.sort_values(["hostname", "cpu_id", "ts"], ignore_index=True)
        if _found(answer, "the same rows, sorted", in_order) == _burns(lines):
            return "Sorted by host, CPU and ts, the same rows give the right burns: rows come in any order."
        others = [(_lines(rows), _found(answer, what, rows)) for what, rows in _cases()]
    except NotYet:
        return ""
    scores = [(_agree(rules, others), hint) for rules, hint in _FALSE_RULES if _agree(rules, tried) == len(tried)]
    most = max((score for score, _ in scores), default=0)
    best = {hint for score, hint in scores if score == most}
    return best.pop() if len(best) == 1 and most >= len(others) - 1 else ""


def _agree(rules: _Rules, tried: Iterable[_Tried]) -> int:
    return sum(_burns(lines, rules) == got for lines, got in tried)


def _as_burns(got: Any, what: str) -> list[_Burn]:
    """What the learner's function gave, as tuples. Raises `NotYet` where it is something else."""
    if got is None:
        raise NotYet(f"{what}: burns gave None; it has to give a list of tuples.", "Is there a return?")
    if isinstance(got, str | pd.DataFrame | Mapping) or not isinstance(got, Iterable):
        raise NotYet(f"{what}: burns gave a {type(got).__name__}; it has to give a list of tuples.", "")
    return [_as_burn(burn, what) for burn in got]


def _as_burn(burn: Any, what: str) -> _Burn:
    if not isinstance(burn, tuple | list) or len(burn) != len(_Burn.__args__):  # type: ignore[attr-defined]
        raise NotYet(f"{what}: you found {shown(burn)}, which is no tuple (hostname, cpu_id, begin, end, kind).", "")
    host, cpu, begin, end, kind = burn
    for name, moment in (("begin", begin), ("end", end)):
        if not isinstance(moment, datetime) or pd.isna(moment):
            raise NotYet(
                f"{what}: {name} is {shown(moment)}, which is no Timestamp.", _NUMBER * isinstance(moment, Real)
            )
        if moment.tzinfo is None:
            raise NotYet(f"{what}: {name} is {moment}, without a time zone.", f"ts is in UTC: take {name} from it.")
    if not isinstance(kind, str) or kind not in ("user", "system"):
        raise NotYet(f"{what}: kind is {shown(kind)}.", 'kind is "user" or "system", and nothing else.')
    return str(host), str(cpu), pd.Timestamp(begin), pd.Timestamp(end), str(kind)


_NUMBER = "Take it from ts, which is one."


def _told(burn: _Burn) -> str:
    host, cpu, begin, end, kind = burn
    return f"{host} {cpu} {_clock(begin)} – {_clock(end)} {kind}"


def _clock(moment: pd.Timestamp) -> str:
    """09:00:20, or 09:00:20.990 where there is a part of a second."""
    return f"{moment:%H:%M:%S}" + (f".{moment.microsecond // 1000:03d}" if moment.microsecond else "")


def _instead(burn: _Burn, wanted: list[_Burn]) -> str:
    near = [other for other in wanted if other[:2] == burn[:2] and other[2] <= burn[3] and burn[2] <= other[3]]
    return f"should be {_told(near[0])}" if near else "is none"


JUDGES: dict[str, Judge] = {"07a": judge_07a, "07b": judge_07b}
