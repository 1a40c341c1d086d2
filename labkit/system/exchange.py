"""Two folders change places in one step: whoever lists a name sees the one or the other, never neither.

    output/cpu_metrics/date=2025-11-22  ⇄  output/.cpu_metrics.compact/date=2025-11-22

Linux does it with renameat2 and RENAME_EXCHANGE (rename(2)), which Python does not offer: called by ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from labkit.errors import BadInput

__all__ = ["exchange", "sync"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
#: What a kernel or a file system says that cannot do it; EXDEV is said where the two lie on different ones.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}


def exchange(one: Path, other: Path) -> None:
    """`one` and `other`, which both exist, change names.

    Raises `BadInput` where the file system cannot do that, else OSError.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    number = errno.ENOSYS  # a C library without it
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
    if number in _CANNOT:
        raise BadInput(
            f"The file system of {one} cannot exchange two folders in one step ({os.strerror(number)}); "
            "nothing was changed.",
            "Point LABKIT_OUTPUT_DIR at a folder of a local disk.",
        )
    raise OSError(number, os.strerror(number), str(one))


def sync(path: Path) -> None:
    """What was written to a file, or which names a folder has, is on the disk when this returns (fsync(2))."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
