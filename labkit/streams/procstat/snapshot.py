"""/proc/stat, as the kernel writes it, to a `Snapshot`.

    cpu0 4705 150 1120 16250 520 0 17 0 0 0   ->  CpuTimes(id="cpu0", user=4705, nice=150, …)
    intr 98332 0 9 0                          ->  intr=(98332, 0, 9, 0)
    btime 1764000000                          ->  btime=1764000000

Every CPU column is a counter of ticks (1/USER_HZ of a second, almost always 1/100) since boot.
Source: Documentation/filesystems/proc.rst of the kernel, section 1.7, and proc_stat(5).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from labkit.streams.parsing import COUNT_END, ReadingError, count, split_lines

__all__ = [
    "CPU_COLUMNS", "MAX_CPU_LINES", "MAX_CPU_NAME", "READS", "SINGLE_NUMBERS", "CpuTimes", "Snapshot", "check_snapshot",
    "mend_record", "parse_stat", "passed_over", "shift_snapshot",
]  # fmt: skip

READS = "/proc/stat"
#: The most that a kernel is built for (8,192 CPUs, and the total line), and names as long as they may be: what is
#: worked out of it still fits into a message, or the job would try for ever to write it.
MAX_CPU_LINES, MAX_CPU_NAME = 8193, 16

#: The kernel's columns, in the kernel's order.
CPU_COLUMNS = (
    "user", "nice", "system", "idle", "iowait",
    "irq", "softirq", "steal", "guest", "guest_nice",
)  # fmt: skip

_OLDEST_KERNEL_COLUMNS = 4  # Linux 2.4: user nice system idle
_CPU_NAME = re.compile(r"cpu[0-9]*")
#: No rule goes by these.
_UNUSED_NUMBERS = ("ctxt", "processes", "procs_running", "procs_blocked")
SINGLE_NUMBERS = ("btime", *_UNUSED_NUMBERS)


class CpuTimes(NamedTuple):
    """One CPU line: ticks since boot. `id` is "cpu" for the total line, "cpu0" … for the others.

    guest is already inside user, and guest_nice inside nice (kernel: account_guest_time).
    """

    id: str
    user: int
    nice: int
    system: int
    idle: int
    iowait: int = 0
    irq: int = 0
    softirq: int = 0
    steal: int = 0
    guest: int = 0
    guest_nice: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of /proc/stat: `timestamp` in ms since the epoch, `btime` in s, the rest counters.

    `cpus` keeps the file's order. `intr` and `softirq` start with their total, as in the file.
    """

    hostname: str
    timestamp: int
    cpus: tuple[CpuTimes, ...]
    intr: tuple[int, ...] = ()
    softirq: tuple[int, ...] = ()
    ctxt: int = 0
    btime: int = 0
    processes: int = 0
    procs_running: int = 0
    procs_blocked: int = 0


def parse_stat(text: str, hostname: str, timestamp: int) -> Snapshot:
    """The text of /proc/stat -> a `Snapshot` of `hostname` at `timestamp` (ms since the epoch).

    Kernels with 4 to 10 CPU columns are read: missing columns are 0, further ones are ignored.
    Lines this module does not know are left alone. What cannot be read costs no more than itself:

    - A CPU with a counter that is none, or too large, is left out; so is the last line where the text ends within it.
    - A number that no rule uses (all but those of CPUs, and btime) becomes 0, or 2**63 - 1 where it is larger.

    `passed_over` says where that was. Raises `ReadingError` where no CPU line is left, or no btime.
    """
    return _read(text, hostname, timestamp, [])


def passed_over(text: str) -> list[str]:
    """What `parse_stat` leaves out of a text, or takes for another number: what is wrong, and what came of it."""
    found: list[_Problem] = []
    with suppress(ReadingError):
        _read(text, "", 0, found)
    return [f"{problem.error.what} {problem.effect}" for problem in found]


class _Problem(NamedTuple):
    """`of` is the word that its line begins with: "cpu3"."""

    of: str
    error: ReadingError
    effect: str


def _read(text: str, hostname: str, timestamp: int, problems: list[_Problem]) -> Snapshot:
    lines, cut = split_lines(READS, text)
    cpus: list[CpuTimes] = []
    many: dict[str, tuple[int, ...]] = {"intr": (), "softirq": ()}
    single: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name, *words = line.split() or [""]
        try:
            if _CPU_NAME.fullmatch(name):
                cpus.append(CpuTimes(name, *_counts(words[: len(CPU_COLUMNS)], number, _OLDEST_KERNEL_COLUMNS)))
            elif name == "btime":
                single[name] = _counts(words[:1], number, 1)[0]
        except ReadingError as error:
            problems.append(_Problem(name, error, f"{name} is left out."))
        if name in many:
            many[name] = tuple(_nearest(name, words, number, problems))
        elif name in _UNUSED_NUMBERS:
            single[name] = _nearest(name, words[:1], number, problems)[0]
    if cut is not None:
        problems.append(_Problem(text.rpartition("\n")[2].split(" ")[0], cut, "That line is left out."))
    for wanted, is_there in (("cpu", bool(cpus)), ("btime", "btime" in single)):
        if not is_there:
            lost = (problem.error for problem in problems if problem.of.startswith(wanted))
            raise next(lost, None) or ReadingError(READS, f"there is no {wanted} line", len(lines) + 1, 1)
    return Snapshot(hostname, timestamp, tuple(cpus), many["intr"], many["softirq"], **single)


def _counts(words: list[str], line: int, at_least: int) -> tuple[int, ...]:
    numbers = tuple(count(READS, word, line, column) for column, word in enumerate(words, start=2))
    if len(words) < at_least:
        why = f"the line ends after {len(words)} numbers, at least {at_least} are needed"
        raise ReadingError(READS, why, line, len(words) + 2)
    return numbers


def _nearest(name: str, words: list[str], line: int, problems: list[_Problem]) -> list[int]:
    """The numbers of a line that no rule uses; one that is missing or cannot be read is 0."""
    found = []
    for column, word in enumerate(words or [""], start=2):
        try:
            found.append(count(READS, word, line, column))
        except ReadingError as error:
            too_large = word.isascii() and word.isdigit()
            found.append(COUNT_END - 1 if too_large else 0)
            problems.append(_Problem(name, error, f"{name} counts as {'2**63 - 1' if too_large else '0'} there."))
    return found


def check_snapshot(snapshot: Snapshot) -> str:
    """Why a snapshot that was decoded is none, or ""."""
    names = [cpu.id for cpu in snapshot.cpus]
    if not names:
        return "there are no CPUs in it"
    if len(names) > MAX_CPU_LINES or max(map(len, names)) > MAX_CPU_NAME:
        return "it has more CPUs, or a longer name, than a machine can have"
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return f"CPU {twice} is in it more than once"
    negative = next((cpu for cpu in snapshot.cpus if min(cpu[1:]) < 0), None)
    if negative is not None:
        return f"CPU {negative.id} has a negative counter"
    single = (getattr(snapshot, name) for name in SINGLE_NUMBERS)
    return (
        "there is a negative counter beside the CPUs" if min([*snapshot.intr, *snapshot.softirq, *single]) < 0 else ""
    )


def shift_snapshot(snapshot: Snapshot, shift_ms: int) -> Snapshot:
    """The snapshot, and the boot of its machine, `shift_ms` later; in whole seconds, since btime has no finer unit."""
    return replace(snapshot, timestamp=snapshot.timestamp + shift_ms, btime=snapshot.btime + shift_ms // 1000)


def mend_record(record: dict[str, Any]) -> list[str]:
    """Drop what is in `record["cpus"]` again, with the same counters; returns what was done, in words."""
    kept: list[dict[str, Any]] = []
    again = []
    for cpu in record["cpus"]:
        if cpu in kept:
            again.append(str(cpu["id"]))
        else:
            kept.append(cpu)
    record["cpus"] = kept
    twice = ", ".join(dict.fromkeys(again))
    return [f"CPU {twice} kept once, its counters being the same each time"] if twice else []
