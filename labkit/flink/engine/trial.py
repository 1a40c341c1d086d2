"""Readings of a file through the engine's own functions, with no Kafka, no cluster and no JVM: `labkit try`.

text ─▶ parse ─▶ Avro ─▶ decode a batch ─▶ enrich ─▶ JSON ─▶ rows
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from labkit.flink.engine.batch import enrich, rules_of
from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.streams.records import from_record
from labkit.streams.stream import Stream

__all__ = ["Trial", "try_snapshots"]

_FOR_EVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Trial:
    """`snapshots` went in, `results` came out, and `rows` are what Parquet would have; `unreadable` has reasons."""

    snapshots: int
    results: list[Any]
    rows: list[tuple[Any, ...]]
    unreadable: list[str]
    seconds: float


def try_snapshots(stream: Stream, snapshots: Iterable[Any], schema_dir: Path) -> Trial:
    """Every step that a snapshot takes in the job, in one batch."""
    schema = read_schema(schema_dir, stream)
    codec = SnapshotCodec(stream, schema, lambda _: schema)
    values = [codec.encode(snapshot, 1) for snapshot in snapshots]
    begin = time.perf_counter()
    rules = rules_of(stream, schema)
    _, columns, reasons = batch_decoder(schema, codec, rules).decode(values)
    _, found = enrich(rules, None, columns, time.time(), _FOR_EVER_S)
    results = [from_record(stream.result, orjson.loads(line)) for line in rules.json_lines(found).splitlines()]
    seconds = time.perf_counter() - begin
    rows = [row for result in results for row in stream.shape.rows(result)]
    return Trial(len(values), results, rows, [str(reason) for _, reason in sorted(reasons.items())], seconds)
