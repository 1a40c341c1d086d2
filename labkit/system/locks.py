"""Locks between processes: a file that the kernel lets go of when its holder ends.

with exclusive(state_dir, "submit.lock", wait=True): …       .lab/submit.lock, held until the block ends
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from labkit.errors import BadInput

__all__ = ["exclusive", "holder"]


@contextmanager
def exclusive(
    state_dir: Path, name: str, *, wait: bool, on_wait: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the file `name` of `state_dir` for this process alone; the kernel lets go of it however that ends.

    Where another process holds it, that is waited for once `on_wait` has heard its pid ("" where it is not known);
    `BadInput` where `wait` is False. The file stays; the pid in it is only told to people.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (state_dir / name).open("ab+", buffering=0)
    except OSError as error:
        raise BadInput(
            f"The state folder {state_dir} cannot be {'written' if state_dir.exists() else 'made'} ({error.strerror}).",
            "Set LABKIT_STATE_DIR to another folder.",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _written(file)
            if not wait:
                raise BadInput(
                    f"Another `labkit {name.removesuffix('.lock')}`{f' (pid {pid})' if pid else ''} is at work "
                    f"in {state_dir}; nothing was changed.",
                    "Wait until it has ended, or press Ctrl-C there" + (f" (no terminal: kill {pid})." if pid else "."),
                ) from None
            on_wait(pid)
            fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(OSError):  # a full disk is found out later, and named
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield


def holder(state_dir: Path, name: str) -> str | None:
    """Pid of the process that holds it now ("" where that is not known), None where nobody does.

    For locks that are waited for: it takes the lock for a moment, in which another would find it held.
    """
    try:
        file = (state_dir / name).open("rb", buffering=0)
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _written(file)
    return None


def _written(file: FileIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()
