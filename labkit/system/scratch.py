"""A folder for what a command needs on disk while it runs, below .lab/tmp; it goes when the command ends.

    with scratch_folder(state_dir, "ledger") as folder:      .lab/tmp/ledger-k3x9_ab2

The folder is locked as long as its process lives. What a killed process left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from labkit.errors import BadInput

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(state_dir: Path, purpose: str) -> Iterator[Path]:
    """An empty folder of this process alone, below `state_dir`/tmp. Raises `BadInput` where none can be made."""
    parent = state_dir / "tmp"
    try:
        folder, lock = _make(parent, purpose)
    except OSError as error:
        raise BadInput(
            f"No folder can be made in {parent} ({error.strerror}).", "Set LABKIT_STATE_DIR to another folder."
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):  # others are at work in it
            parent.rmdir()


def _make(parent: Path, purpose: str) -> tuple[Path, int]:
    while True:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with _locked(parent):  # nobody takes the new folder for one that was left behind
                _remove_left_behind(parent)
                folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
                lock = os.open(folder, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX)
                return folder, lock
        except FileNotFoundError:  # another process, the last one in there, has just removed `parent`
            continue


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.iterdir():
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(handle)
