"""What `labkit produce` sends: this machine live, a recording, or a simulated fleet. Words that do not fit are refused.

resolve_source(settings, replay=Path("morning.gz"), speed="10", …).source(stop)   ->  something to loop over
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labkit.errors import BadInput
from labkit.kafka.avro import Encoded, read_schema
from labkit.settings import Settings
from labkit.sources.live import live_snapshots, read_snapshot
from labkit.sources.recording import ReplaySource
from labkit.sources.scenario import Scenario, load_scenario
from labkit.streams.procstat.snapshot import Snapshot

__all__ = ["Feed", "resolve_source"]

_CPUS, _SEED = 4, 7
_FIRST_YEAR = 1970


@dataclass(frozen=True, slots=True)
class Feed:
    """`source(stop)` gives the snapshots; `has_its_own_end` where --seconds is not a matter of the wall clock."""

    source: Callable[[threading.Event], Iterable[Snapshot] | Iterable[Encoded]]
    is_live: bool = False
    has_its_own_end: bool = False


def resolve_source(
    settings: Settings,
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
) -> Feed:
    """The feed that these words ask for. Raises `BadInput` where they do not go together."""
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
        return Feed(lambda stop: ReplaySource(replay, pace, as_now=as_now, stop=stop))
    if fleet is not None:
        return _fleet(settings, fleet, cpus or _CPUS, _SEED if seed is None else seed, scenario,
                      1.0 if speed is None else pace, seconds, start)  # fmt: skip
    if speed is not None:
        raise BadInput("--speed is for --replay and --fleet.")
    read_snapshot(settings.hostname)  # says at once where there is no /proc/stat
    return Feed(
        lambda stop: live_snapshots(settings.hostname, settings.interval_s, stop, limit_s=seconds), is_live=True
    )


def _fleet(
    settings: Settings,
    hosts: int,
    cpus: int,
    seed: int,
    scenario: Path | None,
    pace: float | None,
    seconds: float | None,
    start: datetime | None,
) -> Feed:
    if pace is None and seconds is None:
        raise BadInput("--speed max needs --seconds: a fleet has no end of its own.")
    story = load_scenario(scenario, hosts, cpus) if scenario else Scenario()
    if start is not None:
        if start.year <= _FIRST_YEAR:  # its hosts booted up to a month before, and btime counts from 1970
            raise BadInput(f"--start has to be after the year {_FIRST_YEAR} (given: {start:%Y-%m-%d}).")
        start_ms = round(start.replace(tzinfo=start.tzinfo or UTC).timestamp() * 1000)
    else:
        # One that is sent faster than it happens ends now: the broker takes no time far ahead of its own.
        start_ms = time.time_ns() // 1_000_000 - (round((seconds or 0) * 1000) if pace != 1 else 0)

    def source(stop: threading.Event) -> Iterable[Encoded]:
        from labkit.sources.fleet import EncodedFleet  # numpy and Arrow take half a second, which only a fleet needs

        return EncodedFleet(
            hosts, cpus, seed, story, interval_s=settings.interval_s, start_ms=start_ms, seconds=seconds,
            speed=pace, stop=stop, schema=read_schema(settings.schema_dir),
        )  # fmt: skip

    return Feed(source, has_its_own_end=True)


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
