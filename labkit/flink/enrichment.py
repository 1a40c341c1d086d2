"""The first job: procstat_snapshots -> the last good snapshot per host, kept by Flink -> procstat_metrics.

    raw Kafka record ─▶ Decode ─▶ key by hostname ─▶ Enrich (ValueState) ─▶ procstat_metrics (JSON)
                          └────────▶ procstat_dead_letters (the bytes as they came, and why)

Both sinks write in transactions that a checkpoint commits, so a restart neither loses nor doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from pyflink.common import Row, Time, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, ProcessFunction, RuntimeContext
from pyflink.datastream.state import StateTtlConfig, ValueStateDescriptor
from pyflink.table import DataTypes, Schema

from labkit.avro_codec import SnapshotCodec, UnreadableRecord, read_schema
from labkit.flink.names import ENRICHMENT
from labkit.flink.session import remote_environment
from labkit.kafka_admin import MAX_DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES
from labkit.metrics import compare
from labkit.registry import Registry
from labkit.settings import Settings

__all__ = ["add_sinks", "build", "create_tables", "dead_letter"]


def _dead() -> OutputTag:
    """Dead letters' side output. Made anew each time: PyFlink's types hold on to the JVM that they were used with."""
    text, data = Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())
    return OutputTag("dead letters", Types.ROW_NAMED(["key", "value", "headers"], [data, data, Types.MAP(text, data)]))


class Decode(ProcessFunction):
    """Raw record (key, value, topic, partition, offset) -> (hostname, Snapshot), or a dead letter."""

    def __init__(self, settings: Settings) -> None:
        self._schema = read_schema(settings.schema_dir)
        self._registry = Registry.of(settings)

    def open(self, runtime_context: RuntimeContext) -> None:
        """One codec, and one registry client, for each worker."""
        self._codec = SnapshotCodec(self._schema, self._registry.wait_for_schema)

    def process_element(self, value: Row, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Decode one record."""
        key, data, topic, partition, offset = value
        try:
            snapshot = self._codec.decode(data)
        except UnreadableRecord as reason:
            yield dead_letter(key, data, reason=reason, topic=topic, partition=partition, offset=offset)
        else:
            yield snapshot.hostname, snapshot


class Enrich(KeyedProcessFunction):
    """(hostname, Snapshot) -> (hostname, JSON of the interval, timestamp), by `labkit.metrics.compare`."""

    def __init__(self, keep_for_s: int) -> None:
        self._keep_for_s = keep_for_s

    def open(self, runtime_context: RuntimeContext) -> None:
        """The last good snapshot of the current host, kept and checkpointed by Flink.

        A host that was not heard of for that long (by the wall clock, a day more than `compare` goes by) is dropped:
        state grows with the hosts of a month, not with all that there ever were. After that, a recording of it that
        is sent a second time is new to the job.
        """
        descriptor = ValueStateDescriptor("last good snapshot", Types.PICKLED_BYTE_ARRAY())
        # What is due but still there may be returned: `compare` does not go by it. Else PyFlink keeps no cache, and
        # asks the JVM for every value, one by one.
        kept_for = StateTtlConfig.new_builder(Time.seconds(self._keep_for_s)).return_expired_if_not_cleaned_up()
        descriptor.enable_time_to_live(kept_for.cleanup_full_snapshot().build())
        self._last_good = runtime_context.get_state(descriptor)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Compare one snapshot with the last good one of its host."""
        _, now = value
        _, keep, metrics = compare(self._last_good.value(), now)
        self._last_good.update(keep)
        if metrics is not None:
            yield Row(metrics.hostname, orjson.dumps(metrics), metrics.timestamp)


def build(settings: Settings, resume_from: Path | None) -> Any:
    """The job, ready to execute on the lab's cluster."""
    env, tables = remote_environment(
        settings, settings.job_name(ENRICHMENT), parallelism=settings.enrichment_parallelism, resume_from=resume_from
    )
    create_tables(tables, settings)
    text, data = Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())
    raw = tables.to_data_stream(tables.from_path("snapshots"))
    decoded = raw.process(Decode(settings), Types.TUPLE([text, Types.PICKLED_BYTE_ARRAY()])).uid("decode")
    by_host = decoded.key_by(lambda pair: pair[0], text)
    metric = Types.ROW_NAMED(["key", "value", "ts"], [text, data, Types.LONG()])  # hostname, JSON, ms
    metrics = by_host.process(Enrich(settings.host_state_s), metric).uid("enrich")
    add_sinks(tables, metrics, decoded)
    return env


def create_tables(tables: Any, settings: Settings) -> None:
    """Make the tables `snapshots`, `metrics` and `dead_letters` known."""
    for statement in (_source(settings), _metrics_sink(settings), _dead_letter_sink(settings)):
        tables.execute_sql(statement)


def dead_letter(key: bytes | None, data: bytes | None, **why: Any) -> tuple[OutputTag, Row]:
    """A record that is no snapshot, for the side output: as it came, and `why` in its headers."""
    return _dead(), Row(key, data, {name: str(text).encode() for name, text in why.items()})


def add_sinks(tables: Any, metrics: Any, decoded: Any) -> None:
    """Write the stream `metrics`, and the dead letters of the stream `decoded`, into the tables of these names."""
    statements = tables.create_statement_set()
    text, data = DataTypes.STRING(), DataTypes.BYTES()
    columns = Schema.new_builder().from_fields(["key", "value"], [text, data])
    in_time = columns.column_by_expression("event_time", "TO_TIMESTAMP_LTZ(ts, 3)").build()
    letter = [data, data, DataTypes.MAP(text, data)]
    with_headers = Schema.new_builder().from_fields(["key", "value", "headers"], letter).build()
    statements.add_insert("metrics", tables.from_data_stream(metrics, in_time))
    statements.add_insert("dead_letters", tables.from_data_stream(decoded.get_side_output(_dead()), with_headers))
    statements.attach_as_datastream()


def _source(settings: Settings) -> str:
    """Key and value as raw bytes: decoding in Python leaves us in charge of what cannot be read."""
    return f"""
        CREATE TABLE snapshots (
            key BYTES, `value` BYTES,
            topic STRING METADATA VIRTUAL, `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL
        ) WITH (
            'connector' = 'kafka',
            'topic' = '{settings.snapshots_topic}',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'properties.group.id' = '{settings.job_name(ENRICHMENT)}',
            'properties.isolation.level' = 'read_committed',
            'properties.max.partition.fetch.bytes' = '{MAX_MESSAGE_BYTES}',
            'scan.startup.mode' = 'earliest-offset',
            'key.format' = 'raw', 'key.fields' = 'key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )"""


def _metrics_sink(settings: Settings) -> str:
    """The table `metrics`: JSON, keyed by hostname, with the time of the snapshot as the record's."""
    return f"""
        CREATE TABLE metrics (
            key STRING, `value` BYTES, event_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
        ) WITH (
            'topic' = '{settings.metrics_topic}', {_delivery(settings, "metrics")}
        )"""


def _dead_letter_sink(settings: Settings) -> str:
    """The table `dead_letters`: key and value as they came, and why, in the headers."""
    return f"""
        CREATE TABLE dead_letters (
            key BYTES, `value` BYTES, headers MAP<STRING, BYTES> METADATA
        ) WITH (
            'topic' = '{settings.dead_letters_topic}', {_delivery(settings, "dead-letters")}
        )"""


def _delivery(settings: Settings, sink: str) -> str:
    """Exactly once needs a transaction for each checkpoint, under a name of its own; the others write at once."""
    named = f"'sink.transactional-id-prefix' = '{settings.job_name(ENRICHMENT)}-{sink}',"
    return f"""
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'properties.transaction.timeout.ms' = '{settings.transaction_timeout_s * 1000}',
            'properties.max.request.size' = '{MAX_DEAD_LETTER_BYTES}',
            'properties.batch.size' = '262144',
            'sink.delivery-guarantee' = '{settings.delivery}',
            {named if settings.delivery == "exactly-once" else ""}
            'key.format' = 'raw', 'key.fields' = 'key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'"""
