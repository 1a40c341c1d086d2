"""The first job: procstat_snapshots -> the last good snapshot of each host, kept by Flink -> procstat_metrics.

    raw Kafka records ─▶ to record batches ─▶ Decode ─▶ key by shard ─▶ Enrich (ValueState) ─▶ from result batches
                              (Java)             │                                                 (Java) │
                         procstat_dead_letters ◀─┘                               procstat_metrics (JSON) ◀─┘

It is vectorized: what goes from one operator to the next is a batch of records, so little is paid for each border
between the JVM and Python. A shard is a group of hosts, by the hostname in the snapshot. ToRecordBatches.java and
FromResultBatches.java make and take batches in the JVM. Python itself runs inside the JVM, too, where it can.
"""

from __future__ import annotations

import os
import pickle
import sys
import sysconfig
import time
import zlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from find_libpython import find_libpython
from pyflink.common import Row, Types
from pyflink.datastream import DataStream, KeyedProcessFunction, KeyedStream, ProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes
from pyflink.table.types import _to_java_data_type
from pyflink.util.java_utils import load_java_class

from labkit.errors import LabkitError
from labkit.flink.batch_decoder import BatchDecoder
from labkit.flink.environment import remote_environment
from labkit.flink.names import ENRICHMENT
from labkit.flink.record_batch import decode_records, encode_results
from labkit.flink.tables import add_sinks, create_tables, dead_letter
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.registry import Registry, retry_until_available
from labkit.settings import REPOSITORY, Settings
from labkit.streams.procstat.columns import Columns, empty
from labkit.streams.procstat.intervals import compare_all
from labkit.streams.procstat.json_lines import json_lines

__all__ = ["SHARDS", "build"]

#: Groups of hosts, each with its own state: the most tasks that can share the work. A change is a new job.
SHARDS = 8
#: A batch goes on with that many records or bytes, or when its first record has waited that long.
_BATCH_RECORDS, _BATCH_BYTES, _BATCH_MS = 4000, 4 * 1024 * 1024, 100


@lru_cache(100_000)
def shard_of(hostname: str) -> int:
    """The shard of a host, the same in every process."""
    return zlib.crc32(hostname.encode()) % SHARDS


class Decode(ProcessFunction):
    """A batch of Kafka records -> (shard, batch of snapshots) for each shard in it, and dead letters."""

    def __init__(self, settings: Settings) -> None:
        self._schema = read_schema(settings.schema_dir)
        self._registry = Registry.of(settings)
        self._topic = settings.snapshots_topic

    def open(self, runtime_context: RuntimeContext) -> None:
        """One decoder, and one registry client, for each worker."""
        codec = SnapshotCodec(
            self._schema, lambda number: retry_until_available(partial(self._registry.schema, number), _wait)
        )
        self._decoder = BatchDecoder(self._schema, codec)

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Decode one batch."""
        records = decode_records(value)
        _, columns, reasons = self._decoder.decode(records.values)
        for number, reason in sorted(reasons.items()):
            yield dead_letter(
                records.keys[number], records.values[number], reason=reason, topic=self._topic,
                partition=records.partitions[number], offset=records.offsets[number],
            )  # fmt: skip
        shards = np.array([shard_of(name) for name in columns.hostnames], dtype=np.int64)
        for shard in np.unique(shards).tolist():
            yield Row(shard, pickle.dumps(columns.take(np.flatnonzero(shards == shard)), protocol=5))


class Enrich(KeyedProcessFunction):
    """(shard, batch of snapshots) -> a batch of (hostname, JSON of the interval, timestamp)."""

    def __init__(self, keep_for_s: int) -> None:
        self._keep_for_s = keep_for_s

    def open(self, runtime_context: RuntimeContext) -> None:
        """The last good snapshot of every host of the current shard, and when (wall clock) it was last heard of."""
        descriptor = ValueStateDescriptor("last good snapshots", Types.PICKLED_BYTE_ARRAY())
        self._state = runtime_context.get_state(descriptor)

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        """Compare a batch with what is known of its hosts."""
        now: Columns = pickle.loads(value)
        wall_s = time.time()
        state, heard_s = self._state.value() or (empty(), np.empty(0))
        kept = heard_s > wall_s - self._keep_for_s
        if not kept.all():
            state, heard_s = state.take(np.flatnonzero(kept)), heard_s[kept]
        state, intervals = compare_all(state, now)
        # Hosts stay in their order; new ones are at the end.
        heard_s = np.concatenate((heard_s, np.full(len(state) - len(heard_s), wall_s)))
        place = {name: index for index, name in enumerate(state.hostnames)}
        heard_s[[place[name] for name in set(now.hostnames)]] = wall_s
        self._state.update((state, heard_s))
        if intervals.hostnames:
            yield encode_results(intervals.hostnames, intervals.timestamp, json_lines(intervals))


def build(settings: Settings, resume_from: Path | None) -> Any:
    """The job, ready to execute on the lab's cluster."""
    mode, options = _where_python_runs()
    env, tables = remote_environment(
        settings, settings.job_name(ENRICHMENT), parallelism=settings.enrichment_parallelism, resume_from=resume_from,
        **{"python.execution-mode": mode, **options},
    )  # fmt: skip
    create_tables(tables, settings)
    in_jvm = get_gateway().jvm.labkit
    text, data, number = DataTypes.STRING(), DataTypes.BYTES(), DataTypes.BIGINT()
    record = _row_data(key=data, value=data, partition=DataTypes.INT(), offset=number)
    result = _row_data(key=text, value=data, ts=number)
    raw = tables.sql_query("SELECT key, `value`, `partition`, `offset` FROM snapshots")
    rows = tables._j_tenv.toDataStream(raw._j_table, record)
    batch = Types.PRIMITIVE_ARRAY(Types.BYTE())
    of_shard = Types.ROW([Types.INT(), batch])
    to_batches = in_jvm.ToRecordBatches(_BATCH_RECORDS, _BATCH_BYTES, _BATCH_MS)
    batches = DataStream(rows.transform("to record batches", batch.get_java_type_info(), to_batches)).uid("to-batches")
    decoded = batches.process(Decode(settings), of_shard).uid("decode")
    # The name has the mode in it: PyFlink keeps state in another form in each, and does not say when it finds none.
    results = _by_shard(decoded, of_shard).process(Enrich(settings.host_state_s), batch).uid(f"enrich-{mode}")
    inside = get_gateway().jvm.org.apache.flink.table.runtime.typeutils.InternalTypeInfo.of(result.getLogicalType())
    metrics = DataStream(results._j_data_stream.flatMap(in_jvm.FromResultBatches(), inside)).uid("from-batches")
    add_sinks(tables, metrics, decoded)
    return env


def _where_python_runs() -> tuple[str, dict[str, str]]:
    """PyFlink's execution mode, and what else it needs to be told.

    In threads of the TaskManager's JVM a batch is copied once, instead of sent to a process and back. That takes Python
    as a shared library. Some systems have it in a package of its own (libpython3.11, say); without it Python runs in
    processes. The state of one mode does not fit the other.
    """
    if find_libpython() is None:
        return "process", {"python.fn-execution.bundle.size": "1"}  # a batch need not wait for others
    return "thread", {"python.pythonpath": os.pathsep.join((sysconfig.get_path("purelib"), str(REPOSITORY)))}


def _wait(away: LabkitError) -> None:
    """For a registry that is away; a task that is to end meanwhile is told so by its thread of the JVM."""
    time.sleep(1)
    if "_pemja" in sys.modules and sys.modules["_pemja"].findClass("java.lang.Thread").currentThread().isInterrupted():
        raise away


def _row_data(**types: Any) -> Any:
    """A row as Flink's tables have it inside: nothing is converted where it leaves or enters them."""
    row = _to_java_data_type(DataTypes.ROW([DataTypes.FIELD(name, kind) for name, kind in types.items()]))
    return row.bridgedTo(load_java_class("org.apache.flink.table.data.RowData"))


def _by_shard(batches: DataStream, of_shard: Any) -> KeyedStream:
    """Rows of two fields, keyed by the first in the JVM; PyFlink's own key_by would ask Python for every key."""
    key = Types.ROW([Types.INT()]).get_java_type_info()
    keyed = batches._j_data_stream.keyBy(get_gateway().jvm.KeyByKeySelector(), key)
    return KeyedStream(keyed, of_shard, batches)
