"""What judges do with a learner's function: call it, and say in words what came of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from labkit.workshop.checks.guard import guarded
from labkit.workshop.checks.outcome import NotSolved, NotYet, raised

__all__ = ["WITHIN_S", "called", "shown"]

#: So long a call of an answer may take.
WITHIN_S = 30.0


def called(
    answer: Any,
    values: Sequence[Any],
    what: str,
    hint: str = "",
    *,
    within_s: float = WITHIN_S,
    lets_out: tuple[type[Exception], ...] = (),
    names: Sequence[str] = (),
) -> Any:
    """What `answer(*values)` gives; `what` says what the values are: "an old kernel's file".

    Raises `NotYet` with `hint` where it raises, does not come back within `within_s`, or is no function; without one
    where it has changed what it was given (`names` says how the task calls that). `NotSolved` of a stub passes
    through, and so do the errors of `lets_out`, which the judge looks at itself.
    """
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    before = [_copied(value) for value in values]
    try:
        with guarded(f"Your function on {what}", within_s=within_s):
            came = answer(*values)
    except Exception as error:
        if isinstance(error, (NotSolved, NotYet, *lets_out)):
            raise
        raise NotYet(f"Your function raised {raised(error)} on {what}.", hint) from error
    _require_unchanged(before, values, names, what)
    return came


def _copied(value: Any) -> Any:
    """A copy to compare with; the value itself where there can be none."""
    try:
        return copy.deepcopy(value)
    except Exception:  # a client, a lock
        return value


def _require_unchanged(before: Sequence[Any], after: Sequence[Any], names: Sequence[str], what: str) -> None:
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if not _is_same(old, new):
            name = names[place] if place < len(names) else f"argument {place + 1}"
            raise NotYet(
                f"Your function changed what it was given ({name}) on {what}: before {shown(old)}, then {shown(new)}.",
                "Whoever calls goes on to use it: work on a copy.",
            )


def _is_same(old: Any, new: Any) -> bool:
    if old is new:
        return True
    if hasattr(old, "equals"):  # a DataFrame, a Table
        return bool(old.equals(new)) and list(getattr(old, "columns", ())) == list(getattr(new, "columns", ()))
    try:
        return type(old) is not type(new) or bool(old == new) or old.__class__.__eq__ is object.__eq__
    except Exception:  # what cannot be compared
        return True


def shown(value: Any) -> str:
    """The value as Python writes it, in one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
