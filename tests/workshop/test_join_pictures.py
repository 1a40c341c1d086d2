"""Pictures of a join: who met whom, who came out alone, who is in no result; and the size of state."""

from __future__ import annotations

import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.workshop.pictures.join.growth import growth
from labkit.workshop.pictures.join.pairs import Joined, pairs

ZERO = 1_795_168_800_000


def at(*moments: tuple[str, float]) -> list[tuple[str, int]]:
    return [(host, ZERO + round(1000 * second)) for host, second in moments]


def joined(host: str, left: float | None, right: float | None) -> Joined:
    left_ms, right_ms = (None if one is None else ZERO + round(1000 * one) for one in (left, right))
    return Joined(host, left_ms, right_ms)


LEFT = at(("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2))
RIGHT = at(("a", 0.2), ("b", 0.2), ("a", 7))
#: ("b", 1) and ("a", 2) on the left are in no result yet.
ROWS = [joined("a", 0, 0.2), joined("b", 0, 0.2), joined("a", 1, None), joined("a", None, 7)]


def marks(figure: Figure, marker: str, *, filled: bool = True) -> list[tuple[float, float]]:
    found = [
        line for line in figure.axes[0].lines
        if line.get_marker() == marker and (line.get_markerfacecolor() != "none") == filled
    ]  # fmt: skip
    points = ((x, y) for line in found for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True))
    return sorted((float(x), float(y)) for x, y in points)


def lines(figure: Figure) -> list[list[list[float]]]:
    (found,) = (one for one in figure.axes[0].collections if isinstance(one, LineCollection))
    return [[[float(x), float(y)] for x, y in segment] for segment in found.get_segments()]


def title(figure: Figure) -> str:
    return str(figure.axes[0].get_title(loc="left"))


def test_a_pair_is_a_line_from_one_lane_to_the_other() -> None:
    assert lines(pairs(LEFT, RIGHT, ROWS)) == [[[0, 0], [0.2, 0.44]], [[0, 1], [0.2, 1.44]]]


def test_each_row_is_drawn_once_by_what_became_of_it() -> None:
    figure = pairs(LEFT, RIGHT, ROWS)
    assert marks(figure, "o") == [(0, 0), (0, 1)]
    assert marks(figure, "s") == [(0.2, 0.44), (0.2, 1.44)]
    assert marks(figure, "x") == [(1, 0), (7, 0.44)]
    assert marks(figure, "o", filled=False) == [(1, 1), (2, 0)]
    labels = [label for label in (line.get_label() for line in figure.axes[0].lines) if not label.startswith("_")]
    assert len(labels) == len(set(labels)), "each thing stands once in the legend"


def test_a_row_that_is_in_a_pair_and_came_out_alone_as_well_counts_as_in_a_pair() -> None:
    figure = pairs(LEFT[:1], RIGHT[:1], [joined("a", 0, 0.2), joined("a", 0, None)])
    assert marks(figure, "o") == [(0, 0)]
    assert marks(figure, "x") == []


def test_the_title_counts() -> None:
    assert title(pairs(LEFT, RIGHT, ROWS)) == "2 pairs; 2 came out alone; 2 in no result"
    assert title(pairs(LEFT[:1], RIGHT[:1], ROWS[:1])) == "1 pair; 0 came out alone; 0 in no result"


def test_lanes_have_the_hosts_names_and_the_watermark_is_a_line_where_there_is_one() -> None:
    figure = pairs(LEFT, RIGHT, ROWS, ZERO + 1_500, names=("left", "right"))
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["a  left", "a  right", "b  left", "b  right"]
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "watermark")
    assert list(line.get_xdata()) == [1.5, 1.5]
    assert "watermark" not in {line.get_label() for line in pairs(LEFT, RIGHT, ROWS).axes[0].lines}


def test_without_a_row_it_says_so() -> None:
    with pytest.raises(LabkitError, match="at least one row"):
        pairs([], [], [])


def test_state_is_a_line_for_each_job_with_its_last_size() -> None:
    figure = growth({"by time": [(100, 9_000), (200, 9_100)], "in numbers": [(100, 21_000), (200, 40_400)]})
    first, second = figure.axes[0].lines
    assert [list(map(float, values)) for values in second.get_data()] == [[100, 200], [21, 40.4]]
    assert [list(map(float, values)) for values in first.get_data()] == [[100, 200], [9, 9.1]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["9 KB", "40 KB"]
    assert title(figure) == "From the first checkpoint to the last: by time +0 KB, in numbers +19 KB"


@pytest.mark.parametrize("runs", [{}, {"by time": []}])
def test_a_picture_of_state_needs_a_checkpoint(runs: dict[str, list[tuple[int, int]]]) -> None:
    with pytest.raises(LabkitError, match="at least one checkpoint"):
        growth(runs)
