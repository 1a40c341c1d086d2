"""Hints and solutions: three steps for every exercise, the same count everywhere, a solution only after a try."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from labkit.cli.main import app
from labkit.errors import BadInput
from labkit.settings import Settings, load_settings
from labkit.workshop import check as checks
from labkit.workshop import headless
from labkit.workshop.check import NotSolved, NotYet, check
from labkit.workshop.course import progress
from labkit.workshop.course.contents import LESSONS, lesson, lesson_of
from labkit.workshop.course.exercises import help_of, source_of
from labkit.workshop.course.progress import State
from labkit.workshop.hints import hint, solution

EXERCISES = [exercise for each in LESSONS for exercise in each.exercises]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a folder of its own, for a cell and for a command."""
    for name in ("state", "output", "work"):
        monkeypatch.setenv(f"LABKIT_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("LABKIT_DEPLOYMENT", "local")
    return load_settings()


def lines(code: str) -> set[str]:
    """What a solution consists of: its lines without signature, docstring, imports and what is too short to tell."""
    bare = re.sub(r'"""[^"]*"""\n', "", code.partition("\n")[2], count=1)
    return {"".join(line.split()) for line in bare.splitlines() if len(line.split()) > 2}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_exercise_has_three_hints_a_solution_and_a_word_on_others(exercise: str) -> None:
    found = help_of(exercise)
    assert len(set(found.hints)) == 3
    assert min(map(len, found.hints)) > 40
    assert found.others
    assert "BEGIN" not in found.solution
    assert found.solution.startswith("def ")
    compile(found.solution, exercise, "exec")


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_first_hint_names_parts_of_the_lesson_that_are_there(exercise: str) -> None:
    cells = nbformat.read(lesson_of(exercise).notebook, as_version=4).cells
    headings = {
        line.lstrip("# ") for cell in cells if cell.cell_type == "markdown"
        for line in cell.source.splitlines() if line.startswith("##")
    }  # fmt: skip
    first = help_of(exercise).hints[0]
    named = re.findall(r'"([^"]+)"', first)
    assert first.startswith(f"Notebook {exercise[:2]}, ")
    assert named
    assert [name for name in named if name not in headings] == []


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_last_hint_is_not_the_whole_solution(exercise: str) -> None:
    found = help_of(exercise)
    for text in found.hints:
        said = "".join(text.split())
        missing = {line for line in lines(found.solution) if line not in said}
        assert len(missing) >= 2, "what is left for the learner?"


@pytest.mark.parametrize("each", [each for each in LESSONS if each.exercises], ids=lambda each: each.no)
def test_no_hint_is_in_the_learners_notebook_which_says_how_to_ask(each: object) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(each.exercise_notebook, as_version=4).cells)
    flat = " ".join(text.split())
    assert "Hints " not in text
    assert "Other answers" not in text
    for exercise in each.exercises:
        found = help_of(exercise)
        assert [part for part in (*found.hints, found.others) if part[:40] in flat] == []
    first = nbformat.read(each.exercise_notebook, as_version=4).cells[0].source
    assert first.count(f'`hint("{each.exercises[0]}")`') == 1
    assert "from labkit.workshop.hints import hint, solution" in text
    assert source_of(each).read_text().count('tags=["hints"]') == len(each.exercises)


def test_cells_and_commands_count_the_same_steps(own: Settings) -> None:
    first, second, third = help_of("05a").hints
    assert str(hint("05a")) == f"05a, hint 1 of 3: {first}"
    assert CliRunner().invoke(app, ["hint", "05a"]).stdout == f"05a, hint 2 of 3: {second}\n"
    assert hint("05a")._repr_markdown_() == f"**05a, hint 3 of 3:** {third}"
    for said in (str(hint("05a")), CliRunner().invoke(app, ["hint", "05a"]).stdout):
        assert said.startswith(f"05a, hint 3 of 3: {third}")
        assert "labkit solution 05a" in said
    assert "hint 1 of 3" in str(hint("05b")), "each exercise has its own steps"
    assert progress.states(own)["05a"] is State.OPEN


def judged(monkeypatch: pytest.MonkeyPatch, came: Exception | None) -> None:
    """Check 05a, where its judge gives or raises this."""

    def judge(*_: object) -> str:
        if came is not None:
            raise came
        return "seen"

    class Module:
        JUDGES = {"05a": judge}  # noqa: RUF012

    with monkeypatch.context() as patched:
        patched.setattr(checks.importlib, "import_module", lambda _: Module)
        check("05a", None)


def test_a_solution_is_for_those_who_have_tried(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> bool:
        done = CliRunner().invoke(app, ["solution", "05a"])
        assert isinstance(done.exception, BadInput | None)
        return done.exception is not None

    assert refused()
    said = str(solution("05a"))
    assert "labkit check 05" in said
    assert "labkit hint 05a" in said
    judged(monkeypatch, NotSolved("05a"))
    assert refused(), "the stub is no try"
    judged(monkeypatch, BadInput("Kafka does not answer."))
    assert refused(), "nobody has looked at the answer"
    judged(monkeypatch, NotYet("It forgets.", "Use state."))
    assert not refused()
    found = help_of("05a")
    assert str(solution("05a")) == f"{found.solution}\n\nOther answers: {found.others}"
    assert found.solution in solution("05a")._repr_markdown_()
    judged(monkeypatch, None)
    assert progress.states(own) == {"05a": State.HELPED}


def test_a_solution_shows_after_success_too(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, None)
    assert help_of("05a").solution in str(solution("05a"))
    assert progress.states(own) == {"05a": State.SOLVED}


def test_an_answer_that_ends_python_was_a_try(own: Settings, tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("import os; os._exit(3)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    list(headless.judged(tmp_path / "one.ipynb", lesson("01")))
    assert (progress.tried(own, "01a"), progress.tried(own, "01b")) == (True, False)


def test_a_hint_that_is_left_in_a_cell_is_not_counted_by_a_run_without_a_browser(own: Settings, tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell('from labkit.workshop.hints import hint\nhint("01a")')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    headless.judged(tmp_path / "one.ipynb", lesson("01"))
    assert "hint 1 of 3" in str(hint("01a"))


def test_an_exercise_that_there_is_not_is_one_sentence_in_a_cell(own: Settings) -> None:
    assert "Do you mean 05a?" in str(hint("5a"))
    assert "An exercise is called like 05a." in str(solution("?"))
    assert not own.work_dir.exists()


def test_restore_says_that_it_forgets(own: Settings) -> None:
    hint("05a")
    assert "Ticks and hints of 05a are forgotten." in CliRunner().invoke(app, ["restore", "05"]).stdout
    assert progress.states(own) == {}
    assert "hint 1 of 3" in str(hint("05a"))
