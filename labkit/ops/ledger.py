"""Exactly once, as a number: what must have come out of the snapshots, beside what is there.

    snapshots 3600 │ first of host 1 │ rejected 2 │ dead letters 1 │ metrics expected 3596 found 3596 …

The snapshots are read from the start of their topic and put through `labkit.metrics.compare`, the
same function that the Flink job calls. Metrics are compared by (hostname, timestamp), rows by
(hostname, timestamp, cpu), both with their values.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow.parquet

from labkit.avro_codec import SnapshotCodec, UnreadableRecord, read_schema
from labkit.consumer import committed_offsets, read_topic
from labkit.flink.names import ENRICHMENT, PARQUET
from labkit.metrics import SHARE_COLUMNS, Verdict, compare
from labkit.ops.flink_rest import FlinkRest
from labkit.parquet_io import parquet_files
from labkit.procfs import Snapshot
from labkit.registry import Registry
from labkit.settings import Settings

__all__ = ["Balance", "Ledger", "measure"]

_SETTLE_S = 5.0
_NAMED_FAULTS = 5

Position = tuple[int, int]  # partition, offset


@dataclass(slots=True)
class Balance:
    """One side of the ledger: how many were expected and found, and what is wrong between the two."""

    what: str
    expected: int = 0
    found: int = 0
    missing: int = 0
    twice: int = 0
    unexpected: int = 0
    altered: int = 0
    in_flight: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether nothing is missing, doubled, unexpected or altered."""
        return not (self.missing or self.twice or self.unexpected or self.altered)

    def __str__(self) -> str:
        parts = f"{self.what} expected {self.expected} found {self.found} missing {self.missing} twice {self.twice}"
        more = {"unexpected": self.unexpected, "altered": self.altered, "in flight": self.in_flight}
        return parts + "".join(f" {name} {count}" for name, count in more.items() if count)


@dataclass(slots=True)
class Ledger:
    """The whole account. `str(ledger)` is the line that people read."""

    snapshots: int
    verdicts: Counter[Verdict]
    dead_letters: Balance
    metrics: Balance
    rows: Balance

    @property
    def balances(self) -> bool:
        """Whether every side balances; what is in flight is not held against it."""
        return self.dead_letters.balances and self.metrics.balances and self.rows.balances

    @property
    def in_flight(self) -> int:
        """Records and rows that no checkpoint has committed yet."""
        return self.dead_letters.in_flight + self.metrics.in_flight + self.rows.in_flight

    @property
    def faults(self) -> list[str]:
        """The first faults of each side, a sentence each."""
        return [*self.dead_letters.faults, *self.metrics.faults, *self.rows.faults]

    def __str__(self) -> str:
        dead = self.dead_letters
        reboots = self.verdicts[Verdict.REBOOT]
        return " │ ".join(
            [
                f"snapshots {self.snapshots}",
                f"first of host {self.verdicts[Verdict.FIRST]}",
                *([f"reboots {reboots}"] if reboots else []),
                f"rejected {self.verdicts[Verdict.REJECTED]}",
                f"dead letters {dead.found}" if dead.balances and not dead.in_flight else str(dead),
                str(self.metrics),
                str(self.rows),
            ]
        )


def measure(settings: Settings) -> Ledger:
    """Read everything and compare. On a running pipeline, what looks missing is looked for again for 5 s:

    a checkpoint commits its transactions and files a moment after it commits its offsets.
    """
    deadline = time.monotonic() + _SETTLE_S
    while True:
        ledger = _measure_once(settings)
        if ledger.balances or time.monotonic() > deadline or not _jobs_running(settings):
            return ledger


def _jobs_running(settings: Settings) -> bool:
    rest = FlinkRest(settings.flink_url)
    return any(rest.running(job) for job in (ENRICHMENT, PARQUET))


def _measure_once(settings: Settings) -> Ledger:
    read_by_enrichment = committed_offsets(settings, settings.snapshots_topic, ENRICHMENT)
    read_by_parquet = committed_offsets(settings, settings.metrics_topic, PARQUET)
    expected = _Expected(settings)
    found = list(_found_metrics(settings))
    metrics = _balance(
        "metrics",
        expected.metrics,
        ((key, value) for key, value, _ in found),
        lambda key: _behind(expected.positions[key], read_by_enrichment),
    )
    metric_positions = {key: position for key, _, position in found}

    def row_in_flight(key: Hashable) -> bool:
        metric = key[:2]  # type: ignore[index]
        position = metric_positions.get(metric)
        if position is None:
            return _behind(expected.positions[metric], read_by_enrichment)
        return _behind(position, read_by_parquet)

    rows = _balance("rows", expected.rows, _found_rows(settings), row_in_flight)
    dead = _balance(
        "dead letters",
        expected.dead_letters,
        _found_dead_letters(settings),
        lambda key: _behind(key, read_by_enrichment),  # type: ignore[arg-type]
    )
    return Ledger(expected.snapshots, expected.verdicts, dead, metrics, rows)


class _Expected:
    """What must come out of procstat_snapshots as it is now."""

    def __init__(self, settings: Settings) -> None:
        codec = SnapshotCodec(read_schema(settings.schema_dir), Registry(settings.registry_url).wait_for_schema)
        self.snapshots = 0
        self.verdicts: Counter[Verdict] = Counter()
        self.metrics: dict[Hashable, Any] = {}
        self.rows: dict[Hashable, Any] = {}
        self.dead_letters: dict[Hashable, Any] = {}
        self.positions: dict[Hashable, Position] = {}
        last_good: dict[str, Snapshot] = {}
        for record in read_topic(settings, settings.snapshots_topic, whole=True):
            self.snapshots += 1
            position = (record.partition(), record.offset())
            try:
                now = codec.decode(record.value())
            except UnreadableRecord:
                self.dead_letters[position] = record.value()
                continue
            verdict, last_good[now.hostname], metrics = compare(last_good.get(now.hostname), now)
            self.verdicts[verdict] += 1
            if metrics is not None:
                self._add(metrics.as_record(), position)

    def _add(self, record: dict[str, Any], position: Position) -> None:
        key = (record["hostname"], record["timestamp"])
        self.metrics[key] = orjson.dumps(record)
        self.positions[key] = position
        for cpu in record["cpu_metrics"]:
            shares = tuple(cpu[name] for name in SHARE_COLUMNS)
            self.rows[(*key, cpu["cpu_id"])] = (record["time_delta_ms"], *shares)


def _found_metrics(settings: Settings) -> Iterator[tuple[Hashable, Any, Position]]:
    for record in read_topic(settings, settings.metrics_topic, whole=True):
        position = (record.partition(), record.offset())
        try:
            metrics = orjson.loads(record.value())
            key: Hashable = (metrics["hostname"], metrics["timestamp"])
        except (ValueError, KeyError, TypeError):
            key = f"an unreadable record at {settings.metrics_topic} {position}"
            metrics = None
        yield key, orjson.dumps(metrics), position


def _found_rows(settings: Settings) -> Iterator[tuple[Hashable, Any]]:
    columns = ["hostname", "ts", "cpu_id", "time_delta_ms", *SHARE_COLUMNS]
    for file in parquet_files(settings.parquet_dir):
        with pyarrow.parquet.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(columns=columns):
                times = batch.column("ts").cast("int64").to_pylist()
                others = [batch.column(name).to_pylist() for name in columns if name != "ts"]
                for timestamp, host, cpu, *values in zip(times, *others, strict=True):
                    yield (host, timestamp, cpu), tuple(values)


def _found_dead_letters(settings: Settings) -> Iterator[tuple[Hashable, Any]]:
    for record in read_topic(settings, settings.dead_letters_topic):
        headers = dict(record.headers() or [])
        yield (int(headers["partition"]), int(headers["offset"])), record.value()


def _behind(position: Position, committed: Mapping[int, int]) -> bool:
    partition, offset = position
    return offset >= committed.get(partition, 0)


def _balance(
    what: str,
    expected: Mapping[Hashable, Any],
    found: Iterator[tuple[Hashable, Any]],
    in_flight: Callable[[Hashable], bool],
) -> Balance:
    balance = Balance(what, expected=len(expected))
    seen: set[Hashable] = set()
    faults: list[str] = []
    for key, value in found:
        balance.found += 1
        if key in seen:
            balance.twice += 1
            faults.append(f"{what}: {key} is there twice")
        elif key not in expected:
            balance.unexpected += 1
            faults.append(f"{what}: {key} is not expected")
        elif value != expected[key]:
            balance.altered += 1
            faults.append(f"{what}: {key} has other values than expected")
        seen.add(key)
    for key in expected:
        if key in seen:
            continue
        if in_flight(key):
            balance.in_flight += 1
        else:
            balance.missing += 1
            faults.append(f"{what}: {key} is missing")
    balance.faults = faults[:_NAMED_FAULTS]
    return balance
