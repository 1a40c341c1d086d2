"""A busy machine: so many programs at work beside, each a process of its own; they end with the one that began them.

with load(25): …                                         25 of them, at the usual priority, while the block runs
python -m tests.support.load 25 labkit up                the same, while a command runs; its exit status
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["load"]

_PR_SET_PDEATHSIG = 1


@contextmanager
def load(programs: int) -> Iterator[list[int]]:
    """Keep so many programs busy, and yield their process ids; all are gone after the block, and after a SIGKILL."""
    words = [sys.executable, "-m", "tests.support.load", str(os.getpid())]
    # A session each: where the kernel shares the CPUs out by session (sched(7), autogroup), they would count as one.
    started = [subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True) for _ in range(programs)]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _work(parent: int) -> None:
    """Be busy until the parent is gone. Source: PR_SET_PDEATHSIG(2const)"""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    number = 0
    while number % 1_000_000 or os.getppid() == parent:
        number += 1


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _work(int(sys.argv[1]))
    else:
        with load(int(sys.argv[1])):
            sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)
