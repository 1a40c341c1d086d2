"""A model of an exercise that may do one thing in another way, to find the mistake that explains an answer.

hint_for(cases, partial(asked, answer), model, [("40 % itself counts.", {"least": 41})])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["hint_for"]


def hint_for(
    cases: Iterable[Any],
    asked: Callable[[Any], Any],
    model: Callable[..., Any],
    faults: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    none_where_all_are_empty: bool = False,
) -> str:
    """The hint of the first fault with which `model(case, **fault)` is what `asked(case)` gives, for every case.

    "" where none is, where the answer fails at a case, and, if so wished, where all that it gives is empty.
    """
    came = []
    for case in cases:
        try:
            came.append((case, asked(case)))
        except Exception:
            return ""
    if none_where_all_are_empty and not any(found for _, found in came):
        return ""
    known = (hint for hint, fault in faults if all(found == model(case, **fault) for case, found in came))
    return next(known, "")
