"""How far a job had come, over the clock, around a crash: up, back to the last checkpoint, and up again.

    number of the snapshot
      |            o o o   ⋯ sent
      |      x x       o
      |    o     |   o        x: made again later, after the crash
      |  o       |  o
      +---------killed-------- seconds

    recovery(sent, made, checkpoint_times(settings, job_id), fault.at.timestamp())

All times are seconds since 1970. A result belongs to the snapshot that has its key, (hostname, timestamp in ms).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError

__all__ = ["Event", "Recovery", "recovery", "went_back"]

#: When, and of which snapshot: (1764000000.25, ("host-0", 1764000000000)).
Event = tuple[float, tuple[str, int]]

TEXT_SIZE = 14
BEFORE_S, AFTER_S = 12.0, 8.0
#: Okabe and Ito's colours; shape tells the marks apart as well.
SENT, ONCE, AGAIN, CHECKPOINT = "#999999", "#0072B2", "#D55E00", "#009E73"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a crash cost: how many results were made again after it, and from when to when nothing came."""

    again: int
    silent_from: float
    silent_until: float

    @property
    def silent_s(self) -> float:
        """Seconds in which no result was written."""
        return self.silent_until - self.silent_from


def went_back(made: Sequence[Event], killed: float) -> Recovery:
    """Results as they were written (also those that no transaction committed) -> what the crash at `killed` cost.

    The silence is the longest from the crash on: a TaskManager whose JobManager was killed goes on for a while.
    """
    around = [max((moment for moment, _ in made if moment <= killed), default=killed)]
    around += sorted(moment for moment, _ in made if moment > killed)
    silent_from, silent_until = max(pairwise(around), key=lambda pair: pair[1] - pair[0], default=(killed, killed))
    return Recovery(len({key for _, key in _taken_back(made, killed)}), silent_from, silent_until)


def _taken_back(made: Sequence[Event], killed: float) -> list[Event]:
    """Those that were made once more later, after the crash."""
    last = {key: moment for moment, key in made if moment > killed}
    return [(moment, key) for moment, key in made if key in last and moment < last[key]]


@on_paper
def recovery(sent: Sequence[Event], made: Sequence[Event], checkpoints: Sequence[float], killed: float) -> Figure:
    """Snapshots sent and results written around the moment `killed` -> a picture; the y-axis counts the snapshots.

    Orange crosses are results that were made once more after the crash; the title counts them. Grey is the silence.
    Raises `LabkitError` where nothing was written before the crash, or nothing after it.
    """
    number = {key: place for place, (_, key) in enumerate(sent)}
    known = [(moment, key) for moment, key in made if key in number]
    cost = went_back(known, killed)
    later = [moment for moment, _ in known if moment > killed]
    if not later or len(later) == len(known):
        raise LabkitError("The picture needs results from before the crash and from after it.", "Wait a little longer.")
    start, end = killed - BEFORE_S, min(cost.silent_until + AFTER_S, max(later) + 1)
    back = set(_taken_back(known, killed))
    shown = [one for one in known if start <= one[0] <= end]
    twice = [(moment - killed, number[key]) for moment, key in shown if (moment, key) in back]
    once = [(moment - killed, number[key]) for moment, key in shown if (moment, key) not in back]

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    axes = figure.subplots()
    upto = bisect.bisect_right([moment for moment, _ in sent], end)
    first = bisect.bisect_left([moment for moment, _ in sent], start)
    axes.plot([moment - killed for moment, _ in sent[first:upto]], range(first, upto), color=SENT, linewidth=2.5,
              label="snapshot sent to Kafka")  # fmt: skip
    axes.plot(*_columns(once), "o", color=ONCE, markersize=6, label="result written, and it counts")
    axes.plot(*_columns(twice), "x", color=AGAIN, markersize=9, markeredgewidth=2.2,
              label="result written, then taken back")  # fmt: skip
    low, high = axes.get_ylim()
    for nth, moment in enumerate(moment - killed for moment in checkpoints if start <= moment <= end):
        name = "checkpoint complete" if nth == 0 else None
        axes.axvline(moment, color=CHECKPOINT, linestyle="--", linewidth=1.8, zorder=0, label=name)
    axes.axvline(0, color="black", linewidth=3, zorder=0)
    axes.axvspan(max(cost.silent_from - killed, 0), cost.silent_until - killed, color="#EEEEEE", zorder=-1)
    axes.annotate("killed", (0, high), (6, -4), textcoords="offset points", va="top", size=TEXT_SIZE, weight="bold")
    axes.set_xlim(start - killed, end - killed)
    axes.set_ylim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel(f"seconds since the crash at {datetime.fromtimestamp(killed, UTC):%H:%M:%S} UTC", size=TEXT_SIZE)
    axes.set_ylabel("number of the snapshot", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=TEXT_SIZE - 1, loc="outside lower center", ncols=4, frameon=False)
    axes.set_title(_title(cost), loc="left", size=17, weight="bold", pad=12)
    return figure


def _columns(points: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [moment for moment, _ in points], [place for _, place in points]


def _title(cost: Recovery) -> str:
    if not cost.again:
        return f"Silent for {cost.silent_s:.1f} s; nothing had to be made again"
    results = "1 result was" if cost.again == 1 else f"{cost.again} results were"
    return f"Silent for {cost.silent_s:.1f} s, then {results} made again"
