"""What three promises came to, side by side: how many results are missing, how many are there twice.

deliveries({"none": ledger.metrics, "at-least-once": …, "exactly-once": …})
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from labkit.analysis.paper import on_paper
from labkit.errors import LabkitError
from labkit.ledger.report import TableReport

__all__ = ["deliveries"]

TEXT_SIZE = 15
#: (field of the report, its word, colour of Okabe and Ito's set, hatch): either alone tells them apart.
BARS = (("missing", "missing", "#D55E00", "//"), ("duplicates", "twice", "#0072B2", ""))
_WIDTH = 0.36


@on_paper
def deliveries(balances: Mapping[str, TableReport]) -> Figure:
    """{promise: its balance} -> two bars for each, with their numbers on them. A balance of nought is a 0, not a gap.

    The title names the promises that were kept to the record. Raises `LabkitError` for none.
    """
    if not balances:
        raise LabkitError("The picture needs at least one ledger.")
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots()
    for side, (count, what, colour, hatch) in enumerate(BARS):
        heights = [getattr(balance, count) for balance in balances.values()]
        places = [place + (side - 0.5) * _WIDTH for place in range(len(heights))]
        drawn = axes.bar(places, heights, _WIDTH, color=colour, hatch=hatch, edgecolor="white", label=what)
        axes.bar_label(drawn, [f"{height}" for height in heights], size=TEXT_SIZE + 2, weight="bold", padding=3)
    axes.set_xticks(range(len(balances)), [f"{name}\n{balance.found:,} found, {balance.expected:,} expected"
                                           for name, balance in balances.items()])  # fmt: skip
    axes.set_ylabel("results", size=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, max(1.0, 1.18 * max(max(one.missing, one.duplicates) for one in balances.values())))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=TEXT_SIZE, frameon=False)
    axes.set_title(_title(balances), loc="left", size=17, weight="bold", pad=12)
    return figure


def _title(balances: Mapping[str, TableReport]) -> str:
    right = [name for name, balance in balances.items() if balance.balances]
    if len(right) == len(balances):
        return "Nothing missing, nothing twice: none of them was hit"
    return f"Nothing missing, nothing twice: {', '.join(right) or 'none of them'}"
