"""The rows and the services as pictures. Every function gives a matplotlib Figure; `save` writes it.

    save(cpu_usage(read_metrics(folder)), Path("output/plots/cpu.png"))

Nothing here uses pyplot, so it draws without a screen and leaves no state behind. In a notebook, say
`%matplotlib inline` once; a Figure in a cell's last line is then shown.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from labkit.analysis import TOTAL, coarsen, grid, one_host
from labkit.errors import LabkitError

__all__ = ["BANDS", "ServiceView", "cpu_usage", "pipeline_status", "save"]

#: What the total line is stacked from, bottom to top: the eight shares, so it reaches 100 %. The colours
#: are those of Okabe and Ito, which colour-blind people can tell apart, and a grey.
BANDS = {
    "user + nice": (["user_pct", "nice_pct"], "#0072B2"),
    "system": (["system_pct"], "#D55E00"),
    "irq + softirq + steal": (["irq_pct", "softirq_pct", "steal_pct"], "#CC79A7"),
    "iowait": (["iowait_pct"], "#F0E442"),
    "idle": (["idle_pct"], "#DDDDDD"),
}
NO_DATA = {"facecolor": "white", "edgecolor": "#AAAAAA", "hatch": "////", "linewidth": 0}
TEXT_SIZE = 12
MOST_CPU_LABELS = 16


def cpu_usage(frame: pd.DataFrame, hostname: str | None = None) -> Figure:
    """Rows of `read_metrics` -> a heat map of the CPUs above the stacked shares of the total line.

    One host is drawn: `hostname`, or the one with the most rows. Both panels share the time axis (UTC)
    with intervals as wide as they were; hatched means no data, be it a pause or one CPU left out.
    Raises LabkitError where there is nothing to draw.
    """
    rows = one_host(frame, hostname)
    is_total = rows["cpu_id"] == TOTAL
    if is_total.all() or not is_total.any():
        raise LabkitError("A plot needs the total line and at least one CPU.", "Do not filter rows by cpu_id.")
    cpus = grid(rows[~is_total])
    total = rows[is_total]
    shares = pd.DataFrame(
        {
            name: grid(total.assign(share=total[columns].sum(axis=1)), "share")[TOTAL]
            for name, (columns, _) in BANDS.items()
        }
    )
    height = min(max(0.3 * cpus.shape[1], 1.4), 6.0)
    figure = Figure(figsize=(12, height + 4.2), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.1)
    places = figure.add_gridspec(2, 2, height_ratios=[height, 2.6], width_ratios=[60, 1])
    heat = figure.add_subplot(places[0, 0])
    stack = figure.add_subplot(places[1, 0], sharex=heat)
    _draw_heat(heat, figure.add_subplot(places[0, 1]), coarsen(cpus))
    _draw_stack(stack, coarsen(shares))
    for axes in (heat, stack):
        axes.patch.set(**NO_DATA)
        axes.tick_params(labelsize=TEXT_SIZE)
    heat.tick_params(labelbottom=False)
    _time_axis(stack, min(cpus.index.left[0], shares.index.left[0]), max(cpus.index.right[-1], shares.index.right[-1]))
    _titles(heat, frame, cpus, rows["hostname"].iloc[0])
    return figure


def _draw_heat(axes: Axes, bar: Axes, cpus: pd.DataFrame) -> None:
    """A `grid` of the CPUs -> one row for each, the first on top, and the colour bar."""
    count = cpus.shape[1]
    mesh = axes.pcolormesh(_edges(cpus), np.arange(count + 1), cpus.to_numpy().T, cmap="cividis", vmin=0, vmax=100)
    axes.invert_yaxis()
    step = 1
    while count / step > MOST_CPU_LABELS:
        step *= 2
    axes.set_yticks(np.arange(0, count, step) + 0.5, cpus.columns[::step])
    scale = axes.figure.colorbar(mesh, cax=bar, ticks=[0, 50, 100])
    scale.set_label("busy (%)", size=TEXT_SIZE)
    bar.tick_params(labelsize=TEXT_SIZE)


def _draw_stack(axes: Axes, shares: pd.DataFrame) -> None:
    """A table of time × band -> the bands on top of each other, as steps: a mean holds for its interval."""
    tops = shares.cumsum(axis=1)
    bottom = np.zeros(len(shares))
    for name, (_, colour) in BANDS.items():
        top = tops[name].to_numpy()
        axes.stairs(top, _edges(shares), baseline=bottom, fill=True, color=colour, label=name)
        bottom = top
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("all CPUs (%)", size=TEXT_SIZE)
    handles, _ = axes.get_legend_handles_labels()
    if shares.isna().any(axis=None):
        handles.append(Patch(**NO_DATA, label="no data"))
    axes.figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=TEXT_SIZE
    )


def _edges(matrix: pd.DataFrame) -> np.ndarray:
    """The n + 1 edges of a grid's n intervals, as matplotlib's days."""
    return date2num(matrix.index.left.append(matrix.index.right[-1:]).tz_localize(None).to_numpy())


def _time_axis(axes: Axes, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Ticks from `start` to `end` that say as much as the span needs: 13:00:05, 13:05 or 22 Nov 13:00."""
    span = end - start
    axes.set_xlim(date2num([start, end]))
    axes.xaxis_date("UTC")
    axes.set_xlabel("time (UTC)", size=TEXT_SIZE)
    form = "%H:%M:%S" if span < pd.Timedelta("10min") else "%H:%M" if span < pd.Timedelta("36h") else "%d %b %H:%M"
    if span < pd.Timedelta("5s"):
        axes.set_xticks(date2num([start, end]))
    else:
        axes.xaxis.set_major_locator(AutoDateLocator(tz="UTC", minticks=4, maxticks=8))
    axes.xaxis.set_major_formatter(DateFormatter(form, tz="UTC"))


def _titles(axes: Axes, frame: pd.DataFrame, cpus: pd.DataFrame, host: str) -> None:
    """Which host, how many CPUs and when, in bold; below it what is to be known to read the picture."""
    start, end = cpus.index.left[0], cpus.index.right[-1]
    until = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    hosts = frame["hostname"].nunique()
    name = host if len(host) <= 40 else f"{host[:39]}…"
    name += f" (one of {hosts} hosts)" if hosts > 1 else ""
    count = f"{cpus.shape[1]} CPU{'s' if cpus.shape[1] > 1 else ''}"
    axes.set_title(
        f"{name}: {count}\n{start:%Y-%m-%d %H:%M:%S} – {until} UTC", loc="left", pad=26, size=15, weight="bold"
    )
    note = "busy is everything but idle, so it includes iowait"
    shown = coarsen(cpus)
    if len(shown) < len(cpus):
        width = (shown.index.right - shown.index.left).median().total_seconds()
        note += f"; each column is the mean of about {width:.0f} s"
    axes.annotate(note, (0, 1), xytext=(0, 8), xycoords="axes fraction", textcoords="offset points", size=TEXT_SIZE)


def save(figure: Figure, path: Path) -> Path:
    """Writes `figure` to `path` as PNG, 150 dots an inch; a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(picture.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


class ServiceView(Protocol):
    """What `pipeline_status` looks at; anything with these attributes will do."""

    name: str
    address: str
    state: str
    healthy: bool
    memory_mib: float | None
    detail: str


#: Boxes of the pipeline: left, bottom, width, height in inches, and what the box says.
BOXES = {
    "/proc/stat": (0.2, 1.5, 1.4, 0.8, "the kernel's counters"),
    "producer": (2.3, 1.5, 1.5, 0.8, "one snapshot a second"),
    "kafka": (4.7, 1.1, 2.6, 1.6, ""),
    "registry": (4.7, 3.7, 2.6, 1.6, ""),
    "jobmanager": (8.8, 2.25, 2.6, 1.6, ""),
    "taskmanager": (8.8, 0.35, 2.6, 1.6, ""),
    "Parquet": (12.5, 1.5, 1.5, 0.8, "output/cpu_metrics"),
}
#: Arrows: from, to, what flows; dashed ones are questions asked of the registry.
FLOWS = [
    ((1.6, 1.9), (2.3, 1.9), "", "-"),
    ((3.8, 1.9), (4.7, 1.9), "Avro", "-"),
    ((7.3, 2.2), (8.55, 2.2), "Avro, JSON", "-"),
    ((8.55, 1.6), (7.3, 1.6), "JSON", "-"),
    ((11.65, 1.9), (12.5, 1.9), "rows", "-"),
    ((3.05, 2.3), (4.7, 4.5), "schema id", "--"),
    ((8.55, 4.0), (7.3, 4.5), "schema", "--"),
]


def pipeline_status(services: Iterable[ServiceView]) -> Figure:
    """The services of the lab -> a picture of the pipeline with the state of each in its box.

    Healthy is a tick, the word and a green frame; anything else a cross, its state and a grey dashed
    frame. A service that is not in `services` is drawn as "not reported".
    """
    figure = Figure(figsize=(14.2, 5.6))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 14.2), ylim=(0, 5.6), xticks=[], yticks=[], frame_on=False)
    axes.add_patch(FancyBboxPatch((8.65, 0.2), 2.9, 3.95, boxstyle="round,pad=0.1", fc="none", ec="#888888"))
    axes.text(10.1, 4.35, "Flink", ha="center", size=14, weight="bold")
    for start, end, label, style in FLOWS:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linestyle": style, "color": "#444444"})
        axes.annotate(label, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), xytext=(0, 5),
                      textcoords="offset points", ha="center", size=11)  # fmt: skip
    reported = {service.name: service for service in services}
    for name, (*place, says) in BOXES.items():
        _draw_box(axes, name, place, says, reported.get(name))
    return figure


def _draw_box(axes, name, place, says, service) -> None:
    """hm"""
    left, bottom, width, height = place
    if says and service is None:
        face, edge, dash, lines = "white", "#444444", "-", [says]
    elif service is None:
        face, edge, dash, lines = "#F2F2F2", "#777777", "--", ["✗ not reported"]
    else:
        face, edge, dash = ("#E3F4EE", "#009E73", "-") if service.healthy else ("#F2F2F2", "#777777", "--")
        lines = [f"✓ healthy ({service.state})" if service.healthy else f"✗ not healthy ({service.state})"]
        memory = "" if service.memory_mib is None else f", {service.memory_mib:.0f} MiB"
        lines += [service.address + memory, *textwrap.wrap(service.detail, 34, max_lines=2, placeholder=" …")]
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle="round,pad=0.02", fc=face, ec=edge, ls=dash, lw=2)
    )
    axes.text(left + width / 2, bottom + height - 0.1, name, ha="center", va="top", size=13, weight="bold")
    axes.text(
        left + width / 2, bottom + height - 0.42, "\n".join(lines), ha="center", va="top", size=10, linespacing=1.4
    )
