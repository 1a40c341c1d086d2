"""A line of the learner's own cell: where an answer was when it raised something, was stopped, or was killed.

in_words(of_error(error), ", in ")       ->   ", in framed, line 4 of its cell: return part / total"
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

from labkit.workshop.explain import is_of_a_cell

__all__ = ["Place", "in_words", "of_error", "of_frame"]

#: File, line, function.
Place = tuple[str, int, str]


def of_error(error: BaseException) -> Place | None:
    """The last line of a cell that led to `error`."""
    led = [(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(error.__traceback__)
           if is_of_a_cell(frame.filename)]  # fmt: skip
    return led[-1] if led else None


def of_frame(frame: FrameType | None) -> Place | None:
    """The cell's line that is being run."""
    while frame is not None and not is_of_a_cell(frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name) if frame is not None else None


def in_words(place: Sequence[Any] | None, begin: str = "") -> str:
    """`begin` and "job, line 4 of its cell: offset += 1"; "" where there is none. (In JSON, it is a list.)"""
    if place is None:
        return ""
    file, line, name = place
    return f"{begin}{name}, line {line} of its cell: {linecache.getline(file, line).strip()}".rstrip(": ")
