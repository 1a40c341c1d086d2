"""What a job took for the time: records as they came, the watermark that it had then, and the windows that it closed.

    event time
      |  +--------------------+ 10      a window is a bar of its seconds, up to where it closed
      |  |   o o     o        |   x     x came after that: too late
      |  +------------------- | -+ 9
      |  | o   o  ┌───────────+
      |  |  ┌─────┘  the watermark
      +----------------------------- records, in the order in which they came

    event_time(seen, closed, size_ms=10_000)

Everything in it is the job's own: each record beside the watermark that the operator had before it, each window
beside the watermark at which it fired. Nothing is worked out by a model of Flink.

    partition 0  ██████████████████|█████     how far each partition has come, by the job's metrics,
    partition 1  █████████████████ |          and the job's own watermark: a line through all of them
                                 the watermark

    partition_clocks({0: 1795168834000.0, 1: …}, watermark, zero)
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError

__all__ = [
    "NO_WATERMARK", "Closed", "Seen", "event_time", "is_late", "partition_clocks", "seconds_since",
    "still_open",
]  # fmt: skip

#: Flink's watermark before there was any: no time is over yet.
NO_WATERMARK = -(2**63)
TEXT_SIZE = 14
MARKERS = ("o", "s", "^", "D", "v", "P")
#: Okabe and Ito's colours; shapes tell apart as well what is in time, what is late, and whose it is.
IN_TIME, LATE, WATERMARK, BAR, EDGE = "#0072B2", "#D55E00", "black", "#DCEBF5", "#56B4E9"


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as an operator saw it: its event time, and the watermark before it (both ms since the epoch)."""

    host: str
    timestamp: int
    watermark: int = NO_WATERMARK


@dataclass(frozen=True, slots=True)
class Closed:
    """A window that has fired: from `start` up to, but without, `end` (ms since the epoch), and what was in it.

    `watermark` is that of the moment at which it fired.
    """

    start: int
    end: int
    count: int
    watermark: int


def is_late(one: Seen, size_ms: int) -> bool:
    """Whether the window of that record had closed before it came. Source: Flink, Generating Watermarks, lateness."""
    return _start_of(one.timestamp, size_ms) + size_ms - 1 <= one.watermark


def still_open(seen: Sequence[Seen], closed: Sequence[Closed], size_ms: int) -> int:
    """How many records are in windows that have not closed yet."""
    ends = {window.start for window in closed}
    in_time = [one for one in seen if not is_late(one, size_ms)]
    return sum(_start_of(one.timestamp, size_ms) not in ends for one in in_time)


@on_paper
def event_time(seen: Sequence[Seen], closed: Sequence[Closed], size_ms: int) -> Figure:
    """Records in the order in which they came, and the windows of `size_ms` that have fired -> a picture.

    Across: the records, one after the other. Up: event time. The title says how many windows closed, how many records
    were late, and how many wait in open windows. Raises `LabkitError` without a record.
    """
    if not seen:
        raise LabkitError("A picture of event time needs at least one record.")
    zero = min(one.timestamp for one in seen)
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots()
    _draw_windows(axes, seen, closed, zero, size_ms)
    _draw_watermark(axes, seen, closed, zero)
    _draw_records(axes, seen, zero, size_ms)
    last = max(one.timestamp for one in seen)
    axes.set_ylim(-0.04 * (last - zero) / 1000 - 1, (last - zero) / 1000 * 1.08 + 1)
    axes.set_xlim(-1.5, len(seen) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("records, in the order in which they came", size=TEXT_SIZE)
    axes.set_ylabel(seconds_since(zero), size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=TEXT_SIZE - 1, loc="outside lower center", ncols=4, frameon=False, columnspacing=1.2)
    axes.set_title(_title(seen, closed, size_ms), loc="left", size=17, weight="bold", pad=12)
    return figure


def seconds_since(zero: int) -> str:
    """What stands at an axis of event time."""
    return f"event time: seconds since {datetime.fromtimestamp(zero / 1000, UTC):%H:%M:%S} UTC"


def _start_of(timestamp: int, size_ms: int) -> int:
    return timestamp - timestamp % size_ms


def _position(seen: Sequence[Seen], watermark: int) -> float:
    """Between which two records the operator's watermark became `watermark`: 7.5 is after number 7."""
    highest = list(accumulate((one.watermark for one in seen), max))
    return bisect.bisect_left(highest, watermark) - 0.5


def _draw_windows(axes: Axes, seen: Sequence[Seen], closed: Sequence[Closed], zero: int, size_ms: int) -> None:
    """A bar for each window with a record in time: up to where it closed, or to the right edge, dashed."""
    by_start = {window.start: window for window in closed}
    starts = sorted({_start_of(one.timestamp, size_ms) for one in seen if not is_late(one, size_ms)} | by_start.keys())
    for nth, start in enumerate(starts):
        window = by_start.get(start)
        first = min((place for place, one in enumerate(seen) if _start_of(one.timestamp, size_ms) == start), default=0)
        low, height = (start - zero) / 1000, size_ms / 1000
        end = len(seen) + 0.5 if window is None else _position(seen, window.watermark)
        style: dict[str, Any] = {"facecolor": BAR if nth % 2 else "#EEF5FA", "edgecolor": EDGE, "linewidth": 1.2}
        if window is None:
            style |= {"facecolor": "none", "linestyle": (0, (4, 3))}
        label = {True: "window, up to where it closes", False: "window that is open still"}[window is not None]
        known = {text.get_label() for text in axes.patches}
        box = Rectangle((first - 0.5, low), end - first + 0.5, height, zorder=0, **style)
        box.set_label(label if label not in known else "_")
        axes.add_patch(box)
        if window is not None:
            axes.plot([end, end], [low, low + height], color=EDGE, linewidth=5, solid_capstyle="butt", zorder=1)
            note: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points"}
            axes.annotate(
                f"{window.count}", (end, low + height / 2), va="center", size=TEXT_SIZE, weight="bold", **note
            )


def _draw_watermark(axes: Axes, seen: Sequence[Seen], closed: Sequence[Closed], zero: int) -> None:
    """As a line of steps; it begins where there was one, and ends with the highest that anybody has told of."""
    steps = [(place - 0.5, one.watermark) for place, one in enumerate(seen) if one.watermark > NO_WATERMARK]
    last = max((window.watermark for window in closed), default=NO_WATERMARK)
    if steps or last > NO_WATERMARK:
        end = max(last, max((value for _, value in steps), default=NO_WATERMARK))
        places = [*(place for place, _ in steps), len(seen) - 0.5, len(seen) + 0.5]
        values = [*(value for _, value in steps), end, end]
        axes.step(places, [(value - zero) / 1000 for value in values], where="post", color=WATERMARK, linewidth=2.5,
                  zorder=3, label="watermark")  # fmt: skip


def _draw_records(axes: Axes, seen: Sequence[Seen], zero: int, size_ms: int) -> None:
    hosts = sorted({one.host for one in seen})
    for marker, host in zip(MARKERS * (1 + len(hosts) // len(MARKERS)), hosts, strict=False):
        points = [
            (place, (one.timestamp - zero) / 1000)
            for place, one in enumerate(seen)
            if one.host == host and not is_late(one, size_ms)
        ]
        axes.plot(*_columns(points), marker, color=IN_TIME, markersize=6, markeredgecolor="white", markeredgewidth=0.5,
                  zorder=4, label=f"record of {host}")  # fmt: skip
    late = [(place, (one.timestamp - zero) / 1000) for place, one in enumerate(seen) if is_late(one, size_ms)]
    if late:
        axes.plot(*_columns(late), "x", color=LATE, markersize=9, markeredgewidth=2.4, zorder=5,
                  label="came after its window closed")  # fmt: skip


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [place for place, _ in points], [value for _, value in points]


def _title(seen: Sequence[Seen], closed: Sequence[Closed], size_ms: int) -> str:
    late = sum(is_late(one, size_ms) for one in seen)
    waiting = still_open(seen, closed, size_ms)
    windows = "1 window closed" if len(closed) == 1 else f"{len(closed)} windows closed"
    too_late = f"{late} of {len(seen)} records came too late" if late else f"none of {len(seen)} records came too late"
    return f"{windows}; {too_late}" + (f"; {waiting} wait in open windows" if waiting else "")


@on_paper
def partition_clocks(
    partitions: Mapping[int, float],
    watermark: float,
    zero: int,
    names: Mapping[int, str] | None = None,
    limit: float | None = None,
) -> Figure:
    """{partition: its watermark}, and that of the job (ms since the epoch) -> a picture; `NO_WATERMARK` is none yet.

    Across: event time in seconds since `zero` (ms). `names` are of who sends to a partition. `limit` is how far a
    partition may come before it is held back. What is behind the job's watermark was not waited for. Raises
    `LabkitError` without a partition.
    """
    if not partitions:
        raise LabkitError("A picture of partitions needs at least one.", "Has the job told of its metrics yet?")
    figure = Figure(figsize=(12, 1.9 + 0.75 * len(partitions)), layout="constrained")
    axes = figure.subplots()
    numbers = sorted(partitions)
    for row, number in enumerate(numbers):
        _draw_partition(axes, row, partitions[number], watermark, zero, limit)
    if watermark > NO_WATERMARK:
        axes.axvline((watermark - zero) / 1000, color=WATERMARK, linewidth=4, zorder=3, label="watermark of the job")
    if limit is not None:
        axes.axvline((limit - zero) / 1000, color=LATE, linewidth=2.5, linestyle=(0, (4, 3)), zorder=3, label="limit")
    axes.set_yticks(
        range(len(numbers)), ["\n".join(filter(None, (f"partition {n}", (names or {}).get(n)))) for n in numbers]
    )
    axes.set_ylim(len(numbers) - 0.5, -0.5)
    known = [value for value in (*partitions.values(), watermark, limit or NO_WATERMARK) if value > NO_WATERMARK]
    last = max([10.0, *((value - zero) / 1000 for value in known)])
    axes.set_xlim(min([0.0, *((value - zero) / 1000 for value in known)]), last * 1.06)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel(seconds_since(zero), size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=TEXT_SIZE - 1, loc="outside lower center", ncols=4, frameon=False, columnspacing=1.2)
    axes.set_title(_title_of_partitions(partitions, watermark, zero), loc="left", size=17, weight="bold", pad=12)
    return figure


#: How a partition's bar is drawn; hatching tells them apart as well as colour.
_AS_USUAL: dict[str, Any] = {"facecolor": IN_TIME, "edgecolor": IN_TIME, "label": "its watermark"}
_PASSED_OVER: dict[str, Any] = {"facecolor": "white", "edgecolor": LATE, "hatch": "//", "label": "not waited for"}
_HELD: dict[str, Any] = {"facecolor": BAR, "edgecolor": IN_TIME, "hatch": "xx", "label": "held back"}


def _draw_partition(axes: Axes, row: int, own: float, watermark: float, zero: int, limit: float | None) -> None:
    if own <= NO_WATERMARK:
        axes.annotate("no record yet", (0, row), (6, 0), textcoords="offset points", va="center", size=TEXT_SIZE)
        return
    style = _PASSED_OVER if own < watermark else _HELD if limit is not None and own > limit else _AS_USUAL
    known = {text.get_label() for text in axes.patches}
    seconds = (own - zero) / 1000
    box = Rectangle((0, row - 0.3), seconds, 0.6, zorder=1, linewidth=1.2, **style)
    if style["label"] in known:
        box.set_label("_")
    axes.add_patch(box)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.annotate(f"{seconds:g}", (seconds, row), (-6, 0), textcoords="offset points", va="center", ha="right",
                  size=TEXT_SIZE, weight="bold", bbox=paper, zorder=4)  # fmt: skip


def _title_of_partitions(partitions: Mapping[int, float], watermark: float, zero: int) -> str:
    if watermark <= NO_WATERMARK:
        (*others, last) = [str(number) for number in sorted(partitions) if partitions[number] <= NO_WATERMARK] or [""]
        waits = f"partition {last}" if not others else f"partitions {', '.join(others)} and {last}"
        return f"There is no watermark yet: nothing has come from {waits}" if last else "There is no watermark yet"
    holds = [str(number) for number in sorted(partitions) if partitions[number] == watermark]
    at = f"The watermark is second {(watermark - zero) / 1000:g}"
    return f"{at}, that of partition{'s' if len(holds) > 1 else ''} {', '.join(holds)}" if holds else at
