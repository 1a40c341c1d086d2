"""Writing a recording; `labkit.recording` says what is in one, and reads it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from labkit.errors import BadInput
from labkit.recording import Reading

__all__ = ["write_recording"]


def write_recording(path: Path, readings: Iterable[Reading]) -> int:
    """Write `readings` as they come; returns how many. Raises `BadInput` where `path` is there or cannot be made."""
    count = 0
    try:
        # No time in gzip's head: the same readings make the same file.
        with path.open("xb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            for timestamp, hostname, text in readings:
                packed.write(f"# {timestamp} {hostname}\n{text}".encode())
                count += 1
    except FileExistsError:
        raise BadInput(f"{path} is there already; nothing was written.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}).") from None
    return count
