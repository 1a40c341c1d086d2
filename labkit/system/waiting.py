"""Waiting for a thing that is on its way, never for a time.

rows = wait_until(lambda: parquet_files(folder), "A Parquet file is there")      the files, or a sentence why not
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from labkit.errors import LabkitError

__all__ = ["WITHIN_S", "wait_until"]

WITHIN_S = 60.0
_POLL_S = 0.1

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, within_s: float = WITHIN_S, poll_s: float = _POLL_S) -> T:
    """Ask `condition` every `poll_s` seconds until its answer is true, and return that answer.

    Raises `LabkitError` with `what` (a sentence without its full stop) where that takes more than `within_s`.
    """
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise LabkitError(f"{what}: not within {within_s:.0f} s.", "Look at Flink's page, and at: labkit status")
        time.sleep(poll_s)
    return answer
