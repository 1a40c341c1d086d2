"""Judges of the exercises of 01: a parser for any kernel's /proc/stat, and the CPU that works most.

Where an answer is wrong, its answers to all cases are compared with those of `_Solver`s that make one or two known
mistakes: the hint is that of the mistake which gives the same answers, and there is none where none does.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import combinations
from numbers import Integral, Real
from typing import Any

from labkit.settings import Settings
from labkit.sources.recording import read_recording
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import Judge, NotYet, raised
from labkit.workshop.checks.rules import Meets
from labkit.workshop.lesson import RECORDING

__all__ = ["JUDGES", "MEETS", "judge_01a", "judge_01b"]

MEETS: Meets = {
    "01a": {
        "task": "names, their order, ten columns and values of six files; other lines before, between and behind CPUs, "
        "one of numbers alone",
        "boundaries": "4, 7, 8, 9, 10, 11 and 13 columns; an empty line, one of blanks; no newline at the end; counts "
        "over 2**53; CPU names of one and of two digits, not in the order of numbers",
        "arguments": "each file has numbers of its own; what is read elsewhere is told",
        "twice": "the first file once more at the end; a dict that was returned is not changed by a later call",
        "point": "every column of every line is compared, so a row of ten is made for each kernel",
    },
    "01b": {
        "task": "each rule has a case in which who forgets it gets another CPU, or another share",
        "boundaries": "idle falls by 299, 300 and 50000; 0 %, no tick, no CPU left; 0.4 s, 1 s and 4 s; unequal totals",
        "arguments": "in each case both snapshots differ; who reads one of them gets other numbers",
        "twice": "the first case once more at the end",
        "point": "shares of ticks between two snapshots: a share since boot, or of the seconds, is another number",
    },
}


# --- 01a ---------------------------------------------------------------------------------------------------------

_REST = "intr 98332 0 9 0\nctxt 51\nbtime 1764000000\nprocesses 7\nprocs_running 1\nprocs_blocked 0\n"
_TEN = (
    "cpu  9410 300 2240 32500 1040 7 34 5 60 8\n"
    "cpu0 4705 150 1120 16250 520 3 17 2 20 3\n"
    "cpu1 4711 157 1127 16257 527 4 18 6 40 5\n"
) + _REST
_FOUR = (
    "cpu  524152 2662 2515228 33605\n"
    "cpu0 264339 1408 1257951 16802\n"
    "page 622307 25475680\n"
    "disk_io: (3,0):(1,1,2,0,0) (8,0):(4,2,1,2,6)\n"
    "ctxt 51\nbtime 990000000\n\n"
)
_ELEVEN = (
    "cpu  30 2 5 900 1 6 1 7 4 9 77\n"
    "cpu2 10 1 2 301 11 8 1 5 2 13 33\n"
    "cpu0 12 9 3 302 14 15 6 16 7 1 22 23 24\n"
    "cpu10 13 4 1 303 17 18 5 19 1 2 22\n"
) + _REST
_SEVERAL = (
    "cpu  31 2 5 904 1 6 8\ncpu0 9007199254740993 1 2 301 4 8 7 5\ncpu1 12 9 3 302 14 15 6 16 7\n21 22\n"
) + _REST.rstrip("\n")
_BETWEEN = (
    "version 7 of what cpu0 did\n"
    "cpu  72 73 74 75 76 77 78 79 80 81\n"
    "cpu0 82 83 84 85 86 87 88 89 90 91\n"
    "\n"
    "hot: cpu0, by 3 degrees\n"
    "steal of cpu7 62 63 64 65 66 67 68 69 60 61\n"
    "   \n"
    "cpu1 92 93 94 95 96 97 98 99 70 71\n"
) + _REST
_BEHIND = _REST + "cpu0 41 42 43 44 45 46 47 48 49 40\ncpu1 51 52 53 54 55 56 57 58 59 50\ncpu  1 2 3 4 5 6 7 8 9 10\n"

_ONLY_CPUS = "Only lines that begin with cpu are to be read."
_WRITTEN = "Columns after the tenth are left out."
_ZERO = "What a kernel does not write is 0: all ten columns are there."
#: (which machine, its file)
_FILES = (
    ("a kernel with ten columns", _TEN),
    ("Linux 2.4, with four columns and lines of its own", _FOUR),
    ("a kernel with eleven columns and more, whose CPUs are 2, 0 and 10", _ELEVEN),
    ("a kernel whose lines have seven, eight and nine columns", _SEVERAL),
    ("a kernel that writes other lines before the CPUs and between them", _BETWEEN),
)


def judge_01a(answer: Any, _: Settings) -> str:
    """`answer` is cpu_times: the text of /proc/stat -> {"cpu0": {"user": 4705, …}, …}."""
    kept: list[tuple[Any, Any]] = []
    for machine, text in (*_FILES, _FILES[0]):
        try:
            got = called(answer, (text,), machine)
        except NotYet as error:
            raise _with_its_line(error, answer, text) from error.__cause__
        _same_times(machine, got, text, partial(_names_of, answer))
        kept.append((got, copy.deepcopy(got)))
    for got, was in kept:
        if got != was:
            raise NotYet(
                "What your function returned for one file has changed when it was called with another.",
                "Make a new dict in each call.",
            )
    return "Four to thirteen columns, lines of any kind beside them, and nothing but CPUs."


def _wanted(text: str) -> dict[str, dict[str, int]]:
    found = {}
    for line in text.splitlines():
        if line.startswith("cpu"):
            name, *words = line.split()
            found[name] = dict(zip(CPU_COLUMNS, [*map(int, words[:10]), *[0] * 10], strict=False))
    return found


def _names_of(answer: Any, text: str) -> list[str]:
    """The names that it gives for another text; none where it raises."""
    try:
        return list(called(answer, (text,), "another file"))
    except (NotYet, TypeError):
        return []


def _with_its_line(error: NotYet, answer: Any, text: str) -> NotYet:
    """`error`, and the first line of `text` with which `answer` raises something; `error` where there is none."""
    if error.__cause__ is None:
        return error
    lines = text.splitlines(keepends=True)
    for number in range(1, len(lines) + 1):
        try:
            called(answer, ("".join(lines[:number]),), "a part of it", within_s=5)
        except NotYet as again:
            cause = again.__cause__
            if cause is None or type(cause) is not type(error.__cause__):
                return error
            if number == 1 and not _raises_by_line(answer, cause):
                return error
            line = lines[number - 1].rstrip("\n")
            its = f"`{line}`" if line.strip() else ("it is empty" if not line else "it has nothing but blanks")
            return NotYet(f"{error.what} Line {number} of it breaks your function: {its}.", _of_line(line, cause))
    return error


def _raises_by_line(answer: Any, cause: BaseException) -> bool:
    """Whether another text, of one plain line, does not raise the same: else no line is to blame."""
    try:
        called(answer, ("cpu 1 2 3 4 5 6 7 8 9 10\n",), "one plain line", within_s=5)
    except NotYet as error:
        return type(error.__cause__) is not type(cause)
    return True


def _of_line(line: str, cause: BaseException) -> str:
    """What a line does to those who have not thought of it; "" where that does not explain this error."""
    if not line.strip():
        if isinstance(cause, IndexError):
            return "A line may be empty, too: split() gives no word of it then, and words[0] is not there."
        return "A line may be empty, too: split() gives no word of it then." if isinstance(cause, ValueError) else ""
    if not line.startswith("cpu"):
        return _ONLY_CPUS
    count = len(line.split()) - 1
    if isinstance(cause, ValueError) and "''" in str(cause) and "  " in line:
        return "After the name there may be two blanks; split() takes any."
    if count < 10 and isinstance(cause, IndexError | KeyError | ValueError | TypeError):
        return f"It has {count} numbers. {_ZERO}"
    return f"It has {count} numbers. {_WRITTEN}" if count > 10 else ""


def _same_times(machine: str, got: Any, text: str, names_of: Callable[[str], list[str]]) -> None:
    """Raise `NotYet` with the first thing in which `got` is not what `text` says."""
    wanted = _wanted(text)
    if not isinstance(got, Mapping):
        hint = "Is there a return at its end?" if got is None else ""
        raise NotYet(f"cpu_times gives {shown(got)}; it has to give a dict.", hint)
    _require_its_own(machine, got, wanted)
    for name in wanted:
        if name not in got:
            raise NotYet(
                f"On {machine}: {name} is missing. Your function gives {_listed(got)}.",
                _missing(name, list(got), list(wanted), text, names_of),
            )
    for name in got:
        if name not in wanted:
            raise NotYet(f"On {machine}: {name!r} is no CPU of this file.", _too_many(name, text))
    for name, times in wanted.items():
        _same_columns(machine, name, got[name], times, text)
    if list(got) != list(wanted):
        raise NotYet(f"On {machine} the order is {', '.join(got)}.", f"The file's order is {', '.join(wanted)}.")


def _require_its_own(machine: str, got: Mapping[Any, Any], wanted: Mapping[str, Mapping[str, int]]) -> None:
    """What is read elsewhere, and one dict for all CPUs, look like many other mistakes."""
    first = _wanted(next(iter(read_recording(RECORDING))).text)
    if got and _plain(got) == _plain(first):
        raise NotYet(f"On {machine} your function gives the numbers of readings[0].", "Read text, which it is given.")
    rows = [row for row in got.values() if isinstance(row, Mapping | list)]
    if len(rows) > 1 and len({id(row) for row in rows}) == 1 and len({id(row) for row in wanted.values()}) > 1:
        raise NotYet(
            f"On {machine} all CPUs share one and the same dict: {shown(rows[0])}.", "Make a new dict for each line."
        )


def _plain(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except (TypeError, ValueError):
        return repr(value)


def _listed(names: Iterable[Any]) -> str:
    plain = (name if isinstance(name, str) and name.startswith("cpu") else shown(name) for name in names)
    return ", ".join(plain) or "no CPU"


_LAST = "cpu0 1 2 3 4\ncpu1 5 6 7 8\ncpu  6 8 10 12\n"


def _missing(name: str, got: list[Any], wanted: list[str], text: str, names_of: Callable[[str], list[str]]) -> str:
    """Why a CPU may be missing, after another text has told the causes apart."""
    if not got:
        return ""
    if name == "cpu" and set(wanted) - set(got) == {"cpu"}:
        if names_of(_LAST) == ["cpu0", "cpu1"]:
            return "The line cpu belongs in it, too."
        return "The first line belongs in it, too." if names_of(_LAST) == ["cpu1", "cpu"] else ""
    last = names_of(_LAST)
    if got == wanted[:1]:
        if last == ["cpu0"]:
            return "It ends with the first CPU line: does a return, or a break, stand inside the loop?"
        return "All lines that begin with cpu belong in it, not the total line alone." if last == ["cpu"] else ""
    if got == wanted[-1:] and last == ["cpu"]:
        return "Only the last line is left: is the dict made anew inside the loop?"
    if got == wanted[: len(got)]:
        lines = text.splitlines()
        here = next(place for place, line in enumerate(lines) if line.split()[:1] == [name])
        if here and not lines[here - 1].startswith("cpu"):
            return "Other lines may stand between the CPUs: go on behind them."
    return "A name may have more than one digit: cpu10." if set(wanted) - set(got) == {"cpu10"} else ""


def _too_many(name: Any, text: str) -> str:
    first = next((line for line in text.splitlines() if line.split()[:1] == [name]), None)
    if first is not None and "cpu" in first:
        return f"Its line is `{first}`, which does not begin with cpu."
    if first is not None:
        return f"Its line is `{first}`. {_ONLY_CPUS}"
    if any(name in _wanted(other) for _, other in _FILES):
        return "It is of a file that your function was called with before: make a new dict in each call."
    if str(name).strip() in _wanted(text) or f"cpu{name}" in _wanted(text):
        return f"The names are {', '.join(_wanted(text))}."
    return ""


def _same_columns(machine: str, name: str, got: Any, times: Mapping[str, int], text: str) -> None:
    line = next(line for line in text.splitlines() if line.split()[:1] == [name])
    words = line.split()[1:]
    if not isinstance(got, Mapping):
        raise NotYet(
            f"On {machine}: {name} is {shown(got)}; it has to be a dict of columns.",
            "dict(zip(CPU_COLUMNS, numbers)) makes one of a list." if isinstance(got, list | tuple) else "",
        )
    for place, column in enumerate(CPU_COLUMNS):
        if column not in got:
            hint = _ZERO if place >= len(words) else f"It is number {place + 1} of the line."
            raise NotYet(f"On {machine}: {name} has no {column}. Its line is `{line}`.", hint)
        value = got[column]
        if not _is_count(value, times[column]):
            raise NotYet(
                f"On {machine}: {name} has {column} {value!r}; it is {times[column]}. Its line is `{line}`.",
                _other_value(value, place, times, words, list(got.values())),
            )
    if extra := [column for column in got if column not in CPU_COLUMNS]:
        hint = _WRITTEN if len(words) > 10 else "Ten, and no more."
        raise NotYet(f"On {machine}: {name} has {shown(extra[0])} besides the ten columns. Its line is `{line}`.", hint)


def _is_count(value: Any, wanted: int) -> bool:
    """A number of any kind, as exact as an int."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    number: Any = value
    return bool(number == wanted) and int(number) == wanted  # numpy finds 2**53 + 1 and that as a float equal


def _other_value(value: Any, place: int, times: Mapping[str, int], words: list[str], row: list[Any]) -> str:
    wanted = times[CPU_COLUMNS[place]]
    if len(words) < len(row) and [str(one) for one in row] == ["0"] * (len(row) - len(words)) + words:
        return "The columns that are not written are the last ones: the zeros belong behind the numbers."
    if str(value) == str(wanted) or (isinstance(value, str) and value == "0"):
        return "That is text: int() makes a number of it."
    if value is None or value == "":
        return _ZERO if place >= len(words) else ""
    if isinstance(value, float) and value == float(wanted):
        return "A float holds 15 digits, and these are more: int() keeps all."
    if place < len(words) and str(value) in words and isinstance(value, Integral):
        where = words.index(str(value)) + 1
        return f"{value} is number {where} of the line. The order is {' '.join(CPU_COLUMNS)}."
    return ""


# --- 01b ---------------------------------------------------------------------------------------------------------

_Ticks = Mapping[str, int]


@dataclass(frozen=True)
class _Case:
    """What each CPU counts between two snapshots. `raises`: what an error in this case comes from."""

    what: str
    counted: Mapping[str, _Ticks]
    ms: int = 1000
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    raises: Mapping[type[Exception], str] = field(default_factory=dict)


_NO_TICK = "A CPU that counted no tick has no share: there is nothing to divide by."
_NOT_BEFORE = "A CPU that was not there before has no share."
_NONE_LEFT = "Where no CPU has a share, the answer is None."
_BY_NAME = "Find a CPU by its name, not by its place."

_CASES = (
    _Case(
        "Four seconds; cpu0 has worked a lot since boot, cpu1 works now",
        {"cpu0": {"user": 8, "idle": 391}, "cpu1": {"user": 110, "system": 10, "idle": 265}},
        ms=4000,
    ),
    _Case(
        "Both work, cpu0 more",
        {"cpu0": {"user": 51, "system": 20, "idle": 31}, "cpu1": {"user": 33, "system": 4, "idle": 61}},
    ),
    _Case(
        "cpu1 counted fewer ticks than cpu0",
        {"cpu0": {"user": 60, "idle": 60}, "cpu1": {"user": 40, "system": 11, "idle": 9}},
        ms=400,
    ),
    _Case(
        "cpu0 waits for a disk",
        {"cpu0": {"user": 5, "idle": 35, "iowait": 60}, "cpu1": {"user": 20, "idle": 80}},
    ),
    _Case(
        "cpu0 waits for a disk, and works, too",
        {"cpu1": {"user": 20, "idle": 80}, "cpu0": {"user": 30, "idle": 10, "iowait": 60}},
    ),
    _Case("cpu1 gives way to others", {"cpu0": {"user": 20, "idle": 80}, "cpu1": {"nice": 55, "idle": 45}}),
    _Case(
        "cpu1 serves interrupts",
        {"cpu0": {"user": 20, "idle": 80}, "cpu1": {"irq": 31, "softirq": 13, "idle": 56}},
    ),
    _Case("cpu1 has steal", {"cpu0": {"user": 20, "idle": 80}, "cpu1": {"steal": 48, "idle": 52}}),
    _Case(
        "cpu0 runs a virtual machine",
        {"cpu0": {"user": 50, "idle": 50, "guest": 45}, "cpu1": {"system": 60, "idle": 40}},
    ),
    _Case(
        "cpu1 runs a virtual machine, with nice",
        {"cpu0": {"user": 20, "idle": 80}, "cpu1": {"nice": 63, "user": 11, "idle": 26, "guest_nice": 61, "guest": 9}},
    ),
    _Case(
        "iowait of cpu0 steps back by 20",
        {"cpu0": {"user": 30, "idle": 70, "iowait": -20}, "cpu1": {"user": 33, "idle": 67}},
    ),
    _Case(
        "steal of cpu1 steps back by 5000",
        {"cpu0": {"user": 30, "idle": 70}, "cpu1": {"user": 41, "idle": 60, "steal": -5000}},
    ),
    _Case(
        "cpu0 started over: its idle fell by 50000",
        {"cpu0": {"user": 5, "idle": -50_000}, "cpu1": {"user": 9, "idle": 91}},
    ),
    _Case(
        "cpu0 started over: its idle fell by exactly 300",
        {"cpu0": {"user": 60, "idle": -300, "iowait": 40}, "cpu1": {"user": 9, "idle": 91}},
    ),
    _Case(
        "The idle of cpu0 fell by 299",
        {"cpu0": {"user": 60, "idle": -299, "iowait": 40}, "cpu1": {"user": 9, "idle": 91}},
    ),
    _Case(
        "cpu1 is gone, and cpu2 stands where it stood",
        {"cpu0": {"user": 5, "idle": 95}, "cpu1": {"idle": 100}, "cpu2": {"user": 12, "idle": 88}},
        gone=("cpu1",),
        raises={KeyError: _BY_NAME, ValueError: _BY_NAME, IndexError: _BY_NAME},
    ),
    _Case(
        "cpu1 is new and works hard",
        {"cpu0": {"user": 4, "idle": 96}, "cpu1": {"user": 100}},
        new=("cpu1",),
        raises=dict.fromkeys((KeyError, StopIteration, IndexError, AttributeError, TypeError, ValueError), _NOT_BEFORE),
    ),
    _Case("cpu0 counted no tick", {"cpu0": {}, "cpu1": {"user": 7, "idle": 93}}, raises={ZeroDivisionError: _NO_TICK}),
    _Case("The only CPU was idle all the time", {"cpu0": {"idle": 100}}),
    _Case(
        "cpu0 worked 9,996 ticks of 10,000, cpu1 all of them",
        {"cpu0": {"user": 9_996, "idle": 4}, "cpu1": {"user": 10_000}},
    ),
    _Case(
        "guest of cpu0 steps back by 40",
        {"cpu0": {"user": 20, "idle": 80, "guest": -40}, "cpu1": {"user": 33, "idle": 67}},
    ),
    _Case(
        "The only CPU started over",
        {"cpu0": {"user": 40, "idle": -60_000}},
        raises=dict.fromkeys((ValueError, TypeError, IndexError, UnboundLocalError), _NONE_LEFT),
    ),
    _Case(
        "No tick was counted",
        {"cpu0": {}, "cpu1": {}},
        raises={ZeroDivisionError: _NO_TICK}
        | dict.fromkeys((ValueError, TypeError, IndexError, UnboundLocalError), _NONE_LEFT),
    ),
)


def judge_01b(answer: Any, _: Settings) -> str:
    """`answer` is busiest: two snapshots -> ("cpu1", 97.5), or None."""
    outcomes: list[Any] = []
    first: int | None = None
    for place, case in enumerate(_CASES):
        outcome = _outcome(answer, case)
        outcomes.append(outcome)
        if first is None and not _is_right(outcome, case):
            first = place
        if isinstance(outcome, _Hung):
            break
    if first is not None:
        raise _complaint(first, outcomes)
    again = _outcome(answer, _CASES[0])
    if not _is_right(again, _CASES[0]):
        raise NotYet(f"{_CASES[0].what}: called once more with the same, your function says {_said(again)}.", "")
    return f"Right in {len(_CASES)} cases: steps back, CPUs that come and go, guests and waiting."


@dataclass(frozen=True)
class _Hung:
    """What `called` complains about besides errors: no answer in time, a change of what was given."""

    error: NotYet


def _outcome(answer: Any, case: _Case) -> Any:
    """What it returns, the error that it raises, or `_Hung`."""
    try:
        return called(answer, _snapshots(case), f"this: {case.what}", names=("before", "after"))
    except NotYet as error:
        cause = error.__cause__
        return cause if isinstance(cause, Exception) else _Hung(error)


def _is_right(outcome: Any, case: _Case) -> bool:
    wanted = _Solver().busiest(*_snapshots(case))
    if wanted is None or outcome is None:
        return wanted is None and outcome is None
    return _is_near(outcome, wanted)


def _complaint(place: int, outcomes: Sequence[Any]) -> NotYet:
    """What was seen in this case, and the mistake that explains it."""
    case, outcome = _CASES[place], outcomes[place]
    if isinstance(outcome, _Hung):
        return outcome.error
    seen = _counted(case)
    if all(one is None for one in outcomes):
        return NotYet(f"Your function says None in all {len(outcomes)} cases.", "Is there a return at its end?")
    mistakes = _mistakes(outcomes, place)
    hint = " ".join(_HINTS[mistake] for mistake in mistakes if _matters(mistake, mistakes, place))
    if isinstance(outcome, Exception):
        if all(type(one) is type(outcome) for one in outcomes):  # not of this case's kind
            return NotYet(f"Your function raised {raised(outcome)}, on this: {case.what}. {seen}")
        known = next((text for kind, text in case.raises.items() if type(outcome) is kind), "")
        return NotYet(f"Your function raised {raised(outcome)}, on this: {case.what}. {seen}", known or hint)
    wanted = _Solver().busiest(*_snapshots(case))
    said = _said(outcome)
    if wanted is None:
        return NotYet(f"{case.what}: no CPU has a share, so it is None; you say {said}. {seen}", hint)
    if not hint:
        hint = _of_form(outcome)
    digits = next((n for n in range(1, 10) if not _is_pair(outcome) or _written(outcome, n) != _written(wanted, n)), 9)
    said = _written(outcome, digits) if _is_pair(outcome) else said
    return NotYet(f"{case.what}: it is {_written(wanted, digits)}; you say {said}. {seen}", hint)


def _of_form(outcome: Any) -> str:
    """A hint for what is no pair of a name and a number."""
    if outcome is None or _is_pair(outcome):
        return ""
    if isinstance(outcome, tuple | list) and len(outcome) == 2 and isinstance(outcome[0], CpuTimes):
        return "The first is the name: line.id."
    if isinstance(outcome, tuple | list) and len(outcome) == 2 and isinstance(outcome[0], Real):
        return "The name first, then the share."
    if isinstance(outcome, tuple | list) and len(outcome) == 2 and isinstance(outcome[1], str):
        return "The share is a number, not text."
    return "It returns the name and the share, or None."


def _counted(case: _Case) -> str:
    """What went in: "(In 1 s cpu0 counted user 5, idle 95; cpu1, new, user 100.)"."""
    parts = []
    for name, ticks in case.counted.items():
        which = f"{name}, new," if name in case.new else f"{name}, gone," if name in case.gone else name
        parts.append(f"{which} {', '.join(f'{column} {count}' for column, count in ticks.items()) or 'nothing'}")
    return f"(Counted in {case.ms / 1000:g} s: {'; '.join(parts)}.)"


def _snapshots(case: _Case) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of a machine on which cpu0 has worked much more than the others since boot."""
    start = {
        name: CpuTimes(name, *(90_000 // (3 * place + 1), 40, 7_000, 100_000 + 30_000 * place, 900, 3, 12,
                               9_000 + 5 * place, 60, 2))
        for place, name in enumerate(case.counted)
    }  # fmt: skip
    end = {
        name: start[name]._replace(
            **{column: getattr(start[name], column) + ticks for column, ticks in counted.items()}
        )
        for name, counted in case.counted.items()
    }
    first = [line for name, line in start.items() if name not in case.new]
    last = [line for name, line in end.items() if name not in case.gone]
    return (
        Snapshot("lab", 1_764_000_000_000, (_total(start.values()), *first)),
        Snapshot("lab", 1_764_000_000_000 + case.ms, (_total(end.values()), *last)),
    )


def _total(lines: Iterable[CpuTimes]) -> CpuTimes:
    return CpuTimes("cpu", *(sum(column) for column in zip(*(line[1:] for line in lines), strict=True)))


@dataclass(frozen=True)
class _Solver:
    """Finds the busiest CPU; a field that is not its default is a mistake that people make."""

    share: str = "of ticks"
    work: str = "all but waiting"
    total: str = "eight"
    back: str = "0"
    over: str = "300 or more"
    match: str = "name"
    new: str = "none"
    line_cpu: str = "left out"
    nothing: str = "none"
    choice: str = "share"
    zero: str = "a share"
    without: str = "others go on"

    def busiest(self, before: Snapshot, after: Snapshot) -> tuple[str, float] | None:
        earlier = {line.id: line for line in before.cpus}
        places = dict(zip((line.id for line in after.cpus), before.cpus, strict=False))
        found: list[tuple[float, str, float]] = []
        for line in after.cpus:
            if self.line_cpu != "takes part" and (line.id == "cpu") != (self.line_cpu == "alone"):
                continue
            old = (earlier if self.match == "name" else places).get(line.id)
            if old is None:
                if self.new == "none":
                    continue
                old = CpuTimes(line.id, *[0] * 10) if self.new == "from 0" else earlier[line.id]
            if self._started_over(old, line):
                continue
            ticks = self._ticks(old, line)
            if ticks is None:
                continue
            worked, total = self._worked(ticks), self._of(ticks)
            if total == 0 and self.nothing != "divides":
                if self.nothing == "none":
                    continue
                total = 1
            share = self._share(worked, total, (after.timestamp - before.timestamp) / 1000)
            found.append((worked if self.choice == "ticks" else share, line.id, share))
        if not found or (self.without == "none at all" and len(found) < len(after.cpus) - 1):
            return None
        if self.choice in ("first", "last"):
            _, name, share = found[0 if self.choice == "first" else -1]
            return name, share
        if self.choice == "name":
            return max((name, share) for _, name, share in found)
        order = min if self.choice == "least" else max
        _, name, share = order(found, key=lambda one: one[0])
        return None if self.zero == "no share" and share == 0 else (name, share)

    def _started_over(self, old: CpuTimes, new: CpuTimes) -> bool:
        fell = old.idle - new.idle
        if self.over == "any column":
            return any(was - now >= 300 for was, now in zip(old[1:9], new[1:9], strict=True))
        least = {"300 or more": 300, "more than 300": 301, "any": 1, "3": 3, "299": 299}.get(self.over)
        return least is not None and fell >= least

    def _ticks(self, old: CpuTimes, new: CpuTimes) -> list[int] | None:
        if self.share == "since boot":
            return list(new[1:])
        ticks = [now - was for was, now in zip(old[1:], new[1:], strict=True)]
        if self.back == "no share":
            return None if min(ticks[:8]) < 0 else ticks
        if self.back == "iowait alone":
            return [max(0, tick) if place == 4 else tick for place, tick in enumerate(ticks)]
        if self.back == "idle and iowait alone":
            return [max(0, tick) if place in (3, 4) else tick for place, tick in enumerate(ticks)]
        change: Callable[[int], int] = {"0": lambda tick: max(0, tick), "abs": abs}.get(self.back, lambda tick: tick)
        return [change(tick) for tick in ticks]

    def _worked(self, ticks: list[int]) -> int:
        if self.work in _ONLY:
            return sum(ticks[CPU_COLUMNS.index(column)] for column in _ONLY[self.work])
        left_out = {"waiting, too": (3,), "steal is none": (3, 4, 7), "nice is none": (1, 3, 4),
                    "interrupts are none": (3, 4, 5, 6)}.get(self.work, (3, 4))  # fmt: skip
        if self.total == "without guests":
            return self._of(ticks) - ticks[3] - ticks[4]
        columns = 10 if self.total == "ten" else 8
        return sum(tick for place, tick in enumerate(ticks[:columns]) if place not in left_out)

    def _of(self, ticks: list[int]) -> int:
        if self.total == "without guests":
            return sum(ticks[:8]) - ticks[8] - ticks[9]
        if self.total == "without iowait":
            return sum(ticks[:8]) - ticks[4]
        return sum(ticks[: {"ten": 10, "ten below": 10, "seven": 7, "four": 4, "five": 5}.get(self.total, 8)])

    def _share(self, worked: float, total: float, seconds: float) -> float:
        if self.share == "of seconds":
            return worked / seconds
        if self.share == "of one second":
            return float(worked)
        if self.share == "whole percent":
            return float(int(100 * worked / total))
        if self.share == "rounded":
            return float(round(100 * worked / total))
        return (1 if self.share == "fraction" else 100) * worked / total


_ONLY = {
    "user and system": ("user", "system"),
    "user, nice, system": ("user", "nice", "system"),
    "user": ("user",),
}

_WORK = "A CPU works in all of its time but idle and iowait"
_TICKS = "Divide by the ticks that were counted in between, not by the time: it is not always 100 a second."
#: {(field of `_Solver`, its value): the hint}
_HINTS = {
    ("share", "since boot"): "Those are counters since boot: subtract the snapshots.",
    ("share", "of seconds"): _TICKS,
    ("share", "of one second"): "Those are ticks, not percent: divide by the ticks that were counted in between.",
    ("share", "whole percent"): "Do not cut the share down to whole percent.",
    ("share", "rounded"): "Do not round the share to whole percent.",
    ("share", "fraction"): "In percent: times 100.",
    ("work", "waiting, too"): "iowait is waiting, not work.",
    ("work", "steal is none"): f"{_WORK}: steal counts as work.",
    ("work", "nice is none"): f"{_WORK}: nice counts as work.",
    ("work", "interrupts are none"): f"{_WORK}: irq and softirq count as work.",
    ("work", "user and system"): f"{_WORK}: not in user and system alone.",
    ("work", "user, nice, system"): f"{_WORK}: irq, softirq and steal count as work, too.",
    ("work", "user"): f"{_WORK}: not in user alone.",
    ("total", "ten"): "guest is inside user, and guest_nice inside nice; only the first eight columns are added up.",
    ("total", "ten below"): "What you divide by has guests twice: guest is inside user. Only eight columns make it up.",
    ("total", "without guests"): "A CPU that runs a guest works: guest stays inside user, do not subtract it.",
    ("total", "without iowait"): "iowait is no work, but it is time of the CPU: it belongs to what you divide by.",
    ("total", "seven"): "Eight columns are the CPU's time, from user to steal; the eighth is missing.",
    ("total", "four"): "Eight columns are the CPU's time, from user to steal; you divide by four.",
    ("total", "five"): "Eight columns are the CPU's time, from user to steal; you divide by five.",
    ("back", "as it is"): "A counter that steps back counts as 0: max(0, new - old), column by column.",
    ("back", "abs"): "A counter that steps back counts as 0, not as what it stepped back by.",
    ("back", "no share"): "A counter that steps back counts as 0; the CPU still has a share.",
    ("back", "iowait alone"): "Any counter that steps back counts as 0, not only iowait.",
    ("back", "idle and iowait alone"): "Any counter that steps back counts as 0, not only idle and iowait.",
    ("over", "more than 300"): "300 ticks are enough: with 300 or more the CPU has no share.",
    ("over", "no rule"): "Where idle falls by 300 ticks or more, the CPU has no share.",
    ("over", "any"): "Where idle falls by fewer than 300 ticks, it is a counter that stepped back: it counts as 0.",
    ("over", "3"): "300 is a number of ticks, as idle is.",
    ("over", "299"): "299 ticks are too few for a CPU that started over.",
    ("over", "any column"): "Only a fall of idle says that a CPU started over; another counter that falls counts as 0.",
    ("match", "place"): _BY_NAME,
    ("new", "from 0"): f"{_NOT_BEFORE} What it has counted since boot was not counted in between.",
    ("new", "asked for"): _NOT_BEFORE,
    ("line_cpu", "takes part"): "The line cpu is no CPU: it is the sum of all.",
    ("nothing", "0 %"): _NO_TICK,
    ("nothing", "divides"): _NO_TICK,
    ("choice", "ticks"): "The largest share is asked for, not the most ticks: divide first, then compare.",
    ("choice", "first"): "It is always the first CPU that has a share: do all the others come to be compared?",
    ("choice", "last"): "It is always the last CPU that has a share: is each compared with the best so far?",
    ("choice", "name"): "Compared are the names: with max, key says what is compared.",
    ("without", "none at all"): "One CPU has no share; the others still have theirs.",
    ("line_cpu", "alone"): "The line cpu is no CPU: it is the sum of all.",
    ("choice", "least"): "The largest share is asked for; you have the smallest.",
    ("zero", "no share"): "0 % is a share, too: such a CPU has been idle.",
}  # fmt: skip
_Mistake = tuple[str, str]


@cache
def _answer_of(mistakes: tuple[_Mistake, ...], place: int) -> Any:
    """What who makes these mistakes answers in that case of `_CASES`, or the error."""
    try:
        return replace(_Solver(), **dict(mistakes)).busiest(*_snapshots(_CASES[place]))
    except (ZeroDivisionError, KeyError) as error:
        return error


def _mistakes(outcomes: Sequence[Any], first: int) -> tuple[_Mistake, ...]:
    """The mistake, or the two, that give these outcomes up to the `first` that is wrong; () where there are none.

    Where several do, it is what gives most of the outcomes behind it, too: an answer often has further mistakes.
    """
    for count in (1, 2):
        found = [
            mistakes
            for mistakes in combinations(_HINTS, count)
            if len(dict(mistakes)) == count
            and all(_is_like(_answer_of(mistakes, place), outcomes[place]) for place in range(first, -1, -1))
        ]
        if found:
            scores = [
                sum(_is_like(_answer_of(mistakes, place), got) for place, got in enumerate(outcomes))
                for mistakes in found
            ]
            best = [mistakes for mistakes, score in zip(found, scores, strict=True) if score == max(scores)]
            is_one = len({tuple(name for name, _ in mistakes) for mistakes in best}) == 1
            return best[0] if is_one and 2 * max(scores) >= len(outcomes) else ()
    return ()


def _matters(mistake: _Mistake, mistakes: tuple[_Mistake, ...], place: int) -> bool:
    """Whether it changes the answer in this case."""
    without = tuple(other for other in mistakes if other != mistake)
    return not _is_like(_answer_of(without, place), _answer_of(mistakes, place))


#: What is raised where no CPU is left, and where one is asked for that is not there.
_OF_NONE = (ValueError, TypeError, IndexError, UnboundLocalError)
_OF_KEY = (KeyError, StopIteration, IndexError)


def _is_like(one: Any, other: Any) -> bool:
    if isinstance(other, Exception):
        kinds = _OF_NONE if one is None else _OF_KEY if isinstance(one, KeyError) else (type(one),)
        return (one is None or isinstance(one, Exception)) and isinstance(other, kinds)
    if isinstance(one, Exception):
        return False
    if one is None or other is None:
        return one is None and other is None
    return _is_near(other, one)


def _is_pair(got: Any) -> bool:
    return isinstance(got, tuple | list) and len(got) == 2 and isinstance(got[0], str) and _number(got[1]) is not None


def _number(value: Any) -> float | None:
    """Any kind of number, of numpy and Decimal, too, but no text."""
    if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_near(got: Any, wanted: tuple[str, float]) -> bool:
    """The same CPU, and its share; one that is rounded to a digit behind the point is the same."""
    if not _is_pair(got) or got[0] != wanted[0]:
        return False
    number = _number(got[1])
    return number is not None and abs(number - wanted[1]) < 0.0501


def _written(pair: Any, digits: int) -> str:
    return f"{pair[0]} with {_number(pair[1]):.{digits}f} %"


def _said(got: Any) -> str:
    return _written(got, 1) if _is_pair(got) else shown(got)


JUDGES: dict[str, Judge] = {"01a": judge_01a, "01b": judge_01b}
