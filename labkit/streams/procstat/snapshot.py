"""/proc/stat, as the kernel writes it, to a `Snapshot`.

    cpu0 4705 150 1120 16250 520 0 17 0 0 0   ->  CpuTimes(id="cpu0", user=4705, nice=150, …)
    intr 98332 0 9 0                          ->  intr=(98332, 0, 9, 0)
    btime 1764000000                          ->  btime=1764000000

Every CPU column is a counter of ticks (1/USER_HZ of a second, almost always 1/100) since boot.
Source: Documentation/filesystems/proc.rst of the kernel, section 1.7, and proc_stat(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from labkit.errors import LabkitError

__all__ = ["CPU_COLUMNS", "CpuTimes", "ProcStatError", "Snapshot", "parse_stat"]

#: The kernel's columns, in the kernel's order.
CPU_COLUMNS = (
    "user", "nice", "system", "idle", "iowait",
    "irq", "softirq", "steal", "guest", "guest_nice",
)  # fmt: skip

_OLDEST_KERNEL_COLUMNS = 4  # Linux 2.4: user nice system idle
_CPU_NAME = re.compile(r"cpu[0-9]*")
_COUNTER_END = 2**63  # Avro's long; the kernel's u64 counters take 2.9e9 years to get there at 100 Hz
_COUNTER_DIGITS = len(str(_COUNTER_END))
_SINGLE_NUMBERS = ("ctxt", "btime", "processes", "procs_running", "procs_blocked")


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


class ProcStatError(LabkitError):
    """A line of /proc/stat that cannot be read: `line` and `column` count from 1."""

    def __init__(self, why: str, line: int, column: int) -> None:
        super().__init__(f"/proc/stat line {line}, column {column}: {why}.")
        self.line = line
        self.column = column


def parse_stat(text: str, hostname: str, timestamp: int) -> Snapshot:
    """The text of /proc/stat -> a `Snapshot` of `hostname` at `timestamp` (ms since the epoch).

    Kernels with 4 to 10 CPU columns are read: missing columns are 0, further ones are ignored.
    Lines this module does not know are left alone. Raises `ProcStatError` for a line that is
    cut short or garbled, and where there is no CPU line or no btime line at all.
    """
    *lines, rest = text.split("\n")
    if rest:
        raise ProcStatError("the text ends in the middle of a line", len(lines) + 1, len(rest.split()))
    cpus: list[CpuTimes] = []
    many: dict[str, tuple[int, ...]] = {"intr": (), "softirq": ()}
    single: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name, *words = line.split() or [""]
        if _CPU_NAME.fullmatch(name):
            cpus.append(_cpu_line(name, words, number))
        elif name in many:
            many[name] = _numbers(words, number, at_least=1)
        elif name in _SINGLE_NUMBERS:
            single[name] = _numbers(words, number, at_least=1)[0]
    if not cpus:
        raise ProcStatError("there is no cpu line", len(lines) + 1, 1)
    if "btime" not in single:
        raise ProcStatError("there is no btime line", len(lines) + 1, 1)
    return Snapshot(hostname, timestamp, tuple(cpus), many["intr"], many["softirq"], **single)


def _cpu_line(name: str, words: list[str], line: int) -> CpuTimes:
    known = words[: len(CPU_COLUMNS)]
    return CpuTimes(name, *_numbers(known, line, at_least=_OLDEST_KERNEL_COLUMNS))


def _numbers(words: list[str], line: int, *, at_least: int) -> tuple[int, ...]:
    for column, word in enumerate(words, start=2):
        if not (word.isascii() and word.isdigit()):
            raise ProcStatError(f"{word!r} is not a count", line, column)
        if len(word) > _COUNTER_DIGITS or int(word) >= _COUNTER_END:
            raise ProcStatError("the count does not fit into 63 bits", line, column)
    if len(words) < at_least:
        missing = len(words) + 2
        raise ProcStatError(f"the line ends after {len(words)} numbers, at least {at_least} are needed", line, missing)
    return tuple(map(int, words))
