"""The timeline's marks stand where things happened, and its title says what the data says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from labkit.errors import LabkitError
from labkit.workshop.pictures.timeline import LANES, file_times, timeline

START = 1_795_368_345.0


def at(*seconds: float) -> list[float]:
    return [START + second for second in seconds]


def marks(figure: Figure) -> list[list[float]]:
    """Of each lane, where its marks stand."""
    (axes,) = figure.axes
    drawn = {line.get_marker(): list(line.get_xdata()) for line in axes.lines if line.get_marker() != "None"}
    return [drawn[lane.marker] for lane in LANES]


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def title(figure: Figure) -> str:
    return str(figure.axes[0].get_title(loc="left"))


def test_each_mark_stands_at_its_second() -> None:
    figure = timeline(at(0, 1, 2), at(4), at(5, 8), at(5.1, 8.2))
    assert marks(figure) == [
        [0, 1, 2], [4], [5, 8], [pytest.approx(5.1), pytest.approx(8.2)],
    ]  # fmt: skip
    assert "seconds since 17:25:45 UTC" in texts(figure)


def test_what_happens_at_once_is_one_mark_with_a_number() -> None:
    figure = timeline(at(0), at(3, 3.01, 3.02, 6), at(4), at(4.1))
    assert marks(figure)[1] == [3, 6]
    assert "3" in texts(figure)


def test_a_dashed_line_goes_down_from_every_checkpoint() -> None:
    figure = timeline(at(0), [], at(2, 4), at(2.1))
    dashed = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert dashed == [2, 4]


def test_lanes_without_an_event_say_so() -> None:
    assert texts(timeline(at(0, 9), [], [], [])).count("none") == 3


@pytest.mark.parametrize(
    ("checkpoints", "files", "words"),
    [
        ([], [], "No checkpoint has completed: no file is visible"),
        (at(3), [], "Checkpoints completed, and no file is visible"),
        (at(3, 6), at(3.05, 6.27), "Every file appears within 0.3 s of a checkpoint"),
        (at(3), at(3.01), "The file appears within 0.1 s of a checkpoint"),
        (at(3), at(2, 3.1), "1 of 2 files became visible before any checkpoint"),
    ],
)
def test_the_title_says_what_the_data_says(checkpoints: list[float], files: list[float], words: str) -> None:
    assert title(timeline(at(0), at(1), checkpoints, files)) == words


def test_no_event_at_all_is_a_clear_error() -> None:
    with pytest.raises(LabkitError, match="at least one event"):
        timeline([], [], [], [])


def test_a_file_became_visible_when_it_was_renamed_not_when_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "date=2026-11-22"
    folder.mkdir()
    hidden = folder / ".part-0.inprogress"
    hidden.write_bytes(b"PAR1")
    os.utime(hidden, (1, 1))
    assert file_times(tmp_path) == []
    hidden.rename(folder / "part-0.parquet")
    (shown,) = file_times(tmp_path)
    assert abs(shown - time.time()) < 60
    assert file_times(tmp_path, since=shown + 1) == []
