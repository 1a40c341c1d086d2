"""The rows as pictures. Every function gives a matplotlib Figure; `save` writes it.

    save(cpu_usage(read_metrics(folder)), Path("output/plots/cpu.png"))

Nothing here uses pyplot, so it draws without a screen and leaves no state behind. In a notebook, say
`%matplotlib inline` once; a Figure in a cell's last line is then shown.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import MINUTELY, SECONDLY, AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from labkit.analysis.tables import TOTAL, coarsen, grid, one_host
from labkit.errors import LabkitError

__all__ = ["cpu_usage", "save"]

#: What the total line is stacked from, bottom to top. Together they are the eight shares, so they reach
#: 100 %. The colours are from Okabe and Ito's set, which colour-blind people can tell apart, and a grey.
BANDS = {
    "user + nice": (["user_pct", "nice_pct"], "#0072B2"),
    "system": (["system_pct"], "#56B4E9"),
    "irq + softirq + steal": (["irq_pct", "softirq_pct", "steal_pct"], "#CC79A7"),
    "iowait": (["iowait_pct"], "#D55E00"),
    "idle": (["idle_pct"], "#E6E6E6"),
}
NO_DATA: dict[str, Any] = {"facecolor": "white", "edgecolor": "#AAAAAA", "hatch": "////", "linewidth": 0}
TEXT_SIZE = 13
MOST_CPU_LABELS = 16


def cpu_usage(frame: pd.DataFrame, hostname: str | None = None) -> Figure:
    """Rows of `read_metrics` -> a heat map of the CPUs above the stacked shares of the total line.

    One host is drawn: `hostname`, or the one with the most rows. Both panels share the time axis (UTC)
    and draw each interval as long as it was; hatched means no data: a pause, or a CPU that was left out.
    Raises LabkitError where there is nothing to draw.
    """
    rows = one_host(frame, hostname)
    is_total = rows["cpu_id"] == TOTAL
    if is_total.all() or not is_total.any():
        raise LabkitError("A plot needs the total line and at least one CPU: give it all rows of a host.")
    total = rows[is_total]
    bands = {
        name: grid(total.assign(share=total[columns].sum(axis=1)), "share")[TOTAL]
        for name, (columns, _) in BANDS.items()
    }
    intervals = grid(rows[~is_total])
    cpus, shares = coarsen(intervals), coarsen(pd.DataFrame(bands))

    height = min(max(0.3 * cpus.shape[1], 1.4), 6.0)
    figure = Figure(figsize=(12, height + 4.6), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    heat, stack = figure.subplots(2, 1, sharex=True, height_ratios=[height, 2.6])
    _draw_heat(heat, cpus)
    _draw_stack(stack, shares)
    stack.tick_params(axis="x", pad=8)
    start, end = min(cpus.index[0], shares.index[0]).left, max(cpus.index[-1], shares.index[-1]).right
    _time_axis(stack, start, end)
    for axes in (heat, stack):
        axes.patch.set(**NO_DATA)
        axes.tick_params(labelsize=TEXT_SIZE)

    host, hosts = rows["hostname"].iloc[0], frame["hostname"].nunique()
    name = (host if len(host) <= 60 else f"{host[:59]}…") + (f" (one of {hosts} hosts)" if hosts > 1 else "")
    note = "busy is everything but idle, so it includes iowait"
    if len(cpus) < len(intervals):
        length = (cpus.index.right - cpus.index.left).median().total_seconds()
        note += f"; each column is the mean of about {length:.0f} s"
    _titles(heat, name, cpus, note)
    keys = [Patch(color=colour, label=name) for name, (_, colour) in BANDS.items()]
    if cpus.isna().any(axis=None) or shares.isna().any(axis=None):
        keys.append(Patch(**NO_DATA, label="pause or no data"))
    figure.legend(
        handles=keys,
        loc="outside lower center",
        ncols=len(keys),
        frameon=False,
        fontsize=TEXT_SIZE,
        columnspacing=1.4,
    )
    return figure


def _draw_heat(axes: Axes, cpus: pd.DataFrame) -> None:
    """A `grid` of the CPUs -> one row for each, the first on top, and a colour bar beside them."""
    count = cpus.shape[1]
    busy = cpus.to_numpy().T
    mesh = axes.pcolormesh(_edges(cpus), np.arange(count + 1), busy, cmap="cividis", vmin=0, vmax=100)
    axes.invert_yaxis()
    if count <= 2 * MOST_CPU_LABELS:
        for row in range(1, count):
            axes.axhline(row, color="white", linewidth=1)
    step = 1
    while count / step > MOST_CPU_LABELS:
        step *= 2
    axes.set_yticks(np.arange(0, count, step) + 0.5, cpus.columns[::step])
    # Placed by the panel's own coordinates: as wide in every picture, however high the panel is.
    bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.015, 0, 0.016, 1)), ticks=[0, 50, 100])
    bar.set_label("busy (%)", size=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE)


def _draw_stack(axes: Axes, shares: pd.DataFrame) -> None:
    """A table of time × band -> the bands on top of each other, in steps: a mean holds for its interval."""
    tops = shares.cumsum(axis=1)
    bottom = np.zeros(len(shares))
    for name, (_, colour) in BANDS.items():
        axes.stairs(tops[name], _edges(shares), baseline=bottom, fill=True, color=colour, label=name)
        bottom = tops[name].to_numpy()
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("all CPUs (%)", size=TEXT_SIZE)


def _edges(matrix: pd.DataFrame) -> list[float]:
    """The n + 1 edges of a grid's n intervals, as matplotlib's days since 1970."""
    edges = matrix.index.left.append(matrix.index.right[-1:])
    return list(date2num(edges.tz_convert(None).to_numpy()))


def _time_axis(axes: Axes, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Ticks from `start` to `end` that say as much as they need to: 13:00:05, 13:05 or 22 Nov 13:00."""
    span = (end - start).total_seconds()
    axes.set_xlim(date2num(start), date2num(end))
    axes.set_xlabel("time (UTC)", size=TEXT_SIZE)
    if span < 5:
        axes.set_xticks([date2num(start), date2num(end)])
    else:
        locator = AutoDateLocator(tz="UTC", minticks=4, maxticks=8)
        locator.intervald |= {SECONDLY: [1, 2, 5, 10, 15, 30, 60], MINUTELY: [1, 2, 5, 10, 15, 30, 60]}
        axes.xaxis.set_major_locator(locator)
    form = "%H:%M:%S" if span < 240 else "%H:%M" if span < 36 * 3600 else "%d %b %H:%M"
    axes.xaxis.set_major_formatter(DateFormatter(form, tz="UTC"))


def _titles(axes: Axes, name: str, cpus: pd.DataFrame, note: str) -> None:
    """Which host, how many CPUs and when, in bold; below it the note that helps to read the picture."""
    start, end = cpus.index.left[0], cpus.index.right[-1]
    until = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    count = f"{cpus.shape[1]} CPU{'s' if cpus.shape[1] > 1 else ''}"
    title = f"{name}\n{count}, {start:%Y-%m-%d %H:%M:%S} – {until} UTC"
    axes.set_title(title, loc="left", pad=28, size=16, weight="bold")
    above: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, 9), "textcoords": "offset points"}
    axes.annotate(note, (0, 1), size=TEXT_SIZE, **above)


def save(figure: Figure, path: Path) -> Path:
    """Writes `figure` to `path` as PNG, 150 dots an inch; a reader sees the old file or the whole new one."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(picture.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
