"""Another address of a service: whether an answer goes to the one that it was given.

with Relay("127.0.0.1:9092") as relay:
    answer(relay.address, …)             127.0.0.1:40123, which leads to the same broker
    relay.require_visit()                raises NotYet where the answer has an address of its own
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from labkit.workshop.checks.outcome import NotYet

__all__ = ["Relay"]

_BYTES = 65_536


class Relay:
    """Passes on what comes to `address`, a port of its own, until the block ends, and counts who came."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def require_visit(self, but: str = "") -> None:
        """Raise `NotYet` where nobody has come to the address; `but` says what was seen all the same."""
        if not self.connections:
            raise NotYet(
                f"Your function was given the address {self.address}, and has never gone there{but}.",
                "Use bootstrap, which it is given, not an address of your own.",
            )

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for way in self._ways(near, far):
                    threading.Thread(target=way, daemon=True).start()

    def _ways(self, near: socket.socket, far: socket.socket) -> tuple[Callable[[], None], Callable[[], None]]:
        """What passes on the questions of one connection, and its answers."""
        return partial(_pass_on, near, far), partial(_pass_on, far, near)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
