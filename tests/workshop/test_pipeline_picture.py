"""The picture of the pipeline: every number that is there is in it, and what is absent is said to be."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from labkit.workshop.pictures.pipeline import JobNow, Pipeline, drawn

BUSY = Pipeline(
    snapshots=2404,
    enrichment=JobNow("RUNNING", 12),
    metrics=2388,
    parquet=JobNow("RUNNING", 0),
    rows=7164,
    dead_letters=3,
)
HUGE = Pipeline(
    snapshots=172_800_000,
    enrichment=JobNow("RESTARTING", 172_800_000),
    metrics=172_800_000,
    parquet=JobNow("CANCELLING", 172_800_000),
    rows=1_555_200_000,
    dead_letters=172_800_000,
)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_numbers_stand_in_the_picture() -> None:
    said = texts(drawn(BUSY))
    for number in ("2,404", "2,388", "7,164", "3", "lag\n12", "lag\n0"):
        assert number in said
    assert said.count("running") == 2
    assert not any("not there" in text or "no such" in text for text in said)


def test_what_is_absent_is_drawn_as_absent_and_has_no_number() -> None:
    said = texts(drawn(Pipeline()))
    assert said.count("not there") == 4
    assert said.count("no such job") == 2
    assert not any(text.isdigit() or text.startswith("lag") for text in said)


def test_nothing_yet_is_not_the_same_as_not_there() -> None:
    said = texts(drawn(Pipeline(snapshots=0)))
    assert "0" in said
    assert said.count("not there") == 3


def test_the_title_names_the_lesson() -> None:
    assert "The pipeline of nb02, now" in texts(drawn(Pipeline(), "_nb02"))
    assert "The pipeline, now" in texts(drawn(Pipeline()))


def test_a_job_that_is_over_does_not_look_like_one_at_work() -> None:
    over = drawn(Pipeline(1, JobNow("FINISHED", 0)))
    assert "finished" in texts(over)
    faces = {patch.get_facecolor() for patch in drawn(BUSY).axes[0].patches}
    assert not {patch.get_facecolor() for patch in over.axes[0].patches} >= faces


@pytest.mark.parametrize("now", [BUSY, HUGE, Pipeline()])
def test_no_text_is_cut_off_or_lies_on_another(now: Pipeline) -> None:
    figure = drawn(now, "_nb02")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text()]
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])
