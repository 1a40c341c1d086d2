"""The processes that a supervisord has started, and where it listens."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from labkit.settings import Settings

__all__ = ["children_of_supervisord", "control_socket"]

_MAX_SOCKET_PATH = 100  # the kernel allows 108 bytes (unix(7)); supervisord binds a longer temporary name


def control_socket(settings: Settings) -> Path:
    """Where supervisord listens for `labkit`: in the state folder, or a short path of its own."""
    path = settings.state_dir / "supervisor.sock"
    if len(str(path)) <= _MAX_SOCKET_PATH - len(".12345678"):
        return path
    digest = hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"labkit-{os.getuid()}-{digest}.sock"


def children_of_supervisord(socket: str, program: str | None = None) -> Iterator[psutil.Process]:
    """Every process that came from the supervisord at `socket` (from its `program`), orphans too.

    supervisord gives its address and the program's name to its children by their environment.
    """
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] is None or process.info["uids"].real != os.getuid():
            continue
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("SUPERVISOR_SERVER_URL") == f"unix://{socket}" and (
            program in (None, environment.get("SUPERVISOR_PROCESS_NAME"))
        ):
            yield process
