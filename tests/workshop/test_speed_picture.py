"""The picture of speeds: a line for each job, its steady speed beside its name."""

from __future__ import annotations

import pytest

from labkit.errors import LabkitError
from labkit.workshop.pictures.speed import Moment, speeds, steady

#: Four seconds of start-up, then 1,000 a second up to 10,000, and a slow end.
RUN: list[Moment] = [(second, max(0, (second - 4) * 1_000)) for second in range(14)] + [(30.0, 10_000)]


def test_steady_leaves_out_the_start_and_the_end() -> None:
    assert steady(RUN) == pytest.approx(1_000)


def test_a_count_that_steps_back_is_not_taken_for_speed() -> None:
    """An end that a partition's new leader tells late."""
    assert steady([(0, 0), (1, 5_000), (1.2, 4_000), (2, 10_000)]) == pytest.approx(7_000 / 1.44)


@pytest.mark.parametrize("moments", [[], [(0.2, 100)], [(0.2, 0), (0.4, 0)], [(3.0, 500), (3.2, 500)]])
def test_nothing_to_measure_is_said(moments: list[Moment]) -> None:
    with pytest.raises(LabkitError, match="a moment before"):
        steady(moments)


def test_records_that_all_came_between_two_looks_took_no_longer_than_that() -> None:
    """Not the time since the start: nothing was there at the look before."""
    assert steady([(0.0, 0), (2.8, 0), (3.0, 500), (3.2, 500)]) == pytest.approx(2_500)


def test_each_run_has_its_line_and_its_speed_in_the_legend() -> None:
    (axes,) = speeds({"SQL": RUN, "Python": [(second * 2.0, records) for second, records in RUN]}).axes
    assert [line.get_xydata()[0].tolist() for line in axes.lines] == [[0, 0], [0, 0]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "SQL: 1,000 a second",
        "Python: 500 a second",
    ]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 2


def test_without_a_run_there_is_no_picture() -> None:
    with pytest.raises(LabkitError, match="at least one"):
        speeds({})
