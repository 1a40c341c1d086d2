"""What judges do with a learner's function: call it, and say in words what came of it."""

from __future__ import annotations

from typing import Any

from labkit.workshop.check import NotSolved, NotYet

__all__ = ["called", "shown"]


def called(answer: Any, values: tuple[Any, ...], what: str, hint: str) -> Any:
    """What `answer(*values)` gives; `what` says what the values are: "an old kernel's file".

    Raises `NotYet` with `hint` where it raises or is no function; `NotSolved` of a stub passes through.
    """
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    try:
        return answer(*values)
    except NotSolved:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise NotYet(f"Your function raised {said} on {what}.", hint) from error


def shown(value: Any) -> str:
    """The value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
