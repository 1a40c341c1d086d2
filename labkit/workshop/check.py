"""`check("01a", answer)`: whether an exercise is solved, judged by what the answer does, never by how it is written.

    ✓ 01a  Ten columns, four-column kernels too.
    ✗ 01a  cpu0 has user 150; the line says 4705. Hint: the first number after the name is user.

The cell in the notebook and `labkit check 01` come to the same verdict, because the second runs the first.
"""

from __future__ import annotations

import html
import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from labkit.errors import BadInput, LabkitError
from labkit.settings import Settings, load_settings
from labkit.workshop import progress
from labkit.workshop.contents import LESSONS

__all__ = ["VERDICT", "Judge", "NotSolved", "NotYet", "Verdict", "check", "judge"]

#: The media type under which a check cell's output carries its verdict.
VERDICT = "application/vnd.labkit.verdict+json"

#: (answer, settings) -> a sentence about what was seen. Raises `NotYet` where it is not right.
Judge = Callable[[Any, Settings], str]


class NotSolved(LabkitError):
    """The stub of an exercise raises this until somebody solves it."""

    def __init__(self, exercise: str) -> None:
        super().__init__(
            f"Exercise {exercise} is not solved yet.",
            f'Write your answer in place of the line raise NotSolved("{exercise}").',
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
    progress.note(settings, exercise, passed=verdict.passed)
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
        return Verdict(exercise, False, f"It could not be checked. {error.what}", error.todo)
    except Exception as error:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return Verdict(exercise, False, f"Your code raised {what}.", "Run it by itself in a cell to see where.")
