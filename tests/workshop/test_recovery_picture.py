"""The picture of a crash: what was made again is marked, counted in the title, and stands at its snapshot's number."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from labkit.errors import LabkitError
from labkit.workshop.pictures.recovery import Event, Recovery, recovery, went_back

START = 1_795_368_345.0
KILLED = START + 6.0


def key(number: int) -> tuple[str, int]:
    return ("lab", 1_000 * number)


def events(*pairs: tuple[float, int]) -> list[Event]:
    return [(START + second, key(number)) for second, number in pairs]


SENT = events(*((float(number), number) for number in range(20)))
#: Six before the crash; the last two of them again after it, and four more.
MADE = events(
    *((number + 0.4, number) for number in range(6)), *((12.5 + number / 10, number) for number in range(4, 10))
)


def marks(figure: Figure, marker: str) -> list[tuple[float, float]]:
    (line,) = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return [(round(x, 2), y) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def title(figure: Figure) -> str:
    return str(figure.axes[0].get_title(loc="left"))


def test_what_was_made_before_the_crash_and_again_after_it_is_counted_once() -> None:
    cost = went_back(MADE, KILLED)
    assert cost == Recovery(2, silent_from=START + 5.4, silent_until=START + 12.9)
    assert cost.silent_s == pytest.approx(7.5)


def test_what_was_made_after_the_crash_and_once_more_still_later_is_taken_back_too() -> None:
    """As when the JobManager is killed: the TaskManager goes on for a while, for nothing."""
    made = events((5, 5), (6.5, 6), (7, 7), (15, 6), (15.1, 7), (15.2, 8))
    assert went_back(made, KILLED) == Recovery(2, silent_from=START + 7, silent_until=START + 15)
    assert marks(recovery(SENT, made, [], KILLED), "x") == [(0.5, 6), (1, 7)]


def test_a_result_that_was_there_twice_before_the_crash_is_none_of_its_doing() -> None:
    assert went_back(events((1, 1), (2, 1), (8, 2)), KILLED).again == 0


def test_results_that_were_taken_back_are_crosses_and_those_that_count_are_dots() -> None:
    figure = recovery(SENT, MADE, [START + 4.2], KILLED)
    assert marks(figure, "x") == [(-1.6, 4), (-0.6, 5)]
    assert [number for _, number in marks(figure, "o")] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert title(figure) == "Silent for 7.5 s, then 2 results were made again"


def test_one_result_is_said_in_the_singular_and_none_in_words() -> None:
    one = recovery(SENT, events((1, 1), (5, 5), (8, 5)), [], KILLED)
    assert title(one).endswith("1 result was made again")
    none = recovery(SENT, events((1, 1), (8, 2)), [], KILLED)
    assert title(none) == "Silent for 7.0 s; nothing had to be made again"


def test_every_checkpoint_in_sight_is_a_dashed_line_and_the_legend_names_it_once() -> None:
    figure = recovery(SENT, MADE, [START - 60, START + 2, START + 4, START + 14], KILLED)
    dashed = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert dashed == [-4, -2, 8]
    figure.draw_without_rendering()
    said = [text.get_text() for text in figure.findobj(Text)]
    assert said.count("checkpoint complete") == 1
    assert "killed" in said
    assert "seconds since the crash at 17:25:51 UTC" in said


def test_a_result_of_a_snapshot_that_was_not_sent_here_is_left_out() -> None:
    stranger = [(START + 1, ("other", 1)), *MADE]
    assert marks(recovery(SENT, stranger, [], KILLED), "o") == marks(recovery(SENT, MADE, [], KILLED), "o")


@pytest.mark.parametrize("made", [events((1, 1)), events((8, 1)), []])
def test_without_results_on_both_sides_of_the_crash_it_is_a_clear_error(made: list[Event]) -> None:
    with pytest.raises(LabkitError, match="before the crash and from after it"):
        recovery(SENT, made, [], KILLED)
