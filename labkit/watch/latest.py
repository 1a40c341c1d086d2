"""What `labkit watch` knows: the newest interval of each host. Pure: no I/O, no clock of its own.

    b'{"hostname": "web-1", "timestamp": 1764…, "cpu_metrics": [{"cpu_id": "cpu", …}, …]}'  ->  Metrics("web-1", …)
    LatestByHost.add(metrics, now_s)  ->  LatestByHost.newest()  ->  [Observation(Metrics("web-1", …), at_s=12.5), …]

Bounded: a host that has not been heard of for five minutes is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from labkit.analysis.tables import TOTAL
from labkit.streams.procstat.metrics import Metrics
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.records import from_record
from labkit.streams.shape import Column
from labkit.streams.stream import Stream
from labkit.system.printable import printable

__all__ = ["FORGET_S", "LatestByHost", "Observation", "busy_pct", "parse"]

FORGET_S = 300.0


@dataclass(frozen=True, slots=True)
class Observation:
    """The newest interval of a host, and when it came (seconds of the clock that `LatestByHost.add` was given)."""

    metrics: Any
    at_s: float


class LatestByHost:
    """The newest interval of each host; the one that came last is the newest, as Kafka keeps a host's order."""

    def __init__(self, forget_s: float = FORGET_S) -> None:
        self._forget_s = forget_s
        self._heard: dict[str, Observation] = {}  # in the order in which they were last heard of

    def add(self, metrics: Any, now_s: float) -> None:
        """Take in one interval that came at `now_s`, which never steps back."""
        self._heard.pop(metrics.hostname, None)
        self._heard[metrics.hostname] = Observation(metrics, now_s)

    def newest(self, now_s: float) -> list[Observation]:
        """The newest interval of each host that was heard of lately, by name."""
        while self._heard and now_s - (oldest := next(iter(self._heard.values()))).at_s > self._forget_s:
            del self._heard[oldest.metrics.hostname]
        return [self._heard[name] for name in sorted(self._heard)]


def parse(value: bytes | None, stream: Stream = PROCSTAT) -> Any:
    """A record of the stream's metrics -> its result, or None where it is none.

    Names are shown on a terminal: what cannot be printed, such as an escape character, becomes �.
    """
    try:
        record = orjson.loads(value or b"")
        own = _typed(record, stream.shape.fields)
        if stream.shape.parts:
            own[stream.shape.parts] = [_typed(part, stream.shape.part_fields) for part in record[stream.shape.parts]]
        return from_record(stream.result, own)
    except (ValueError, KeyError, TypeError):
        return None


def _typed(record: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    return {name: printable(record[name]) if kind is str else kind(record[name]) for name, kind in columns}


def busy_pct(metrics: Metrics) -> float:
    """How busy the host is: its total line, or the mean of its CPUs where that line was left out; 0 without CPUs."""
    busy = {cpu.cpu_id: cpu.total_busy_pct for cpu in metrics.cpu_metrics}
    return busy[TOTAL] if TOTAL in busy else sum(busy.values()) / max(1, len(busy))
