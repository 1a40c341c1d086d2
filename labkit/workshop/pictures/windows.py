"""What windows made of a host's rows: a row of bars for each kind of window, and what came too late for them.

    tumbling  |  5  |  6  |  6  | 2 |  x x x x x      a bar is a window that has given a result: how many rows
    hopping   |        17       |                     there were in it; those that overlap stand below each other
                    |       14      |  x x x x        x  a row that came too late for all of its windows
    session   |          19         |   x x x
              +---------------------------------- event time

    windows({"tumbling": fired, …}, {"tumbling": [1795169000000, …], …}, zero, "host-002")

All of it is what a job gave: its results, and the rows of its side outputs. A window that gave several results is
drawn once, as the last of them says, hatched, and with how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.workshop.pictures.event_time import BAR, EDGE, IN_TIME, LATE, TEXT_SIZE, seconds_since

__all__ = ["Fired", "last_results", "windows"]


@dataclass(frozen=True, slots=True)
class Fired:
    """A result of a window of one host: `start` up to, but without, `end` (ms since the epoch), with `count` rows.

    `busy` is their mean (%), `watermark` that of the moment at which it came.
    """

    host: str
    start: int
    end: int
    count: int
    busy: float
    watermark: int


def last_results(fired: Sequence[Fired]) -> list[Fired]:
    """Of each host and start the last result, by start: what a window says in the end, also where its end has moved."""
    last = {(one.host, one.start): one for one in fired}
    return [last[place] for place in sorted(last)]


@on_paper
def windows(fired: Mapping[str, Sequence[Fired]], late: Mapping[str, Sequence[int]], zero: int, host: str) -> Figure:
    """{kind: its results}, {kind: times of rows that came too late (ms)} -> a picture of one host.

    Across: event time in seconds since `zero` (ms). Raises `LabkitError` without a kind.
    """
    if not fired:
        raise LabkitError("A picture of windows needs at least one kind of them.")
    own = {kind: [one for one in found if one.host == host] for kind, found in fired.items()}
    lanes = {kind: _lanes(last_results(found)) for kind, found in own.items()}
    heights = {kind: max(1, len(lanes[kind])) + (0.7 if late.get(kind) else 0.0) + 0.5 for kind in own}
    figure = Figure(figsize=(12, 1.9 + 0.62 * sum(heights.values())), layout="constrained")
    axes = figure.subplots()
    top, places = 0.0, []
    for kind in own:
        _draw_kind(axes, top, lanes[kind], own[kind], late.get(kind, ()), zero)
        places.append(top + (heights[kind] - 0.5) / 2)
        top += heights[kind]
        axes.axhline(top - 0.25, color="#BBBBBB", linewidth=1, zorder=0)
    axes.set_yticks(places, [_name(kind, own[kind], late.get(kind, ())) for kind in own])
    axes.set_ylim(top - 0.25, -0.25)
    ends = [one.end for found in own.values() for one in found] + [at for found in late.values() for at in found]
    starts = [one.start for found in own.values() for one in found] + [zero]
    axes.set_xlim((min(starts) - zero) / 1000, max([10.0, *((end - zero) / 1000 * 1.03 for end in ends)]))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel(seconds_since(zero), size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=TEXT_SIZE - 1, loc="outside lower center", ncols=3, frameon=False, columnspacing=1.2)
    axes.set_title(f"Windows of {host} that have given a result", loc="left", size=17, weight="bold", pad=12)
    return figure


def _lanes(found: Sequence[Fired]) -> list[list[Fired]]:
    """So that none overlaps another one of its lane: each goes into the first in which there is room."""
    lanes: list[list[Fired]] = []
    for one in found:
        free = next((lane for lane in lanes if lane[-1].end <= one.start), None)
        if free is None:
            lanes.append([one])
        else:
            free.append(one)
    return lanes


_ONE: dict[str, Any] = {"facecolor": BAR, "edgecolor": EDGE, "label": "window, with its number of rows"}
_SEVERAL: dict[str, Any] = {"facecolor": "white", "edgecolor": IN_TIME, "hatch": "//", "label": "gave several results"}


def _draw_kind(
    axes: Axes, top: float, lanes: list[list[Fired]], fired: Sequence[Fired], late: Sequence[int], zero: int
) -> None:
    """Its lanes from `top` down, and its late rows below them."""
    for nth, lane in enumerate(lanes):
        for one in lane:
            _draw_window(axes, top + nth, one, sum(other.start == one.start for other in fired), zero)
    if late:
        below = top + max(1, len(lanes)) + 0.3
        marks = axes.plot([(at - zero) / 1000 for at in late], [below] * len(late), "x", color=LATE, markersize=8,
                          markeredgewidth=2.2, zorder=5, label="row that came too late")  # fmt: skip
        _once(axes, marks[0])


def _draw_window(axes: Axes, top: float, one: Fired, results: int, zero: int) -> None:
    start, long = (one.start - zero) / 1000, (one.end - one.start) / 1000
    box = Rectangle((start, top + 0.06), long, 0.88, linewidth=1.6, zorder=1, **(_SEVERAL if results > 1 else _ONE))
    axes.add_patch(box)
    _once(axes, box)
    said = f"{one.count}" if results == 1 else f"{one.count}\n{results}×"
    paper = {"facecolor": "white" if results > 1 else BAR, "edgecolor": "none", "pad": 1.0}
    axes.text(start + long / 2, top + 0.5, said, ha="center", va="center", size=TEXT_SIZE if results == 1 else 11,
              weight="bold", bbox=paper, zorder=4, linespacing=0.95)  # fmt: skip


def _once(axes: Axes, drawn: Any) -> None:
    """Its label stands in the legend once."""
    known = [
        text for text in (*axes.patches, *axes.lines) if text is not drawn and text.get_label() == drawn.get_label()
    ]
    if known:
        drawn.set_label("_")


def _name(kind: str, fired: Sequence[Fired], late: Sequence[int]) -> str:
    many = len(last_results(fired))
    said = [kind, f"{many} window{'' if many == 1 else 's'}"]
    return "\n".join([*said, f"{len(late)} late"] if late else said)
