"""Snapshots for the tests: hosts with counters that grow as a kernel's do, and an independent calculation."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pandas as pd

from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot

START_MS = 1_764_000_000_000
TICKS = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]


def hosts(names: Iterable[str], count: int, seed: int, start_ms: int = START_MS, cpus: int = 3) -> list[Snapshot]:
    """`count` snapshots a second apart of each host, interleaved; counters only grow, by 100 ticks a CPU."""
    rng = random.Random(seed)
    counters = {(host, cpu): [rng.randrange(10**6) for _ in CPU_COLUMNS] for host in names for cpu in range(cpus)}
    snapshots = []
    for tick in range(count):
        for host in names:
            lines = [_grow(counters[host, cpu], rng) for cpu in range(cpus)]
            total = [sum(line[column] for line in lines) for column in range(len(CPU_COLUMNS))]
            times = [CpuTimes("cpu", *total), *(CpuTimes(f"cpu{cpu}", *line) for cpu, line in enumerate(lines))]
            snapshots.append(
                Snapshot(host, start_ms + tick * 1000, tuple(times), (tick,), (tick,), btime=1_763_000_000)
            )
    return snapshots


def _grow(counters: list[int], rng: random.Random) -> list[int]:
    for _ in range(100):
        counters[rng.randrange(8)] += 1
    counters[8] += rng.randrange(3)  # guest, which is inside user: it must make no difference
    return list(counters)


def shares_by_pandas(snapshots: Iterable[Snapshot]) -> pd.DataFrame:
    """The shares of each host, CPU and interval, worked out column by column instead of pair by pair.

    No host starts over. iowait counts where it is higher than it ever was; any other step back counts as 0.
    """
    rows = [
        {"hostname": snapshot.hostname, "ts": snapshot.timestamp, **cpu._asdict()}
        for snapshot in snapshots
        for cpu in snapshot.cpus
    ]
    frame = pd.DataFrame(rows).rename(columns={"id": "cpu_id"})
    by_cpu = frame.groupby(["hostname", "cpu_id"], sort=False)
    frame["iowait"] = by_cpu["iowait"].cummax()
    deltas = by_cpu[TICKS].diff().clip(lower=0)
    total = deltas.sum(axis=1)
    shares = deltas.mul(100.0).div(total, axis=0)
    shares.columns = [f"{name}_pct" for name in TICKS]
    shares["total_busy_pct"] = (total - deltas["idle"]) * 100.0 / total
    result = pd.concat(
        [frame[["hostname", "ts", "cpu_id"]], by_cpu["ts"].diff().rename("time_delta_ms"), shares], axis=1
    )
    return in_order(result.dropna())


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that both sides have, sorted by host, time and CPU, with ts in ms."""
    frame = frame[["hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS]].copy()
    if frame["ts"].dtype.kind == "M":
        frame["ts"] = (
            frame["ts"].astype("datetime64[ms, UTC]" if frame["ts"].dt.tz else "datetime64[ms]").astype("int64")
        )
    frame[["ts", "time_delta_ms"]] = frame[["ts", "time_delta_ms"]].astype("int64")
    return frame.sort_values(["hostname", "ts", "cpu_id"], ignore_index=True)
