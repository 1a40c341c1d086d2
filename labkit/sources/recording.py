"""A file of /proc on record: gzip of plain text, each reading as it was read below a line with its time and host.

    # 1795366688802 lab          ms since the epoch, hostname
    cpu  4705 150 1120 16250 520 0 17 0 0 0
    cpu0 2301 …                  and so on, as the kernel wrote it
    # 1795366689802 lab

`zcat FILE | less` shows one. A replay sends the same snapshots again, at any speed, with the same result.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from labkit.errors import BadInput
from labkit.streams.parsing import ReadingError
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.stream import Stream

__all__ = ["Reading", "ReplaySource", "read_recording", "readings_of_file", "write_recording"]

_GZIP = b"\x1f\x8b"
_HEAD = re.compile(r"# (\d{1,15}) (\S.*)\n")


class Reading(NamedTuple):
    """The file of `hostname` at `timestamp` (ms since the epoch): its text."""

    timestamp: int
    hostname: str
    text: str


def read_recording(path: Path) -> Iterator[Reading]:
    """The readings of a recording. Raises `BadInput` where it is none, or ends in the middle."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            head, lines = None, list[str]()
            for number, line in enumerate(file, start=1):
                found = _HEAD.fullmatch(line)
                if not line.endswith("\n"):
                    raise BadInput(f"{path} ends in the middle of line {number}.")
                if found is None and head is None:
                    raise BadInput(f"{path} line {number}: a recording has `# time_ms hostname` here.")
                if found is None:
                    lines.append(line)
                    continue
                if head is not None:
                    yield Reading(int(head[1]), head[2], "".join(lines))
                head, lines = found, []
            if head is not None:
                yield Reading(int(head[1]), head[2], "".join(lines))
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError):
        raise BadInput(f"{path} is no whole gzip file of text.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None


def write_recording(path: Path, readings: Iterable[Reading]) -> int:
    """Write `readings` as they come; returns how many. Raises `BadInput` where `path` is there or cannot be made.

    Where the first of them raises it, there is no file.
    """
    count = 0
    try:
        # No time in gzip's head: the same readings make the same file.
        with path.open("xb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            for timestamp, hostname, text in readings:
                packed.write(f"# {timestamp} {hostname}\n{text}".encode())
                count += 1
    except BadInput:
        if not count:
            path.unlink()
        raise
    except FileExistsError:
        raise BadInput(f"{path} is there already; nothing was written.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}).") from None
    return count


def readings_of_file(path: Path, hostname: str) -> list[Reading]:
    """The readings of a recording; of a file as the kernel writes it, one that is there twice, a second apart.

    Raises `BadInput` where the file cannot be read, or is neither.
    """
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == _GZIP:
            return list(read_recording(path))
        text = path.read_text()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is neither a recording nor text.") from None
    now = time.time_ns() // 1_000_000
    return [Reading(now - 1000, hostname, text), Reading(now, hostname, text)]


class ReplaySource:
    """The snapshots of a recording, `speed` times as fast as they were taken (None: without waiting).

    They are sent exactly as they were, or with `as_now` shifted in time so that the first is taken now;
    what tells its boot is shifted, too. Ends early when `stop` is set. Raises `BadInput` for a reading that
    cannot be parsed, and where there is none.
    """

    def __init__(
        self,
        path: Path,
        speed: float | None = None,
        *,
        as_now: bool = False,
        stop: threading.Event | None = None,
        stream: Stream = PROCSTAT,
    ) -> None:
        self._stream = stream
        self._path = path
        self._speed = speed
        self._as_now = as_now
        self._stop = stop or threading.Event()

    def __iter__(self) -> Iterator[Any]:
        begin = time.monotonic()
        first, shift_ms = None, 0
        for number, (timestamp, hostname, text) in enumerate(read_recording(self._path), start=1):
            try:
                snapshot = self._stream.parse(text, hostname, timestamp)
            except ReadingError as error:
                raise BadInput(f"{self._path}, reading {number}: {error.what}") from None
            if first is None:
                first = timestamp
                # Whole seconds: btime has no finer unit.
                shift_ms = (time.time_ns() // 1_000_000 - first) // 1000 * 1000 if self._as_now else 0
            if self._speed is not None:
                due = begin + (timestamp - first) / 1000 / self._speed
                self._stop.wait(max(0.0, due - time.monotonic()))
            if self._stop.is_set():
                return
            yield self._stream.shift(snapshot, shift_ms)
        if first is None:
            raise BadInput(f"{self._path} has no reading in it.")
