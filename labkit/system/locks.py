"""Locks between processes: a file that the kernel lets go of when its holder ends.

with exclusive(state_dir, "submit.lock", wait=True): …       .lab/submit.lock, held until the block ends
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.errors import BadInput

__all__ = ["exclusive"]


@contextmanager
def exclusive(state_dir: Path, name: str, *, wait: bool) -> Iterator[None]:
    """Hold the file `name` of `state_dir` for this process alone; the kernel lets go of it however that ends.

    Raises `BadInput` where another process holds it and `wait` is False. The file stays; what is in it, the pid of
    the process that held it last, is only told to people.
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
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            pid = file.read().decode(errors="replace").strip()
            raise BadInput(
                f"Another `labkit {name.removesuffix('.lock')}`{f' (pid {pid})' if pid else ''} is at work "
                f"in {state_dir}; nothing was changed.",
                "Wait until it has ended, or press Ctrl-C there" + (f" (no terminal: kill {pid})." if pid else "."),
            ) from None
        with suppress(OSError):  # a full disk is found out later, and named
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield
