"""Invariant 18: a port is free or it is not, and who holds it is named."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.errors import BadInput
from labkit.lab import services
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.system import ports


def listener(address: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((address, 0))


def test_a_port_that_somebody_listens_on_is_not_free_and_its_holder_is_named() -> None:
    with listener() as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.holder(port) == f"{psutil.Process().name()} (pid {os.getpid()})"
    assert ports.is_free(port)


def test_a_server_on_every_address_holds_the_port_too() -> None:
    with listener("0.0.0.0") as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_connection_that_has_just_ended_does_not_hold_the_port() -> None:
    with listener() as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        accepted.close()  # this side waits in TIME_WAIT afterwards
        client.recv(1)
        port = server.getsockname()[1]
    assert ports.is_free(port)


def test_looking_at_a_port_does_not_take_it() -> None:
    with listener() as server:
        port = server.getsockname()[1]
    assert ports.is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)


def test_two_labs_that_start_at_the_same_moment_do_not_both_take_a_port(second_lab: Settings, tmp_path: Path) -> None:
    other = load_settings(**{**second_lab.model_dump(include=second_lab.model_fields_set), "state_dir": tmp_path / "b"})
    with (
        ports.claimed({"kafka_port": second_lab.kafka_port}),
        pytest.raises(BadInput, match=rf"Port {other.kafka_port} \(kafka_port\) is being taken by another lab"),
    ):
        services.up(other)
    assert services.processes(other) == []
    with ports.claimed({"kafka_port": second_lab.kafka_port}):
        pass


def test_the_claim_of_a_lab_that_was_killed_is_gone_with_it() -> None:
    with listener() as server:
        port = server.getsockname()[1]
    claim = (
        "from labkit.system import ports\n"
        f"with ports.claimed({{'x': {port}}}):\n"
        "    print('claimed', flush=True)\n"
        "    input()"
    )
    with subprocess.Popen([sys.executable, "-c", claim], cwd=REPOSITORY, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        with pytest.raises(BadInput, match="by another lab"), ports.claimed({"x": port}):
            pass
        process.kill()
    with ports.claimed({"x": port}):
        pass
