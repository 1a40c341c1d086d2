"""A broker that is slow to say that it has a record: whether an answer waits for that.

with SlowBroker("127.0.0.1:9092", 11.0) as broker:
    answer(broker.address, …)     each acknowledgement comes 11 s after the first was asked for, and not sooner
    broker.is_asked               whether any record came this way
    broker.require_asked()        raises LabkitError where none did

Kafka's clients ask the first broker for the addresses of all, and go there. So what passes on these answers puts its
own address into them. Source: Kafka's protocol guide, "Protocol Primitive Types" and "Messages: Metadata".
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from struct import pack, unpack
from types import TracebackType

from labkit.errors import LabkitError
from labkit.workshop.checks.relay import Relay

__all__ = ["SlowBroker"]

_PRODUCE = 0
_BYTES = 65_536


class SlowBroker(Relay):
    """Another address of the broker at `target`: messages of Kafka's protocol, each with its length before it.

    A question begins with its kind, and an answer with the number that its question had.
    """

    def __init__(self, target: str, slow_s: float) -> None:
        super().__init__(target)
        self._slow_s = slow_s
        self._closed = threading.Event()
        self._from: float | None = None
        host, port = self._target
        #: A string with its length before it, in two ways of writing, and a port.
        self._advertised = re.compile(
            b"(?:\\x00" + re.escape(bytes([len(host)])) + b"|" + re.escape(bytes([len(host) + 1])) + b")"
            + re.escape(host.encode() + pack(">i", port)), re.DOTALL,
        )  # fmt: skip

    @property
    def is_asked(self) -> bool:
        """Whether any record came this way."""
        return self._from is not None

    def require_asked(self) -> None:
        """Raise `LabkitError` where records were sent, and none came this way."""
        if not self.is_asked:
            raise LabkitError("The broker gives its clients another address than the settings have.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        super().__exit__(kind, error, trace)

    def _ways(self, near: socket.socket, far: socket.socket) -> tuple[Callable[[], None], Callable[[], None]]:
        asked: set[bytes] = set()
        return partial(self._questions, near, far, asked), partial(self._answers, near, far, asked)

    def _questions(self, near: socket.socket, far: socket.socket, asked: set[bytes]) -> None:
        for message in _messages(near, far):
            kind, _, number = unpack(">hh4s", message[:8])
            if kind == _PRODUCE:
                asked.add(number)
                self._from = self._from or time.monotonic()
            _send(far, message)

    def _answers(self, near: socket.socket, far: socket.socket, asked: set[bytes]) -> None:
        for message in _messages(far, near):
            if message[:4] in asked and self._from is not None:
                self._closed.wait(self._from + self._slow_s - time.monotonic())
            _send(near, self._advertised.sub(self._with_own, message))

    def _with_own(self, found: re.Match[bytes]) -> bytes:
        host = b"127.0.0.1"
        length = b"\x00\x09" if found[0].startswith(b"\x00") else b"\x0a"
        return length + host + pack(">i", int(self.address.rpartition(":")[2]))


def _messages(source: socket.socket, sink: socket.socket) -> Iterator[bytes]:
    """What comes from `source`, without the length; at its end `sink` is told so."""
    with suppress(OSError):
        while header := _exactly(source, 4):
            yield _exactly(source, unpack(">i", header)[0])
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _exactly(source: socket.socket, size: int) -> bytes:
    """So many bytes, or none where the other side has ended."""
    found = bytearray()
    while len(found) < size:
        data = source.recv(min(_BYTES, size - len(found)))
        if not data:
            return b""
        found += data
    return bytes(found)


def _send(sink: socket.socket, message: bytes) -> None:
    sink.sendall(pack(">i", len(message)) + message)
