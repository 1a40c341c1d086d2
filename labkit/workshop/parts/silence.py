"""What arrives of hosts of which one falls silent and comes back, and one has a clock that is ahead, piece by piece.

pieces = arriving(settings)              five simulated hosts, as scenarios/silent.toml says
pieces = arriving(settings, "live")      this machine under their names, with what the file does to them

    second          0 … 19   20 … 39   40 … 49   50 … 59   60 … 69
    host-000 … 002  first    first     more      further   last
    host-003        first    back      back      back      last
    host-004                                               ahead (the first of them), last
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.settings import REPOSITORY, Settings
from labkit.sources.clock import host_name
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.parts.disorder import played

__all__ = ["SCENARIO", "Pieces", "arriving"]

SCENARIO = REPOSITORY / "labkit" / "recordings" / "scenarios" / "silent.toml"
_HOSTS, _SECONDS = 5, 70
_SILENT, _AHEAD = host_name(3, _HOSTS), host_name(4, _HOSTS)
_SILENT_FROM, _BACK_AT, _MORE_AT, _FURTHER_AT = 20, 60, 40, 50


@dataclass(frozen=True)
class Pieces:
    """Snapshots, each piece in the order in which they arrive."""

    first: list[Snapshot]
    more: list[Snapshot]
    further: list[Snapshot]
    back: list[Snapshot]
    ahead: list[Snapshot]
    last: list[Snapshot]


def arriving(settings: Settings, source: str = "replay") -> Pieces:
    """Seventy seconds, a snapshot a second each.

    "replay" is the simulator's, and the same for everybody; "live" takes seventy seconds.
    """
    found = played(settings, source, SCENARIO, _HOSTS, _SECONDS, lambda number: host_name(number, _HOSTS))
    begin = found[0].timestamp
    pieces = Pieces([], [], [], [], [], [])
    for one in found:
        _piece_of(one, round((one.timestamp - begin) / 1000), pieces).append(one)
    return pieces


def _piece_of(one: Snapshot, second: int, pieces: Pieces) -> list[Snapshot]:
    if one.hostname == _AHEAD:
        return pieces.last if pieces.ahead else pieces.ahead
    if one.hostname == _SILENT and _SILENT_FROM <= second < _BACK_AT:
        return pieces.back
    ends = ((_MORE_AT, pieces.first), (_FURTHER_AT, pieces.more), (_BACK_AT, pieces.further))
    return next((piece for end, piece in ends if second < end), pieces.last)
