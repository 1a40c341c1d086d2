"""A folder on a small disk of its own, to be filled on purpose. Only for who may mount: root, outside containers.

    with small_disk(folder, room_mib=16):      a tmpfs with what was in the folder, and 16 MiB of room
        with filled(folder): …                 a hidden file takes the room, to the last byte

Afterwards everything is in the folder again as on the old disk. Nobody may write to it at either end; a reader finds
whole files at every moment, and never fewer than before. Source: tmpfs(5), mount(8), "Bind mount operation".
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.errors import BadInput, LabkitError

__all__ = ["filled", "require_root", "small_disk"]

_BALLAST = ".ballast"
_MIB = 2**20


def require_root() -> None:
    """Raise `BadInput` where this process may not mount."""
    if os.geteuid() != 0:
        raise BadInput("A small disk has to be mounted, and only root may do that; nothing was changed.")


@contextmanager
def small_disk(folder: Path, room_mib: int) -> Iterator[None]:
    """`folder` on a tmpfs with at least `room_mib` MiB free. Raises `BadInput` where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder.with_name(f".{folder.name}.small-disk")
    disk.mkdir(exist_ok=True)
    used = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
    size = used * 2 + room_mib * _MIB
    below = os.open(folder, os.O_RDONLY)  # still leads to the old disk when another is mounted over it
    try:
        _mount("-t", "tmpfs", "-o", f"size={size},mode=0755", "labkit-small-disk", str(disk))
        try:
            shutil.copytree(folder, disk, dirs_exist_ok=True)
            _mount("--bind", str(disk), str(folder))
            try:
                yield
            finally:
                _copy_new(disk, Path(f"/proc/self/fd/{below}"))
                _unmount(folder)
        finally:
            _unmount(disk)
            disk.rmdir()
    finally:
        os.close(below)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No room is left on the disk of `folder` until the block ends. Raises `BadInput` where it is not a small one."""
    room = shutil.disk_usage(folder).free
    if room > 1024 * _MIB:
        raise BadInput(f"The disk of {folder} has {room // _MIB} MiB of room: no small disk, and not filled.")
    ballast = folder / _BALLAST
    try:
        with ballast.open("wb", buffering=0) as file:
            for step in (_MIB, 4096, 1):
                try:
                    while file.write(bytes(step)) == step:
                        pass
                except OSError:  # ENOSPC: go on with a smaller step
                    continue
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _copy_new(source: Path, target: Path) -> None:
    """Bring to `target` what is new in `source`, each file whole from its first moment; forget what is gone."""
    there = {file.relative_to(target) for file in target.rglob("*") if file.is_file()}
    now = {file.relative_to(source) for file in source.rglob("*") if file.is_file()}
    for name in sorted(now - there):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        draft = target / name.parent / f".{name.name}.draft"
        shutil.copy2(source / name, draft)
        draft.rename(target / name)
    for name in there - now:
        (target / name).unlink()


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadInput(f"A small disk could not be mounted ({done.stderr.strip()}).")


def _unmount(folder: Path) -> None:
    """Also where a reader still has a file of it open: that one keeps it until it has ended."""
    done = subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabkitError(f"{folder} could not be unmounted ({done.stderr.strip()}).", f"Type: umount {folder}")
