"""Two snapshots of one host -> what its CPUs did in between, in percent. Pure: no I/O, no Flink.

    before  cpu0 user=100 system=50 idle=800        t=1000 ms
    after   cpu0 user=130 system=60 idle=860        t=2000 ms
    delta        user= 30 system=10 idle= 60        total=100 ticks
    ->      cpu0 user 30 %, system 10 %, idle 60 %, busy 40 %, time_delta_ms=1000

The rules for counters that step back, reboots and late snapshots are those of `compare`; the
Flink job, the tests and the ledger all call it. Counter semantics: proc_stat(5) and the kernel's
Documentation/filesystems/proc.rst (iowait "will decrease in certain conditions", guest inside user).

iowait falls while nothing starts over: an idle CPU is read as waiting, the task that waited wakes up on another CPU,
and the next reading calls the same time idle. It was counted once; when the counter comes back to where it was, it is
not counted again. node_exporter goes by that, too: it keeps the higher value of each counter until the CPU is gone or
its idle falls by three seconds. psutil and Telegraf compare with the last reading, and count the return as new. Only
iowait is kept here: of no other counter does the kernel say that it falls. One that does has as a rule started over
(steal, where a virtual machine moves to another host), and the higher value would hide it until it has caught up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.rules import Comparison, Verdict, in_time

__all__ = [
    "BTIME_SLACK_S", "IDLE_RESET_TICKS", "UTILIZATION_COLUMNS", "CpuUtilization", "LastGood", "Metrics", "compare",
    "cpu_utilization",
]  # fmt: skip

#: An idle counter that falls by this much or more belongs to a CPU that started over.
IDLE_RESET_TICKS = 300
#: btime moves a little with every clock adjustment; more than this many seconds is a reboot.
BTIME_SLACK_S = 1

#: The nine columns of a CPU in procstat_metrics and in Parquet, in this order.
UTILIZATION_COLUMNS = (
    "user_pct", "nice_pct", "system_pct", "idle_pct", "iowait_pct",
    "irq_pct", "softirq_pct", "steal_pct", "total_busy_pct",
)  # fmt: skip


@dataclass(frozen=True)  # with slots orjson would take three times as long
class CpuUtilization:
    """Shares of one CPU's time in one interval, each 0…100; the first eight sum to 100.

    total_busy_pct is everything but idle, so it includes iowait.
    """

    cpu_id: str
    user_pct: float
    nice_pct: float
    system_pct: float
    idle_pct: float
    iowait_pct: float
    irq_pct: float
    softirq_pct: float
    steal_pct: float
    total_busy_pct: float


@dataclass(frozen=True)
class Metrics:
    """One interval of one host: it ended at `timestamp` (ms) and lasted `time_delta_ms`."""

    hostname: str
    timestamp: int
    time_delta_ms: int
    cpu_metrics: tuple[CpuUtilization, ...]

    def as_record(self) -> dict[str, Any]:
        """The record of procstat_metrics: {hostname, timestamp, time_delta_ms, cpu_metrics: […]}."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LastGood:
    """What the next snapshot of a host is compared with: no more of a snapshot than that.

    `iowait` of each CPU is the highest seen since the host, or that CPU alone, started over.
    """

    timestamp: int
    btime: int
    cpus: tuple[CpuTimes, ...]


def compare(before: LastGood | None, now: Snapshot) -> Comparison[LastGood, Metrics]:
    """The last good snapshot of a host (None at the start) and the one that came -> `Comparison`.

    - btime differs by more than 1 s: REBOOT, the host starts over, whatever its clock says.
    - Otherwise FIRST, REJECTED or GOOD, by their times: `labkit.streams.rules.in_time`.
    - GOOD: one interval, its CPUs in the order of `now`.

    CPUs are matched by name. One that was not there before, that started over, or for which no
    tick passed is left out of the interval; the others are not touched. `next_state` has the CPUs
    of `now`, each with the highest iowait since it started over, or came back: what was reached
    before is not new.
    """
    next_state = LastGood(now.timestamp, now.btime, now.cpus)
    if before is not None and abs(now.btime - before.btime) > BTIME_SLACK_S:
        return Comparison(Verdict.REBOOT, next_state, None)
    verdict = in_time(None if before is None else before.timestamp, now.timestamp)
    if before is None or verdict is Verdict.FIRST:
        return Comparison(Verdict.FIRST, next_state, None)
    if verdict is Verdict.REJECTED:
        return Comparison(Verdict.REJECTED, before, None)
    earlier = {cpu.id: cpu for cpu in before.cpus}
    shares = (cpu_utilization(earlier[cpu.id], cpu) for cpu in now.cpus if cpu.id in earlier)
    measured = tuple(share for share in shares if share is not None)
    interval_ms = now.timestamp - before.timestamp
    next_state = LastGood(now.timestamp, now.btime, tuple(_kept(earlier.get(cpu.id), cpu) for cpu in now.cpus))
    return Comparison(Verdict.GOOD, next_state, Metrics(now.hostname, now.timestamp, interval_ms, measured))


def cpu_utilization(before: CpuTimes, after: CpuTimes) -> CpuUtilization | None:
    """Two readings of one CPU -> its shares, or None where the CPU started over or no tick passed.

    A counter that steps back counts as 0. guest and guest_nice are inside user and nice and are
    not added again. The shares are of the ticks that count: they sum to 100 whatever stepped back.
    """
    if _started_over(before, after):
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = [
        new - old if new > old else 0 for old, new in zip(before[1:9], after[1:9], strict=True)
    ]
    total = user + nice + system + idle + iowait + irq + softirq + steal
    if total == 0:
        return None
    return CpuUtilization(
        cpu_id=after.id,
        user_pct=user * 100.0 / total,
        nice_pct=nice * 100.0 / total,
        system_pct=system * 100.0 / total,
        idle_pct=idle * 100.0 / total,
        iowait_pct=iowait * 100.0 / total,
        irq_pct=irq * 100.0 / total,
        softirq_pct=softirq * 100.0 / total,
        steal_pct=steal * 100.0 / total,
        total_busy_pct=(total - idle) * 100.0 / total,
    )


def _kept(before: CpuTimes | None, now: CpuTimes) -> CpuTimes:
    if before is None or now.iowait >= before.iowait or _started_over(before, now):
        return now
    return now._replace(iowait=before.iowait)


def _started_over(before: CpuTimes, after: CpuTimes) -> bool:
    return before.idle - after.idle >= IDLE_RESET_TICKS
