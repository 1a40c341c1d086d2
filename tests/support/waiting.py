"""Waiting for what a test has set going."""

from __future__ import annotations

from collections.abc import Callable

from labkit.system.waiting import WITHIN_S, NotInTime, wait_until


def wait_for(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Returns when `condition` is true; a failure shows the line of the test that waited."""
    __tracebackhide__ = True
    try:
        wait_until(condition, "What the test waits for", within_s)
    except NotInTime as late:
        raise AssertionError(late.what) from None
