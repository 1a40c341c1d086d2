"""supervisord, wherever it is: one for all services of this machine, or one in each container of the compose lab.

    processes(settings)  ->  {"kafka": [Process("RUNNING", pid=4711, memory_mib=344.2)], …}

Both speak the same XML-RPC; a container's is on the compose network only, and asks for a password.
A service may run in several containers (`docker compose up --scale taskmanager=3`).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import xmlrpc.client
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from labkit.lab.supervisor.configuration import CONTAINERS, CONTROL_PORT, CONTROL_USER, SERVICES
from labkit.lab.supervisor.processes import control_address
from labkit.settings import Settings
from labkit.system.waiting import patience

__all__ = ["NOT_THERE", "Process", "each", "is_up", "processes", "services_of", "supervisor"]

NOT_THERE = (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError)
_ANSWER_S = 5
#: On this machine: one that is slow for so long is frozen, and counts as not there.
_OWN_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """A program as supervisord sees it: its word for the state, and what its family of processes takes."""

    state: str
    pid: int | None
    memory_mib: float


def services_of(settings: Settings) -> tuple[str, ...]:
    """The services of this lab, in the order in which they are shown."""
    return CONTAINERS if settings.in_containers else SERVICES


def is_up(settings: Settings) -> bool:
    """Whether a supervisord of this lab answers."""
    return any(processes(settings).values())


def processes(settings: Settings) -> dict[str, list[Process]]:
    """Each service -> its processes: one, or one a container; none where nobody answers. All asked at once."""
    if not settings.in_containers:
        found = {row["name"]: [_process(row)] for row in _ask(settings, control_address(settings))}
        return {name: found.get(name, []) for name in SERVICES}
    with ThreadPoolExecutor(len(CONTAINERS)) as pool:
        return dict(zip(CONTAINERS, pool.map(lambda name: _in_container(settings, name), CONTAINERS), strict=True))


def each(settings: Settings, service: str) -> list[str]:
    """The addresses of every supervisord that runs `service`; none where its name is not known."""
    if not settings.in_containers:
        return [control_address(settings)]
    try:
        found = socket.getaddrinfo(_host(settings, service), CONTROL_PORT, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted(f"http://{address[0]}:{CONTROL_PORT}" for *_, address in found)


@contextlib.contextmanager
def supervisor(address: str) -> Iterator[Any]:
    """The XML-RPC calls of the supervisord at `address`. Source: http://supervisord.org/api.html"""
    transport: xmlrpc.client.Transport
    if address.startswith("unix:"):
        transport, url = _ByFile(address), "http://supervisor"
    else:
        transport, url = _Impatient(headers=[_login()]), address
    with xmlrpc.client.ServerProxy(url, transport=transport) as proxy:
        yield proxy


def _login() -> tuple[str, str]:
    """As a header: in the address, every error of xmlrpc.client would show the password."""
    password = os.environ.get("LABKIT_CONTROL_PASSWORD", "")
    return "Authorization", f"Basic {b64encode(f'{CONTROL_USER}:{password}'.encode()).decode()}"


class _ByFile(SupervisorTransport):
    """supervisor's own would wait for a frozen supervisord without an end."""

    def __init__(self, address: str) -> None:
        super().__init__(None, None, address)
        self._get_connection = lambda: _Connection(address.removeprefix("unix://"), patience(_OWN_ANSWER_S))


class _Connection(http.client.HTTPConnection):
    def __init__(self, file: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._file = file

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._file)


class _Impatient(xmlrpc.client.Transport):
    """A container that was paused or is gone must not be waited for without an end."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = patience(_ANSWER_S)
        return connection


def _in_container(settings: Settings, service: str) -> list[Process]:
    rows = [row for address in each(settings, service) for row in _ask(settings, address) if row["name"] == service]
    return [_process(row) for row in rows]


def _ask(settings: Settings, address: str) -> list[dict[str, Any]]:
    try:
        with supervisor(address) as proxy:
            rows: list[dict[str, Any]] = proxy.labkit.processes()
            return rows
    except NOT_THERE:
        return []


def _process(row: dict[str, Any]) -> Process:
    return Process(row["state"], row["pid"] or None, row["memory_mib"])


def _host(settings: Settings, service: str) -> str:
    known = {"kafka": settings.kafka_host, "registry": settings.registry_host, "jobmanager": settings.flink_host}
    return known.get(service, service)
