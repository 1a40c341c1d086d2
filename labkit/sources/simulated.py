"""Hosts that do not exist, of any stream that says how to simulate one: `Stream.simulate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from labkit.errors import BadInput
from labkit.sources.clock import Clock, host_name
from labkit.streams.stream import Stream

__all__ = ["SimulatedHosts", "simulator"]


def simulator(stream: Stream) -> Callable[[Random, str, int, Any], Any]:
    """What makes the next snapshot of a host: `Stream.simulate`. Raises `BadInput` for a stream without it."""
    if stream.simulate is None:
        raise BadInput(
            f"Nobody has said what a simulated host of {stream.name} is like (simulate, in docs/add-a-stream.md).",
            "Send it live instead.",
        )
    return stream.simulate


class SimulatedHosts:
    """The snapshots of `hosts` hosts, by time and then by host; the same seed gives the same ones.

    The first are of `start_ms` (ms since the epoch), the further ones as `clock` says. Raises `BadInput` for a stream
    whose hosts cannot be simulated.
    """

    def __init__(self, stream: Stream, hosts: int, seed: int, start_ms: int, clock: Clock) -> None:
        self._simulate = simulator(stream)
        self._start_ms = start_ms
        self._clock = clock
        self._hosts = {host_name(number, hosts): Random(f"{seed} {number}") for number in range(hosts)}

    def __iter__(self) -> Iterator[Any]:
        last: dict[str, Any] = dict.fromkeys(self._hosts)
        for elapsed_ms in self._clock.moments():
            for name, random in self._hosts.items():
                if self._clock.stop.is_set():
                    return
                last[name] = self._simulate(random, name, self._start_ms + elapsed_ms, last[name])
                yield last[name]
