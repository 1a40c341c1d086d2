"""Judges of the exercises of 01: a parser for any kernel's /proc/stat, and the CPU that works most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.settings import Settings
from labkit.streams.procstat.metrics import cpu_utilization
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot, parse_stat
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import Judge, NotYet

__all__ = ["JUDGES", "judge_01a", "judge_01b"]


# --- 01a ---------------------------------------------------------------------------------------------------------

_REST = "intr 98332 0 9 0\nctxt 51\nbtime 1764000000\nprocesses 7\nprocs_running 1\nprocs_blocked 0\n"
_TEN = (
    "cpu  9410 300 2240 32500 1040 7 34 5 60 8\n"
    "cpu0 4705 150 1120 16250 520 3 17 2 20 3\n"
    "cpu1 4705 150 1120 16250 520 4 17 3 40 5\n"
) + _REST
_FOUR = (
    "cpu  524152 2662 2515228 33605\n"
    "cpu0 264339 1408 1257951 16802\n"
    "page 622307 25475680\n"
    "disk_io: (3,0):(1,1,2,0,0) (8,0):(4,2,1,2,6)\n"
    "ctxt 51\nbtime 990000000\n\n"
)
_ELEVEN = (
    "cpu  30 2 5 900 1 0 1 0 4 0 77\n"
    "cpu0 10 1 2 300 0 0 1 0 2 0 33\n"
    "cpu2 10 0 2 300 1 0 0 0 1 0 22\n"
    "cpu10 10 1 1 300 0 0 0 0 1 0 22\n"
) + _REST

_ONLY_CPUS = "Only lines whose name begins with cpu are to be read."
#: (which machine, its file, what to look at where it is not read)
_FILES = (
    ("a kernel with ten columns", _TEN, "After the name there may be two blanks; split() takes any."),
    ("Linux 2.4, with four columns and lines of its own", _FOUR, _ONLY_CPUS),
    ("a kernel with eleven columns, without cpu1", _ELEVEN, "Columns after the tenth are left out."),
)


def judge_01a(answer: Any, _: Settings) -> str:
    """`answer` is cpu_times: the text of /proc/stat -> {"cpu0": {"user": 4705, …}, …}."""
    for machine, text, hint in _FILES:
        wanted = {cpu.id: cpu._asdict() for cpu in parse_stat(text, "lab", 0).cpus}
        try:
            got = called(answer, (text,), machine, hint)
        except NotYet as error:
            raise _with_its_line(error, answer, text) from error.__cause__
        _same_times(machine, got, wanted, text)
    return "Ten columns, four-column kernels and eleven too, and nothing but CPUs."


def _with_its_line(error: NotYet, answer: Any, text: str) -> NotYet:
    """`error`, and the first line of `text` with which `answer` raises something; `error` where there is none."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            answer("".join(lines[:number]))
        except Exception:
            if not line.strip():
                empty = "A line may be empty, too: split() gives no word of it then, and words[0] is not there."
                return NotYet(f"{error.what} Line {number} of it breaks your function: it is empty.", empty)
            return NotYet(f"{error.what} Line {number} of it breaks your function: `{line.rstrip()}`.", error.todo)
    return error


def _same_times(machine: str, got: Any, wanted: Mapping[str, dict[str, Any]], text: str) -> None:
    """Raise `NotYet` with the first thing in which `got` is not `wanted`."""
    if not isinstance(got, dict):
        raise NotYet(f"cpu_times gives {shown(got)}; it has to give a dict.", "Is there a return at its end?")
    for name in wanted:
        if name not in got:
            hint = "The line cpu belongs in it, too." if name == "cpu" else "Every line whose name begins with cpu."
            raise NotYet(f"On {machine}: {name} is missing.", hint)
    for name in got:
        if name not in wanted:
            raise NotYet(f"On {machine}: {name!r} is no CPU.", _ONLY_CPUS)
    for name, times in wanted.items():
        _same_columns(machine, name, got[name], times, text)
    if list(got) != list(wanted):
        raise NotYet(f"On {machine} the order is {', '.join(got)}.", f"The file's order is {', '.join(wanted)}.")


def _same_columns(machine: str, name: str, got: Any, times: dict[str, Any], text: str) -> None:
    line = next(line for line in text.splitlines() if line.split()[:1] == [name])
    if not isinstance(got, dict):
        raise NotYet(f"{name} is {shown(got)}; it has to be a dict of columns.", "dict(zip(CPU_COLUMNS, numbers))")
    for column in CPU_COLUMNS:
        if column not in got:
            raise NotYet(
                f"On {machine}: {name} has no {column}.",
                f"Its line is `{line}`. What a kernel does not write is 0: all ten columns are there.",
            )
        if got[column] != times[column] or isinstance(got[column], str):
            raise NotYet(
                f"On {machine}: {name} has {column} {got[column]!r}; it is {times[column]}.",
                f"Its line is `{line}`. The order is {' '.join(CPU_COLUMNS)}.",
            )
    if extra := set(got) - set(CPU_COLUMNS):
        raise NotYet(f"{name} has {', '.join(sorted(map(str, extra)))} besides the ten columns.", "Ten, and no more.")


# --- 01b ---------------------------------------------------------------------------------------------------------

_Ticks = Mapping[str, int]


@dataclass(frozen=True)
class _Case:
    """What each CPU counts between two snapshots, and what goes wrong with those who forget the rule of `hint`."""

    what: str
    counted: Mapping[str, _Ticks]
    hint: str
    seconds: int = 1
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


_CASES = (
    _Case(
        "Four seconds; cpu0 has worked a lot since boot, cpu1 works now",
        {"cpu0": {"user": 8, "idle": 391}, "cpu1": {"user": 110, "system": 10, "idle": 281}},
        "Subtract the snapshots, and divide by the ticks that were counted in between.",
        seconds=4,
    ),
    _Case(
        "cpu0 waits for a disk",
        {"cpu0": {"user": 5, "idle": 35, "iowait": 60}, "cpu1": {"user": 20, "idle": 80}},
        "iowait is waiting, not work.",
    ),
    _Case(
        "cpu0 runs a virtual machine",
        {"cpu0": {"user": 50, "idle": 50, "guest": 45}, "cpu1": {"system": 60, "idle": 40}},
        "guest is inside user; only the first eight columns are added up.",
    ),
    _Case(
        "iowait of cpu0 steps back by 20",
        {"cpu0": {"user": 30, "idle": 70, "iowait": -20}, "cpu1": {"user": 33, "idle": 67}},
        "A counter that steps back counts as 0: max(0, new - old).",
    ),
    _Case(
        "cpu0 started over: its idle fell by 50000",
        {"cpu0": {"user": 5, "idle": -50_000}, "cpu1": {"user": 9, "idle": 91}},
        "Where idle falls by 300 ticks or more, the CPU has no share.",
    ),
    _Case(
        "cpu1 is gone, and cpu2 stands where it stood",
        {"cpu0": {"user": 5, "idle": 95}, "cpu1": {"idle": 100}, "cpu2": {"user": 12, "idle": 88}},
        "Find a CPU by its name, not by its place.",
        gone=("cpu1",),
    ),
    _Case(
        "cpu1 is new and works hard",
        {"cpu0": {"user": 4, "idle": 96}, "cpu1": {"user": 100}},
        "The line cpu is no CPU, and a CPU that was not there before has no share.",
        new=("cpu1",),
    ),
    _Case(
        "cpu0 started over: its idle fell by exactly 300",
        {"cpu0": {"user": 60, "idle": -300, "iowait": 40}, "cpu1": {"user": 9, "idle": 91}},
        "300 ticks are enough: with 300 or more the CPU has no share.",
    ),
    _Case(
        "The idle of cpu0 fell by 299",
        {"cpu0": {"user": 60, "idle": -299, "iowait": 40}, "cpu1": {"user": 9, "idle": 91}},
        "299 ticks are too few for a CPU that started over: it is a counter that stepped back, and counts as 0.",
    ),
    _Case("No tick was counted", {"cpu0": {}, "cpu1": {}}, "No ticks, no share: None."),
)


def judge_01b(answer: Any, _: Settings) -> str:
    """`answer` is busiest: two snapshots -> ("cpu1", 97.5), or None."""
    for case in _CASES:
        before, after = _snapshots(case)
        wanted = _busiest(before, after)
        got = called(answer, (before, after), f"this: {case.what}", case.hint)
        if wanted is None and got is not None:
            raise NotYet(f"{case.what}: there is no answer; you say {shown(got)}.", case.hint)
        if wanted is not None and not _is_near(got, wanted):
            raise NotYet(f"{case.what}: it is {wanted[0]} with {wanted[1]:.1f} %; you say {_said(got)}.", case.hint)
    return f"Right in {len(_CASES)} cases: steps back, CPUs that come and go, guests and waiting."


def _snapshots(case: _Case) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of a machine on which cpu0 has worked much more than the others since boot."""
    start = {
        name: CpuTimes(name, *(90_000 // (3 * place + 1), 40, 7_000, 100_000 + 30_000 * place, 900, 3, 12, 5, 60, 2))
        for place, name in enumerate(case.counted)
    }
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
        Snapshot("lab", 1_764_000_000_000 + 1000 * case.seconds, (_total(end.values()), *last)),
    )


def _total(lines: Any) -> CpuTimes:
    return CpuTimes("cpu", *(sum(column) for column in zip(*(line[1:] for line in lines), strict=True)))


def _busiest(before: Snapshot, after: Snapshot) -> tuple[str, float] | None:
    earlier = {line.id: line for line in before.cpus}
    found = (cpu_utilization(earlier[line.id], line) for line in after.cpus if line.id in earlier and line.id != "cpu")
    worked = [(share.cpu_id, share.total_busy_pct - share.iowait_pct) for share in found if share is not None]
    return max(worked, key=lambda pair: pair[1], default=None)


def _is_near(got: Any, wanted: tuple[str, float]) -> bool:
    if not isinstance(got, tuple | list) or len(got) != 2 or got[0] != wanted[0]:
        return False
    return isinstance(got[1], int | float) and abs(got[1] - wanted[1]) < 1e-6


def _said(got: Any) -> str:
    if isinstance(got, tuple | list) and len(got) == 2 and isinstance(got[1], int | float):
        return f"{got[0]} with {got[1]:.1f} %"
    return shown(got)


JUDGES: dict[str, Judge] = {"01a": judge_01a, "01b": judge_01b}
