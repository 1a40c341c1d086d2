"""The time of hosts that do not exist: when they are looked at, and how fast that goes; and what they are called."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Clock", "host_name"]


def host_name(number: int, hosts: int) -> str:
    """Host 17 of 200 -> "host-017": as many digits as the last one needs, three at least."""
    return f"host-{number:0{max(3, len(str(hosts - 1)))}}"


@dataclass(frozen=True, slots=True)
class Clock:
    """Every `interval_s` seconds, for `seconds` (None: it goes on), `speed` times as fast as real ones.

    `speed` None is without waiting. It ends early when `stop` is set. What is late is not left out.
    """

    interval_s: float
    seconds: float | None
    speed: float | None
    stop: threading.Event

    def moments(self) -> Iterator[int]:
        """When the hosts are looked at, in ms after the start; each is waited for."""
        begin = time.monotonic()
        end_ms = math.inf if self.seconds is None else self.seconds * 1000
        for step in itertools.count():
            elapsed_ms = round(step * self.interval_s * 1000)
            if elapsed_ms > end_ms:
                return
            if self.speed is not None:
                due = begin + elapsed_ms / 1000 / self.speed
                self.stop.wait(max(0.0, due - time.monotonic()))
            if self.stop.is_set():
                return
            yield elapsed_ms
