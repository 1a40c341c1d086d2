"""Every exercise on trial: its stub fails, its solution passes, each wrong answer gets the words meant for it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from labkit.settings import REPOSITORY, Settings
from labkit.workshop.checks.rules import BY_THE_FRAME, RULES
from labkit.workshop.course.contents import LESSONS, Lesson, Start
from labkit.workshop.course.exercises import answered, notebook_text, source_of, stub
from tests.exercises.bench import Benches
from tests.support.labs import Labkit

WITH_EXERCISES = [lesson for lesson in LESSONS if lesson.exercises]
NOT_SOLVED, SOLVED = "not solved", "solved"


@dataclass(frozen=True, slots=True)
class Answer:
    """One that is tried: of which lesson and exercise, what is wrong with it or which other shape it has, its code,
    what it has to hear, and what it must not."""

    lesson: Lesson
    exercise: str
    what: str
    code: str = ""
    words: str = ""
    never: str = ""
    is_right: bool = False


def wrong_answers(lesson: Lesson) -> dict[str, list[tuple[str, str, str, str]]]:
    """{exercise: [(what is wrong, code, what the verdict has to say, what it must not say)]}"""
    return importlib.import_module(f"tests.exercises.wrong.lesson_{lesson.no}").WRONG


def right_answers(lesson: Lesson) -> dict[str, list[tuple[str, str]]]:
    """{exercise: [(its shape, code)]}: right ones that do not look like the solution."""
    return importlib.import_module(f"tests.exercises.wrong.lesson_{lesson.no}").RIGHT


def spoiling(lesson: Lesson) -> list[str]:
    """Those of a lesson's wrong answers that are meant to end or change their kernel: each costs a kernel."""
    return list(getattr(importlib.import_module(f"tests.exercises.wrong.lesson_{lesson.no}"), "SPOILS", ()))


def answers(lesson: Lesson) -> Iterator[Answer]:
    """Of each exercise the stub, the wrong answers, the solution."""
    for exercise in lesson.exercises:
        yield Answer(lesson, exercise, NOT_SOLVED)
        for wrong in wrong_answers(lesson)[exercise]:
            yield Answer(lesson, exercise, *wrong)
        for shape, code in right_answers(lesson)[exercise]:
            yield Answer(lesson, exercise, shape, code, is_right=True)
        yield Answer(lesson, exercise, SOLVED)


ANSWERS = [answer for lesson in WITH_EXERCISES for answer in answers(lesson)]


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    """A bench for the lesson whose answers are on trial; that of the lesson before is taken down."""
    with Benches() as benches:
        yield benches


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer.exercise}-{answer.what}")
def test_an_answer(request: pytest.FixtureRequest, benches: Benches, answer: Answer) -> None:
    """The stub is not solved, the solution and its other shapes pass, a wrong one hears what is wrong, and no more."""
    if answer.lesson.start > Start.NOTHING:
        request.getfixturevalue("lab")
    bench = benches.of(answer.lesson)
    source = source_of(answer.lesson).read_text()
    if answer.what == NOT_SOLVED:
        verdict = bench.verdict(answer.exercise, stub(source))
        assert not verdict.passed
        assert "not solved" in verdict.reason
    elif answer.what == SOLVED:
        verdict = bench.verdict(answer.exercise, answered(source))
        assert verdict.passed, str(verdict)
    elif answer.is_right:
        verdict = bench.verdict(answer.exercise, answered(source, {answer.exercise: answer.code}))
        assert verdict.passed, str(verdict)
    else:
        verdict = bench.verdict(answer.exercise, answered(source, {answer.exercise: answer.code}))
        assert not verdict.passed, "it passed"
        said = f"{verdict.reason} {verdict.hint}"
        assert re.search(answer.words, said), str(verdict)
        assert not re.search(answer.never, said), f"it must not say so: {verdict}"
    assert bool(bench.spoilt) == (answer.what in spoiling(answer.lesson)), bench.spoilt or "it spoils nothing"
    assert bench.kernels <= 1 + len(spoiling(answer.lesson)), "a lesson's answers share a kernel"


def test_a_check_waits_for_what_it_looks_for_and_never_for_a_time() -> None:
    """Each of some sixty exercises is tried eight times: a second that is slept is eight minutes of every run."""
    found = {
        file.name
        for file in (REPOSITORY / "labkit" / "workshop" / "checks").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
        and "sleep" in (getattr(node, "attr", ""), getattr(node, "id", ""))
    }
    assert found == set()


@pytest.mark.parametrize("lesson", WITH_EXERCISES, ids=lambda lesson: lesson.no)
def test_an_exercise_has_typical_wrong_answers_and_right_ones_in_other_shapes(lesson: Lesson) -> None:
    assert len(lesson.exercises) >= 2
    wrong, right = wrong_answers(lesson), right_answers(lesson)
    assert set(wrong) == set(right) == set(lesson.exercises)
    assert min(map(len, wrong.values())) >= 8
    assert min(map(len, right.values())) >= 3
    for what, _, words, never in (answer for answers in wrong.values() for answer in answers):
        assert words, what
        assert never, what


@pytest.mark.parametrize("lesson", WITH_EXERCISES, ids=lambda lesson: lesson.no)
def test_an_exercise_says_how_its_check_meets_each_rule(lesson: Lesson) -> None:
    meets = importlib.import_module(f"labkit.workshop.checks.lesson_{lesson.no}").MEETS
    assert set(meets) == set(lesson.exercises)
    for exercise, how in meets.items():
        assert list(how) == [rule for rule in RULES if rule in how], f"{exercise}: in the order of RULES"
        assert set(how) >= set(RULES) - set(BY_THE_FRAME), f"{exercise} does not say {set(RULES) - set(how)}"
        assert all(len(words.split()) >= 3 for words in how.values()), exercise


@pytest.mark.parametrize("lesson", WITH_EXERCISES, ids=lambda lesson: lesson.no)
def test_the_learners_notebook_is_made_from_the_source_and_holds_no_solution(lesson: Lesson) -> None:
    source = source_of(lesson).read_text()
    text = lesson.exercise_notebook.read_text()
    assert text == notebook_text(stub(source)), "type: python -m labkit.workshop.course.exercises"
    assert "BEGIN" not in text
    for exercise in lesson.exercises:
        assert f'raise NotSolved(\\"{exercise}\\")' in text


def test_labkit_check_judges_headless_and_the_ticks_are_kept(settings: Settings, labkit: Labkit) -> None:
    lesson = next(lesson for lesson in WITH_EXERCISES if lesson.start == Start.NOTHING)
    copy = settings.work_dir / "exercises" / lesson.exercise_filename
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(lesson.exercise_notebook.read_text())
    unsolved = labkit("check", lesson.no)
    assert unsolved.returncode == 1
    assert [line[:5] for line in unsolved.stdout.splitlines()[-2:]] == [f"✗ {name}" for name in lesson.exercises]
    copy.write_text(notebook_text(answered(source_of(lesson).read_text())))
    one = labkit("check", lesson.exercises[0])
    assert (one.returncode, one.stderr) == (0, "")
    assert [line[:5] for line in one.stdout.splitlines() if line[0] in "✓✗"] == [f"✓ {lesson.exercises[0]}"]
    done = labkit("check", lesson.no.lstrip("0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:5] for line in done.stdout.splitlines()[-2:]] == [f"✓ {name}" for name in lesson.exercises]
    from labkit.workshop.course.progress import solved

    assert set(lesson.exercises) <= solved(settings)


@pytest.mark.parametrize(("words", "said"), [
    (("check", "99"), "There is no lesson '99'"),
    (("check", "00"), "has no exercises"),
    (("goto", "x"), "There is no lesson 'x'"),
    (("restore", ""), "There is no lesson"),
    (("burn", "--cpu", "4096"), "There is no CPU 4096"),
    (("burn", "--kind", "heat"), "A burn is one of user, system"),
])  # fmt: skip
def test_a_word_that_does_not_fit_is_one_sentence(labkit: Labkit, words: tuple[str, ...], said: str) -> None:
    done = labkit(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
