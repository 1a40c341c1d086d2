"""The results as a picture: a bar for each program, as long as its median, with a line from its slowest to its fastest.

draw(orjson.loads(Path("output/bench/side_by_side.json").read_bytes()))  ->  Figure
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.side_by_side.results import failed, median

#: From Okabe and Ito's set, which colour-blind people can tell apart; hatches for who sees none.
_LOOKS = {
    "exactly once": ("#0072B2", ""),
    "at least once": ("#E69F00", "//"),
    "at least once, state lost": ("#999999", ".."),
}
_OTHER = ("#CC79A7", "xx")


def draw(results: dict[str, Any]) -> Figure:
    """Snapshots per second, fastest on top; colour and words say what each promises about delivery."""
    shown = [program for program in results["programs"] if not failed(program)]
    shown.sort(key=lambda program: median(program, "steady_per_s"))
    figure = Figure(figsize=(11, 1.6 + 0.75 * len(shown)), layout="constrained")
    axes = figure.subplots()
    widest = max((one["steady_per_s"] for program in shown for one in program["repeats"]), default=1.0)
    for place, program in enumerate(shown):
        rates = [one["steady_per_s"] for one in program["repeats"]]
        middle = median(program, "steady_per_s")
        colour, hatch = _LOOKS.get(program["promise"], _OTHER)
        axes.barh(place, middle, color=colour, hatch=hatch, edgecolor="white", height=0.62)
        if len(rates) > 1:
            axes.errorbar(middle, place, xerr=[[middle - min(rates)], [max(rates) - middle]], color="black", capsize=5)
        axes.text(max(rates) + widest * 0.015, place, f"{middle:,.0f}/s", va="center", fontsize=13)
    axes.set_yticks(range(len(shown)), [program["title"] for program in shown], fontsize=13)
    axes.set_xlim(0, widest * 1.16)
    repeats = max((len(program["repeats"]) for program in shown), default=1)
    of_runs = f"; median of {repeats} runs, slowest to fastest" if repeats > 1 else ""
    axes.set_xlabel(f"snapshots a second, 9 CPU lines each{of_runs}", fontsize=12)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.suptitle("The same snapshots in, the same records out: how many a second?", x=0.01, ha="left", fontsize=17)
    machine = results["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {results['when']}"
    axes.set_title(f"{where}. The colour says what is promised", loc="left", fontsize=12)
    promises = dict.fromkeys(program["promise"] for program in reversed(shown))
    handles = [Patch(facecolor=_LOOKS.get(name, _OTHER)[0], hatch=_LOOKS.get(name, _OTHER)[1], edgecolor="white",
                     label=name) for name in promises]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=12, handlelength=1.5
    )
    return figure
