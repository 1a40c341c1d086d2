"""The first job, in batches: the same topics, records, rules and promise as `labkit.flink.enrichment`.

    raw Kafka records ─▶ decode, pack by shard ─▶ key by shard ─▶ Enrich (ValueState) ─▶ procstat_metrics (JSON)
      (Arrow, to Python)      └────────▶ procstat_dead_letters

A shard is a group of hosts, by the hostname in the snapshot. What goes from one operator to the next is not a snapshot
but a pack of them, as columns; so little is paid for each border between the JVM and Python.
"""

from __future__ import annotations

import pickle
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, KeyedStream, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from labkit.avro_codec import SnapshotCodec, read_schema
from labkit.fast.columns import Columns, empty
from labkit.fast.decode import BatchDecoder
from labkit.fast.intervals import compare_all
from labkit.fast.records import as_json
from labkit.flink import enrichment
from labkit.flink.names import ENRICHMENT
from labkit.flink.session import remote_environment
from labkit.registry import Registry
from labkit.settings import Settings

__all__ = ["SHARDS", "build"]

#: Groups of hosts, each with its own state: the most tasks that can share the work. A change is a new job.
SHARDS = 12

_DECODED = DataTypes.ROW(
    [
        DataTypes.FIELD("shard", DataTypes.INT()),
        DataTypes.FIELD("pack", DataTypes.BYTES()),
        DataTypes.FIELD("reason", DataTypes.STRING()),
    ]
)
_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
#: What leaves the decoding: a pack of a shard, or a record that is none, with its reason and the position it came from.
_ROW = {
    "shard": Types.INT(), "pack": _BYTES, "reason": Types.STRING(), "topic": Types.STRING(),
    "partition": Types.INT(), "offset": Types.LONG(), "key": _BYTES, "value": _BYTES,
}  # fmt: skip


def shard_of(hostname: str) -> int:
    """The shard of a host, the same in every process."""
    return zlib.crc32(hostname.encode()) % SHARDS


class DecodeBatch(ScalarFunction):
    """Kafka values of a batch -> as many rows: packs in the first ones, reasons where they belong, else nothing."""

    def __init__(self, settings: Settings) -> None:
        self._schema = read_schema(settings.schema_dir)
        self._registry = Registry.of(settings)

    def open(self, function_context: FunctionContext) -> None:
        """One decoder, and one registry client, for each worker."""
        self._decoder = BatchDecoder(self._schema, SnapshotCodec(self._schema, self._registry.wait_for_schema))
        self._shards: dict[str, int] = {}

    def eval(self, values: pd.Series) -> pd.DataFrame:
        """n values -> n rows (shard, pack, reason)."""
        _, columns, reasons = self._decoder.decode(values.tolist())
        shard: list[int | None] = [None] * len(values)
        pack: list[bytes | None] = [None] * len(values)
        reason: list[str | None] = [None] * len(values)
        for number, text in reasons.items():
            reason[number] = text
        shards = np.array([self._shard(name) for name in columns.hostnames], dtype=np.int64)
        for row, one in enumerate(np.unique(shards).tolist()):
            shard[row] = one
            pack[row] = pickle.dumps(columns.take(np.flatnonzero(shards == one)), protocol=5)
        # As objects: pandas would make floats of whole numbers where some are missing.
        return pd.DataFrame({"shard": shard, "pack": pack, "reason": reason}, dtype=object)

    def _shard(self, hostname: str) -> int:
        known = self._shards.get(hostname)
        if known is None:
            if len(self._shards) > 100_000:
                self._shards.clear()
            known = self._shards[hostname] = shard_of(hostname)
        return known


class Enrich(KeyedProcessFunction):
    """(shard, pack of snapshots) -> (hostname, JSON of the interval, timestamp) for each interval."""

    def __init__(self, keep_for_s: int) -> None:
        self._keep_for_s = keep_for_s

    def open(self, runtime_context: RuntimeContext) -> None:
        """The last good snapshot of every host of the current shard, and when (wall clock) it was last heard of."""
        descriptor = ValueStateDescriptor("last good snapshots", Types.PICKLED_BYTE_ARRAY())
        self._memory = runtime_context.get_state(descriptor)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Compare a pack with what is known of its hosts."""
        now: Columns = pickle.loads(value)
        wall_s = time.time()
        memory, heard_s = self._memory.value() or (empty(), np.empty(0))
        kept = heard_s > wall_s - self._keep_for_s
        if not kept.all():
            memory, heard_s = memory.take(np.flatnonzero(kept)), heard_s[kept]
        memory, intervals = compare_all(memory, now)
        # Hosts stay in their order; new ones are at the end.
        heard_s = np.concatenate((heard_s, np.full(len(memory) - len(heard_s), wall_s)))
        place = {name: index for index, name in enumerate(memory.hostnames)}
        heard_s[[place[name] for name in set(now.hostnames)]] = wall_s
        self._memory.update((memory, heard_s))
        timestamps = intervals.timestamp.tolist()
        for hostname, record, timestamp in zip(intervals.hostnames, as_json(intervals), timestamps, strict=True):
            yield Row(hostname, record, timestamp)


def build(settings: Settings, resume_from: Path | None) -> Any:
    """The job, ready to execute on the lab's cluster."""
    env, tables = remote_environment(
        settings, settings.job_name(ENRICHMENT), parallelism=settings.enrichment_parallelism, resume_from=resume_from
    )
    tables.get_config().set("python.fn-execution.arrow.batch.size", "2000")
    for statement in (
        enrichment.source(settings),
        enrichment.metrics_sink(settings),
        enrichment.dead_letter_sink(settings),
    ):
        tables.execute_sql(statement)
    decode = udf(DecodeBatch(settings), result_type=_DECODED, func_type="pandas")
    tables.create_temporary_function("decode_batch", decode)
    decoded = tables.sql_query("""
        SELECT decoded.shard AS shard, decoded.pack AS pack, decoded.reason AS reason, topic, `partition`, `offset`,
               CASE WHEN decoded.reason IS NOT NULL THEN key END AS key,
               CASE WHEN decoded.reason IS NOT NULL THEN `value` END AS `value`
        FROM (SELECT key, `value`, topic, `partition`, `offset`, decode_batch(`value`) AS decoded FROM snapshots)
        WHERE decoded.pack IS NOT NULL OR decoded.reason IS NOT NULL""")
    stream = tables.to_append_stream(decoded, Types.ROW_NAMED(list(_ROW), list(_ROW.values())))
    tables.create_temporary_view("decoded", tables.from_data_stream(stream))
    packs = tables.to_append_stream(
        tables.sql_query("SELECT shard, pack FROM decoded WHERE pack IS NOT NULL"),
        Types.ROW_NAMED(["shard", "pack"], [Types.INT(), _BYTES]),
    )
    metrics = _by_shard(packs).process(Enrich(settings.host_state_s), enrichment.METRICS).uid("enrich-packs")
    statements = tables.create_statement_set()
    statements.add_insert("metrics", tables.from_data_stream(metrics, enrichment.metrics_schema()))
    statements.add_insert_sql("""
        INSERT INTO dead_letters SELECT key, `value`, MAP[
            'reason', ENCODE(reason, 'UTF-8'), 'topic', ENCODE(topic, 'UTF-8'),
            'partition', ENCODE(CAST(`partition` AS STRING), 'UTF-8'),
            'offset', ENCODE(CAST(`offset` AS STRING), 'UTF-8')]
        FROM decoded WHERE reason IS NOT NULL""")
    statements.attach_as_datastream()
    return env


def _by_shard(packs: Any) -> KeyedStream:
    """Rows of two fields, keyed by the first in the JVM; PyFlink's own key_by would ask Python for every key."""
    key = Types.ROW([Types.INT()]).get_java_type_info()
    keyed = packs._j_data_stream.keyBy(get_gateway().jvm.KeyByKeySelector(), key)
    return KeyedStream(keyed, Types.ROW([Types.INT(), _BYTES]), packs)
