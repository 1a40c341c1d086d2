"""A broker that is slow to say that it has a record: whether an answer waits for that.

with slow_broker("127.0.0.1:9092", 11.0) as (address, is_asked):
    answer(address, …)            each acknowledgement comes 11 s after the first was asked for, and not sooner
    is_asked()                    whether any record came this way

Kafka's clients ask the first broker for the addresses of all, and go there. So what passes on these answers puts its
own address into them. Source: Kafka's protocol guide, "Protocol Primitive Types" and "Messages: Metadata".
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from struct import pack, unpack

__all__ = ["slow_broker"]

_PRODUCE = 0
_BYTES = 65_536


class _Slow:
    """Passes on messages of Kafka's protocol: 4 bytes of length, and of an answer 4 of the question's number."""

    def __init__(self, target: str, slow_s: float) -> None:
        host, _, port = target.rpartition(":")
        self._target, self._slow_s = (host, int(port)), slow_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._own = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        self._from: float | None = None
        self.address = f"127.0.0.1:{self._own}"
        #: A string with its length before it, in two ways of writing, and a port.
        self._address = re.compile(
            b"(?:\\x00" + re.escape(bytes([len(host)])) + b"|" + re.escape(bytes([len(host) + 1])) + b")"
            + re.escape(host.encode() + pack(">i", int(port))), re.DOTALL,
        )  # fmt: skip

    def is_asked(self) -> bool:
        return self._from is not None

    def accept(self) -> None:
        """Take what comes until `close`."""
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                asked: set[bytes] = set()
                for work in (self._questions, self._answers):
                    threading.Thread(target=work, args=(near, far, asked), daemon=True).start()

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
            _send(near, self._address.sub(self._with_own, message))

    def _with_own(self, found: re.Match[bytes]) -> bytes:
        host = b"127.0.0.1"
        length = b"\x00\x09" if found[0].startswith(b"\x00") else b"\x0a"
        return length + host + pack(">i", self._own)

    def close(self) -> None:
        """End all connections."""
        self._closed.set()
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


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


@contextmanager
def slow_broker(target: str, slow_s: float) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Another address of the broker at `target` ("127.0.0.1:9092"), until the block ends."""
    slow = _Slow(target, slow_s)
    threading.Thread(target=slow.accept, daemon=True).start()
    try:
        yield slow.address, slow.is_asked
    finally:
        slow.close()
