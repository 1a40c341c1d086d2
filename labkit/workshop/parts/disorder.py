"""Records that do not come in order: hosts whose network was away, and one whose clock is wrong.

minute, more = arriving(settings)              four simulated hosts, as scenarios/late.toml says
minute, more = arriving(settings, "live")      this machine under four names, with what the file does to them
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from labkit.settings import REPOSITORY, Settings
from labkit.sources.arrivals import Arrivals
from labkit.sources.live import live_snapshots
from labkit.sources.scenario import Scenario, load_scenario
from labkit.sources.simulator import FleetSource
from labkit.streams.procstat.snapshot import Snapshot

__all__ = ["SCENARIO", "arriving", "played", "simulated", "this_machine"]

SCENARIO = REPOSITORY / "labkit" / "recordings" / "scenarios" / "late.toml"
_HOSTS, _SECONDS, _MINUTE_MS = 4, 90, 60_000
_SEED, _START_MS = 8, 1_795_168_800_000


def arriving(settings: Settings, source: str = "replay") -> tuple[list[Snapshot], list[Snapshot]]:
    """(the first minute, the half minute after it), each in the order in which the snapshots arrive, one a second.

    "replay" is the simulator's, and the same for everybody; "live" takes a minute and a half.
    """
    found = played(settings, source, SCENARIO, _HOSTS, _SECONDS, lambda number: f"{settings.hostname}-{number}")
    later = next(place for place, one in enumerate(found) if one.timestamp >= found[0].timestamp + _MINUTE_MS)
    return found[:later], found[later:]


def played(
    settings: Settings, source: str, file: Path, hosts: int, seconds: int, named: Callable[[int], str]
) -> list[Snapshot]:
    """So many seconds of a scenario's hosts, a snapshot a second each, in the order in which they arrive.

    "replay" is the simulator's, with its own names; "live" is this machine as often as there are hosts, `named` by
    their numbers, with what the file does to them, and takes as long.
    """
    scenario = load_scenario(file, hosts, 2)
    if source == "replay":
        return simulated(scenario, hosts, seconds)
    return list(this_machine(settings, scenario, seconds, [named(number) for number in range(hosts)]))


def simulated(scenario: Scenario, hosts: int, seconds: int, interval_s: float = 1.0) -> list[Snapshot]:
    """So many seconds of simulated hosts, in the order in which their snapshots arrive; the same for everybody."""
    last = seconds - 1
    return list(FleetSource(hosts, 2, _SEED, scenario, interval_s=interval_s, start_ms=_START_MS, seconds=last))


def this_machine(settings: Settings, scenario: Scenario, seconds: int, names: list[str]) -> Iterator[Snapshot]:
    """This machine once a second under these names, with what the scenario does to them; it takes as long."""
    arrivals = Arrivals[Snapshot](scenario.held_back)
    begin_ms = None
    for now in live_snapshots(settings.hostname, 1.0, threading.Event(), limit_s=seconds):
        begin_ms = now.timestamp if begin_ms is None else begin_ms
        elapsed_ms = now.timestamp - begin_ms
        yield from arrivals.at(elapsed_ms, _hosts(now, elapsed_ms, scenario, names))


def _hosts(now: Snapshot, elapsed_ms: int, scenario: Scenario, names: list[str]) -> Iterable[tuple[int, Snapshot]]:
    """What each of them makes of this reading."""
    for number, name in enumerate(names):
        silent = any(number in one.hosts and one.from_s <= elapsed_ms / 1000 < one.until_s for one in scenario.silences)
        ahead_ms = sum(round(one.ahead_s * 1000) for one in scenario.clocks if number in one.hosts)
        if not silent:
            yield (
                number,
                replace(now, hostname=name, timestamp=now.timestamp + ahead_ms, btime=now.btime + ahead_ms // 1000),
            )
