"""`check("01a", answer)`: whether an exercise is solved, judged by what the answer does, never by how it is written.

    ✓ 01a  Ten columns, four-column kernels too.
    ✗ 01a  cpu0 has user 150; the line says 4705. Hint: the first number after the name is user.

The cell in the notebook and `labkit check 01` come to the same verdict, because the second runs the first.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import asdict, dataclass
from typing import Any

from labkit.errors import LabkitError
from labkit.settings import Settings, load_settings
from labkit.workshop.checks.guard import guarded, last_words
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet, raised, where
from labkit.workshop.checks.world import put_back, require_unchanged, world
from labkit.workshop.course import index, progress
from labkit.workshop.course.contents import Lesson, Start, lesson_of
from labkit.workshop.course.markup import in_html
from labkit.workshop.explain import explained

__all__ = ["VERDICT", "NotSolved", "NotYet", "Verdict", "check", "judge"]

#: The media type under which a check cell's output carries its verdict.
VERDICT = "application/vnd.labkit.verdict+json"

#: A whole check, with what it runs on the cluster.
_WITHIN_S = 240.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check; `hint` is empty where it passed."""

    exercise: str
    passed: bool
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        mark = "✓" if self.passed else "✗"
        return f"{mark} {self.exercise}  {self.reason}" + (f" Hint: {self.hint}" if self.hint else "")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        colour, mark = ("#009E73", "✓") if self.passed else ("#D55E00", "✗")
        hint = f"<br><b>Hint:</b> {in_html(self.hint)}" if self.hint else ""
        box = f"border-left: 6px solid {colour}; padding: 0.4em 0.8em; font-size: 110%"
        text = f"<b>{mark} {self.exercise}</b> &ensp;{in_html(self.reason)}{hint}"
        return {"text/plain": str(self), "text/html": f'<div style="{box}">{text}</div>', VERDICT: asdict(self)}


def check(exercise: str, answer: Any = None) -> Verdict:
    """Judge `answer` (what it is depends on the exercise), write the verdict into the progress, and return it.

    There is a verdict whatever the answer does: where its process has to be ended, it is shown before.
    """
    settings = load_settings()

    def show(reason: str, hint: str) -> None:
        from IPython.display import display

        progress.note(settings, exercise, passed=False)
        display(Verdict(exercise, False, reason, hint))  # type: ignore[no-untyped-call]
        sys.stdout.flush()  # waits for all that was shown before

    last_words.append(show)
    try:
        verdict = judge(exercise, answer, settings)
    finally:
        last_words.remove(show)
    unjudged = verdict.reason.startswith((NotSolved(exercise).what, _UNCHECKED))
    progress.note(settings, exercise, passed=verdict.passed, tried=not unjudged)
    index.refresh(settings)
    return verdict


def judge(exercise: str, answer: Any, settings: Settings) -> Verdict:
    """`check` without the progress. Raises `BadInput` for an exercise that there is not."""
    chosen = lesson_of(exercise)
    try:
        return Verdict(exercise, True, _judged(chosen, exercise, answer, settings))
    except NotSolved as error:
        return Verdict(exercise, False, error.what, error.todo)
    except NotYet as error:
        return Verdict(exercise, False, error.what, error.todo)
    except LabkitError as error:  # a service that is away: not the answer's fault
        return Verdict(exercise, False, f"{_UNCHECKED} {error.what}", error.todo)
    except Exception as error:
        told = explained(error) if type(error).__module__.startswith(("py4j.", "pyflink.")) else None
        if told is not None:
            return Verdict(exercise, False, told.what, told.todo)
        if where(error):
            hint = _CALL if isinstance(error, TypeError) and " argument" in str(error) else _PRINT
            return Verdict(exercise, False, f"Your code raised {raised(error)}.", hint)
        return Verdict(exercise, False, f"With what your code gave, the check came to {raised(error)}.", _RETURNS)


def _judged(chosen: Lesson, exercise: str, answer: Any, settings: Settings) -> str:
    """What the exercise's judge says, which nobody waits for without an end; what else is there has not changed."""
    module = importlib.import_module(f"labkit.workshop.checks.lesson_{chosen.no}")
    judges: dict[str, Judge] = module.JUDGES
    before = world(settings) if chosen.start > Start.NOTHING else None
    try:
        with guarded("The check", within_s=_WITHIN_S):
            said = judges[exercise](answer, settings)
    except BaseException as error:
        if before is not None and not isinstance(error, NotSolved):
            put_back(settings, before)
        raise
    if before is not None:
        require_unchanged(settings, before)
    return said


_UNCHECKED = "It could not be checked."
_PRINT = "Print on the line before it what that line works with, and run the check again: it shows what you print."
_CALL = "That call does not fit the function: help(…) with its name shows what it takes."
_RETURNS = "Look at what your code returns: is there a return, and is it of the kind that is asked for?"
