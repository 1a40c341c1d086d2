"""A lab of a test's own: its folder, ports nobody else has, its settings."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.settings import Settings, load_settings

PORTS = (
    "kafka_port", "kafka_controller_port", "registry_port", "registry_management_port",
    "flink_port", "flink_rpc_port", "jupyter_port",
)  # fmt: skip


#: Workers of one run take their ports from as many shares.
_SHARES = 16


_GIVEN: set[int] = set()


Labkit = Callable[..., "subprocess.CompletedProcess[str]"]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different, none of them given before, nor in another worker of this run.

    None is among those that the kernel takes for clients: else one of many connections takes a port while its service
    is being started again.
    """
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    share = int(number) % _SHARES if number else os.getpid() % _SHARES
    own = [port for port in range(10_000, 65_536) if not first <= port <= last and port % _SHARES == share]
    found: list[int] = []
    for port in random.SystemRandom().sample(own, len(own)):
        if len(found) == count:
            break
        if port not in _GIVEN and _is_free(port):
            found.append(port)
    assert len(found) == count, f"only {len(found)} ports are free outside {first} to {last}"
    _GIVEN.update(found)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def lab_environment(folder: Path) -> dict[str, str]:
    """LABKIT_… variables of a lab that lives in `folder`, on ports of its own."""
    ports = {f"LABKIT_{name.upper()}": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    return {
        **ports,
        "LABKIT_DEPLOYMENT": "local",  # a compose lab of this folder may be up; it is not to be touched
        "LABKIT_STATE_DIR": str(folder / "state"),
        "LABKIT_OUTPUT_DIR": str(folder / "output"),
        "LABKIT_WORK_DIR": str(folder / "work"),
        "LABKIT_HOSTNAME": "testhost",
        "LABKIT_CHECKPOINT_INTERVAL_S": "2",
    }


def environment_of(settings: Settings) -> dict[str, str]:
    """The LABKIT_… variables with which `labkit` acts on that lab."""
    return {f"LABKIT_{name.upper()}": str(getattr(settings, name)) for name in sorted(settings.model_fields_set)}


def settings_of(environment: dict[str, str]) -> Settings:
    """The settings that these LABKIT_… variables make, whatever others are set."""
    return load_settings(**{name.removeprefix("LABKIT_").lower(): value for name, value in environment.items()})


def keep_ports(environment: dict[str, str]) -> None:
    """Give the ports of this lab to nobody else in this run, also while one of its services is stopped."""
    _GIVEN.update(int(value) for name, value in environment.items() if name.endswith("_PORT"))


def set_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy at a port where nobody listens, set in every way, for all hosts; returns its address."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, address)
        monkeypatch.setenv(name.lower(), address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return address
