"""What the exercises of 08 have to do: watermarks by hand, and an operator whose timers go by event time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from random import Random
from typing import Any

from labkit.settings import Settings
from labkit.sources.scenario import Scenario, Silence
from labkit.sources.simulator import FleetSource
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.event_time_trial import in_event_time
from labkit.workshop.checks.model import hint_for
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream, Watermark
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin

__all__ = ["JUDGES", "MEETS", "judge_08a", "judge_08b"]

_SUFFIX = "_ex08"

MEETS: Meets = {
    "08a": {
        "task": "late and in time, of one host and of several, in and out of order, repeated, with no record at all",
        "boundaries": "the watermark at the last millisecond of a window, 1 ms before it and 1 ms after; bounds of 0, "
        "of less and of more than a window; sizes of 1 ms and of ten minutes; timestamps of today and near 0",
        "arguments": "the same records with other bounds and sizes",
        "twice": "each call is made a second time",
        "point": "nothing: any way to work it out is right",
    },
    "08b": {
        "task": "hosts that fall silent, come back, and fall silent again, by hand; then a fleet's on the cluster",
        "boundaries": "the watermark 1 ms before the moment, at it, and far behind it; a record 1 ms before it; the "
        "same record twice, before and after a result; one that is older than the newest, the same; one that is newer "
        "and behind the watermark; all of these also without a restart; names with separators",
        "given": "the row is compared before and after process_element",
        "arguments": "made for 30 s, for 7 s and for 1 s",
        "ends": "each element and each timer has 10 s, and may give 1,000 results",
        "twice": "the operator is made and fed a second time; another one runs on the cluster",
        "point": "what comes, comes by the watermark: no record is there to give it; a restart keeps state and timers",
    },
}


# ------------------------------------------------------------------------------------------------------------- 08a

#: (hostname, ms)
_Record = tuple[str, int]
_TODAY = 1_795_168_800_000


@dataclass(frozen=True)
class _Case:
    records: tuple[_Record, ...]
    bound: int
    size: int


def _at(*seconds: float, host: str = "web", since: int = _TODAY) -> tuple[_Record, ...]:
    return tuple((host, since + round(1000 * second)) for second in seconds)


def _cases() -> Iterator[_Case]:
    """From those in which one thing is to be seen to those that chance makes."""
    yield _Case(_at(1, 2, 3), 5_000, 10_000)
    yield _Case(_at(1, 12, 2, 19.998, 3, 19.999, 4, 5), 10_000, 10_000)
    yield _Case(_at(1, 9.998, 2, 9.999, 3, 10, 4, 25, 5), 0, 10_000)
    yield _Case(_at(5, 30, 21, 28, 24, 36, 25, 29.999), 5_000, 10_000)
    yield _Case((*_at(40), *_at(1, 2, host="db"), *_at(41), *_at(3, host="db"), *_at(38)), 3_000, 5_000)
    yield _Case(_at(50, 20, 9, 25, 8, 45, 7), 10_000, 20_000)
    yield _Case((*_at(7, 31), *_at(7, 7), *_at(31)), 1_000, 10_000)
    yield _Case((), 1_000, 10_000)
    yield _Case(_at(0.5), 0, 1_000)
    yield _Case(_at(0.004, 0.001, 0.003, 0.002, 0.006, 0.005, since=0), 2, 1)
    yield _Case(_at(700, 100, 1199.999, 599.999, 1200, 0, since=_TODAY - _TODAY % 600_000), 600_000, 600_000)
    random = Random("labkit 08a")
    for bound, size in product((0, 1, 2_500, 10_000, 45_000), (1_000, 7_000, 60_000)):
        moments = [int(40 * number - random.expovariate(1 / 30_000)) for number in range(0, 3_000, 37)]
        hosts = ("web", "db-1", "db/1", "a b")
        yield _Case(tuple((random.choice(hosts), _TODAY + one) for one in moments), bound, size)


def judge_08a(answer: Any, _: Settings) -> str:
    """Records and watermarks by hand, then by chance."""
    count = late = 0
    for case in _cases():
        want = _late(case)
        _judge_late(answer, case, want)
        count, late = count + len(case.records), late + len(want)
    return f"{count:,} records, of which {late} came too late."


def _late(
    case: _Case,
    *,
    last: int = 1,
    passes: Callable[[int, int], bool] = lambda watermark, moment: watermark >= moment,
    edge: Callable[[int, int], int] = lambda at, size: at - at % size + size,
    key: Callable[[str], str] = lambda host: "",
    newest: Callable[[int, int], int] = max,
    itself: bool = False,
    bound: Callable[[int], int] = lambda bound: bound,
    size: Callable[[int], int] = lambda size: size,
    out: Callable[[_Record], Any] = lambda record: record,
    gives: Callable[[list[Any]], list[Any]] = lambda late: late,
) -> list[Any]:
    """What comes where one thing is done in another way. Without any it is right."""
    highest: dict[str, int] = {}
    late = []
    for host, at in case.records:
        known = highest.get(key(host))
        highest[key(host)] = at if known is None else newest(known, at)
        seen = highest[key(host)] if itself else known
        if seen is not None and passes(seen - bound(case.bound), edge(at, size(case.size)) - last):
            late.append(out((host, at)))
    return gives(late)


_NOT_ITSELF = "What counts is the last millisecond of the record's window, not its start and not the record's own time."
_LATE_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("A window's last millisecond is the one before its end: it has closed at end - 1.", {"last": 0}),
    ("It has closed when the watermark has come to the last millisecond, not only when it is past it.",
     {"passes": lambda watermark, moment: watermark > moment}),
    (_NOT_ITSELF, {"edge": lambda at, size: at, "last": 0}),
    (_NOT_ITSELF, {"edge": lambda at, size: at, "last": 0, "passes": lambda watermark, moment: watermark > moment}),
    (_NOT_ITSELF, {"edge": lambda at, size: at - at % size, "last": 0}),
    ("There is one watermark for all hosts, not one for each.", {"key": lambda host: host}),
    ("A watermark never goes back: it goes by the newest record so far, not by the one before.",
     {"newest": lambda known, at: at}),
    ("It goes by the newest record so far, not by the first.", {"newest": lambda known, at: known}),
    ("A record meets the watermark that there was before it came: it makes nothing late itself.", {"itself": True}),
    ("The watermark is the newest timestamp less `bound`.", {"bound": lambda bound: 0}),
    ("The watermark is the newest timestamp less `bound`.", {"bound": lambda bound: -bound}),
    ("`bound` is in ms, as timestamps are.", {"bound": lambda bound: bound * 1000}),
    ("`bound` is in ms, as timestamps are.", {"bound": lambda bound: bound // 1000}),
    ("Windows are `size` ms long, whatever it is.", {"size": lambda size: 10_000}),
    ("`size` is in ms, as timestamps are.", {"size": lambda size: size * 1000}),
    ("The whole record is asked for, not its timestamp alone.", {"out": lambda record: record[1]}),
    ("The whole record is asked for, not its host alone.", {"out": lambda record: record[0]}),
    ("A record that came twice, and was late twice, is in the list twice.",
     {"gives": lambda late: list(dict.fromkeys(late))}),
    ("They are asked for in the order in which they came.", {"gives": sorted}),
)  # fmt: skip


def _judge_late(answer: Any, case: _Case, want: list[_Record]) -> None:
    found = _asked(answer, case)
    if isinstance(found, Iterator):
        raise NotYet(f"too_late gave {shown(found)}, which is no list.", "A function with a yield gives no list.")
    if not isinstance(found, list):
        raise NotYet(f"too_late gave {shown(found)}, which is no list.", "")
    if found != want:
        raise NotYet(f"{_in_words(case)}: {_what(found, want, case)}", _why_late(answer))
    if _asked(answer, case) != want:
        raise NotYet(f"Asked a second time ({_in_words(case)}), it gave something else.", "")


def _asked(answer: Any, case: _Case) -> Any:
    given = list(case.records), case.bound, case.size
    return called(answer, given, _in_words(case), names=("records", "bound", "size"))


def _in_words(case: _Case) -> str:
    return f"{len(case.records)} records, bound {case.bound}, size {case.size}"


def _what(found: list[Any], want: list[_Record], case: _Case) -> str:
    """In what it differs, by one record with its window and its watermark."""
    odd = next((one for one in found if one not in case.records), None)
    if odd is not None:
        return f"{shown(odd)} is in the list, and is none of the records."
    if sorted(found) == sorted(want):
        return "the right records, in another order than that in which they came."
    if set(found) == set(want):
        return f"the right records, but {len(found)} of them where {len(want)} came too late."
    extra, missing = [one for one in found if one not in want], [one for one in want if one not in found]
    one = (extra or missing)[0]
    end = one[1] - one[1] % case.size + case.size
    before = [at for _, at in case.records[: case.records.index(one)]]
    watermark = f"the watermark was {max(before) - case.bound}" if before else "there was no watermark yet"
    said = "is in the list" if extra else "is missing"
    late = "its window had not closed" if extra else "its window had closed"
    return f"{one} {said}; {late}: when it came {watermark}, and the window's last millisecond is {end - 1}."


def _why_late(answer: Any) -> str:
    """The fault that explains what comes of all cases; "" where none does."""
    return hint_for(_cases(), partial(_asked, answer), _late, _LATE_FAULTS, none_where_all_are_empty=True)


# ------------------------------------------------------------------------------------------------------------- 08b


def judge_08b(silent: Any, settings: Settings) -> str:
    """Silences by hand, for three lengths, and on the cluster those of a fleet."""
    for seconds in (30, 7, 1):
        _by_hand(silent, seconds)
    return _on_the_cluster(silent)


def _by_hand(silent: Any, seconds: int) -> None:
    limit = 1000 * seconds
    stream = Stream(lambda history, **otherwise: _told(history, limit, **otherwise), _SILENCE_FAULTS, "hostname, last")

    def heard(host: str, at: int) -> None:
        stream.expect(host, _row(host), (host, _TODAY + at), [], f"{host}'s record at {_TODAY + at} ms", _TODAY + at)

    def time(at: int, *silences: tuple[str, int]) -> None:
        stream.advance(_TODAY + at, [[host, _TODAY + last] for host, last in silences])

    heard("web", 0)
    heard("db-1", 10)
    time(5)
    heard("web", limit - 1)
    time(limit + 9)
    time(limit + 10, ("db-1", 10))
    time(2 * limit - 2)
    time(2 * limit - 1, ("web", limit - 1))
    heard("a b", 3 * limit + 1)
    heard("a b", 3 * limit)
    time(4 * limit)
    time(4 * limit + 1, ("a b", 3 * limit + 1))
    heard("a b", 3 * limit + 5)
    time(4 * limit + 4)
    time(4 * limit + 5, ("a b", 3 * limit + 5))
    time(9 * limit)
    heard("web", limit - 2)
    time(9 * limit + 1)
    heard("web", limit - 1)
    time(9 * limit + 2)
    heard("web", 10 * limit)
    heard("web", 10 * limit)
    heard("web", 10 * limit - 3)
    heard("db/1", 10 * limit + 1)
    time(11 * limit - 1)
    stream.restart()
    time(11 * limit - 1)
    time(11 * limit, ("web", 10 * limit))
    heard("db/1", 11 * limit)
    heard("db-1", 11 * limit + 5)
    time(12 * limit - 1)
    time(15 * limit, ("db/1", 11 * limit), ("db-1", 11 * limit + 5))
    time(99 * limit)
    stream.judge(lambda: Operator(_operator_of(silent, seconds)))


def _operator_of(silent: Any, seconds: int) -> Any:
    return called(silent, (seconds,), f"{seconds} seconds", names=("seconds",))


def _row(host: str) -> Any:
    from pyflink.common import Row

    return Row(host)


def _told(
    history: Iterable[Any],
    limit: int,
    *,
    newest: Callable[[int, int], int] = max,
    each: bool = False,
    once: bool = False,
    forgets: bool = False,
    clears: bool = False,
    equal: bool = False,
    older: bool = True,
    past: bool = False,
    passes: Callable[[int, int], bool] = lambda at, watermark: True,
    factor: float = 1,
    out: Callable[..., list[Any]] = lambda host, last, at, due, watermark: [host, last],
) -> Iterator[list[Any]]:
    """What comes of each record and watermark where one thing is done in another way. Without any it is right."""
    last: dict[str, int] = {}
    timers: set[tuple[int, str, int]] = set()
    told: set[str] = set()
    watermark = -(2**62)
    for now in history:
        if now is RESTART:
            last = {} if forgets else last
        elif isinstance(now, Watermark):
            watermark = now.at
            due = sorted(one for one in timers if one[0] <= now.at)
            timers -= set(due)
            rows = []
            for moment, host, at in due:
                is_newest = last.get(host) == at or (past and last.get(host, at) <= at)
                if (each or is_newest) and not (once and host in told):
                    rows.append(out(host, last.get(host, at), at, moment, now.at))
                    told.add(host)
                    if clears:
                        last.pop(host, None)
            yield rows
        else:
            host, at = now
            before = last.get(host)
            if not passes(at, watermark):
                yield []
                continue
            last[host] = at if before is None else newest(before, at)
            if before is None or (last[host] == at and (at != before or equal) and (at >= before or older)):
                timers.add((at + round(limit * factor), host, at))
            yield []


def _silence_fault(hint: str, **otherwise: Any) -> Fault:
    return Fault(hint, otherwise)


_OLDER = "The timer of an older record goes off too: has a newer one come since?"
_BEHIND = (
    "A record behind the watermark counts as well: it changes nothing only where a newer one of its host is there."
)
_SILENCE_FAULTS = (
    _silence_fault(_OLDER, each=True),
    _silence_fault(_OLDER, each=True, out=lambda host, last, at, due, watermark: [host, at]),
    _silence_fault("A record that is older than the newest of its host changes nothing.",
                   newest=lambda before, now: now),
    _silence_fault("A record that is older than the newest of its host changes nothing.",
                   newest=lambda before, now: now, older=False),
    _silence_fault("A record that is older than the newest of its host changes nothing.",
                   newest=lambda before, now: now, older=False, past=True),
    _silence_fault("A record that is older than the newest of its host changes nothing.",
                   newest=lambda before, now: now, past=True),
    _silence_fault(_BEHIND, passes=lambda at, watermark: at > watermark),
    _silence_fault(_BEHIND, passes=lambda at, watermark: at >= watermark),
    _silence_fault("A host that was heard again may fall silent again.", once=True),
    _silence_fault("A record of the same time as the newest is not newer: it changes nothing, after a result too.",
                   equal=True),
    _silence_fault("The newest time was taken away with the result; an older record that comes after it is compared "
                   "with it.", clears=True),
    _silence_fault("After the restart the newest time was not known any more: it belongs in state, got in open.",
                   forgets=True),
    _silence_fault("Times are in ms, and `seconds` in seconds.", factor=0.001),
    _silence_fault("That is when the timer was due; the time of the newest record is asked for.",
                   out=lambda host, last, at, due, watermark: [host, due]),
    _silence_fault("That is the watermark; the time of the newest record is asked for.",
                   out=lambda host, last, at, due, watermark: [host, watermark]),
)  # fmt: skip

_HOSTS, _SECONDS, _LIMIT_S, _BOUND_S = 4, 120, 20, 2
_SCENARIO = Scenario(silences=(Silence((1,), 20, 50), Silence((2,), 30, 41), Silence((3,), 60, float("inf")),
                               Silence((1,), 70, 95)))  # fmt: skip


def _on_the_cluster(silent: Any) -> str:
    own = begin("08", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=1)
    fleet = list(FleetSource(_HOSTS, 1, 8, _SCENARIO, interval_s=1.0, start_ms=_TODAY, seconds=_SECONDS))
    want = _silences([(one.hostname, one.timestamp) for one in fleet])

    def attach(keyed: Any) -> Any:
        from pyflink.common import Types

        return keyed.process(_operator_of(silent, _LIMIT_S), Types.PICKLED_BYTE_ARRAY())

    found = in_event_time(own, "silent", fleet, attach, bound_s=_BOUND_S, count=len(want))
    if sorted(found) != sorted(want):
        extra, missing = [one for one in found if one not in want], [one for one in want if one not in found]
        said = f"{extra[0]} is one too many" if extra else f"{missing[0]} is missing" if missing else "one came twice"
        raise NotYet(
            f"By hand it was right. On the cluster there were {len(found)} silences of {len(want)}: {said}.", ""
        )
    return f"{len(found)} silences of {_HOSTS} hosts on the cluster, each told once."


def _silences(records: Sequence[_Record]) -> list[list[Any]]:
    """Those of a whole fleet: by the watermark that each record makes, `_BOUND_S` behind the newest."""
    history: list[Any] = []
    newest = 0
    for host, at in records:
        history.append((host, at))
        newest = max(newest, at)
        history.append(Watermark(newest - 1000 * _BOUND_S))
    return [row for rows in _told(history, 1000 * _LIMIT_S) for row in rows]


JUDGES = {"08a": judge_08a, "08b": judge_08b}
