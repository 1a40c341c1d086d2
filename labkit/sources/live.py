"""Where snapshots come from. A source is anything that can be looped over for `Snapshot`s.

for snapshot in live_snapshots(hostname="lab", interval_s=1.0, stop=event): …
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import BadInput
from labkit.sources.recording import Reading
from labkit.streams.procstat.snapshot import Snapshot, parse_stat

__all__ = ["PROC_STAT", "live_readings", "live_snapshots", "read_snapshot", "read_text"]

PROC_STAT = Path("/proc/stat")


def read_text(hostname: str, path: Path = PROC_STAT) -> Reading:
    """The text of /proc/stat now. Raises `BadInput` on a system that has none."""
    try:
        text = path.read_text()
    except OSError:
        raise BadInput(
            f"There is no {path} on this system, only Linux has it; docker compose runs the lab elsewhere."
        ) from None
    return Reading(time.time_ns() // 1_000_000, hostname, text)


def read_snapshot(hostname: str, path: Path = PROC_STAT) -> Snapshot:
    """Read /proc/stat now. Raises `BadInput` on a system that has none."""
    timestamp, hostname, text = read_text(hostname, path)
    return parse_stat(text, hostname, timestamp)


def live_readings(
    hostname: str, interval_s: float, stop: threading.Event, limit_s: float | None = None, path: Path = PROC_STAT
) -> Iterator[Reading]:
    """The text of /proc/stat every `interval_s` seconds, until `stop` is set or `limit_s` have passed.

    Ticks fall on a fixed grid from the first one on, so they do not drift; one whose time is over is not made up
    for: two readings within a millisecond would have the same timestamp, and the second would be rejected.
    """
    start = time.monotonic()
    end = None if limit_s is None else start + limit_s
    tick = 0
    while not stop.is_set():
        yield read_text(hostname, path)
        now = time.monotonic()
        tick = max(tick, int((now - start) / interval_s)) + 1
        due = start + tick * interval_s
        if end is not None and due > end:
            return
        stop.wait(max(0.0, due - now))


def live_snapshots(
    hostname: str, interval_s: float, stop: threading.Event, limit_s: float | None = None, path: Path = PROC_STAT
) -> Iterator[Snapshot]:
    """The snapshots of this machine; see `live_readings`."""
    for timestamp, _, text in live_readings(hostname, interval_s, stop, limit_s, path):
        yield parse_stat(text, hostname, timestamp)
