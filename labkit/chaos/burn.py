"""A burn on purpose: keep one CPU busy for a while, so that there is something to find in the plots.

with burn(1, "user"): …             CPU 1 counts in user mode until the block ends
python -m labkit.chaos.burn 0 system 30        CPU 0 copies zeros inside the kernel for 30 s
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.errors import BadInput, LabkitError

__all__ = ["KINDS", "burn", "main"]

#: What the CPU does: arithmetic in user mode, or read(2) of /dev/zero, which the kernel fills.
KINDS = ("user", "system")
_SLICE_S = 0.1


@contextmanager
def burn(cpu: int, kind: str, share: float = 1.0, limit_s: float = 3_600) -> Iterator[int]:
    """Keep CPU number `cpu` busy with `share` (0…1) of its time until the block ends; gives the pid.

    Raises `BadInput` for a CPU that this process may not use, an unknown kind or share, and `LabkitError` where
    the busy process did not live until the block's end.
    """
    if cpu not in os.sched_getaffinity(0):
        there = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise BadInput(f"There is no CPU {cpu} for this process; there is {there}.")
    if kind not in KINDS or not 0 < share <= 1:
        raise BadInput(f"A burn is one of {', '.join(KINDS)}, with a share of more than 0 and at most 1.")
    words = [sys.executable, "-m", "labkit.chaos.burn", str(cpu), kind, str(limit_s), str(share)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        ended_by_itself = process.poll()
        process.kill()
        process.wait()
    if ended_by_itself:
        raise LabkitError(f"The burn of CPU {cpu} ended by itself (exit status {ended_by_itself}).")


def main(cpu: int, kind: str, seconds: float, share: float = 1.0) -> None:
    """Burn in this very process for `seconds`; ends early when its parent is gone."""
    os.sched_setaffinity(0, {cpu})
    parent = os.getppid()
    end = time.monotonic() + seconds
    zero = os.open("/dev/zero", os.O_RDONLY)
    while time.monotonic() < end and os.getppid() == parent:
        slice_end = time.monotonic() + _SLICE_S * share
        while time.monotonic() < slice_end:
            if kind == "system":
                os.read(zero, 1 << 22)
            else:
                sum(range(20_000))
        if share < 1:
            time.sleep(_SLICE_S * (1 - share))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float((sys.argv[4:] or ["1"])[0]))
