"""Where snapshots come from. A source is anything that can be looped over for `Snapshot`s.

for snapshot in LiveSource(hostname="lab", interval_s=1.0, stop=event): …
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import BadInput
from labkit.procfs import Snapshot, parse_stat

__all__ = ["PROC_STAT", "LiveSource", "read_snapshot"]

PROC_STAT = Path("/proc/stat")


def read_snapshot(hostname: str, path: Path = PROC_STAT) -> Snapshot:
    """Read /proc/stat now. Raises `BadInput` on a system that has none."""
    try:
        text = path.read_text()
    except OSError:
        raise BadInput(
            f"There is no {path} on this system, only Linux has it; docker compose runs the lab elsewhere."
        ) from None
    return parse_stat(text, hostname, time.time_ns() // 1_000_000)


class LiveSource:
    """This machine's /proc/stat every `interval_s` seconds, until `stop` is set or `limit_s` have passed.

    Ticks fall on a fixed grid from the first one on, so they do not drift; one that comes too late
    for its place is not made up for.
    """

    def __init__(
        self,
        hostname: str,
        interval_s: float,
        stop: threading.Event,
        limit_s: float | None = None,
        path: Path = PROC_STAT,
    ) -> None:
        self._hostname = hostname
        self._interval_s = interval_s
        self._stop = stop
        self._limit_s = limit_s
        self._path = path

    def __iter__(self) -> Iterator[Snapshot]:
        start = time.monotonic()
        end = None if self._limit_s is None else start + self._limit_s
        tick = 0
        while not self._stop.is_set():
            yield read_snapshot(self._hostname, self._path)
            now = time.monotonic()
            tick = max(tick + 1, int((now - start) / self._interval_s))
            due = start + tick * self._interval_s
            if end is not None and due > end:
                return
            self._stop.wait(max(0.0, due - now))
