"""What the learner predicts: a field for each, kept, forgotten with the notebook, and shown beside what came."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from labkit.errors import BadInput
from labkit.settings import Settings, load_settings
from labkit.workshop.course import folder, index, predictions
from labkit.workshop.course.contents import LESSONS, Lesson, lesson
from labkit.workshop.prediction import came, prediction

LESSON = pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LABKIT_WORK_DIR", str(tmp_path / "work"))
    return load_settings()


def cells(each: Lesson) -> list[nbformat.NotebookNode]:
    return list(nbformat.read(each.notebook, as_version=4).cells)


@LESSON
def test_where_a_notebook_says_predict_a_field_is_next_and_they_are_numbered_as_they_come(each: Lesson) -> None:
    found = cells(each)
    asked = [place for place, cell in enumerate(found) if "**Predict.**" in cell.source]
    assert asked
    assert [found[place].source.count("**Predict.**") for place in asked] == [1] * len(asked)
    assert [found[place + 1].source for place in asked] == [
        f'prediction("{each.no}-{number}", "")' for number in range(1, len(asked) + 1)
    ]
    assert predictions.fields(each) == [f"{each.no}-{number}" for number in range(1, len(asked) + 1)]


@LESSON
def test_what_came_is_shown_once_after_the_cells_that_were_predicted(each: Lesson) -> None:
    found = [cell.source for cell in cells(each) if cell.cell_type == "code"]
    for name in predictions.fields(each):
        (asked,) = (place for place, source in enumerate(found) if source.startswith(f'prediction("{name}"'))
        (shown,) = (place for place, source in enumerate(found) if re.search(rf'^came\(\s*"{name}"', source, re.M))
        assert shown > asked + 1, f"no cell runs between prediction and outcome of {name}"


def test_what_was_written_is_kept_and_stands_beside_what_came(own: Settings) -> None:
    assert str(prediction("05-1", " 601 <or so> ")) == "Your prediction 05-1: 601 <or so>"
    assert str(came("05-1", 600)) == "You wrote: 601 <or so>\nWhat came: 600"
    assert "601 &lt;or so&gt;" in came("05-1", 600)._repr_html_()
    assert "look above" in came("05-1")._repr_html_()
    assert str(came("05-1", {"cpu0": 1, "cpu1": 2})).endswith("What came: cpu0: 1\ncpu1: 2")
    prediction("05-1", 600)
    assert predictions.kept(own) == {"05-1": "600"}


def test_an_empty_prediction_stops_nobody_and_takes_nothing_away(own: Settings) -> None:
    assert "or just go on" in str(prediction("05-2", ""))
    assert "no prediction written" in came("05-2", 7)._repr_html_()
    assert not own.work_dir.exists()
    prediction("05-2", "two")
    assert "before, you wrote: two" in prediction("05-2", "")._repr_html_()
    assert predictions.kept(own) == {"05-2": "two"}


@pytest.mark.parametrize("name", ["5-1", "05", "99-1"])
def test_a_prediction_of_no_lesson_is_one_sentence(own: Settings, name: str) -> None:
    with pytest.raises(BadInput, match="There is no"):
        prediction(name, "seven")


def test_a_notebook_that_is_put_back_forgets_its_own_predictions_only(own: Settings) -> None:
    folder.fill(own)
    prediction("01-1", "btime")
    prediction("02-1", "0")
    folder.exercise_copy(own, lesson("01")).write_text("mine")
    folder.restore(own, lesson("01"))
    assert predictions.kept(own).keys() == {"01-1", "02-1"}, "the notebook itself was as it was"
    (own.work_dir / lesson("01").filename).write_text("mine")
    folder.restore(own, lesson("01"))
    assert predictions.kept(own).keys() == {"02-1"}


def test_the_index_counts_them_and_a_broken_file_is_an_empty_one(own: Settings) -> None:
    prediction("02-1", "0")
    prediction("02-2", "1, all, 0")
    assert f"2 of {len(predictions.fields(lesson('02')))}" in index.Overview(own)._repr_html_()
    (own.work_dir / ".predictions.json").write_text("{")
    assert predictions.kept(own) == {}
