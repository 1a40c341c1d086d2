"""Exactly once, as a number: what must have come out of the snapshots, beside what is there.

    snapshots 3600 │ first of host 1 │ rejected 2 │ dead letters 1 │ metrics expected 3596 found 3596 …

The snapshots are read from the start of their topic and put through the stream's `compare`.
Metrics are compared by (hostname, timestamp), rows by that and what a row is of (a CPU), both with their values.

On a pipeline at work everything is read against the stream: how far the jobs are, then rows, metrics and
dead letters, then snapshots. Each reading ends where its topic ends when it begins. So whatever is found has
its cause in what is read after it, and what came after the first step counts as in flight, never as missing.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Message

from labkit.kafka.avro import DeserializationError, SnapshotCodec, Unreadable, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.flow import Flow
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.registry import Registry
from labkit.ledger.report import Ledger, TableReport
from labkit.ledger.row_files import RowFiles
from labkit.ledger.store import ReconciliationStore, digest
from labkit.streams.names import ENRICHMENT, PARQUET
from labkit.streams.rules import Verdict
from labkit.streams.shape import Shape
from labkit.system.scratch import scratch_folder

__all__ = ["Ledger", "OnProgress", "TableReport", "expect", "find_metrics", "reconcile"]

_SETTLE_S = 5.0
_AGAIN_AFTER_S = 0.2
_TOLD_EVERY_S = 0.1
_NAMED_AT_MOST = 10
#: What a time in ms may be: 64 bits, as in Avro.
_FIRST_MS, _LAST_MS = -(2**63), 2**63 - 1

Position = tuple[int, int]  # partition, offset

#: What is being read, how much of it is done, and of how many.
OnProgress = Callable[[str, int, int], None]


def reconcile(
    flow: Flow,
    rows: Path,
    state_dir: Path,
    *,
    settle_s: float = _SETTLE_S,
    is_at_work: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda *_: None,
) -> Ledger:
    """Read everything and compare: the topics of `flow`, and the Parquet files below `rows`.

    Expected and found are kept below `state_dir` meanwhile. What looks wrong is looked for once more in what is new
    since: a file may just have been replaced. Where `is_at_work` says that the jobs are, that goes on for `settle_s`:
    a checkpoint commits its transactions and files a moment after its offsets, and a record that lies behind
    another's open transaction can be read only when that one is committed too.

    Raises `BadInput` where a topic no longer starts at offset 0.
    """
    read_so_far = (
        committed_offsets(flow.kafka_bootstrap, flow.snapshots_topic, flow.job_name(ENRICHMENT)),
        committed_offsets(flow.kafka_bootstrap, flow.metrics_topic, flow.job_name(PARQUET)),
    )
    with scratch_folder(state_dir, "ledger") as folder, ReconciliationStore(folder, flow.stream.shape) as store:
        store.set_committed(*read_so_far)
        reading = _Reading(flow, rows, store, on_progress)
        reading.catch_up()
        ledger = reading.account()
        deadline = time.monotonic() + settle_s
        at_work = True
        while at_work and not ledger.balances:
            at_work = time.monotonic() < deadline and is_at_work()
            time.sleep(_AGAIN_AFTER_S)
            if reading.catch_up():
                ledger = reading.account()
        return ledger


class _Reading:
    """Everything that there is to read, brought into the store; a second call reads what is new."""

    def __init__(self, flow: Flow, rows: Path, store: ReconciliationStore, on_progress: OnProgress) -> None:
        self._store = store
        self._on_progress = on_progress
        self._row_files = RowFiles(rows, store)
        self._metrics = _Log(flow.kafka_bootstrap, flow.metrics_topic, "metrics", on_progress)
        self._dead_letters = _Log(
            flow.kafka_bootstrap, flow.dead_letters_topic, "dead letters", on_progress, whole=False
        )
        self._snapshots = _Log(flow.kafka_bootstrap, flow.snapshots_topic, "snapshots", on_progress, by_time=True)
        self._expected = _Expected(flow, store)

    def catch_up(self) -> bool:
        """Read what is new, effects before causes; whether there was anything."""
        new = self._row_files.catch_up(lambda done, total: self._on_progress("Parquet files", done, total))
        for record in self._metrics.new():
            find_metrics(self._store, record.topic(), record.value(), (record.partition(), record.offset()))
            new = True
        for record in self._dead_letters.new():
            headers = dict(record.headers() or [])
            position = _find_dead_letter(self._store, record, headers)
            if headers.get("kind") == Unreadable.UNKNOWN_SCHEMA.encode():
                self._expected.schema_was_unknown.add(position)
            new = True
        for record in self._snapshots.new():
            self._expected.hear(record)
            new = True
        return new

    def account(self) -> Ledger:
        """Compare all three sides as they are in the store."""
        balances: list[TableReport] = []
        for table in self._store.tables:
            self._on_progress("comparing", len(balances), len(self._store.tables))
            balances.append(self._store.balance(table))
        expected = self._expected
        dead_letters, metrics, rows = balances
        return Ledger(expected.snapshots, expected.verdicts.copy(), dead_letters, metrics, rows, expected.causes())


class _Log:
    """A topic, read from its start and then from where the last reading ended."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        what: str,
        on_progress: OnProgress,
        *,
        whole: bool = True,
        by_time: bool = False,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._what = what
        self._on_progress = on_progress
        self._whole = whole
        self._by_time = by_time
        self._next: dict[int, int] = {}
        self._end = 0
        self._told_at = 0.0

    def new(self) -> Iterator[Message]:
        """The records that are new, up to the end of the topic as it is now."""
        for record in read_topic(
            self._bootstrap, self._topic, dict(self._next),
            whole=self._whole, on_end=self._ends, by_time=self._by_time,
        ):  # fmt: skip
            self._next[record.partition()] = record.offset() + 1
            yield record
            if time.monotonic() - self._told_at >= _TOLD_EVERY_S:
                self._tell()
        self._tell()

    def _ends(self, end: dict[int, int]) -> None:
        self._end = sum(end.values())
        self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._on_progress(self._what, sum(self._next.values()), self._end)


class _Expected:
    """What must come out of the topic of snapshots. Keeps the last good snapshot of each host, and counts."""

    def __init__(self, flow: Flow, store: ReconciliationStore) -> None:
        self._stream = flow.stream
        schema = read_schema(flow.schema_dir, flow.stream)
        self._codec = SnapshotCodec(flow.stream, schema, Registry.of(flow).schema)
        self._store = store
        self._last_good: dict[str, Any] = {}
        self._partitions: defaultdict[str, set[int]] = defaultdict(set)
        self.snapshots = 0
        self.verdicts: Counter[Verdict] = Counter()
        #: Where the job found a schema id that nobody had registered. Someone may have by now; it was right then.
        self.schema_was_unknown: set[str] = set()

    def hear(self, record: Message) -> None:
        """The next record of the topic."""
        self.snapshots += 1
        position = (record.partition(), record.offset())
        try:
            if str(position) in self.schema_was_unknown:
                raise DeserializationError(Unreadable.UNKNOWN_SCHEMA, "its schema was not registered then")
            now = self._codec.decode(record.value())
        except DeserializationError:
            self._store.add("expected_dead_letters", (str(position), digest(record.value()), *position))
            return
        self._partitions[now.hostname].add(record.partition())
        state = self._last_good.get(now.hostname)
        verdict, self._last_good[now.hostname], result = self._stream.compare(state, now)
        self.verdicts[verdict] += 1
        if result is not None:
            expect(self._store, self._stream.shape, result, position)

    def causes(self) -> tuple[str, ...]:
        """Hosts whose snapshots have no order: it is kept within a partition only."""
        split = ((host, numbers) for host, numbers in sorted(self._partitions.items()) if len(numbers) > 1)
        return tuple(
            f"{host} is in partitions {', '.join(map(str, sorted(numbers)))}: which of its snapshots come late depends "
            "on how the job read them, so its metrics cannot be foretold. Let all of its producers use one partitioner "
            "(labkit's is murmur2_random, Java's)."
            for host, numbers in islice(split, _NAMED_AT_MOST)
        )


def expect(store: ReconciliationStore, shape: Shape, result: Any, position: Position) -> None:
    """One result that must come out: a record of the metrics topic, and its rows."""
    store.add("expected_metrics", (result.hostname, result.timestamp, digest(orjson.dumps(result)), *position))
    order = _in_table(shape)
    for row in shape.rows(result):
        store.add("expected_rows", tuple(row[place] for place in order))


@cache
def _in_table(shape: Shape) -> tuple[int, ...]:
    """Where the columns of the store's table stand in a row: first the key's, then the values'."""
    places = {column.name: place for place, column in enumerate(shape.columns)}
    return tuple(places[name] for name in (*shape.key, *(column.name for column in shape.values)))


def find_metrics(store: ReconciliationStore, topic: str, value: bytes | None, position: Position) -> None:
    """A value of the metrics topic that is there. A sentence stands for the key of one that cannot be read."""
    try:
        metrics = orjson.loads(value or b"")
        host, ts = metrics["hostname"], metrics["timestamp"]
    except (ValueError, KeyError, TypeError):
        host, ts, metrics = f"an unreadable record at {topic} {position}", None, None
    else:
        if not isinstance(host, str) or type(ts) is not int or not _FIRST_MS <= ts <= _LAST_MS:
            host, ts = repr((host, ts)), None
    store.add("found_metrics", (host, ts, digest(orjson.dumps(metrics)), *position))


def _find_dead_letter(store: ReconciliationStore, record: Message, headers: Mapping[str, bytes | None]) -> str:
    try:
        position = str((int(headers["partition"] or b""), int(headers["offset"] or b"")))
    except (ValueError, KeyError, TypeError):
        position = f"a record without its position at {(record.partition(), record.offset())}"
    store.add("found_dead_letters", (position, digest(record.value())))
    return position
