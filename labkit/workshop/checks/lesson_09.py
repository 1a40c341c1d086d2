"""What the exercises of 09 have to do: an account of hopping windows by hand, and late rows to a side output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random
from typing import Any

from labkit.settings import Settings
from labkit.sources.scenario import HeldBack, Scenario
from labkit.sources.simulator import FleetSource
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.event_time_trial import in_event_time
from labkit.workshop.checks.model import hint_for
from labkit.workshop.checks.operator_trial import Operator, side
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream, Watermark
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin

__all__ = ["JUDGES", "MEETS", "judge_09a", "judge_09b"]

_SUFFIX = "_ex09"

MEETS: Meets = {
    "09a": {
        "task": "rows in time, late for all their windows, late for some of them, and open; in and out of order, "
        "repeated; no row at all",
        "boundaries": "the watermark at the last millisecond of a window, 1 ms before it and 1 ms after; at the end, "
        "too; sizes that are the slide, a multiple of it and no multiple; bounds of 0 and of more than a window; times "
        "of today, near 0 and before it",
        "arguments": "the same rows with other bounds, sizes and slides",
        "twice": "each call is made a second time",
        "point": "the three numbers are compared, and their sum is that of all windows of all rows",
    },
    "09b": {
        "task": "windows of several hosts, rows in time and late ones, by hand; then a fleet's on the cluster, one of "
        "whose hosts was away",
        "boundaries": "the watermark 1 ms before the last millisecond of a window, at it, and far behind it; a row at "
        "the first and at the last millisecond; windows of 1 s, 7 s and 60 s; names with separators",
        "given": "the row is compared before and after process_element",
        "arguments": "made for three sizes, and with side outputs of two names",
        "ends": "each element and each timer has 10 s, and may give 1,000 results; in the end no state is left",
        "twice": "the operator is made and fed a second time; another one runs on the cluster",
        "point": "late rows come out of the side output and of nothing else; a restart keeps counts and timers",
    },
}


# ------------------------------------------------------------------------------------------------------------- 09a

_TODAY = 1_795_168_800_000
#: (windowed, late, open)
_Account = tuple[int, int, int]


@dataclass(frozen=True)
class _Case:
    times: tuple[int, ...]
    bound: int
    size: int
    slide: int


def _at(*seconds: float, since: int = _TODAY) -> tuple[int, ...]:
    return tuple(since + round(1000 * second) for second in seconds)


def _cases() -> Iterator[_Case]:
    """From those in which one thing is to be seen to those that chance makes."""
    yield _Case(_at(1, 2, 3), 5_000, 30_000, 10_000)
    yield _Case(_at(1, 12, 23, 34, 45, 56), 5_000, 30_000, 10_000)
    yield _Case(_at(12, 47, 23), 5_000, 30_000, 10_000)
    yield _Case(_at(5, 40, 4, 41, 3), 0, 10_000, 10_000)
    yield _Case(_at(5, 29.998, 5, 29.999, 5, 30, 5), 0, 30_000, 10_000)
    yield _Case(_at(5, 49.999), 20_000, 30_000, 10_000)
    yield _Case(_at(5, 49.998), 20_000, 30_000, 10_000)
    yield _Case(_at(50, 20, 9, 75, 8, 45, 7, 7), 10_000, 25_000, 10_000)
    yield _Case(_at(50, 20, 9, 75, 8, 45, 7), 70_000, 35_000, 15_000)
    yield _Case((), 1_000, 20_000, 10_000)
    yield _Case(_at(0.5), 0, 2_000, 1_000)
    yield _Case(_at(0.004, 0.001, 0.013, 0.002, 0.026, 0.005, since=0), 2, 6, 3)
    yield _Case(_at(-31, -4, 0, -17, 20, -9, since=0), 3_000, 24_000, 8_000)
    random = Random("labkit 09a")
    for bound, (size, slide) in product((0, 1, 2_500, 45_000), ((1_000, 1_000), (9_000, 3_000), (60_000, 7_000))):
        yield _Case(
            tuple(_TODAY + int(400 * nth - random.expovariate(1 / 20_000)) for nth in range(60)), bound, size, slide
        )


def judge_09a(answer: Any, _: Settings) -> str:
    """Rows and windows by hand, then by chance."""
    rows, total = 0, 0
    for case in _cases():
        want = _account(case)
        _judge_account(answer, case, want)
        rows, total = rows + len(case.times), total + sum(want)
    return f"{rows:,} rows, {total:,} times in a window, and every account balances."


def _account(
    case: _Case,
    *,
    last: int = 1,
    passes: Callable[[int, int], bool] = lambda watermark, moment: watermark >= moment,
    starts: Callable[[int, int, int], Iterable[int]] = lambda at, size, slide: range(
        at - at % slide, at - size, -slide
    ),
    newest: Callable[[int, int], int] = max,
    itself: bool = False,
    bound: Callable[[int], int] = lambda bound: bound,
    whole: bool = False,
    ends: Callable[[_Case], int | None] = lambda case: max(case.times, default=None),
    out: Callable[[int, int, int], Any] = lambda windowed, late, waiting: (windowed, late, waiting),
) -> Any:
    """What comes where one thing is done in another way. Without any it is right."""
    highest: int | None = None
    late, kept = 0, list[int]()
    for at in case.times:
        known, highest = highest, at if highest is None else newest(highest, at)
        seen = highest if itself else known
        moments = [start + case.size - last for start in starts(at, case.size, case.slide)]
        over = [seen is not None and passes(seen - bound(case.bound), moment) for moment in moments]
        if whole:
            over = [all(over)] * len(over)
        late += sum(over)
        kept += [moment for moment, is_over in zip(moments, over, strict=True) if not is_over]
    at_the_end = ends(case) if newest is max else highest
    windowed = sum(at_the_end is not None and passes(at_the_end - bound(case.bound), moment) for moment in kept)
    return out(windowed, late, len(kept) - windowed)


_EACH_WINDOW = "A row may be late for one of its windows and in time for another: each window is looked at by itself."
_LAST_MS = "A window's last millisecond is the one before its end: it has closed at end - 1."
_ORDER = "The order is (windowed, late, open)."
_ACCOUNT_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (_EACH_WINDOW, {"whole": True}),
    (_LAST_MS, {"last": 0}),
    ("It has closed when the watermark has come to the last millisecond, not only when it is past it.",
     {"passes": lambda watermark, moment: watermark > moment}),
    ("A row belongs to more windows than the one that began last.",
     {"starts": lambda at, size, slide: (at - at % slide,)}),
    ("Where the size is no multiple of the slide, a row is in one window more or less: a window that begins before "
     "at - size + 1 does not have it.",
     {"starts": lambda at, size, slide: range(at - at % slide, at - at % slide - size, -slide)}),
    ("Where the size is no multiple of the slide, some rows are in one window more.",
     {"starts": lambda at, size, slide: [at - at % slide - nth * slide for nth in range(size // slide)]}),
    ("A window goes up to, but without, its end: what comes at its end is not in it.",
     {"starts": lambda at, size, slide: range(at - at % slide, at - size - 1, -slide)}),
    ("Windows begin before 0, too.",
     {"starts": lambda at, size, slide: [one for one in range(at - at % slide, at - size, -slide) if one >= 0]}),
    ("A watermark never goes back: it goes by the newest row so far, not by the one before.",
     {"newest": lambda known, at: at}),
    ("A row meets the watermark that there was before it came: it makes nothing late itself.", {"itself": True}),
    ("The watermark is the newest time less `bound`.", {"bound": lambda bound: 0}),
    ("The watermark is the newest time less `bound`.", {"bound": lambda bound: -bound}),
    ("`bound` is in ms, as times are.", {"bound": lambda bound: bound * 1000}),
    ("After the last row, too, there is a watermark: the newest of all times less `bound`.",
     {"ends": lambda case: max(case.times[:-1], default=None)}),
    (_ORDER, {"out": lambda windowed, late, waiting: (late, windowed, waiting)}),
    (_ORDER, {"out": lambda windowed, late, waiting: (windowed, waiting, late)}),
    ("What was late is in no window: it is not among the windowed.",
     {"out": lambda windowed, late, waiting: (windowed + late, late, waiting)}),
    ("What waits in an open window has not been counted yet: it is not among the windowed.",
     {"out": lambda windowed, late, waiting: (windowed + waiting, late, waiting)}),
)  # fmt: skip


def _judge_account(answer: Any, case: _Case, want: _Account) -> None:
    found = _asked(answer, case)
    if isinstance(found, list) and tuple(found) == want:
        raise NotYet(f"account gave the list {shown(found)}; a tuple is asked for.", "")
    if not isinstance(found, tuple) or len(found) != 3:
        raise NotYet(f"account gave {shown(found)}, which is no tuple of three numbers.", "")
    if found != want:
        raise NotYet(f"{_in_words(case)}: account gave {shown(found)}; it is {want}. {_sums(found, want)}",
                     _why_not(answer))  # fmt: skip
    if _asked(answer, case) != want:
        raise NotYet(f"Asked a second time ({_in_words(case)}), it gave something else.", "")


def _sums(found: tuple[Any, ...], want: _Account) -> str:
    try:
        total = sum(found)
    except TypeError:
        return ""
    if total == sum(want):
        return "The sum is right."
    return f"The rows are in {sum(want)} windows together, and its sum is {total}."


def _asked(answer: Any, case: _Case) -> Any:
    given = list(case.times), case.bound, case.size, case.slide
    return called(answer, given, _in_words(case), names=("times", "bound", "size", "slide"))


def _in_words(case: _Case) -> str:
    since = f"{_TODAY} + " if case.times and min(case.times) > _TODAY // 2 else ""
    few = [at - (_TODAY if since else 0) for at in case.times[:8]]
    times = f"{since}{few}" if len(case.times) <= 8 else f"{len(case.times)} rows"
    return f"times {times}, bound {case.bound}, size {case.size}, slide {case.slide}"


def _why_not(answer: Any) -> str:
    """The fault that explains what comes of all cases; "" where none does."""
    return hint_for(_cases(), partial(_asked, answer), _account, _ACCOUNT_FAULTS)


# ------------------------------------------------------------------------------------------------------------- 09b


def judge_09b(counted: Any, settings: Settings) -> str:
    """Windows and late rows by hand, of three sizes, and on the cluster those of a fleet."""
    for size, name in ((60_000, "late"), (7_000, "too-late"), (1_000, "late")):
        _by_hand(counted, size, name)
    return _on_the_cluster(counted)


def _by_hand(counted: Any, size: int, name: str) -> None:
    begin_ms = _TODAY - _TODAY % size
    stream = Stream(
        lambda history, **other: _given(history, size, name, **other), _WINDOW_FAULTS, "hostname, start, count"
    )
    script: list[Any] = []

    def heard(host: str, at: int) -> None:
        script.append((host, begin_ms + at))

    def time(at: int) -> None:
        script.append(Watermark(begin_ms + at))

    heard("web", 0)
    heard("web", size // 2)
    heard("db-1", size - 1)
    heard("web", size)
    time(size - 2)
    heard("web", 1)
    time(size - 1)
    heard("web", 2)
    heard("db/1", size - 1)
    heard("db-1", size)
    heard("web", size + size // 2)
    time(size + size // 2)
    heard("web", size // 2)
    heard("db-1", 3 * size)
    script.append(RESTART)
    time(size + size // 2)
    heard("web", size + 1)
    time(2 * size - 2)
    time(2 * size - 1)
    heard("web", 2 * size - 1)
    heard("web", 4 * size)
    heard("web", 4 * size)
    time(9 * size)
    heard("web", 8 * size)
    heard("web", 9 * size)
    heard("db/1", 9 * size)
    time(99 * size)
    wants = _given(script, size, name)
    for now in script:
        if now is RESTART:
            stream.restart()
        elif isinstance(now, Watermark):
            stream.advance(now.at, next(wants))
        else:
            host, at = now
            stream.expect(host, _row(host), now, next(wants), f"{host}'s row at {at} ms (size {size})", at)
    operator = stream.judge(lambda: Operator(_operator_of(counted, size, _tag(name))))
    if left := operator.left():
        state, value = next(iter(left.items()))
        raise NotYet(
            f"Long after the last window has closed there is still something in the state: {state} has {shown(value)}.",
            "What has been given is taken out of the state; a state that holds nothing is cleared.",
        )


def _operator_of(counted: Any, size: int, tag: Any) -> Any:
    return called(counted, (size, tag), f"size {size} and the side output {tag.tag_id!r}", names=("size", "late"))


def _tag(name: str) -> Any:
    from pyflink.common import Types
    from pyflink.datastream import OutputTag

    return OutputTag(name, Types.PICKLED_BYTE_ARRAY())


def _row(host: str) -> Any:
    from pyflink.common import Row

    return Row(host)


def _given(
    history: Iterable[Any],
    size: int,
    name: str,
    *,
    passes: Callable[[int, int], bool] = lambda watermark, moment: watermark >= moment,
    moment_of: Callable[[int, int], int] = lambda start, size: start + size - 1,
    due_at: Callable[[int, int], int] = lambda start, size: start + size - 1,
    late: Callable[[str, int, int], list[list[Any]]] | None = None,
    keeps_late: bool = False,
    each: bool = False,
    forgets: bool = False,
    starts: Callable[[int, int], int] = lambda at, size: at - at % size,
    out: Callable[[str, int, int, int], list[Any]] = lambda host, start, count, size: [host, start, count],
) -> Iterator[list[list[Any]]]:
    """What comes of each row and watermark where one thing is done in another way. Without any it is right."""
    counts: dict[tuple[str, int], int] = {}
    timers: set[tuple[int, str, int]] = set()
    watermark = -(2**63)
    aside = side(name)
    for now in history:
        if now is RESTART:
            counts = {} if forgets else counts
            watermark = -(2**63)
        elif isinstance(now, Watermark):
            watermark = max(watermark, now.at)
            due = sorted(one for one in timers if one[0] <= watermark)
            timers -= set(due)
            yield [out(host, start, counts.pop((host, start), 0), size) for _, host, start in due]
        else:
            host, at = now
            start = starts(at, size)
            is_late = passes(watermark, moment_of(start, size))
            told = [[aside, host, at]] if late is None else late(aside, host, at)
            if not is_late or keeps_late:
                counts[host, start] = counts.get((host, start), 0) + 1
                timers.add((due_at(start, size), host, start))
            rows = told if is_late else []
            yield [*rows, [host, start, counts[host, start]]] if each and not is_late else rows


def _window_fault(hint: str, **otherwise: Any) -> Fault:
    return Fault(hint, otherwise)


_TO_THE_SIDE = "A late row goes to the side output: yield late, Row(…)."
_TOO_SOON = "A row is late when its window was over: when the watermark has come to its last millisecond, not before."
_WINDOW_FAULTS = (
    _window_fault(_TO_THE_SIDE, late=lambda aside, host, at: []),
    _window_fault(_TO_THE_SIDE, late=lambda aside, host, at: [[host, at]]),
    _window_fault("A late row is in no window: it goes to the side output, and is not counted.", keeps_late=True),
    _window_fault("A late row is in no window, and goes to the side output: yield late, Row(…).",
                  keeps_late=True, late=lambda aside, host, at: []),
    _window_fault(_TOO_SOON, moment_of=lambda start, size: start),
    _window_fault("The last millisecond of a window is the one before its end: it is over at start + size - 1.",
                  moment_of=lambda start, size: start + size),
    _window_fault("The watermark has come to the last millisecond: then the window is over, not only after that.",
                  passes=lambda watermark, moment: watermark > moment),
    _window_fault("A timer for the last millisecond of the window: that is start + size - 1.",
                  due_at=lambda start, size: start + size),
    _window_fault("A window is given once, when it is over, and not with every row.", each=True),
    _window_fault("After the restart the counts were not known any more: they belong in state, got in open.",
                  forgets=True),
    _window_fault("That is the end of the window; its start is asked for.",
                  out=lambda host, start, count, size: [host, start + size, count]),
    _window_fault("That is the timer's time; the start of the window is asked for.",
                  out=lambda host, start, count, size: [host, start + size - 1, count]),
    _window_fault("The side output gets hostname and timestamp: the timestamp is that of the row.",
                  late=lambda aside, host, at: [[aside, host]]),
)  # fmt: skip

_HOSTS, _SECONDS, _SIZE_MS, _BOUND_S = 3, 90, 10_000, 2
_SCENARIO = Scenario(held_back=(HeldBack((1,), 14, 47), HeldBack((2,), 30, 36)))


def _on_the_cluster(counted: Any) -> str:
    own = begin("09", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=1)
    fleet = list(FleetSource(_HOSTS, 1, 9, _SCENARIO, interval_s=1.0, start_ms=_TODAY, seconds=_SECONDS))
    want = _windows_of([(one.hostname, one.timestamp) for one in fleet])
    tag = _tag("late")

    def attach(keyed: Any) -> Any:
        from pyflink.common import Types

        kind = Types.PICKLED_BYTE_ARRAY()
        given = keyed.process(_operator_of(counted, _SIZE_MS, tag), kind)
        late = given.get_side_output(tag).map(_marked, kind)
        return given.map(list, kind).union(late)

    found = in_event_time(own, "counted", fleet, attach, bound_s=_BOUND_S, count=len(want))
    if sorted(map(str, found)) != sorted(map(str, want)):
        extra, missing = [one for one in found if one not in want], [one for one in want if one not in found]
        said = f"{extra[0]} is one too many" if extra else f"{missing[0]} is missing" if missing else "one came twice"
        raise NotYet(f"By hand it was right. On the cluster there were {len(found)} results of {len(want)}: {said}.")
    late = sum(one[0] == side("late") for one in want)
    return (
        f"{len(fleet)} rows of {_HOSTS} hosts on the cluster: {len(want) - late} windows, and {late} rows to the side."
    )


def _marked(row: Any) -> list[Any]:
    """A row of the side output as the trial by hand has it."""
    return [side("late"), *row]


def _windows_of(records: Sequence[tuple[str, int]]) -> list[list[Any]]:
    """Those of a whole fleet: by the watermark that each record makes, `_BOUND_S` behind the newest."""
    history: list[Any] = []
    newest = 0
    for host, at in records:
        history.append((host, at))
        newest = max(newest, at)
        history.append(Watermark(newest - 1000 * _BOUND_S))
    return [row for rows in _given(history, _SIZE_MS, "late") for row in rows]


JUDGES = {"09a": judge_09a, "09b": judge_09b}
