"""Whose services answer on this lab's ports: its own, or another lab's on the same ports.

Two labs on the same ports would stop each other's jobs, and keep the savepoints where the other does not look.
"""

from __future__ import annotations

import json

from labkit.errors import BadInput
from labkit.lab.supervisor.control import is_up
from labkit.settings import LOOPBACK, Settings
from labkit.system import ports

__all__ = ["require_own", "require_own_topics", "require_same_ports", "write_ports"]

#: In the state folder: the ports with which the services were started.
_PORTS_FILE = "ports.json"


def write_ports(settings: Settings, started: dict[str, int]) -> None:
    """Keep the ports with which the services are being started: {"kafka_port": 9092, …}."""
    (settings.state_dir / _PORTS_FILE).write_text(json.dumps(started))


def require_own(settings: Settings) -> None:
    """Raise `BadInput` where this lab's services are not up, and another program answers in the JobManager's place."""
    if settings.in_containers or settings.flink_host != LOOPBACK:
        return
    if is_up(settings):
        require_same_ports(settings, "flink_port")
    elif not ports.is_free(settings.flink_port):
        raise BadInput(
            f"The services of this lab are not up; port {settings.flink_port} (flink_port) is taken by "
            f"{ports.holder(settings.flink_port)}. Nothing was changed.",
            "Stop that program and type labkit up, or move this lab: put `port_offset = 100` into labkit.toml.",
        )


def require_own_topics(settings: Settings) -> None:
    """Raise `BadInput` where this lab's services are not up, and another lab's Kafka answers in its place.

    A Kafka that is no lab's may be meant.
    """
    if settings.in_containers or settings.kafka_host != LOOPBACK:
        return
    if is_up(settings):
        require_same_ports(settings, "kafka_port")
        return
    other = ports.lab_of(settings.kafka_port)
    if other is not None and other != settings.state_dir:
        raise BadInput(
            f"The services of this lab are not up; Kafka on port {settings.kafka_port} is that of the lab in {other}. "
            "Nothing was read or sent.",
            "Work in that lab's folder; or put `port_offset = 100` into labkit.toml and type labkit up.",
        )


def require_same_ports(settings: Settings, *names: str) -> None:
    """The services stay where they were started, whatever the settings say by now."""
    file = settings.state_dir / _PORTS_FILE
    started = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        port = settings.ports[name]
        if started.get(name, port) != port:
            raise BadInput(
                f"The services of this lab are up on other ports: {name} is {started[name]}, the settings say {port}.",
                "Take the setting back; or type labkit down, and labkit up.",
            )
