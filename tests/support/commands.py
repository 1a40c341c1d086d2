"""A command of labkit in a process of its own, while a test looks on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.settings import REPOSITORY

__all__ = ["at_work", "hear"]


@contextmanager
def at_work(
    *words: str, environment: dict[str, str] | None = None, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """`labkit words…`; it never outlives the block, so a test that fails leaves nobody who goes on sending.

    `environment` is added to the test's own. What says much to nobody needs `stdout` DEVNULL: a full pipe stops it.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", *words], cwd=REPOSITORY, env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def hear(process: subprocess.Popen[str], words: str) -> None:
    """Read what it says up to the line with these words; an AssertionError if it ends before."""
    assert process.stdout is not None
    while words not in (line := process.stdout.readline()):
        assert line, f"it ended by itself, and never said: {words}"
