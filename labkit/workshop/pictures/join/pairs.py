"""Which row of one stream met which of the other: two lanes for each host, over event time.

    host-000 CPU      ●  ●  ●  ✕  ✕  ○        ● in a pair   ✕ came out alone   ○ in no result yet
                       \  \  \            ▏watermark
    host-000 memory     ■  ■  ■

rows = [Joined("host-000", 1795168800000, 1795168800200), Joined("host-000", 1795168803000, None)]
pairs(left, right, rows, watermark)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.workshop.pictures.event_time import seconds_since

__all__ = ["Joined", "Reading", "pairs"]

TEXT_SIZE = 14
#: Okabe and Ito's colours; the shapes tell apart as well whose it is, and what became of it.
JOINED, ALONE, NOWHERE, LINE, WATERMARK = "#0072B2", "#D55E00", "#555555", "#56B4E9", "black"
MARKERS = ("o", "s")
#: How far a host's two lanes are apart, beside the distance of 1 between hosts.
_APART = 0.44


class Reading(NamedTuple):
    """A row of one of the two streams: its host, and its event time in ms."""

    host: str
    at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A row of the result: the times (ms) of the left and of the right row in it; None where there is none."""

    host: str
    left: int | None
    right: int | None

    @property
    def is_pair(self) -> bool:
        """Whether both are there."""
        return self.left is not None and self.right is not None


@on_paper
def pairs(
    left: Iterable[tuple[str, int]], right: Iterable[tuple[str, int]], rows: Sequence[Joined],
    watermark: int | None = None, names: tuple[str, str] = ("CPU", "memory"),
) -> Figure:  # fmt: skip
    """What came in on both sides as (host, ms), and what came out -> a picture.

    Across: event time. Each host has a lane for either side, and each pair a line from one to the other. `watermark`
    (ms) is a line from top to bottom. The title counts. Raises `LabkitError` where nothing came in.
    """
    sides = [Reading(*one) for one in left], [Reading(*one) for one in right]
    if not any(sides):
        raise LabkitError("A picture of a join needs at least one row.")
    zero = min(one.at for side in sides for one in side)
    hosts = sorted({one.host for side in sides for one in side})
    figure = Figure(figsize=(12, 2.4 + 1.1 * len(hosts)), layout="constrained")
    axes = figure.subplots()
    _draw_lines(axes, rows, hosts, zero)
    for place, side in enumerate(sides):
        _draw_side(axes, place, side, rows, hosts, zero, names[place])
    if watermark is not None:
        axes.axvline((watermark - zero) / 1000, color=WATERMARK, linewidth=2.5, zorder=4, label="watermark")
    lanes = [(_lane(number, place), f"{host}  {names[place]}") for number, host in enumerate(hosts) for place in (0, 1)]
    axes.set_yticks([lane for lane, _ in lanes], [name for _, name in lanes])
    axes.set_ylim(_lane(len(hosts) - 1, 1) + 0.35, -0.35)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.set_xlabel(seconds_since(zero), size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE - 1)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(fontsize=TEXT_SIZE - 1, loc="outside lower center", ncols=4, frameon=False, columnspacing=1.2)
    axes.set_title(_title(sides, rows), loc="left", size=17, weight="bold", pad=12)
    return figure


def _lane(host: int, side: int) -> float:
    return host + _APART * side


def _draw_lines(axes: Axes, rows: Sequence[Joined], hosts: Sequence[str], zero: int) -> None:
    lines = []
    for row in rows:
        if row.left is not None and row.right is not None:
            number = hosts.index(row.host)
            begin, end = (row.left - zero) / 1000, (row.right - zero) / 1000
            lines.append([(begin, _lane(number, 0)), (end, _lane(number, 1))])
    if lines:
        axes.add_collection(LineCollection(lines, colors=LINE, linewidths=1.4, zorder=1, label="a pair"))


def _draw_side(
    axes: Axes, place: int, side: Sequence[Reading], rows: Sequence[Joined], hosts: Sequence[str], zero: int, name: str
) -> None:
    """The rows of one side, by what became of them."""
    joined, alone = _found(rows, place)
    kinds: tuple[tuple[str, dict[str, Any], list[Reading]], ...] = (
        (f"{name} row in a pair", {"marker": MARKERS[place], "color": JOINED, "markersize": 6, "markeredgewidth": 0.5,
                                   "markeredgecolor": "white"}, [one for one in side if one in joined]),
        ("came out alone", {"marker": "x", "color": ALONE, "markersize": 8, "markeredgewidth": 2.2},
         [one for one in side if one in alone - joined]),
        ("in no result", {"marker": MARKERS[place], "markerfacecolor": "none", "markeredgecolor": NOWHERE,
                          "markersize": 8, "markeredgewidth": 1.8},
         [one for one in side if one not in joined | alone]),
    )  # fmt: skip
    known = {line.get_label() for line in axes.lines}
    for label, style, found in kinds:
        if found:
            across = [(one.at - zero) / 1000 for one in found]
            up = [_lane(hosts.index(one.host), place) for one in found]
            axes.plot(across, up, linestyle="none", zorder=3, label="_" if label in known else label, **style)


def _found(rows: Iterable[Joined], place: int) -> tuple[set[Reading], set[Reading]]:
    """Of one side: (what is in a pair, what came out alone)."""
    joined, alone = set[Reading](), set[Reading]()
    for row in rows:
        at = (row.left, row.right)[place]
        if at is not None:
            (joined if row.is_pair else alone).add(Reading(row.host, at))
    return joined, alone


def _title(sides: tuple[Sequence[Reading], Sequence[Reading]], rows: Sequence[Joined]) -> str:
    count = sum(row.is_pair for row in rows)
    alone = len(rows) - count
    found = [set().union(*_found(rows, place)) for place in (0, 1)]
    nowhere = sum(one not in found[place] for place in (0, 1) for one in sides[place])
    said = [f"{count} pair{'' if count == 1 else 's'}", f"{alone} came out alone", f"{nowhere} in no result"]
    return "; ".join(said)
