"""What `labkit produce` sends: this machine live, a recording, or a simulated fleet. Words that do not fit are refused.

resolve_source(flow, "lab", 1.0, replay=Path("morning.gz"), speed="10", …).source(stop)   ->  something to loop over
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit.errors import BadInput
from labkit.kafka.avro import read_schema
from labkit.kafka.flow import Flow
from labkit.sources.clock import Clock
from labkit.sources.live import live_snapshots, read_text
from labkit.sources.recording import ReplaySource, read_recording
from labkit.sources.scenario import Scenario, load_scenario
from labkit.sources.simulated import SimulatedHosts, simulator
from labkit.streams.parsing import ReadingError
from labkit.streams.procstat.stream import PROCSTAT

__all__ = ["Feed", "resolve_source"]

_CPUS, _SEED = 4, 7
_FIRST_YEAR = 1970


@dataclass(frozen=True, slots=True)
class Feed:
    """`source(stop)` gives the snapshots; `has_its_own_end` where --seconds is not a matter of the wall clock."""

    source: Callable[[threading.Event], Iterable[Any]]
    is_live: bool = False
    has_its_own_end: bool = False


def resolve_source(
    flow: Flow,
    hostname: str,
    interval_s: float,
    *,
    interval_given: bool,
    seconds: float | None,
    replay: Path | None,
    speed: str | None,
    as_now: bool,
    fleet: int | None,
    cpus: int | None,
    seed: int | None,
    scenario: Path | None,
    start: datetime | None,
    say: Callable[[str], None] = lambda _: None,
) -> Feed:
    """The feed that these words ask for; `say` hears what of a live reading cannot be read.

    Raises `BadInput` where the words do not go together.
    """
    of_a_fleet = {"--cpus": cpus, "--seed": seed, "--scenario": scenario, "--start": start}
    for option, value in of_a_fleet.items():
        if fleet is None and value is not None:
            raise BadInput(f"{option} is for --fleet.")
    if replay is not None and fleet is not None:
        raise BadInput("--replay and --fleet do not go together.")
    if replay is None and as_now:
        raise BadInput("--as-now is for --replay.")
    pace = _factor(speed)
    if replay is not None:
        if interval_given:
            raise BadInput("A recording has its own interval; --interval is for live snapshots and fleets.")
        if not replay.is_file():
            raise BadInput(f"There is no file {replay}.")
        _require_readings_of(flow, replay)
        return Feed(lambda stop: ReplaySource(replay, pace, as_now=as_now, stop=stop, stream=flow.stream))
    if fleet is not None:
        if flow.stream is not PROCSTAT and (cpus is not None or scenario is not None):
            raise BadInput(f"--cpus and --scenario are for simulated hosts of procstat, not of {flow.stream.name}.")
        pace = 1.0 if speed is None else pace
        if pace is None and seconds is None:
            raise BadInput("--speed max needs --seconds: a fleet has no end of its own.")
        fleet_of = _Fleet(
            fleet, _SEED if seed is None else seed, interval_s, _start_ms(start, pace, seconds), pace, seconds
        )
        if flow.stream is not PROCSTAT:
            simulator(flow.stream)  # says at once where there is none
            return Feed(lambda stop: fleet_of.of(flow, stop), has_its_own_end=True)
        return Feed(fleet_of.of_cpus(flow, cpus or _CPUS, scenario), has_its_own_end=True)
    if speed is not None:
        raise BadInput("--speed is for --replay and --fleet.")
    read_text(hostname, flow.stream)  # says at once where there is none
    return Feed(
        lambda stop: live_snapshots(hostname, interval_s, stop, limit_s=seconds, stream=flow.stream, say=say),
        is_live=True,
    )


def _require_readings_of(flow: Flow, replay: Path) -> None:
    """Say at once, before Kafka is asked for anything, where a recording is another stream's."""
    first = next(read_recording(replay), None)
    if first is not None:
        try:
            flow.stream.parse(first.text, first.hostname, first.timestamp)
        except ReadingError as error:
            raise BadInput(f"{replay} is no recording of {flow.stream.reads}: {error.what}") from None


@dataclass(frozen=True, slots=True)
class _Fleet:
    """How many simulated hosts, from when on, and how fast."""

    hosts: int
    seed: int
    interval_s: float
    start_ms: int
    pace: float | None
    seconds: float | None

    def of(self, flow: Flow, stop: threading.Event) -> Iterable[Any]:
        clock = Clock(self.interval_s, self.seconds, self.pace, stop)
        return SimulatedHosts(flow.stream, self.hosts, self.seed, self.start_ms, clock)

    def of_cpus(self, flow: Flow, cpus: int, scenario: Path | None) -> Callable[[threading.Event], Iterable[Any]]:
        """Hosts with CPUs, to which something happens: worked out for all of them at once."""
        story = load_scenario(scenario, self.hosts, cpus) if scenario else Scenario()

        def source(stop: threading.Event) -> Iterable[Any]:
            from labkit.sources.fleet import EncodedFleet  # numpy and Arrow take half a second; only a fleet needs them

            return EncodedFleet(
                self.hosts, cpus, self.seed, story, interval_s=self.interval_s, start_ms=self.start_ms,
                seconds=self.seconds, speed=self.pace, stop=stop, schema=read_schema(flow.schema_dir, flow.stream),
            )  # fmt: skip

        return source


def _start_ms(start: datetime | None, pace: float | None, seconds: float | None) -> int:
    if start is None:
        # One that is sent faster than it happens ends now: the broker takes no time far ahead of its own.
        return time.time_ns() // 1_000_000 - (round((seconds or 0) * 1000) if pace != 1 else 0)
    if start.year <= _FIRST_YEAR:  # its hosts booted up to a month before, and btime counts from 1970
        raise BadInput(f"--start has to be after the year {_FIRST_YEAR} (given: {start:%Y-%m-%d}).")
    return round(start.replace(tzinfo=start.tzinfo or UTC).timestamp() * 1000)


def _factor(given: str | None) -> float | None:
    """What --speed says: a factor, or None for max (and where it is not given)."""
    if given is None or given == "max":
        return None
    try:
        factor = float(given)
    except ValueError:
        raise BadInput(f"--speed is a number such as 10, or max (given: {given}).") from None
    if not 0 < factor < float("inf"):
        raise BadInput(f"--speed is a number of more than 0, or max to send without waiting (given: {given}).")
    return factor
