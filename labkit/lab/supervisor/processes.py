"""The processes that a supervisord has started, and where it listens."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:  # a service is started through this module, and does not wait for what settings import
    from labkit.settings import Settings

__all__ = ["children_of_supervisord", "control_address", "control_socket"]

#: Not what TMPDIR says: every command and every service has to look in the same place.
_SHORT = Path("/tmp")
_MAX_SOCKET_PATH = 100  # the kernel allows 108 bytes (unix(7)); supervisord binds a longer temporary name


def control_socket(settings: Settings) -> Path:
    """Where supervisord listens for `labkit`: in the state folder, or a short path of its own."""
    state = settings.state_dir.resolve()  # supervisord, in that folder, knows no other name of it
    path = state / "supervisor.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH - len(".12345678"):
        return path
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
    return _SHORT / f"labkit-{os.getuid()}-{digest}.sock"


def control_address(settings: Settings) -> str:
    """The same as an address: unix:///home/me/lab/.lab/supervisor.sock."""
    return f"unix://{control_socket(settings)}"


def children_of_supervisord(address: str, program: str | None = None) -> Iterator[psutil.Process]:
    """Every process that came from the supervisord at `address` (from its `program`), orphans too.

    supervisord gives its address and the program's name to its children by their environment.
    """
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] is None or process.info["uids"].real != os.getuid():
            continue
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("SUPERVISOR_SERVER_URL") == address and (
            program in (None, environment.get("SUPERVISOR_PROCESS_NAME"))
        ):
            yield process
