"""Invariant 18: a port is free or it is not, and who holds it is named."""

from __future__ import annotations

import os
import socket

import psutil

from labkit.ops import ports


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


def test_what_a_process_listens_on_is_listed_with_its_address() -> None:
    with listener() as server:
        assert (os.getpid(), *server.getsockname()) in ports.listening({os.getpid()})
        assert ports.listening(set()) == []
