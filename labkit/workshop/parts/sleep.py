"""How busy three hosts are, of which one has no network for ten minutes, and then sends all that it has measured.

pieces = arriving(settings)              three simulated hosts, as scenarios/asleep.toml says, every ten seconds
pieces = arriving(settings, "live")      this machine under their names, everything ten times as fast

    second          0 … 199   200 … 799   800 … 900
    host-000, 001   before    before      after
    host-002        before    back        after
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from labkit.settings import REPOSITORY, Settings
from labkit.sources.clock import host_name
from labkit.sources.scenario import HeldBack, Scenario, load_scenario
from labkit.streams.procstat.metrics import LastGood, compare
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.parts.disorder import simulated, this_machine

__all__ = ["SCENARIO", "Busy", "Pieces", "arriving", "busy", "minute_ms"]

SCENARIO = REPOSITORY / "labkit" / "recordings" / "scenarios" / "asleep.toml"
_HOSTS, _SECONDS, _INTERVAL_S = 3, 901, 10
#: Live, a minute of the scenario takes six seconds.
_FASTER = 10


@dataclass(frozen=True, slots=True)
class Busy:
    """How busy all CPUs of a host were together (%), in the interval that ended at `timestamp` (ms)."""

    host: str
    timestamp: int
    busy: float


@dataclass(frozen=True)
class Pieces:
    """Rows, each piece in the order in which they arrive."""

    before: list[Busy]
    back: list[Busy]
    after: list[Busy]


def minute_ms(source: str = "replay") -> int:
    """How many ms a minute of the scenario takes."""
    return 60_000 // (_FASTER if source == "live" else 1)


def arriving(settings: Settings, source: str = "replay") -> Pieces:
    """Fifteen minutes, a row every ten seconds of each host.

    "replay" is the simulator's, and the same for everybody; "live" takes a minute and a half.
    """
    scenario = load_scenario(SCENARIO, _HOSTS, 2)
    if source == "replay":
        rows = list(busy(simulated(scenario, _HOSTS, _SECONDS, interval_s=_INTERVAL_S)))
    else:
        names = [host_name(number, _HOSTS) for number in range(_HOSTS)]
        rows = list(busy(this_machine(settings, _faster(scenario), _SECONDS // _FASTER, names)))
    return _pieces(rows)


def busy(snapshots: Iterable[Snapshot]) -> Iterator[Busy]:
    """Snapshots -> the share of each host's time that was not idle, by the line `cpu`; a host's first gives none."""
    last: dict[str, LastGood] = {}
    for now in snapshots:
        compared = compare(last.get(now.hostname), now)
        last[now.hostname] = compared.next_state
        if compared.result is not None:
            yield Busy(now.hostname, now.timestamp, compared.result.cpu_metrics[0].total_busy_pct)


def _faster(scenario: Scenario) -> Scenario:
    """Its network alone, ten times as fast: what a machine really does is its own."""
    held = tuple(HeldBack(one.hosts, one.from_s / _FASTER, one.until_s / _FASTER) for one in scenario.held_back)
    return Scenario(held_back=held)


def _pieces(rows: list[Busy]) -> Pieces:
    """What is held back arrives in one piece, and is the first that is older than something before it."""
    newest = accumulate((row.timestamp for row in rows), max)
    first = next(place for place, (row, most) in enumerate(zip(rows, newest, strict=True)) if row.timestamp < most)
    end = next(place for place in range(first, len(rows)) if rows[place].host != rows[first].host)
    return Pieces(rows[:first], rows[first:end], rows[end:])
