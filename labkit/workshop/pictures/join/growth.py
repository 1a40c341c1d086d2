"""How large the state of jobs is, checkpoint by checkpoint, as they read more.

growth({"by time": [(180, 9_120), (360, 9_240)], "in numbers": [(180, 21_400), (360, 38_100)]})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError

__all__ = ["growth"]

TEXT_SIZE = 14
#: Okabe and Ito's colours; dashes and marks tell the lines apart as well.
LINES = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#CC79A7", ":", "D"))
_KB = 1000


@on_paper
def growth(runs: Mapping[str, Sequence[tuple[int, int]]]) -> Figure:
    """{name of a job: its (rows read, bytes of state in the checkpoint)} -> a line each, with the last size at its end.

    Raises `LabkitError` where a job has no moment.
    """
    if not runs or not all(runs.values()):
        raise LabkitError("The picture needs at least one checkpoint of each job.")
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots()
    most = max(rows for moments in runs.values() for rows, _ in moments)
    for number, (name, moments) in enumerate(runs.items()):
        colour, dashes, marker = LINES[number % len(LINES)]
        rows, sizes = zip(*((rows, size / _KB) for rows, size in moments), strict=True)
        axes.plot(rows, sizes, dashes, color=colour, marker=marker, markersize=9, linewidth=3, label=name)
        axes.annotate(f"{sizes[-1]:,.0f} KB", (rows[-1], sizes[-1]), xytext=(10, 0), textcoords="offset points",
                      va="center", size=TEXT_SIZE, weight="bold", color=colour)  # fmt: skip
    axes.set_xlim(0, most * 1.12)
    axes.set_ylim(0)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("rows read, of both streams", size=TEXT_SIZE)
    axes.set_ylabel("state in the checkpoint, KB", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=TEXT_SIZE, frameon=False, loc="upper left")
    axes.set_title(_title(runs), loc="left", size=17, weight="bold", pad=12)
    return figure


def _title(runs: Mapping[str, Sequence[tuple[int, int]]]) -> str:
    added = [f"{name} {(moments[-1][1] - moments[0][1]) / _KB:+,.0f} KB" for name, moments in runs.items()]
    return f"From the first checkpoint to the last: {', '.join(added)}"
