"""What may come of an answer: it is not solved, not right yet, or it raises something.

raise NotYet("cpu0 has user 150; the line says 4705.", "The first number after the name is user.")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.errors import LabkitError
from labkit.settings import Settings
from labkit.workshop.checks.place import in_words, of_error

__all__ = ["Judge", "NotSolved", "NotYet", "raised", "where"]

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


def raised(error: BaseException) -> str:
    """An error as a sentence has it, with its line if known: "KeyError: 'id', in framed, line 4 of its cell: …"."""
    return f"{type(error).__name__}: {error}".rstrip(".: ") + where(error)


def where(error: BaseException) -> str:
    """The last line of a cell that led to `error`: ", in framed, line 4 of its cell: return …"; "" without one."""
    return in_words(of_error(error), ", in ")
