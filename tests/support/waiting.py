"""Waiting for what a test has set going."""

from __future__ import annotations

import time


def wait_for(condition, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.1)
