"""The lab's services as a picture of the pipeline: `pipeline_status(services.status(settings))`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.analysis.paper import on_paper

__all__ = ["pipeline_status"]

#: Where the services stand, and what is around them: left, bottom, width and height in inches.
SERVICES = {
    "registry": (5.0, 3.4, 2.9, 1.5),
    "kafka": (5.0, 0.75, 2.9, 1.5),
    "jobmanager": (9.25, 2.95, 2.9, 1.5),
    "taskmanager": (9.25, 0.75, 2.9, 1.5),
}
FLINK = (9.05, 0.45, 3.3, 4.55)
AROUND = {
    "/proc/stat": ((0.25, 0.95, 1.75, 1.1), "the kernel's\ncounters"),
    "producer": ((2.55, 0.95, 1.75, 1.1), "reads a snapshot\nat every poll"),
    "Parquet": ((13.1, 0.95, 1.75, 1.1), "output/\ncpu_metrics"),
}
#: Arrows: from, to, what goes along it, where that is written. The dashed ones ask the registry.
FLOWS = [
    ((2.0, 1.5), (2.55, 1.5), "", (0, 0), "-"),
    ((4.3, 1.5), (5.0, 1.5), "Avro", (4.63, 1.6), "-"),
    ((7.9, 1.8), (9.05, 1.8), "Avro, JSON", (8.46, 1.9), "-"),
    ((9.05, 1.2), (7.9, 1.2), "JSON", (8.46, 1.3), "-"),
    ((12.35, 1.5), (13.1, 1.5), "rows", (12.7, 1.6), "-"),
    ((3.42, 2.05), (5.0, 4.15), "schema id", (4.2, 4.25), "--"),
    ((9.05, 4.15), (7.9, 4.15), "schema", (8.5, 4.25), "--"),
]


@on_paper
def pipeline_status(services: Sequence[Any]) -> Figure:
    """The lab's services -> a picture of the pipeline with the state of each in its box.

    A service has name, address, state, healthy, memory_mib (or None) and detail.
    Healthy is a tick, the word and a green frame; not healthy a cross, the words and a grey dashed
    frame. One of the four that is not in `services` is "not reported"; others are not drawn.
    """
    reported = {service.name: service for service in services}
    figure = Figure(figsize=(15.1, 5.4))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 15.1), ylim=(0, 5.4))
    axes.set_axis_off()
    _box(axes, FLINK, "Flink", "", facecolor="white", edgecolor="#777777")
    for name, (place, text) in AROUND.items():
        _box(axes, name=name, place=place, text=text, facecolor="white", edgecolor="#444444")
    for name, place in SERVICES.items():
        service = reported.get(name)
        good = service is not None and service.healthy
        look = {"facecolor": "#E0F3EC", "edgecolor": "#009E73", "linestyle": "-"}
        if not good:
            look = {"facecolor": "#F2F2F2", "edgecolor": "#777777", "linestyle": "--"}
        _box(axes, place, name, _status_text(service), linewidth=2.5, **look)
    for start, end, text, where, line in FLOWS:
        arrow = {"arrowstyle": "-|>", "linestyle": line, "color": "#444444", "shrinkA": 2, "shrinkB": 2}
        bend = {"connectionstyle": "angle,angleA=90,angleB=0"} if start[1] != end[1] else {}
        axes.annotate("", end, start, arrowprops=arrow | bend)
        axes.text(*where, text, ha="center", size=12)
    count = sum(name in reported and reported[name].healthy for name in SERVICES)
    axes.text(0.25, 4.75, f"{count} of {len(SERVICES)} services healthy", size=17, weight="bold")
    return figure


def _status_text(service: Any | None) -> str:
    """A service -> the lines in its box: mark and state, address and memory, at most two of detail."""
    if service is None:
        return "✗ not reported"
    mark = "✓ healthy" if service.healthy else "✗ not healthy"
    memory = "" if service.memory_mib is None else f", {service.memory_mib:.0f} MiB"
    detail = textwrap.wrap(service.detail, 28, max_lines=2, placeholder=" …")
    return "\n".join([f"{mark} ({service.state})", service.address + memory, *detail])


def _box(axes: Axes, place: tuple[float, ...], name: str, text: str, **look: Any) -> None:
    """A rounded box with its name in bold at the top and `text` below it."""
    left, bottom, width, height = place
    shape = {"boxstyle": "round,pad=0,rounding_size=0.08"} | look
    axes.add_patch(FancyBboxPatch((left, bottom), width, height, **shape))
    middle, top = left + width / 2, bottom + height
    axes.text(middle, top - 0.14, name, ha="center", va="top", size=15, weight="bold")
    axes.text(middle, top - 0.5, text, ha="center", va="top", size=12.5, linespacing=1.3)
