"""A series of readings as two pictures: the counters as they are, and how steeply they rise, which is the rate.

raw_counters({"cpu0": [472_239, 472_240, …], "cpu1": …}, "user")
counters_and_rates(list(ReplaySource(RECORDING)))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.streams.procstat.metrics import LastGood, compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot

__all__ = ["counters_and_rates", "raw_counters"]

TEXT_SIZE = 13
MOST_CPUS = 4
TOTAL = "cpu"
NAN = float("nan")
#: A colour (Okabe and Ito) and a kind of line for each CPU: either alone tells them apart.
LOOKS = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
#: The first eight columns without idle; guest is inside user.
BUSY = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")


@on_paper
def raw_counters(ticks: Mapping[str, Sequence[int]], column: str) -> Figure:
    """{CPU: its counter at each reading} -> a line for each, from 0 up; `column` is what the kernel calls the counter.

    Grey is what had been counted before the first reading, which is most of it; the legend says how much was not. Of
    more than four CPUs those that rose most are drawn. Raises LabkitError where there are not two readings.
    """
    if not ticks or min(map(len, ticks.values())) < 2:
        raise LabkitError("Two readings are needed to see a counter rise.", "Give raw_counters two of each CPU.")
    by_rise = sorted(ticks, key=lambda name: ticks[name][-1] - ticks[name][0], reverse=True)[:MOST_CPUS]
    shown = {name: counts for name, counts in ticks.items() if name in by_rise}
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots()
    for (name, counts), (colour, line) in zip(shown.items(), LOOKS, strict=False):
        risen = counts[-1] - counts[0]
        share = f"{100 * risen / counts[-1]:.1f} %" if counts[-1] else "nothing"
        label = f"{name}: {counts[0]:,} at first, {counts[-1]:,} at last; {share} is new"
        axes.plot(counts, line, color=colour, linewidth=2.5, label=label)
    before = min(counts[0] for counts in shown.values())
    readings = max(map(len, shown.values()))
    axes.axhspan(0, before, color="#EDEDED", zorder=0)
    axes.text(0.5, before / 2, "counted before the first reading", transform=axes.get_yaxis_transform(),
              size=TEXT_SIZE + 1, ha="center", va="center", color="#444444")  # fmt: skip
    axes.set_xlim(0, readings - 1)
    axes.set_ylim(0, 1.08 * max(1, *(max(counts) for counts in shown.values())))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("reading", size=TEXT_SIZE)
    axes.set_ylabel(f"{column} (ticks)", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=TEXT_SIZE, loc="outside lower left", frameon=False, handlelength=3.5)
    some = "" if len(shown) == len(ticks) else f"; {len(shown)} of {len(ticks)} CPUs, those that rose most"
    _title(axes, f"{column}, as the kernel counts it since it booted{some}")
    return figure


@on_paper
def counters_and_rates(snapshots: Sequence[Snapshot]) -> Figure:
    """The snapshots of one host, oldest first -> a picture on one time axis (seconds since the first).

    Top: for each CPU the busy ticks counted since the first snapshot. Below: a panel for each CPU with its busy share
    of each interval. Busy is everything but idle. Of more than four CPUs those that were busiest are drawn, and the
    title says so. A CPU has a gap where it has no numbers: it was away, it started over, or it was not there at first.
    Raises LabkitError for fewer than two snapshots.
    """
    if len(snapshots) < 2:
        raise LabkitError("A rate needs two readings.", "Give counters_and_rates two snapshots or more.")
    seconds = [(snapshot.timestamp - snapshots[0].timestamp) / 1000 for snapshot in snapshots]
    counts = {cpu.id: _ticks_since(snapshots, cpu) for cpu in snapshots[0].cpus if cpu.id != TOTAL}
    by_work = sorted(counts, key=lambda name: max(counts[name]), reverse=True)[:MOST_CPUS]
    shown = [name for name in counts if name in by_work]

    figure = Figure(figsize=(12, 4.2 + 1.25 * len(shown)), layout="constrained")
    intervals = _intervals(snapshots)
    top, *panels = figure.subplots(1 + len(shown), 1, sharex=True, height_ratios=[2.6, *[1] * len(shown)])
    for name, panel, (colour, line) in zip(shown, panels, LOOKS, strict=False):
        top.plot(seconds, counts[name], line, color=colour, linewidth=2.5, label=name)
        panel.stairs([shares.get(name, NAN) for shares in intervals], seconds, fill=True, color=colour)
        _percent_axis(panel, name)
    top.set_ylabel("busy ticks\nsince the first", size=TEXT_SIZE)
    top.legend(fontsize=TEXT_SIZE, loc="upper left", frameon=False, handlelength=3.5)
    top.grid(color="#E6E6E6")
    some = "" if len(shown) == len(counts) else f"; the busiest {len(shown)} of {len(counts)} CPUs"
    _title(top, f"{snapshots[0].hostname}: what is counted{some}")
    _title(panels[0], "how steeply it rises: busy share of each interval (%)")
    panels[-1].set_xlabel("seconds since the first reading", size=TEXT_SIZE)
    panels[-1].set_xlim(0, seconds[-1])
    for axes in (top, *panels):
        axes.tick_params(labelsize=TEXT_SIZE)
    return figure


def _ticks_since(snapshots: Sequence[Snapshot], first: CpuTimes) -> list[float]:
    """The busy ticks of a CPU since `first`, one number a snapshot; NaN where the CPU is not there."""
    start = _busy_ticks(first)
    found = (_by_name(snapshot).get(first.id) for snapshot in snapshots)
    return [NAN if cpu is None else _busy_ticks(cpu) - start for cpu in found]


def _intervals(snapshots: Sequence[Snapshot]) -> list[dict[str, float]]:
    """The busy share of each CPU that has one, a dict for each interval."""
    found = []
    kept: LastGood | None = None
    for now in snapshots:
        _, kept, metrics = compare(kept, now)
        found.append({cpu.cpu_id: cpu.total_busy_pct for cpu in metrics.cpu_metrics} if metrics else {})
    return found[1:]


def _by_name(snapshot: Snapshot) -> dict[str, CpuTimes]:
    return {cpu.id: cpu for cpu in snapshot.cpus}


def _busy_ticks(cpu: CpuTimes) -> int:
    return sum(int(getattr(cpu, column)) for column in BUSY)


def _percent_axis(panel: Axes, name: str) -> None:
    panel.set_ylim(0, 100)
    panel.set_yticks([0, 50, 100])
    panel.set_ylabel(name, size=TEXT_SIZE)
    panel.grid(axis="y", color="#E6E6E6")
    panel.set_axisbelow(True)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", size=15, weight="bold")
