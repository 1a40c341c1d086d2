"""/proc/stat, as the kernel writes it, to a `Snapshot`.

    cpu0 4705 150 1120 16250 520 0 17 0 0 0   ->  CpuTimes(id="cpu0", user=4705, nice=150, …)
    intr 98332 0 9 0                          ->  intr=(98332, 0, 9, 0)
    btime 1764000000                          ->  btime=1764000000

Every CPU column is a counter of ticks (1/USER_HZ of a second, almost always 1/100) since boot.
Source: Documentation/filesystems/proc.rst of the kernel, section 1.7, and proc_stat(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from labkit.streams.parsing import ReadingError, count, whole_lines

__all__ = [
    "CPU_COLUMNS", "MAX_CPU_LINES", "MAX_CPU_NAME", "READS", "CpuTimes", "Snapshot", "check_snapshot", "mend_record",
    "parse_stat", "shift_snapshot",
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


def parse_stat(text: str, hostname: str, timestamp: int) -> Snapshot:
    """The text of /proc/stat -> a `Snapshot` of `hostname` at `timestamp` (ms since the epoch).

    Kernels with 4 to 10 CPU columns are read: missing columns are 0, further ones are ignored.
    Lines this module does not know are left alone. Raises `ReadingError` for a line that is
    cut short or garbled, and where there is no CPU line or no btime line at all.
    """
    lines = whole_lines(READS, text)
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
        raise ReadingError(READS, "there is no cpu line", len(lines) + 1, 1)
    if "btime" not in single:
        raise ReadingError(READS, "there is no btime line", len(lines) + 1, 1)
    return Snapshot(hostname, timestamp, tuple(cpus), many["intr"], many["softirq"], **single)


def _cpu_line(name: str, words: list[str], line: int) -> CpuTimes:
    known = words[: len(CPU_COLUMNS)]
    return CpuTimes(name, *_numbers(known, line, at_least=_OLDEST_KERNEL_COLUMNS))


def _numbers(words: list[str], line: int, *, at_least: int) -> tuple[int, ...]:
    numbers = tuple(count(READS, word, line, column) for column, word in enumerate(words, start=2))
    if len(words) < at_least:
        missing = len(words) + 2
        why = f"the line ends after {len(words)} numbers, at least {at_least} are needed"
        raise ReadingError(READS, why, line, missing)
    return numbers


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
    single = (getattr(snapshot, name) for name in _SINGLE_NUMBERS)
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
