"""The first job: a stream's snapshots -> the last good snapshot of each host, kept by Flink -> its metrics.

    raw Kafka records ─▶ to record batches ─▶ Decode ─▶ key by shard ─▶ Enrich (ValueState) ─▶ from result batches
                              (Java)             │                                                 (Java) │
                                  dead letters ◀─┘                                  metrics (JSON) ◀──────┘

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
from dataclasses import dataclass, field
from functools import lru_cache, partial
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
from labkit.flink.engine.batch import enrich, rules_of
from labkit.flink.engine.batch_decoder import batch_decoder
from labkit.flink.engine.record_batch import decode_headers, decode_records, encode_results
from labkit.flink.tables import Delivery, add_sinks, create_tables, dead_letter
from labkit.kafka.avro import Schema, SnapshotCodec, read_schema
from labkit.kafka.flow import Flow
from labkit.kafka.registry import Registry, retry_until_available
from labkit.system.repository import REPOSITORY

__all__ = ["SHARDS", "Options", "define", "python_options"]

#: Groups of hosts, each with its own state: the most tasks that can share the work. A change is a new job.
SHARDS = 8
#: A batch goes on with that many records or bytes, or when its first record has waited that long.
_BATCH_RECORDS, _BATCH_BYTES, _BATCH_MS = 4000, 4 * 1024 * 1024, 100


@lru_cache(100_000)
def shard_of(hostname: str) -> int:
    """The shard of a host, the same in every process."""
    return zlib.crc32(hostname.encode()) % SHARDS


@dataclass(frozen=True, slots=True)
class Options:
    """How the job runs. A host that was silent for `host_state_s` (wall clock) is dropped from the state when its shard
    next hears of any host.

    That has to be more than `labkit.streams.rules.FORGET_AFTER_MS`, by which results go.
    """

    delivery: Delivery = field(default_factory=Delivery)
    host_state_s: int = 31 * 86_400


class Decode(ProcessFunction):
    """A batch of Kafka records -> (shard, batch of snapshots) for each shard in it, and dead letters."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._schema = read_schema(flow.schema_dir, flow.stream)

    def open(self, runtime_context: RuntimeContext) -> None:
        """One decoder, and one registry client, for each worker."""
        stream, registry = self._flow.stream, Registry.of(self._flow)

        def writer_schema(number: int) -> Schema | None:
            return retry_until_available(partial(registry.schema, number), _wait)

        codec = SnapshotCodec(stream, self._schema, writer_schema)
        self._decoder = batch_decoder(self._schema, codec, rules_of(stream, self._schema))

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Decode one batch."""
        records = decode_records(value)
        _, columns, reasons = self._decoder.decode(records.values, records.headers)
        for number, reason in sorted(reasons.items()):
            headers = decode_headers(records.headers[number])
            yield dead_letter(
                records.keys[number], records.values[number], headers, reason=reason, kind=reason.kind,
                topic=self._flow.snapshots_topic, partition=records.partitions[number], offset=records.offsets[number],
            )  # fmt: skip
        shards = np.array([shard_of(name) for name in columns.hostnames], dtype=np.int64)
        for shard in np.unique(shards).tolist():
            yield Row(shard, pickle.dumps(columns.take(np.flatnonzero(shards == shard)), protocol=5))


class Enrich(KeyedProcessFunction):
    """(shard, batch of snapshots) -> a batch of (hostname, JSON of the result, timestamp)."""

    def __init__(self, flow: Flow, keep_for_s: int) -> None:
        self._stream = flow.stream
        self._schema = read_schema(flow.schema_dir, flow.stream)
        self._keep_for_s = keep_for_s

    def open(self, runtime_context: RuntimeContext) -> None:
        """The last good snapshot of every host of the current shard, and when (wall clock) it was last heard of."""
        descriptor = ValueStateDescriptor("last good snapshots", Types.PICKLED_BYTE_ARRAY())
        self._state = runtime_context.get_state(descriptor)
        self._rules = rules_of(self._stream, self._schema)

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        """Compare a batch with what is known of its hosts."""
        now = pickle.loads(value)
        known, results = enrich(self._rules, self._state.value(), now, time.time(), self._keep_for_s)
        self._state.update(known)
        if results.hostnames:
            yield encode_results(results.hostnames, results.timestamp, self._rules.json_lines(results))


def define(tables: Any, flow: Flow, options: Options) -> None:
    """Add the job to the environment of `tables`, wherever that submits to.

    Its class path has to have operators.jar. Where Python runs, and so the name of its state, follows from the
    environment's python.execution-mode; `python_options()` has the faster one.
    """
    mode = tables.get_config().get("python.execution-mode", "process")
    create_tables(tables, flow, options.delivery)
    in_jvm = get_gateway().jvm.labkit
    text, data, number = DataTypes.STRING(), DataTypes.BYTES(), DataTypes.BIGINT()
    headers = DataTypes.MAP(text, data)
    record = _row_data(key=data, value=data, partition=DataTypes.INT(), offset=number, headers=headers)
    result = _row_data(key=text, value=data, ts=number)
    raw = tables.sql_query("SELECT key, `value`, `partition`, `offset`, headers FROM snapshots")
    rows = tables._j_tenv.toDataStream(raw._j_table, record)
    batch = Types.PRIMITIVE_ARRAY(Types.BYTE())
    of_shard = Types.ROW([Types.INT(), batch])
    to_batches = in_jvm.ToRecordBatches(_BATCH_RECORDS, _BATCH_BYTES, _BATCH_MS)
    batches = DataStream(rows.transform("to record batches", batch.get_java_type_info(), to_batches)).uid("to-batches")
    decoded = batches.process(Decode(flow), of_shard).uid("decode")
    # The name has the mode in it: PyFlink keeps state in another form in each, and does not say when it finds none.
    by_host = Enrich(flow, options.host_state_s)
    results = _by_shard(decoded, of_shard).process(by_host, batch).uid(f"enrich-{mode}")
    inside = get_gateway().jvm.org.apache.flink.table.runtime.typeutils.InternalTypeInfo.of(result.getLogicalType())
    metrics = DataStream(results._j_data_stream.flatMap(in_jvm.FromResultBatches(), inside)).uid("from-batches")
    add_sinks(tables, metrics, decoded)


def python_options() -> dict[str, str]:
    """PyFlink's execution mode where this Python is the fastest, and what else it needs to be told.

    In threads of the TaskManager's JVM a batch is copied once, instead of sent to a process and back. That takes Python
    as a shared library. Some systems have it in a package of its own (libpython3.11, say); without it Python runs in
    processes. The state of one mode does not fit the other.
    """
    if find_libpython() is None:  # a batch need not wait for others
        return {"python.execution-mode": "process", "python.fn-execution.bundle.size": "1"}
    path = os.pathsep.join(map(_between_quotes, (sysconfig.get_path("purelib"), str(REPOSITORY))))
    return {"python.execution-mode": "thread", "python.pythonpath": path}


def _between_quotes(path: str) -> str:
    """What PyFlink's interpreter inside the JVM makes that path of: it runs `sys.path.insert(0, r'…')` with it."""
    return f"'+{path!r}+r'" if "'" in path else path


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
