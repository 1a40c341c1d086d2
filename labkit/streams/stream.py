"""What flows, as one value: everything else (topics, codec, jobs, ledger, files, plots) follows from it.

    Stream(name="procstat", reads="/proc/stat", snapshot=Snapshot, parse=parse_stat, …, compare=compare, result=Metrics)

A stream brings its snapshot and its result (frozen dataclasses), `parse`, `compare` and a schema. The rest is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, Protocol

from labkit.streams.records import Record, from_record, to_record
from labkit.streams.rules import Comparison
from labkit.streams.shape import Shape, shape_of

__all__ = ["Band", "Columnar", "Panel", "Plot", "Stream"]


@dataclass(frozen=True, slots=True)
class Band:
    """A column (or the sum of several) of a picture, with its name for people and its colour."""

    name: str
    columns: tuple[str, ...]
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of a picture: bands stacked on each other, or lines; `most` is the axis' end, None as far as needed.

    Where a result has parts, there is one band: a line for each part shows it, in the part's colour and with its name.
    """

    title: str
    unit: str
    kind: Literal["stacked", "lines"]
    bands: tuple[Band, ...]
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """What to draw of a stream's rows, as plain data; `labkit.analysis.plots` draws it.

    `of` is the column that says how much a host is doing, for tables and the live view; `note` helps to read it.
    """

    title: str
    of: Band
    panels: tuple[Panel, ...]
    note: str = ""


class Columnar(Protocol):
    """The rules of a stream on columns, many snapshots at once. A property test holds them equal to `compare`.

    Columns are any value with `hostnames` (a list) and `take(rows)`; results have `hostnames` and `timestamp`.
    """

    def empty(self) -> Any:
        """Columns of no snapshot."""

    def of_arrow(self, batch: Any, bodies: list[bytes]) -> tuple[Any, Any]:
        """Avro bodies as one Arrow batch, and the bodies -> (columns, which of the bodies are sound)."""

    def compare_all(self, state: Any, now: Any) -> tuple[Any, Any]:
        """The last good snapshot of each host, and those that came -> the last good ones after them, the results.

        `state` has a host once; the hosts of the new one stay in their order, new ones are at its end.
        """

    def json_lines(self, results: Any) -> bytes:
        """A line of JSON for each result, as `orjson.dumps` of the result has it."""


def _nothing(_: Any) -> str:
    return ""


def _in_time(snapshot: Any, shift_ms: int) -> Any:
    return replace(snapshot, timestamp=snapshot.timestamp + shift_ms)


def _none(_: str) -> Sequence[str]:
    return ()


def _no_mend(_: Record) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Stream:
    """A stream of snapshots of hosts, and what becomes of two that follow each other.

    - `parse(text, hostname, timestamp)` -> a snapshot; raises `ReadingError`.
    - `passed_over(text)` -> what `parse` leaves out of a text, or takes for another number, a sentence each.
    - `check(snapshot)` -> why a snapshot that was decoded is none, "" where it is one.
    - `compare(state, snapshot)` -> `Comparison(verdict, next_state, result)`; `state` is None at a host's start.
    - `shift(snapshot, shift_ms)` -> the same at another time, for a replay as if it were now.
    - `mend(record)` mends what is obvious in a decoded record that `check` refuses; returns what, in words.
    - `describe(snapshot)` -> what `labkit produce` says of it: "9 cpu lines".
    - `simulate(random, hostname, timestamp, before)` -> the next snapshot of a host that does not exist.
    - `columnar()` -> the same rules on columns; imported only where a job runs.
    """

    name: str
    reads: str
    schema_file: str
    snapshot: type
    result: type
    parse: Callable[[str, str, int], Any]
    compare: Callable[[Any, Any], Comparison[Any, Any]]
    plot: Plot
    passed_over: Callable[[str], Sequence[str]] = _none
    check: Callable[[Any], str] = _nothing
    shift: Callable[[Any, int], Any] = _in_time
    mend: Callable[[Record], Sequence[str]] = _no_mend
    to_record: Callable[[Any], Record] = to_record
    describe: Callable[[Any], str] = _nothing
    simulate: Callable[[Random, str, int, Any], Any] | None = None
    columnar: Callable[[], Columnar] | None = None

    def __post_init__(self) -> None:
        if self.shape.parts and any(panel.kind == "lines" and len(panel.bands) > 1 for panel in self.plot.panels):
            raise TypeError(f"{self.name}: a panel that has a line for each part has one band")

    def from_record(self, record: Record) -> Any:
        """A record that Avro has read -> a snapshot, unchecked."""
        return from_record(self.snapshot, record)

    @property
    def shape(self) -> Shape:
        """What the rows of a result look like."""
        return shape_of(self.result)
