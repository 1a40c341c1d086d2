"""Where snapshots come from. A source is anything that can be looped over for `Snapshot`s.

for snapshot in live_snapshots(hostname="lab", interval_s=1.0, stop=event): …
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.errors import BadInput
from labkit.sources.recording import Reading
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.stream import Stream

__all__ = ["live_readings", "live_snapshots", "read_snapshot", "read_text", "ticks"]


def read_text(hostname: str, stream: Stream = PROCSTAT) -> Reading:
    """The text that the stream reads, as it is now. Raises `BadInput` on a system that has none."""
    try:
        text = Path(stream.reads).read_text()
    except OSError:
        raise BadInput(
            f"There is no {stream.reads} on this system, only Linux has it; docker compose runs the lab elsewhere."
        ) from None
    return Reading(time.time_ns() // 1_000_000, hostname, text)


def read_snapshot(hostname: str, stream: Stream = PROCSTAT) -> Any:
    """Read a snapshot of the stream now. Raises `BadInput` on a system without it, `ReadingError` for other text."""
    timestamp, hostname, text = read_text(hostname, stream)
    return stream.parse(text, hostname, timestamp)


def ticks(interval_s: float, stop: threading.Event, limit_s: float | None = None) -> Iterator[None]:
    """When to read: now and then every `interval_s` seconds, until `stop` is set or `limit_s` have passed.

    Ticks fall on a fixed grid from the first one on, so they do not drift; one whose time is over is not made up
    for: two readings within a millisecond would have the same timestamp, and the second would be rejected.
    """
    start = time.monotonic()
    end = None if limit_s is None else start + limit_s
    tick = 0
    while not stop.is_set():
        yield
        now = time.monotonic()
        tick = max(tick, int((now - start) / interval_s)) + 1
        due = start + tick * interval_s
        if end is not None and due > end:
            return
        stop.wait(max(0.0, due - now))


def live_readings(
    hostname: str, interval_s: float, stop: threading.Event, limit_s: float | None = None, stream: Stream = PROCSTAT
) -> Iterator[Reading]:
    """The text that the stream reads, at each of `ticks`."""
    for _ in ticks(interval_s, stop, limit_s):
        yield read_text(hostname, stream)


def live_snapshots(
    hostname: str, interval_s: float, stop: threading.Event, limit_s: float | None = None, stream: Stream = PROCSTAT
) -> Iterator[Any]:
    """The snapshots of this machine; see `live_readings`."""
    for timestamp, _, text in live_readings(hostname, interval_s, stop, limit_s, stream):
        yield stream.parse(text, hostname, timestamp)
