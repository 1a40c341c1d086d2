"""Draw docs/layout.svg: the packages of labkit from the top down, an arrow for an import.

    .venv/bin/python -m docs.layout

What imports what is read from the code; the words in the boxes are those of the README's table. A package that reaches
another by way of a third has no arrow of its own to it. tests/test_docs.py holds the file to what this makes.
"""

from __future__ import annotations

import math
import random
import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from labkit.settings import REPOSITORY
from tests.test_architecture import MODULES, ORDER, own_imports, package

PICTURE = Path(__file__).with_suffix(".svg")
#: A wide box at the top: its arrows go straight down.
TOP = ORDER[0]
#: A wide box at the bottom: whoever stands above may use them, and no arrow says so.
BASE = ORDER[ORDER.index("system") :]
WIDTH, HEIGHT, GAP, FLOOR = 250, 80, 28, 128
MARGIN, TITLE = 32, 84
_ROW = re.compile(r"^\| \[`(\w+)`\]\(labkit/[\w./]+\) \| (.+) \|$", re.M)

#: A package, or (from, to, floor): a bend of an arrow on a floor that it passes by.
Node = str | tuple[str, str, int]


def words() -> dict[str, str]:
    """What the README's table says each package is: {"cli": "the commands, …", …}."""
    return dict(_ROW.findall((REPOSITORY / "README.md").read_text()))


def arrows() -> dict[str, list[str]]:
    """{"jobs": ["flink", "parquet"], …}: what each package imports, without what it reaches by way of another."""
    used: dict[str, set[str]] = {name: set() for name in ORDER}
    for module in MODULES:
        used[package(module)] |= {package(name) for name in own_imports(module)} - {package(module)}
    reached: dict[str, set[str]] = {}
    for name in reversed(ORDER):
        reached[name] = used[name].union(*(reached[other] for other in used[name]))
    return {
        name: [
            other for other in ORDER
            if other in used[name] and other not in BASE and not any(other in reached[third] for third in used[name])
        ]
        for name in ORDER if name not in BASE
    }  # fmt: skip


def floors(down: Mapping[str, list[str]]) -> tuple[list[list[Node]], list[tuple[Node, Node]]]:
    """Each floor's packages and bends, the lowest first, the top one alone; and the arrows from a floor to the next."""
    floor: dict[str, int] = {}
    for name in reversed([name for name in ORDER if name in down]):
        floor[name] = 1 + max((floor[other] for other in down[name]), default=-1)
    rows: list[list[Node]] = [[] for _ in range(1 + max(floor.values()))]
    for name in down:
        rows[floor[name]].append(name)
    pieces = []
    for name, others in down.items():
        for other in others:
            bends = [(name, other, passed) for passed in range(floor[name] - 1, floor[other], -1)]
            for bend in bends:
                rows[bend[2]].append(bend)
            pieces += pairwise([name, *bends, other])
    return rows, pieces


def placed(rows: list[list[Node]], pieces: list[tuple[Node, Node]]) -> dict[Node, float]:
    """The middle of each package and bend, from left to right: few arrows cross, and none goes far to the side.

    There is no short way to the best order. This one tries some, from beginnings that are the same each time.
    """
    chance = random.Random(1)
    tries = {}
    for _ in range(100):
        rows = [chance.sample(row, len(row)) for row in rows]
        for sweep in range(24):
            rows = _pulled(rows, pieces, sweep % 2 == 0)
        tries[str(rows)] = rows
    fewest = min(crossings(rows, pieces) for rows in tries.values())
    found = [columns(rows, pieces) for rows in tries.values() if crossings(rows, pieces) == fewest]
    return min(found, key=lambda x: round(sum(abs(x[upper] - x[lower]) for upper, lower in pieces)))


def _pulled(rows: list[list[Node]], pieces: list[tuple[Node, Node]], upwards: bool) -> list[list[Node]]:
    """Floor by floor, each in the order of what its nodes have arrows with on the floor before."""
    place = {node: number / len(row) for row in rows for number, node in enumerate(row)}
    now = []
    for row in rows if upwards else rows[::-1]:
        wanted = {node: _mean((place[other] for other in _beside(node, pieces, upwards)), place[node]) for node in row}
        now.append(sorted(row, key=lambda node: (wanted[node], str(node))))
        place.update({node: number / len(row) for number, node in enumerate(now[-1])})
    return now if upwards else now[::-1]


def crossings(rows: list[list[Node]], pieces: list[tuple[Node, Node]]) -> int:
    """How many pairs of arrows cross."""
    place = {node: (level, number) for level, row in enumerate(rows) for number, node in enumerate(row)}
    ends = [(place[upper], place[lower]) for upper, lower in pieces]
    return sum(a[0] == c[0] and (a[1] - c[1]) * (b[1] - d[1]) < 0
               for number, (a, b) in enumerate(ends) for c, d in ends[:number])  # fmt: skip


def _beside(node: Node, pieces: list[tuple[Node, Node]], below: bool) -> list[Node]:
    if below:
        return [lower for upper, lower in pieces if upper == node]
    return [upper for upper, lower in pieces if lower == node]


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else otherwise


def _width(node: Node) -> int:
    return WIDTH if isinstance(node, str) else 12


def columns(rows: list[list[Node]], pieces: list[tuple[Node, Node]]) -> dict[Node, float]:
    """The middle of each package and bend, from left to right: close to what it has arrows with, none on another."""
    x: dict[Node, float] = {}
    for row in rows:
        left = -sum(_width(node) + GAP for node in row) / 2
        for node in row:
            x[node] = left + _width(node) / 2
            left += _width(node) + GAP
    beside = {node: [other for way in (True, False) for other in _beside(node, pieces, way)] for node in x}
    for sweep in range(300):
        for row in rows if sweep % 2 else rows[::-1]:
            wanted = [_mean((x[other] for other in beside[node]), x[node]) for node in row]
            x.update(zip(row, _apart(row, wanted, [len(beside[node]) or 1 for node in row]), strict=True))
    left = min(x[node] - _width(node) / 2 for node in x)
    return {node: round(value - left + MARGIN, 1) for node, value in x.items()}


def _apart(row: list[Node], wanted: list[float], weights: list[int]) -> list[float]:
    """The places nearest to the wanted ones at which nothing overlaps (pool adjacent violators)."""
    offsets, groups = [0.0], list[list[tuple[float, int]]]()
    for before, after in pairwise(row):
        offsets.append(offsets[-1] + (_width(before) + _width(after)) / 2 + GAP)
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        groups.append([(want - offset, weight)])
        while len(groups) > 1 and _middle(groups[-2]) > _middle(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    flat = [_middle(group) for group in groups for _ in group]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _middle(group: list[tuple[float, int]]) -> float:
    return math.fsum(value * weight for value, weight in group) / sum(weight for _, weight in group)


def svg() -> str:
    """The picture."""
    down, say = arrows(), words()
    rows, pieces = floors(down)
    below = [piece for piece in pieces if piece[0] != TOP]
    x = placed(rows[:-1], below)
    y = {node: TITLE + (len(rows) - 1 - level) * FLOOR for level, row in enumerate(rows) for node in row}
    inside = round(max(x[node] + _width(node) / 2 for node in x)) - MARGIN
    bottom = TITLE + len(rows) * FLOOR
    drawn = [_arrow(upper, lower, below, x, y) for upper, lower in pieces]
    drawn += [_box("box", MARGIN, TITLE, inside), _text(TOP, say[TOP], MARGIN + inside / 2, TITLE, 100)]
    for name in x:
        if isinstance(name, str):
            drawn += [_box("box", x[name] - WIDTH / 2, y[name], WIDTH), _text(name, say[name], x[name], y[name])]
    drawn.append(_box("base", MARGIN, bottom, inside))
    for number, name in enumerate(BASE):
        drawn.append(_text(name, say[name], MARGIN + inside * (number + 0.5) / len(BASE), bottom))
    return _SVG.format(
        width=inside + 2 * MARGIN, height=bottom + HEIGHT + MARGIN, margin=MARGIN, under=bottom - 14,
        drawn="\n".join(drawn),
    )  # fmt: skip


def _arrow(upper: Node, lower: Node, pieces: list[tuple[Node, Node]], x: dict[Node, float], y: dict[Node, int]) -> str:
    x2 = x[lower] + _port(upper, lower, _beside(lower, pieces, False), x)
    x1 = x2 if upper == TOP else x[upper] + _port(lower, upper, _beside(upper, pieces, True), x)
    y1, y2 = y[upper] + HEIGHT, y[lower] - (9 if isinstance(lower, str) else 0)
    bend = (y2 - y1) / 2
    through = "" if isinstance(lower, str) else f" V {y2 + HEIGHT}"
    head = ' marker-end="url(#head)"' if isinstance(lower, str) else ""
    curve = f"M {x1:.1f} {y1} C {x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2}"
    return f'<path class="arrow" d="{curve}{through}"{head}/>'


def _port(other: Node, node: Node, others: list[Node], x: dict[Node, float]) -> float:
    """Where on the edge of `node` an arrow begins or ends: beside its neighbours, in their order."""
    if other == TOP:  # no arrow but this one comes so far
        return (WIDTH / 2 - 24) * (len(others) > 0)
    place = sorted(others, key=lambda each: x[each]).index(other)
    return (place - (len(others) - 1) / 2) * min(40, (_width(node) - 40) / max(len(others), 1)) if others[1:] else 0.0


def _box(kind: str, left: float, top: int, width: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}" rx="8"/>'


def _text(name: str, text: str, x: float, top: int, most: int = 31) -> str:
    text = text.replace("`", "")
    lines = textwrap.wrap(text, most)
    assert len(lines) <= 2, f"the README says too much of {name} for its box: {text}"
    while len(lines) == 2 and len(tighter := textwrap.wrap(text, most - 1)) == 2:  # two lines of about one length
        lines, most = tighter, most - 1
    first = top + (27 if len(lines) == 2 else 35)
    return "\n".join(
        [f'<text class="name" x="{x:.1f}" y="{first}">{name}</text>']
        + [f'<text class="words" x="{x:.1f}" y="{first + 21 + 18 * number}">{escape(line)}</text>'
           for number, line in enumerate(lines)]
    )  # fmt: skip


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
     font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" role="img"
     aria-label="The packages of labkit from the top down; the README's table says the same in words">
<style>
.page {{ fill: #ffffff }}
.box {{ fill: #e8f1f8; stroke: #0072b2; stroke-width: 1.5 }}
.base {{ fill: #f1f1ef; stroke: #8a8a85; stroke-width: 1.5 }}
.arrow {{ fill: none; stroke: #5f6b75; stroke-width: 1.6 }}
.title {{ font-size: 24px; font-weight: 700; fill: #1b2730 }}
.note {{ font-size: 16px; fill: #4a5560 }}
.name {{ font-size: 19px; font-weight: 700; fill: #10324a; text-anchor: middle }}
.words {{ font-size: 14px; fill: #33414c; text-anchor: middle }}
</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="1" refY="5" markerWidth="6.5" markerHeight="6.5" orient="auto">
<path d="M 0 0 L 10 5 L 0 10 z" fill="#5f6b75"/></marker></defs>
<rect class="page" width="{width}" height="{height}"/>
<text class="title" x="{margin}" y="40">labkit, from the top down</text>
<text class="note" x="{margin}" y="63">An arrow is an import; those that follow from others are left out.</text>
<text class="note" x="{margin}" y="{under}">Everything above may use these:</text>
{drawn}
</svg>
"""


if __name__ == "__main__":
    PICTURE.write_text(svg())
