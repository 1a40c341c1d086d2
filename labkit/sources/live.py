"""Where snapshots come from. A source is anything that can be looped over for `Snapshot`s.

for snapshot in live_snapshots(hostname="lab", interval_s=1.0, stop=event): …
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from labkit.errors import BadInput
from labkit.sources.recording import Reading
from labkit.streams.parsing import ReadingError
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.stream import Stream

__all__ = ["Snapshots", "live_readings", "live_snapshots", "read_snapshot", "read_text", "ticks"]

#: Different sentences that are said; where every reading is wrong in another way, those that follow are counted only.
_TOLD_AT_MOST = 10
_IN_A_CONTAINER = "Ask whoever runs this container to let it see the file, or run the lab outside of it."


def read_text(hostname: str, stream: Stream = PROCSTAT) -> Reading:
    """The text that the stream reads, as it is now. Raises `BadInput` on a system that has none."""
    try:
        text = Path(stream.reads).read_text(errors="replace")
    except FileNotFoundError:
        if sys.platform == "linux":
            raise BadInput(
                f"There is no {stream.reads} here; this is Linux, so a container may hide it.", _IN_A_CONTAINER
            ) from None
        raise BadInput(
            f"There is no {stream.reads} on this system, only Linux has it.",
            "Run the lab on Linux, WSL2 included, or in docker compose.",
        ) from None
    except OSError as error:
        raise BadInput(
            f"{stream.reads} is there and cannot be read: {error.strerror}.",
            f"Type: ls -l {stream.reads}. Where you may read it, a container or a security module hides it.",
        ) from None
    if not text:
        raise BadInput(f"{stream.reads} is empty: this container hides what the kernel writes there.", _IN_A_CONTAINER)
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
    hostname: str,
    interval_s: float,
    stop: threading.Event,
    limit_s: float | None = None,
    stream: Stream = PROCSTAT,
    leave_out: Callable[[str], None] | None = None,
) -> Iterator[Reading]:
    """The text that the stream reads, at each of `ticks`.

    Raises `BadInput` where there is nothing to be read. Where `leave_out` is given, only the first reading does so; of
    each later one it hears why.
    """
    begun = False
    for _ in ticks(interval_s, stop, limit_s):
        try:
            reading = read_text(hostname, stream)
        except BadInput as error:
            if leave_out is None or not begun:
                raise
            leave_out(error.what)
        else:
            begun = True
            yield reading


def live_snapshots(
    hostname: str,
    interval_s: float,
    stop: threading.Event,
    limit_s: float | None = None,
    stream: Stream = PROCSTAT,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Any]:
    """The snapshots of this machine; see `live_readings`.

    A reading that cannot be read is left out. `say` hears of each thing that is passed over when it comes for the first
    time, and in the end how many readings were left out, and in how many something was passed over. Raises `BadInput`
    where there is nothing to be read at the first of them.
    """
    snapshots = Snapshots(stream, say)
    try:
        for reading in live_readings(hostname, interval_s, stop, limit_s, stream, snapshots.leave_out):
            if (snapshot := snapshots.of(reading)) is not None:
                yield snapshot
    finally:
        snapshots.say_counts()


class Snapshots:
    """Readings to snapshots, one after the other; a reading that cannot be read is none, counted and said."""

    def __init__(self, stream: Stream, say: Callable[[str], None] = lambda _: None) -> None:
        self.left_out = self.passed_over = 0
        self._stream = stream
        self._say = say
        self._told: set[str] = set()

    def of(self, reading: Reading) -> Any:
        """The reading's snapshot, or None."""
        problems = self._stream.passed_over(reading.text)
        for problem in problems:
            self._tell(problem)
        self.passed_over += bool(problems)
        try:
            return self._stream.parse(reading.text, reading.hostname, reading.timestamp)
        except ReadingError as error:
            self.leave_out(error.what)
            return None

    def leave_out(self, why: str) -> None:
        """Count a reading that is none, and say why where that is new."""
        self.left_out += 1
        self._tell(f"{why} This reading is left out.")

    def say_counts(self) -> None:
        """How many there were, where there were any."""
        if self.left_out or self.passed_over:
            self._say(f"{self.left_out} readings were left out; in {self.passed_over} something was passed over.")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told and len(self._told) < _TOLD_AT_MOST:
            self._told.add(sentence)
            self._say(sentence)
