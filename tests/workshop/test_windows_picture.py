"""The picture of windows: a bar for each that gave a result, lanes for those that overlap, and late rows."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labkit.errors import LabkitError
from labkit.workshop.pictures.windows import Fired, last_results, windows

ZERO = 1_795_168_800_000


def fired(start: float, end: float, count: int, host: str = "web") -> Fired:
    return Fired(host, ZERO + round(1000 * start), ZERO + round(1000 * end), count, 3.0, ZERO)


def bars(figure: Figure) -> list[tuple[float, float, int, str | None]]:
    """(start, end, lane from above, hatching) of each window's bar."""
    found = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(box.get_x(), box.get_x() + box.get_width(), int(box.get_y()), box.get_hatch()) for box in found]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_windows_that_overlap_stand_below_each_other() -> None:
    figure = windows({"hopping": [fired(0, 30, 2), fired(10, 40, 3), fired(30, 60, 4)]}, {}, ZERO, "web")
    assert bars(figure) == [(0, 30, 0, None), (30, 60, 0, None), (10, 40, 1, None)]
    assert words(figure) == ["2", "4", "3"]


def test_a_window_with_several_results_is_one_bar_of_the_last_of_them_also_where_its_end_has_moved() -> None:
    figure = windows({"session": [fired(0, 30, 2), fired(0, 35, 3), fired(0, 50, 4)]}, {}, ZERO, "web")
    assert bars(figure) == [(0, 50, 0, "//")]
    assert words(figure) == ["4\n3×"]


def test_late_rows_are_crosses_and_are_counted_beside_the_kind() -> None:
    late = {"tumbling": [ZERO + 12_000, ZERO + 14_000]}
    axes = windows({"tumbling": [fired(0, 10, 2)], "session": []}, late, ZERO, "web").axes[0]
    (crosses,) = [line for line in axes.lines if line.get_marker() == "x"]
    assert [float(x) for x in crosses.get_xdata()] == [12, 14]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["tumbling\n1 window\n2 late", "session\n0 windows"]


def test_only_windows_of_that_host_are_drawn() -> None:
    assert bars(windows({"tumbling": [fired(0, 10, 2), fired(0, 10, 3, "db")]}, {}, ZERO, "db")) == [(0, 10, 0, None)]


def test_the_last_result_of_each_host_and_start_counts() -> None:
    found = [fired(10, 20, 1), fired(0, 10, 2), fired(10, 20, 5), fired(10, 20, 7, "db")]
    assert [one.count for one in last_results(found)] == [7, 2, 5]


def test_without_a_kind_it_says_so() -> None:
    with pytest.raises(LabkitError, match="at least one kind"):
        windows({}, {}, ZERO, "web")
