"""What lies between a host and its topic: a network that is away for a while, and then lets everything through at once.

arrivals = Arrivals((HeldBack((1,), 10, 20),))
arrivals.at(15_000, [(0, a), (1, b)])     a; b waits
arrivals.at(20_000, [(0, c), (1, d)])     b, c, d
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from labkit.sources.scenario import HeldBack

__all__ = ["Arrivals"]

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Snapshots in the order in which they arrive. What still waits when the source ends never arrives."""

    def __init__(self, held_back: Sequence[HeldBack]) -> None:
        self._held_back = held_back
        self._waiting: list[tuple[int, T]] = []

    def at(self, elapsed_ms: int, made: Iterable[tuple[int, T]]) -> Iterator[T]:
        """(number of the host, what it has made at `elapsed_ms`) -> what arrives then: first what had waited."""
        if not self._held_back:
            yield from (one for _, one in made)
            return
        freed = [(host, one) for host, one in self._waiting if not self._holds(host, elapsed_ms)]
        self._waiting = [(host, one) for host, one in self._waiting if self._holds(host, elapsed_ms)]
        yield from (one for _, one in freed)
        for host, one in made:
            if self._holds(host, elapsed_ms):
                self._waiting.append((host, one))
            else:
                yield one

    def _holds(self, host: int, elapsed_ms: int) -> bool:
        return any(
            host in span.hosts and span.from_s * 1000 <= elapsed_ms < span.until_s * 1000 for span in self._held_back
        )
