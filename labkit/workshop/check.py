"""`check("01a", answer)`: whether an exercise is solved, judged by what the answer does, never by how it is written.

    ✓ 01a  Ten columns, four-column kernels too.
    ✗ 01a  cpu0 has user 150; the line says 4705. Hint: the first number after the name is user.

The cell in the notebook and `labkit check 01` come to the same verdict, because the second runs the first.
"""

from __future__ import annotations

import html
import importlib
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from labkit.errors import BadInput, LabkitError
from labkit.settings import Settings, load_settings
from labkit.workshop.course import index, progress
from labkit.workshop.course.contents import LESSONS
from labkit.workshop.explain import explained, is_of_a_cell

__all__ = ["VERDICT", "Judge", "NotSolved", "NotYet", "Verdict", "check", "judge", "raised", "where"]

#: The media type under which a check cell's output carries its verdict.
VERDICT = "application/vnd.labkit.verdict+json"

#: (answer, settings) -> a sentence about what was seen. Raises `NotYet` where it is not right.
Judge = Callable[[Any, Settings], str]


class NotSolved(LabkitError):
    """The stub of an exercise raises this until somebody solves it."""

    def __init__(self, exercise: str) -> None:
        super().__init__(
            f"Exercise {exercise} is not solved yet.",
            f'Write your answer in place of the line raise NotSolved("{exercise}"). Where to begin: hint("{exercise}")',
        )


class NotYet(LabkitError):
    """Why an answer is not right (`what`), and a hint (`todo`)."""


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
        hint = f"<br><b>Hint:</b> {html.escape(self.hint)}" if self.hint else ""
        box = f"border-left: 6px solid {colour}; padding: 0.4em 0.8em; font-size: 110%"
        text = f"<b>{mark} {self.exercise}</b> &ensp;{html.escape(self.reason)}{hint}"
        return {"text/plain": str(self), "text/html": f'<div style="{box}">{text}</div>', VERDICT: asdict(self)}


def check(exercise: str, answer: Any = None) -> Verdict:
    """Judge `answer` (what it is depends on the exercise), write the verdict into the progress, and return it."""
    settings = load_settings()
    verdict = judge(exercise, answer, settings)
    unjudged = verdict.reason.startswith((NotSolved(exercise).what, _UNCHECKED))
    progress.note(settings, exercise, passed=verdict.passed, tried=not unjudged)
    index.refresh(settings)
    return verdict


def judge(exercise: str, answer: Any, settings: Settings) -> Verdict:
    """`check` without the progress. Raises `BadInput` for an exercise that there is not."""
    if exercise not in {name for lesson in LESSONS for name in lesson.exercises}:
        raise BadInput(f"There is no exercise {exercise!r}.")
    module = importlib.import_module(f"labkit.workshop.checks.lesson_{exercise[:2]}")
    judges: dict[str, Judge] = module.JUDGES
    try:
        return Verdict(exercise, True, judges[exercise](answer, settings))
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
            return Verdict(exercise, False, f"Your code raised {raised(error)}.", _PRINT)
        return Verdict(exercise, False, f"With what your code gave, the check came to {raised(error)}.", _RETURNS)


_UNCHECKED = "It could not be checked."
_PRINT = "Print on the line before it what that line works with, and run the check again: it shows what you print."
_RETURNS = "Look at what your code returns: is there a return, and is it of the kind that is asked for?"


def raised(error: BaseException) -> str:
    """An error as a sentence has it: "KeyError: 'id', in line 4 of framed: …", with the line where it is known."""
    return f"{type(error).__name__}: {error}".rstrip(".: ") + where(error)


def where(error: BaseException) -> str:
    """The last line of a cell that led to `error`: ", in line 4 of framed: return …"; "" where there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_of_a_cell(frame.filename)]
    return f", in line {frames[-1].lineno} of {frames[-1].name}: {frames[-1].line}".rstrip(": ") if frames else ""
