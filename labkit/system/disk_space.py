"""Room on disk: asked for before anything is written, and named with its folder where it ran out on the way.

require_room(settings.state_dir, STATE_MIB)   "3 MiB are free for /lab/.lab, 200 are needed; nothing was started."
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from labkit.errors import BadInput, LabkitError

__all__ = ["OUTPUT_MIB", "STATE_MIB", "WORK_MIB", "existing", "free_mib", "full", "fullest", "is_full", "require_room"]

#: The services' logs take up to 240 MB, as supervisord rotates them; the rest is for topics and checkpoints.
STATE_MIB = 300
#: Parquet files and pictures; they are small.
OUTPUT_MIB = 50
#: The learner's copies of the notebooks, with their outputs.
WORK_MIB = 20


def require_room(folder: Path, needed_mib: int, consequence: str = "nothing was started") -> None:
    """Raise `BadInput` where the disk of `folder`, which need not be there, has less than that."""
    free = free_mib(folder)
    if free < needed_mib:
        raise BadInput(
            f"{free:,} MiB are free for {folder}, {needed_mib:,} are needed; {consequence}.",
            "Make room on that disk, then type the same again.",
        )


def full(folder: Path, needed_mib: int) -> LabkitError:
    """The error for a disk that filled up while `folder` was written."""
    return LabkitError(
        f"The disk of {folder} is full: {free_mib(folder):,} MiB are free, {needed_mib:,} more are needed.",
        "Make room there; the same command goes on where this one was.",
    )


def fullest(needed: dict[Path, int]) -> LabkitError:
    """The same where nobody knows which folder it was: of {folder: MiB that it needs}, the one with the least room."""
    folder = min(needed, key=free_mib)
    return full(folder, needed[folder])


def is_full(error: OSError) -> bool:
    """Whether it says that a disk, or a person's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def free_mib(folder: Path) -> int:
    """What a person may still write where `folder` is, or will be."""
    return shutil.disk_usage(existing(folder)).free // 2**20


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder
