"""The relay that tells whether somebody goes to the address that they were given."""

from __future__ import annotations

import socket

import pytest

from labkit.workshop.checks.relay import Relay


def test_a_relay_leads_to_the_same_service_and_counts_who_came() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        with Relay(f"127.0.0.1:{service.getsockname()[1]}") as relay:
            assert relay.connections == 0
            with socket.create_connection(_place(relay.address), timeout=10) as client:
                there, _ = service.accept()
                with there:
                    there.settimeout(10)
                    client.sendall(b"question")
                    assert there.recv(100) == b"question"
                    there.sendall(b"answer")
                    assert client.recv(100) == b"answer"
                    there.shutdown(socket.SHUT_WR)
                    assert client.recv(100) == b"", "the end is passed on, too"
            assert relay.connections == 1
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(_place(relay.address), timeout=10)


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
