"""/proc/meminfo as a stream: how much memory and swap is in use, reading by reading.

    MemTotal:       16310452 kB                     before  13:00:00
    MemFree:         4170120 kB                     now     13:00:01
    MemAvailable:    9130044 kB    ->  used 7180408 KiB (44.0 %), cache 4959924 KiB, free 4170120 KiB

Every value is in KiB: the kernel writes kB and means 1024 bytes. Source: Documentation/filesystems/proc.rst of the
kernel, "meminfo", and proc_meminfo(5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from labkit.streams.parsing import ReadingError, count, whole_lines
from labkit.streams.rules import Comparison, by_time
from labkit.streams.stream import Band, Panel, Plot, Stream

__all__ = ["MEMINFO", "MemorySnapshot", "MemoryUsage", "compare", "parse_meminfo", "usage"]

READS = "/proc/meminfo"
#: The kernel's names, and the fields that they become.
FIELDS = {
    "MemTotal": "mem_total_kib",
    "MemFree": "mem_free_kib",
    "MemAvailable": "mem_available_kib",
    "Buffers": "buffers_kib",
    "Cached": "cached_kib",
    "Shmem": "shmem_kib",
    "SReclaimable": "s_reclaimable_kib",
    "SwapTotal": "swap_total_kib",
    "SwapFree": "swap_free_kib",
}
#: Without these there is nothing to work out. SwapTotal and SwapFree are missing where the kernel has no swap.
_NEEDED = ("MemTotal", "MemFree", "MemAvailable")


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """One reading of /proc/meminfo: `timestamp` in ms since the epoch, the rest in KiB."""

    hostname: str
    timestamp: int
    mem_total_kib: int
    mem_free_kib: int
    mem_available_kib: int
    buffers_kib: int = 0
    cached_kib: int = 0
    shmem_kib: int = 0
    s_reclaimable_kib: int = 0
    swap_total_kib: int = 0
    swap_free_kib: int = 0


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Memory as it was at `timestamp` (ms), `time_delta_ms` after the last good reading.

    used, cache and free add up to total: used is MemTotal - MemAvailable, free is MemFree, and cache is what can be
    had beside it (page cache and slabs that the kernel gives back). Each percentage is 0…100; the first three add up
    to 100. swap_used_pct is 0 where there is no swap.
    """

    hostname: str
    timestamp: int
    time_delta_ms: int
    total_kib: int
    used_kib: int
    cache_kib: int
    free_kib: int
    swap_total_kib: int
    swap_used_kib: int
    used_pct: float
    cache_pct: float
    free_pct: float
    swap_used_pct: float


def parse_meminfo(text: str, hostname: str, timestamp: int) -> MemorySnapshot:
    """The text of /proc/meminfo -> a `MemorySnapshot` of `hostname` at `timestamp` (ms since the epoch).

    Lines this module does not know are left alone. Raises `ReadingError` for a line of its own that is garbled, and
    for a kernel without MemAvailable: before Linux 3.14 nobody says how much memory can be had.
    """
    lines = whole_lines(READS, text)
    values: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name, _, words = line.partition(":")
        if name not in FIELDS:
            continue
        word, *unit = words.split() or [""]
        values[name] = count(READS, word, number, 2)
        if unit != ["kB"]:
            raise ReadingError(READS, f"{name} is not in kB", number, 3)
    for name in _NEEDED:
        if name not in values:
            why = f"there is no {name} line" + (", this kernel is older than 3.14" if name == "MemAvailable" else "")
            raise ReadingError(READS, why, len(lines) + 1, 1)
    snapshot = MemorySnapshot(hostname, timestamp, **{FIELDS[name]: value for name, value in values.items()})
    if problem := check_snapshot(snapshot):
        raise ReadingError(READS, problem, 1, 2)
    return snapshot


def check_snapshot(snapshot: MemorySnapshot) -> str:
    """Why a snapshot is none, or ""."""
    values = [getattr(snapshot, field) for field in FIELDS.values()]
    if min(values) < 0:
        return "there is a negative value in it"
    if snapshot.mem_total_kib == 0:
        return "MemTotal is 0"
    if max(snapshot.mem_available_kib, snapshot.mem_free_kib) > snapshot.mem_total_kib:
        return "more memory is free or available than there is"
    return "more swap is free than there is" if snapshot.swap_free_kib > snapshot.swap_total_kib else ""


def compare(before_ms: int | None, now: MemorySnapshot) -> Comparison[int, MemoryUsage]:
    """The time of the last good snapshot of a host (None at the start) and the one that came -> `Comparison`.

    A reading stands for itself; the one before tells only how long ago that was.
    """
    return by_time(before_ms, now, usage)


def usage(now: MemorySnapshot, time_delta_ms: int) -> MemoryUsage:
    """What a reading says of memory and swap."""
    total, free = now.mem_total_kib, min(now.mem_free_kib, now.mem_available_kib)
    used, cache = total - now.mem_available_kib, now.mem_available_kib - free
    swap, swap_used = now.swap_total_kib, now.swap_total_kib - now.swap_free_kib
    return MemoryUsage(
        now.hostname,
        now.timestamp,
        time_delta_ms,
        total_kib=total,
        used_kib=used,
        cache_kib=cache,
        free_kib=free,
        swap_total_kib=swap,
        swap_used_kib=swap_used,
        used_pct=used * 100.0 / total,
        cache_pct=cache * 100.0 / total,
        free_pct=free * 100.0 / total,
        swap_used_pct=swap_used * 100.0 / swap if swap else 0.0,
    )


def _describe(snapshot: MemorySnapshot) -> str:
    return f"{(snapshot.mem_total_kib - snapshot.mem_available_kib) / 1024:,.0f} MiB used"


def _simulate(random: Random, hostname: str, timestamp: int, before: MemorySnapshot | None) -> MemorySnapshot:
    """A host with 8 GiB whose use wanders, in steps of up to 16 MiB a reading."""
    if before is None:
        total = 8 * 1024 * 1024
        free, cached = random.randrange(total // 4, total // 2), random.randrange(total // 8, total // 4)
        return MemorySnapshot(
            hostname, timestamp, total, free, free + cached, cached_kib=cached,
            swap_total_kib=total // 4, swap_free_kib=random.randrange(total // 8, total // 4),
        )  # fmt: skip
    step = random.randrange(-16 * 1024, 16 * 1024 + 1)
    free = min(max(before.mem_free_kib + step, 0), before.mem_total_kib - before.cached_kib)
    return replace(before, timestamp=timestamp, mem_free_kib=free, mem_available_kib=free + before.cached_kib)


_USED = Band("used", ("used_pct",), "#0072B2")

MEMINFO = Stream(
    name="meminfo",
    reads=READS,
    schema_file="meminfo_snapshot.v1.avsc",
    snapshot=MemorySnapshot,
    result=MemoryUsage,
    parse=parse_meminfo,
    compare=compare,
    plot=Plot(
        "memory",
        _USED,
        (
            Panel(
                "memory",
                "%",
                "stacked",
                (_USED, Band("cache", ("cache_pct",), "#56B4E9"), Band("free", ("free_pct",), "#E6E6E6")),
                100.0,
            ),
            Panel("swap used", "%", "lines", (Band("swap", ("swap_used_pct",), "#D55E00"),), 100.0),
        ),
        "used is what cannot be had: MemTotal - MemAvailable",
    ),
    check=check_snapshot,
    describe=_describe,
    simulate=_simulate,
)
