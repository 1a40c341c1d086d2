"""`hint("05a")` and `solution("05a")`: help with an exercise, a step at a time, in a cell as on a terminal.

    05a, hint 1 of 3: Notebook 05, "The same in Flink, step by step": …

Both count the same steps, in work/.progress.json. The texts are in the exercise's source.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import BadInput
from labkit.settings import Settings, load_settings
from labkit.workshop.course import index, progress
from labkit.workshop.course.contents import lesson_of
from labkit.workshop.course.exercises import help_of

__all__ = ["NOBODY_LOOKS", "Told", "hint", "next_hint", "shown_solution", "solution"]

#: Set where a notebook runs with no person before it, as for `labkit check`: a hint in a cell is not the next one.
NOBODY_LOOKS = "NOBODY_LOOKS_AT_LABKIT"


@dataclass(frozen=True, slots=True)
class Told:
    """Help that shows as text on a terminal, and as Markdown in a notebook."""

    title: str
    text: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.code}\n\n{self.title}: {self.text}" if self.code else f"{self.title}: {self.text}"

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        code = f"```python\n{self.code}\n```\n\n" if self.code else ""
        return f"{code}**{self.title}:** {self.text}"


def hint(exercise: str) -> Told:
    """The next hint of an exercise ("05a"), for a cell: three in all, each says more than the one before."""
    if NOBODY_LOOKS in os.environ:
        return Told(exercise, "a hint is shown when you run this cell.")
    return _for_a_cell(next_hint, exercise)


def solution(exercise: str) -> Told:
    """The solution of an exercise ("05a"), for a cell, once an answer of your own has been checked."""
    return _for_a_cell(shown_solution, exercise)


def next_hint(settings: Settings, exercise: str) -> Told:
    """The hint that is due, counted as shown; after the last one that again, and what is next.

    Raises `BadInput` for an exercise that there is not.
    """
    lesson_of(exercise)
    hints = help_of(exercise).hints
    number, again = progress.count_hint(settings, exercise, len(hints))
    index.refresh(settings)
    more = f' That is all. Next is labkit solution {exercise}, in a cell solution("{exercise}").' if again else ""
    return Told(f"{exercise}, hint {number} of {len(hints)}", f"{hints[number - 1]}{more}")


def shown_solution(settings: Settings, exercise: str) -> Told:
    """The solution, and a word on other good answers.

    Raises `BadInput` for an exercise that there is not, and where no answer to it has been judged yet.
    """
    no = lesson_of(exercise).no
    if not progress.tried(settings, exercise):
        raise BadInput(
            f"No answer of yours to {exercise} has been checked yet; the solution is for afterwards.",
            f"To check one: labkit check {no}. For a hint: labkit hint {exercise}",
        )
    found = help_of(exercise)
    progress.see_solution(settings, exercise)
    index.refresh(settings)
    return Told("Other answers", found.others, found.solution)


def _for_a_cell(told: Callable[[Settings, str], Told], exercise: str) -> Told:
    """What is told; a refusal is a sentence there too, and no trace."""
    try:
        return told(load_settings(), exercise)
    except BadInput as refused:
        return Told(exercise, str(refused))
