"""The producers of this machine's lab that are at work, each known by a file that it holds locked.

    with registered(settings): …          .lab/producers/4711, locked as long as the process lives
    running(settings)                      [psutil.Process(pid=4711)]

They run in terminals and notebooks of their own; a pid alone could by now belong to somebody else.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from labkit.settings import Settings

__all__ = ["registered", "running"]

_FOLDER = "producers"


@contextmanager
def registered(settings: Settings) -> Iterator[None]:
    """This process is a producer of the lab until the block ends, known as one if the state folder can be written."""
    file = settings.state_dir / _FOLDER / str(os.getpid())
    handle = None
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            file.unlink(missing_ok=True)
            os.close(handle)


def running(settings: Settings) -> list[psutil.Process]:
    """The producers that live. What killed ones left is removed."""
    folder = settings.state_dir / _FOLDER
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            handle = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        except BlockingIOError:
            with suppress(psutil.NoSuchProcess, ValueError):
                found.append(psutil.Process(int(file.name)))
        finally:
            os.close(handle)
    return found
