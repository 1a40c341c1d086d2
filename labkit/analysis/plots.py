"""The rows as pictures. Every function gives a matplotlib Figure; `save` writes it.

    save(cpu_usage(read_metrics(folder)), Path("output/plots/cpu.png"))

Nothing here uses pyplot, so it draws without a screen and leaves no state behind. In a notebook, say
`%matplotlib inline` once; a Figure in a cell's last line is then shown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import MINUTELY, SECONDLY, AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from labkit.analysis.paper import on_paper
from labkit.analysis.tables import TOTAL, coarsen, grid, one_host
from labkit.errors import LabkitError
from labkit.streams.procstat.stream import BANDS, PROCSTAT
from labkit.streams.shape import Shape
from labkit.streams.stream import Band, Panel, Stream

__all__ = ["BUSY", "cpu_usage", "save", "stream_picture"]

#: 0, 25, 50, 75 and 100 % busy: pale, yellow, orange, red, nearly black. Each is darker than the one before, so that
#: it is read in grey too; half is far from both ends also for colour-blind eyes and on a washed-out projector.
BUSY = LinearSegmentedColormap.from_list("busy", ["#E4ECF4", "#F9D27B", "#E9832B", "#A32A32", "#2E0A30"])

NO_DATA: dict[str, Any] = {"facecolor": "white", "edgecolor": "#AAAAAA", "hatch": "////", "linewidth": 0}
TEXT_SIZE = 13
MOST_CPU_LABELS = 16


@on_paper
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
    bands = {band.name: grid(_summed(total, band), _SUM)[TOTAL] for band in BANDS}
    intervals = grid(rows[~is_total])
    cpus, shares = coarsen(intervals), coarsen(pd.DataFrame(bands))

    height = min(max(0.3 * cpus.shape[1], 1.4), 6.0)
    figure = Figure(figsize=(12, height + 4.6), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    heat, stack = figure.subplots(2, 1, sharex=True, height_ratios=[height, 2.6])
    _draw_heat(heat, cpus)
    _draw_stack(stack, shares, BANDS)
    stack.set(ylim=(0, 100), yticks=[0, 50, 100])
    stack.set_ylabel("all CPUs (%)", size=TEXT_SIZE)
    stack.tick_params(axis="x", pad=8)
    start, end = min(cpus.index[0], shares.index[0]).left, max(cpus.index[-1], shares.index[-1]).right
    _time_axis(stack, start, end)
    for axes in (heat, stack):
        axes.patch.set(**NO_DATA)
        axes.tick_params(labelsize=TEXT_SIZE)

    name = _name(rows, frame)
    note = PROCSTAT.plot.note + _coarse(intervals, cpus)
    count = f"{cpus.shape[1]} CPU{'s' if cpus.shape[1] > 1 else ''}"
    _titles(heat, name, count, cpus.index, note)
    _legend(figure, BANDS, no_data=bool(cpus.isna().any(axis=None) or shares.isna().any(axis=None)))
    return figure


@on_paper
def stream_picture(frame: pd.DataFrame, stream: Stream, hostname: str | None = None) -> Figure:
    """Rows of `read_rows` -> the panels of the stream's `Plot`, one below the other, over the same time (UTC).

    One host is drawn: `hostname`, or the one with the most rows. Each interval is drawn as long as it was; hatched
    means no data. Where a result has parts, a panel of lines has one for each part: the six that do most, the same ones
    and in the same colours in every panel.
    Raises LabkitError where there is nothing to draw.
    """
    rows = one_host(frame, hostname)
    panels = stream.plot.panels
    figure = Figure(figsize=(12, 1.6 + 2.9 * len(panels)), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    known: list[Band] = []
    no_data = False
    lines = _lines(rows, stream)
    for axes, panel in zip(all_axes, panels, strict=True):
        bands, whole = _bands(rows, panel, stream.shape, lines)
        values = coarsen(whole)
        # A part of a result may come and go; a line says so by itself.
        is_empty = values.isna().any(axis=1) if panel.kind == "stacked" else values.isna().all(axis=1)
        no_data |= bool(is_empty.any())
        if panel.kind == "stacked":
            _draw_stack(axes, values, bands)
        else:
            for band in bands:
                axes.stairs(values[band.name], _edges(values), baseline=None, color=band.colour, linewidth=2)
            for missing in values.index[is_empty]:
                left, right = (date2num(edge.tz_convert(None)) for edge in (missing.left, missing.right))
                axes.axvspan(left, right, **NO_DATA)
        axes.set_ylim(0, panel.most if panel.most is not None else max(1e-9, 1.1 * float(np.nanmax(values.to_numpy()))))
        axes.set_ylabel(f"{panel.title} ({panel.unit})", size=TEXT_SIZE)
        if panel.kind == "stacked":
            axes.patch.set(**NO_DATA)
        axes.tick_params(labelsize=TEXT_SIZE)
        known += [band for band in bands if band.name not in {other.name for other in known}]
    over = values.index
    _time_axis(all_axes[-1], over.left[0], over.right[-1])
    _titles(all_axes[0], _name(rows, frame), stream.plot.title, over, stream.plot.note + _coarse(whole, values))
    _legend(figure, known, no_data=no_data)
    return figure


_SUM = "sum of the band's columns"
#: Of Okabe and Ito's set, for lines that have no colour of their own.
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def _part_names(rows: pd.DataFrame, shape: Shape) -> pd.Series[str] | None:
    """Which part each row is of; None where a result has none."""
    parts = list(shape.part_key)
    return rows[parts].agg(" ".join, axis=1) if parts else None


def _lines(rows: pd.DataFrame, stream: Stream) -> dict[str, str]:
    """{part: its colour}, of the parts that do most by the stream's own measure; {} where a result has none.

    Those that do nothing are left out, where others do something.
    """
    label = _part_names(rows, stream.shape)
    if label is None:
        return {}
    means = _summed(rows, stream.plot.of)[_SUM].groupby(label).mean()
    at_work = means[means > 0]
    return dict(zip((means if at_work.empty else at_work).nlargest(len(_LINES)).index, _LINES, strict=False))


def _bands(rows: pd.DataFrame, panel: Panel, shape: Shape, lines: dict[str, str]) -> tuple[list[Band], pd.DataFrame]:
    """What a panel draws, and a matrix of time × band."""
    label = _part_names(rows, shape)
    if label is None:
        values = {band.name: grid(_summed(rows, band).assign(cpu_id=""), _SUM)[""] for band in panel.bands}
        return list(panel.bands), pd.DataFrame(values)
    matrix = grid(_summed(rows, panel.bands[0]).assign(cpu_id=label), _SUM)
    return [Band(name, panel.bands[0].columns, colour) for name, colour in lines.items()], matrix[list(lines)]


def _summed(rows: pd.DataFrame, band: Band) -> pd.DataFrame:
    return rows.assign(**{_SUM: rows[list(band.columns)].sum(axis=1)})


def _name(rows: pd.DataFrame, frame: pd.DataFrame) -> str:
    host, hosts = rows["hostname"].iloc[0], frame["hostname"].nunique()
    return (host if len(host) <= 60 else f"{host[:59]}…") + (f" (one of {hosts} hosts)" if hosts > 1 else "")


def _coarse(whole: pd.DataFrame, drawn: pd.DataFrame) -> str:
    if len(drawn) == len(whole):
        return ""
    length = (drawn.index.right - drawn.index.left).median().total_seconds()
    return f"; each column is the mean of about {length:.0f} s"


def _legend(figure: Figure, bands: Sequence[Band], *, no_data: bool) -> None:
    keys = [Patch(color=band.colour, label=band.name) for band in bands]
    if no_data:
        keys.append(Patch(**NO_DATA, label="pause or no data"))
    figure.legend(
        handles=keys,
        loc="outside lower center",
        ncols=len(keys),
        frameon=False,
        fontsize=TEXT_SIZE,
        columnspacing=1.4,
    )


def _draw_heat(axes: Axes, cpus: pd.DataFrame) -> None:
    """A `grid` of the CPUs -> one row for each, the first on top, and a colour bar beside them."""
    count = cpus.shape[1]
    busy = cpus.to_numpy().T
    mesh = axes.pcolormesh(_edges(cpus), np.arange(count + 1), busy, cmap=BUSY, vmin=0, vmax=100)
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


def _draw_stack(axes: Axes, shares: pd.DataFrame, bands: Sequence[Band]) -> None:
    """A table of time × band -> the bands on top of each other, in steps: a mean holds for its interval."""
    tops = shares.cumsum(axis=1)
    bottom = np.zeros(len(shares))
    for band in bands:
        top = tops[band.name]
        axes.stairs(top, _edges(shares), baseline=bottom, fill=True, color=band.colour, label=band.name)
        bottom = top.to_numpy()


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


def _titles(axes: Axes, name: str, what: str, over: pd.IntervalIndex, note: str) -> None:
    """Which host, what of it and when, in bold; below it the note that helps to read the picture."""
    start, end = over.left[0], over.right[-1]
    until = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    title = f"{name}\n{what}, {start:%Y-%m-%d %H:%M:%S} – {until} UTC"
    axes.set_title(title, loc="left", pad=28, size=16, weight="bold")
    above: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, 9), "textcoords": "offset points"}
    axes.annotate(note, (0, 1), size=TEXT_SIZE, **above)


def save(figure: Figure, path: Path) -> Path:
    """Writes `figure` to `path` as PNG, 150 dots an inch; a reader sees the old file or the whole new one."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150, facecolor=figure.get_facecolor(), transparent=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(picture.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
