"""How fast jobs write: the records in a topic over the seconds since somebody began to submit each job.

records
  |        /      ______/   vectorized   the slope is the speed,
  |      /     __/                       the flat part before it the start-up
  |____/_____/____ seconds

runs = {"SQL": follow(settings, "procstat_sql", 60_000, begun), …}
speeds(runs)
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import TypeVar

from matplotlib.figure import Figure

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.kafka.topic_ends import Ends
from labkit.settings import Settings
from labkit.system.waiting import patience

__all__ = ["STEADY", "Moment", "speeds", "steady", "timed", "watched_while"]

T = TypeVar("T")

#: (seconds since `start` was called, records that the topic holds by then)
Moment = tuple[float, int]

#: Speed is measured between these parts of the records: start-up is over, and there is still enough to read.
STEADY = (0.2, 0.9)
TEXT_SIZE = 14
#: Okabe and Ito's colours; the dashes tell the lines apart as well.
LINES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
_POLL_S = 0.1
_WITHIN_S = 150.0


def timed(settings: Settings, topic: str, records: int, start: Callable[[], object]) -> list[Moment]:
    """Call `start`, which submits a job, and look at the topic ten times a second until it holds `records`.

    Raises what `start` raises, and `LabkitError` where the topic is not empty, or the records do not come in time.
    """
    ends = Ends(settings.kafka_bootstrap, topic)
    if ends.total():
        raise LabkitError(f"{topic} is not empty.", "Run all cells from the one that clears and makes it.")
    return watched_while(start, partial(_watch, ends, topic, records))


def watched_while(start: Callable[[], object], watch: Callable[[float, threading.Event], T]) -> T:
    """Call `start`, and beside it `watch` with the moment before (time.monotonic()); returns what `watch` does.

    Where `start` raises, the event is set, which `watch` has to look at, and the error goes on.
    """
    given_up = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch, time.monotonic(), given_up)
        try:
            start()
        except BaseException:
            given_up.set()
            raise
        return watching.result()


def _watch(ends: Ends, topic: str, records: int, begun: float, given_up: threading.Event) -> list[Moment]:
    moments: list[Moment] = [(0.0, 0)]
    while moments[-1][1] < records and not given_up.wait(_POLL_S):
        there = ends.total()  # before the clock: a busy broker takes its time to answer
        moments.append((time.monotonic() - begun, there))
        if moments[-1][0] > patience(_WITHIN_S):
            raise LabkitError(
                f"{topic} holds {moments[-1][1]} records after {moments[-1][0]:.0f} s; {records} were waited for.",
                "Look at the job on Flink's page: is it running?",
            )
    return moments


def steady(moments: Sequence[Moment]) -> float:
    """Records a second from 20 % of the last count to 90 % of it, with straight lines between the moments.

    Raises `LabkitError` where the first moment has that much already, or there are no records.
    """
    counts = list(accumulate((records for _, records in moments), max))
    if not counts or counts[0] >= STEADY[0] * counts[-1]:
        raise LabkitError("A speed needs a moment before the records came, and one after it.")
    begin, end = (_reached(moments, counts, part * counts[-1]) for part in STEADY)
    return (STEADY[1] - STEADY[0]) * counts[-1] / (end - begin)


def _reached(moments: Sequence[Moment], counts: Sequence[int], level: float) -> float:
    """The second at which so many records were there: on the line between the last look before it and the next."""
    after = bisect_left(counts, level)
    (begin, _), (end, _) = moments[after - 1], moments[after]
    return begin + (end - begin) * (level - counts[after - 1]) / (counts[after] - counts[after - 1])


@on_paper
def speeds(runs: Mapping[str, Sequence[Moment]]) -> Figure:
    """{name: its moments} -> a line each, with its steady speed at its end. Raises `LabkitError` as `steady` does."""
    if not runs:
        raise LabkitError("The picture needs at least one run.")
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots()
    measured = {name: steady(moments) for name, moments in runs.items()}
    for number, (name, moments) in enumerate(runs.items()):
        colour, dashes = LINES[number % len(LINES)]
        seconds, records = zip(*moments, strict=True)
        label = f"{name}: {measured[name]:,.0f} a second"
        axes.plot(seconds, records, dashes, color=colour, linewidth=3, label=label)
    axes.set_xlabel("seconds, planning and submitting included", size=TEXT_SIZE)
    axes.set_ylabel("records written", size=TEXT_SIZE)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.set_xlim(0)
    axes.set_ylim(0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=TEXT_SIZE, frameon=False, loc="lower right")
    axes.set_title("The slope is the speed, the flat part before it the start", loc="left", size=17, weight="bold")
    return figure
