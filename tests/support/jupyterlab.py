"""JupyterLab of the test lab, as `labkit lab` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.settings import REPOSITORY


@contextmanager
def at_work(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of `labkit lab`, and the address that it said; ended with Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", "lab"], env={**os.environ, **environment},
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = next((line for line in process.stdout if line.startswith("JupyterLab: ")), "")
    try:
        assert said, f"JupyterLab never said its address, exit status {process.wait(timeout=60)}"
        yield process, said.split()[1]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def way_in(address: str) -> tuple[str, str]:
    """("http://127.0.0.1:8888", the token) of the address that `labkit lab` said."""
    page, token = address.split("?token=")
    return page.split("/lab/tree")[0], token
