"""Who holds a port, before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from labkit.errors import BadInput

__all__ = ["claimed", "holder", "is_free", "lab_of"]

_LOOPBACK = "127.0.0.1"


@contextmanager
def claimed(wanted: Mapping[str, int]) -> Iterator[None]:
    """Keep other labs of this machine from starting on the ports {name: port}, until the services listen there.

    Two that start at the same moment both find their ports free; later one would take the other's Kafka for its own.
    A claim is a name in the kernel's abstract namespace (unix(7)), gone with its process. Raises `BadInput`.
    """
    with ExitStack() as claims:
        for name, port in wanted.items():
            claim = claims.enter_context(socket.socket(socket.AF_UNIX))
            try:
                claim.bind(f"\0labkit-port-{port}")
            except OSError:
                raise BadInput(
                    f"Port {port} ({name}) is being taken by another lab, which is starting now; nothing was started.",
                    "Move this lab: put `port_offset = 100` into labkit.toml.",
                ) from None
        yield


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens on `port`: "java (pid 4711)", "kafka of the lab in /home/ada/lab/.lab (pid 4711)", or other words."""
    try:
        return next((words for words, _ in _listeners(port)), "a program of another user")
    except psutil.AccessDenied:
        return "another program"


def lab_of(port: int) -> Path | None:
    """The state folder of the lab whose service listens on `port`; None where it is no lab's, or nobody's."""
    try:
        return next((folder for _, folder in _listeners(port) if folder), None)
    except psutil.AccessDenied:
        return None


def _listeners(port: int) -> Iterator[tuple[str, Path | None]]:
    """What `_described` says of each process that listens on `port`; one that has just ended is left out."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            with suppress(psutil.NoSuchProcess):
                yield _described(psutil.Process(connection.pid))


def _described(process: psutil.Process) -> tuple[str, Path | None]:
    """Its name and pid; of a lab's service also the lab's state folder, which supervisord tells its children."""
    try:
        environment = process.environ()
    except psutil.AccessDenied:
        environment = {}
    service, address = (environment.get(f"SUPERVISOR_{word}", "") for word in ("PROCESS_NAME", "SERVER_URL"))
    socket_file = Path(address.removeprefix("unix://"))
    if not service or socket_file.name != "supervisor.sock":
        return f"{process.name()} (pid {process.pid})", None
    return f"{service} of the lab in {socket_file.parent} (pid {process.pid})", socket_file.parent
