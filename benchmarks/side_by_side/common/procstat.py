"""What the programs in Python share: a Kafka value -> a snapshot, two snapshots -> the metrics in between.

    b"\\x00\\x00\\x00\\x00\\x07\\x10host-001…"  ->  ("host-001", 1764000001000, 1763000000, {"cpu0": (4705, 150, …), …})

Nothing of labkit is imported: each program has an environment of its own. The rules are those of
`labkit.streams.procstat.metrics`, and a test holds the two against each other. A snapshot is a plain tuple, so that
any framework can keep it as state.
"""

from __future__ import annotations

import io
import json
import os
import urllib.error
import urllib.request
from operator import itemgetter
from typing import Any

import fastavro

Snapshot = tuple[str, int, int, dict[str, tuple[int, ...]]]

MAX_BYTES = 1024 * 1024
#: What a producer has to take: a record that nobody can read is set aside as it came, however large.
MAX_DEAD_LETTER_BYTES = 4 * 1024 * 1024 + 64 * 1024
IDLE_RESET_TICKS = 300
BTIME_SLACK_S = 1
FORGET_AFTER_MS = 30 * 86_400_000
_counters = itemgetter("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Unreadable(ValueError):
    """A value that is no snapshot."""


def setting(name: str) -> str:
    """BENCH_INPUT and the like: the runner gives them to every program."""
    return os.environ[f"BENCH_{name.upper()}"]


class Decoder:
    """Reads values in Confluent's wire format; asks the registry once for each schema id."""

    def __init__(self, registry: str) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}

    def decode(self, value: bytes | None) -> Snapshot:
        """Raises `Unreadable`."""
        if not value or len(value) <= 5 or value[0] != 0 or len(value) > MAX_BYTES:
            raise Unreadable("it is not framed, or too large")
        body = io.BytesIO(value)
        schema = self._schema(int.from_bytes(value[1:5], "big"))
        body.seek(5)
        try:
            record: Any = fastavro.schemaless_reader(body, schema, None)
        except Exception as error:  # fastavro raises whatever the bytes led it into
            raise Unreadable(f"the Avro body cannot be read ({type(error).__name__})") from None
        if body.read(1):
            raise Unreadable("bytes are left over")
        cpus = {cpu["id"]: _counters(cpu) for cpu in record["cpus"]}
        if not cpus or len(cpus) < len(record["cpus"]) or min(map(min, cpus.values())) < 0:
            raise Unreadable("it has no CPUs, one twice, or a negative counter")
        return record["hostname"], record["timestamp"], record["btime"], cpus

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            try:
                with urllib.request.urlopen(f"{self._registry}/schemas/ids/{schema_id}", timeout=10) as answer:
                    found = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
            except urllib.error.HTTPError:
                raise Unreadable(f"schema id {schema_id} is not in the registry") from None
            self._schemas[schema_id] = found
        if self._schemas[schema_id].get("name") != "local.metrics.ProcStatSnapshot":
            raise Unreadable("it is a record of another kind")
        return self._schemas[schema_id]


def compare(before: Snapshot | None, now: Snapshot) -> tuple[Snapshot, dict[str, Any] | None]:
    """(what the next snapshot is compared with, the record to write or None), by the rules of labkit's `compare`."""
    host, at, booted, cpus = now
    if before is None or abs(booted - before[2]) > BTIME_SLACK_S or at - before[1] > FORGET_AFTER_MS:
        return now, None
    if at <= before[1]:
        return before, None
    earlier = before[3]
    shares = [_shares(name, earlier[name], counters) for name, counters in cpus.items() if name in earlier]
    measured = [share for share in shares if share]
    kept = {name: _kept(earlier.get(name), counters) for name, counters in cpus.items()}
    record = {"hostname": host, "timestamp": at, "time_delta_ms": at - before[1], "cpu_metrics": measured}
    return (host, at, booted, kept), record


def _kept(before: tuple[int, ...] | None, after: tuple[int, ...]) -> tuple[int, ...]:
    """`after` with the highest iowait since the CPU started over: what was reached before is not new."""
    if before is None or after[4] >= before[4] or before[3] - after[3] >= IDLE_RESET_TICKS:
        return after
    return *after[:4], before[4], *after[5:]


def _shares(name: str, before: tuple[int, ...], after: tuple[int, ...]) -> dict[str, Any] | None:
    if before[3] - after[3] >= IDLE_RESET_TICKS:
        return None
    deltas = [new - old if new > old else 0 for old, new in zip(before, after, strict=True)]
    total = sum(deltas)
    if total == 0:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = deltas
    return {
        "cpu_id": name,
        "user_pct": user * 100.0 / total,
        "nice_pct": nice * 100.0 / total,
        "system_pct": system * 100.0 / total,
        "idle_pct": idle * 100.0 / total,
        "iowait_pct": iowait * 100.0 / total,
        "irq_pct": irq * 100.0 / total,
        "softirq_pct": softirq * 100.0 / total,
        "steal_pct": steal * 100.0 / total,
        "total_busy_pct": (total - idle) * 100.0 / total,
    }
