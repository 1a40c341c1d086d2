"""Waiting for a thing that is on its way, never for a time.

rows = wait_until(lambda: parquet_files(folder), "A Parquet file is there")      the files, or a sentence why not
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from labkit.errors import LabkitError

__all__ = ["WITHIN_S", "NotInTime", "retry", "wait_until"]

WITHIN_S = 60.0
_POLL_S = 0.1

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class NotInTime(LabkitError):
    """What was waited for did not come; it may still."""


def wait_until(
    condition: Callable[[], T | None],
    what: str,
    within_s: float = WITHIN_S,
    poll_s: float = _POLL_S,
    *,
    seen: Callable[[], str] = lambda: "",
    todo: str = "Look at Flink's page, and at: labkit status",
) -> T:
    """Ask `condition` every `poll_s` seconds until its answer is true, and return that answer.

    Raises `NotInTime` where that takes more than `within_s`: "A Parquet file is there: not within 60 s; SEEN." `what`
    is a sentence without its full stop, and so is what `seen` returns, about what was seen last; `todo` says what to
    type. What `condition` raises goes on.
    """
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            last = f"; {said}" if (said := seen()) else ""
            raise NotInTime(f"{what}: not within {within_s:g} s{last}.", todo)
        time.sleep(poll_s)
    return answer


def retry(call: Callable[[], T], kind: type[E], passes: Callable[[E], bool], within_s: float, poll_s: float = 0.1) -> T:
    """What `call` returns. While it raises an error of that kind that `passes`, it is called again, for `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return call()
        except kind as error:
            if not passes(error) or time.monotonic() > deadline:
                raise
        time.sleep(poll_s)
