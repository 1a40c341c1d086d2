"""Waiting for what a test has set going."""

from __future__ import annotations

from collections.abc import Callable

from labkit.system.waiting import WITHIN_S, wait_until


def wait_for(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Returns when `condition` is true; the trace of the failure shows which one was not."""
    wait_until(condition, "What the test waits for", within_s)
