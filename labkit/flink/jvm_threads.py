"""One thread of the JVM for each thread of Python, as long as the JVM lives.

Flink's planner keeps something in the thread that made an environment; asked in another one, it raises
"NullPointerException: metadataHandlerProvider" (FLINK-36298, in Flink 2.3). Py4J keeps idle connections on one
stack for all threads, and behind each works another thread of the JVM. A notebook's kernel has several threads that
let go of Java objects now and then: where two of them do so at once, the stack comes back in another order, and a cell
that was right fails. So the client's JVM (`labkit.flink.gateway`) is started with a stack for each thread.
"""

from __future__ import annotations

import threading
from typing import Any

from py4j import java_gateway

__all__ = ["OwnConnections", "keep_threads_apart"]


class OwnConnections(threading.local):
    """Py4J's stack of idle connections, of each Python thread apart."""

    def __init__(self) -> None:
        self._idle: list[Any] = []

    def __len__(self) -> int:
        return len(self._idle)

    def append(self, connection: Any) -> None:
        """Give back a connection."""
        self._idle.append(connection)

    def pop(self) -> Any:
        """The connection that this thread gave back last. Where there is none, IndexError: Py4J then opens one."""
        return self._idle.pop()


def keep_threads_apart() -> None:
    """From now on; for a JVM that runs already, too late."""
    java_gateway.deque = OwnConnections
