"""A Flink job as a picture: what Flink made of the plan, where data changes hands, and what has passed so far.

    ┌─────────────────────┐                ┌───────────────────┐
    │  Source: snapshots  │     by key     │      Process      │
    │  Process, key_by    │ ─────────────▶ │   Sink: metrics   │
    │  2 in parallel      │     (hash)     │   2 in parallel   │
    │  601 in, 601 out    │                │  601 in, 600 out  │
    │  ✓ RUNNING          │                │  ✓ RUNNING        │
    └─────────────────────┘                └───────────────────┘

`job_graph(rest, job_id)` asks Flink; `draw` makes a picture of an answer, and `boxes` says what is in it.
Source: Flink's REST API, /jobs/:jobid (vertices, and the plan with its nodes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.analysis.paper import on_paper
from labkit.flink.rest import FlinkRest

__all__ = ["Arrow", "Box", "boxes", "draw", "job_graph"]

#: Inches: a box, the space between two columns of boxes, and what is kept free around them.
WIDTH, GAP, BETWEEN, MARGIN, TITLE = 3.5, 1.9, 0.4, 0.25, 0.6
LINE, PADDING = 0.26, 0.3
TEXT_SIZE = 13
MOST_LINES = 5
LINE_LETTERS = 28
LINES_BELOW = 3

#: Flink renews its numbers when it is asked, at most once a second, and answers with the old ones meanwhile: so ask,
#: ask again when it may renew them, and once more when it has.
_ASK_AGAIN_S = (1.1, 0.3)

#: What a mark and a frame say about a state: mark, face, frame, line. Never by colour alone.
_RUNS = ("✓", "#E0F3EC", "#009E73", "-")
_FAILS = ("✗", "#FBE6DA", "#D55E00", "-.")
_WAITS = ("…", "#FFF6DF", "#B07D00", "--")
_OVER = ("■", "#F2F2F2", "#777777", "-")
STATES = {
    "RUNNING": _RUNS,
    "FINISHED": ("✓", *_OVER[1:]),
    "CANCELED": _OVER,
    "CANCELING": _OVER,
    "FAILED": _FAILS,
    "FAILING": _FAILS,
    "RESTARTING": _FAILS,
}

#: How records get from one task to the next, by Flink's word for it.
SHIPPED = {
    "HASH": ("by key", "hash"),
    "FORWARD": ("straight on", "forward"),
    "REBALANCE": ("in turn", "rebalance"),
    "RESCALE": ("in turn", "rescale"),
    "BROADCAST": ("to all", "broadcast"),
    "GLOBAL": ("to one", "global"),
}

#: Operators that only turn a table into a stream and back; Flink's own spelling.
_BRIDGES = re.compile(r"TableToDataStream|DataStreamToTable|Calc\b|ConstraintEnforcer|DropUpdateBefore")
#: "KafkaSource-default_catalog.default_database.snapshots", "counts[4]"
_NOISE = re.compile(r"\w+-default_catalog\.default_database\.|\[\d+\]")
_KEY_BY = "_stream_key_by_map_operator"


@dataclass(frozen=True, slots=True)
class Box:
    """A vertex: what it does, a line each; how many subtasks; Flink's state; records; its column, 0 for sources."""

    id: str
    lines: tuple[str, ...]
    parallelism: int
    state: str
    read: int
    written: int
    column: int


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one vertex to another, and how records are shared out: Flink's word, such as HASH."""

    start: str
    end: str
    shipped: str


@on_paper
def job_graph(rest: FlinkRest, job_id: str) -> Figure:
    """Ask Flink about a job, and draw it. Raises `LabkitError` where Flink or the job is not there."""
    for wait_s in _ASK_AGAIN_S:
        rest.job(job_id)
        time.sleep(wait_s)
    return draw(rest.job(job_id))


def boxes(job: dict[str, Any]) -> tuple[list[Box], list[Arrow]]:
    """Flink's answer about a job -> its boxes, sources first, and the arrows between them."""
    vertices = {vertex["id"]: vertex for vertex in job["vertices"]}
    nodes = {node["id"]: node for node in job["plan"]["nodes"]}
    inputs = {name: node.get("inputs", []) for name, node in nodes.items()}
    columns: dict[str, int] = {}

    def column(name: str) -> int:
        if name not in columns:
            columns[name] = max((column(before["id"]) + 1 for before in inputs[name]), default=0)
        return columns[name]

    found = [
        Box(
            name, _lines(vertex["name"]), vertex["parallelism"], _state(vertex),
            vertex["metrics"]["read-records"], vertex["metrics"]["write-records"], column(name),
        )
        for name, vertex in vertices.items()
    ]  # fmt: skip
    arrows = [Arrow(before["id"], name, before["ship_strategy"]) for name in vertices for before in inputs[name]]
    return sorted(found, key=lambda box: box.column), arrows


@on_paper
def draw(job: dict[str, Any]) -> Figure:
    """Flink's answer about a job -> its picture, from left to right: a box a vertex, an arrow an exchange.

    A box holds operators that Flink has chained: records pass between them as function calls. Along an
    arrow records change the task, and often the slot.
    """
    found, arrows = boxes(job)
    columns = [[box for box in found if box.column == column] for column in sorted({box.column for box in found})]
    rows = max(map(len, columns), default=1)
    box_height = 2 * PADDING + LINE * (LINES_BELOW + max((len(_shortened(box.lines)) for box in found), default=1))
    width = 2 * MARGIN + len(columns) * WIDTH + (len(columns) - 1) * GAP
    height = 2 * MARGIN + TITLE + rows * box_height + (rows - 1) * BETWEEN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    mark = STATES.get(job["state"], _WAITS)[0]
    axes.text(MARGIN, height - MARGIN, f"{job['name']}   {mark} {job['state']}", va="top", size=17, weight="bold")
    places = {}
    for column, members in enumerate(columns):
        for row, box in enumerate(members):
            top = height - MARGIN - TITLE - row * (box_height + BETWEEN)
            places[box.id] = (MARGIN + column * (WIDTH + GAP), top - box_height)
            _draw_box(axes, places[box.id], box_height, box)
    for arrow in arrows:
        _draw_arrow(axes, places[arrow.start], places[arrow.end], box_height, arrow.shipped)
    return figure


def _state(vertex: dict[str, Any]) -> str:
    """The state that all subtasks are in, else Flink's word for the whole (CREATED where all are SCHEDULED)."""
    states = [state for state, count in vertex["tasks"].items() if count]
    return states[0] if len(states) == 1 else str(vertex["status"])


def _lines(name: str) -> tuple[str, ...]:
    """Flink's name of a chain -> the names of its operators, without what only bridges table and stream.

    "Source: KafkaSource-….snapshots -> TableToDataStream -> Map, _stream_key_by_map_operator"
    -> ("Source: snapshots", "Map", "key_by")
    """
    operators = [word.strip(" ()") for word in re.split(r"->|, ", name)]
    readable = [_readable(word) for word in operators if word and not _BRIDGES.match(word)]
    return tuple(dict.fromkeys(word for word in readable if word)) or (name,)


def _readable(operator: str) -> str:
    plain = _NOISE.sub("", operator)
    if plain == _KEY_BY:
        return "key_by"
    if plain.endswith(": Committer"):
        return ""
    if plain.endswith(": Writer"):
        return f"Sink: {plain.removesuffix(': Writer')}"
    return plain.capitalize() if plain.isupper() else plain


def _shortened(lines: Sequence[str]) -> list[str]:
    """At most `MOST_LINES` lines that fit into a box; where there are more, some in the middle are left out."""
    fit = [line if len(line) <= LINE_LETTERS else f"{line[: LINE_LETTERS - 1]}…" for line in lines]
    return fit if len(fit) <= MOST_LINES else [*fit[: MOST_LINES - 2], "…", fit[-1]]


def _draw_box(axes: Axes, place: tuple[float, float], height: float, box: Box) -> None:
    left, bottom = place
    mark, face, edge, line = STATES.get(box.state, _WAITS)
    look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linestyle": line, "linewidth": 2.5}
    axes.add_patch(FancyBboxPatch(place, WIDTH, height, boxstyle="round,pad=0,rounding_size=0.08", **look))
    middle: dict[str, Any] = {"x": left + WIDTH / 2, "ha": "center", "linespacing": 1.3}
    above, below = bottom + height - PADDING / 2, bottom + PADDING / 2
    axes.text(y=above, s="\n".join(_shortened(box.lines)), va="top", size=TEXT_SIZE + 1, weight="bold", **middle)
    numbers = f"{box.parallelism} in parallel\n{box.read:,} in, {box.written:,} out\n{mark} {box.state}"
    axes.text(y=below, s=numbers, va="bottom", size=TEXT_SIZE, **middle)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], height: float, shipped: str) -> None:
    tail, head = (start[0] + WIDTH, start[1] + height / 2), (end[0], end[1] + height / 2)
    look: dict[str, Any] = {"arrowstyle": "-|>,head_width=0.35,head_length=0.6", "color": "#444444", "linewidth": 2}
    axes.annotate("", head, tail, arrowprops=look | {"shrinkA": 2, "shrinkB": 2})
    text: dict[str, Any] = {"x": (tail[0] + head[0]) / 2, "ha": "center", "size": TEXT_SIZE}
    level = (tail[1] + head[1]) / 2
    how, *word = SHIPPED.get(shipped, (shipped.lower(),))
    axes.text(y=level + 0.12, s=how, va="bottom", **text)
    axes.text(y=level - 0.12, s=f"({word[0]})" if word else "", va="top", **text)
