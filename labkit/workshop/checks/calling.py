"""What judges do with a learner's function: call it, and say in words what came of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.workshop.checks.guard import guarded
from labkit.workshop.checks.outcome import NotSolved, NotYet, raised

__all__ = ["WITHIN_S", "called", "difference", "shown"]

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
                f"Your function changed what it was given ({name}) on {what}: {difference(old, new)}.",
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


def difference(old: Any, new: Any) -> str:
    """What is another one in `new`: "the column share is new", "at timestamp: before 5000, then 5"."""
    if hasattr(old, "columns") and hasattr(new, "columns"):
        return _of_keys("column", list(old.columns), list(new.columns)) or _of_rows(old, new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if said := _of_keys("key", list(old), list(new)):
            return said
        key = next((key for key in old if old[key] != new[key]), None)
        return f"at {key}: {difference(old[key], new[key])}" if key is not None else _before(old, new)
    if isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)):
        if len(old) != len(new):
            return f"before it had {len(old)}, then {len(new)}"
        place = next((place for place, (left, right) in enumerate(zip(old, new, strict=True)) if left != right), None)
        return f"at place {place}: {difference(old[place], new[place])}" if place is not None else _before(old, new)
    return _before(old, new)


def _before(old: Any, new: Any) -> str:
    return f"before {shown(old)}, then {shown(new)}"


def _of_keys(kind: str, old: list[Any], new: list[Any]) -> str:
    """Which keys or columns are new or gone; "" where they are the same."""
    changes = [f"the {kind} {key} is new" for key in new if key not in old]
    changes += [f"the {kind} {key} is gone" for key in old if key not in new]
    return ", ".join(changes) or (f"the {kind}s stand in another order" if kind == "column" and old != new else "")


def _of_rows(old: Any, new: Any) -> str:
    if len(old) != len(new):
        return f"before it had {len(old)} rows, then {len(new)}"
    same = old.reset_index(drop=True) == new.reset_index(drop=True)
    columns = [name for name in old.columns if not (same[name] | (old[name].isna() & new[name].isna()).array).all()]
    return f"in the column {columns[0]} there is something else" if columns else "its rows stand in another order"


def shown(value: Any) -> str:
    """The value as Python writes it, in one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
