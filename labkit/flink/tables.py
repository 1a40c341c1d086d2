"""The enrichment's way in and out: the tables over Kafka that every enrichment job reads and writes.

    snapshots      key, value, partition, offset, headers   raw bytes, as they came
    metrics        key, value, event_time                   JSON, keyed by hostname
    dead_letters   key, value, headers                      the bytes as they came, and why

Both sinks write in transactions that a checkpoint commits, so a restart neither loses nor doubles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyflink.common import Row, Types
from pyflink.datastream import OutputTag
from pyflink.table import DataTypes, Schema

from labkit.kafka.flow import Flow
from labkit.kafka.topics import DISCOVERY_S, MAX_DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES
from labkit.streams.names import ENRICHMENT

__all__ = ["Delivery", "add_sinks", "create_tables", "dead_letter"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the enrichment's sinks promise; after an outage of up to `transaction_timeout_s` nothing is lost."""

    guarantee: Literal["exactly-once", "at-least-once", "none"] = "exactly-once"
    transaction_timeout_s: int = 3_600


def _dead() -> OutputTag:
    """Dead letters' side output. Made anew each time: PyFlink's types hold on to the JVM that they were used with."""
    text, data = Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())
    return OutputTag("dead letters", Types.ROW_NAMED(["key", "value", "headers"], [data, data, Types.MAP(text, data)]))


def create_tables(tables: Any, flow: Flow, delivery: Delivery) -> None:
    """Make the tables `snapshots`, `metrics` and `dead_letters` of a stream known."""
    for statement in (_source(flow), _metrics_sink(flow, delivery), _dead_letter_sink(flow, delivery)):
        tables.execute_sql(statement)


def dead_letter(
    key: bytes | None, data: bytes | None, headers: Mapping[str, bytes | None], **why: Any
) -> tuple[OutputTag, Row]:
    """A record that is no snapshot, for the side output: as it came, and `why` beside its headers.

    Where it has a header of such a name itself, that is kept as "record.reason", say. One without a value gets an
    empty one: the sink would leave it out.
    """
    own = {f"record.{name}" if name in why else name: value or b"" for name, value in headers.items()}
    return _dead(), Row(key, data, own | {name: str(text).encode() for name, text in why.items()})


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


def _source(flow: Flow) -> str:
    """Key and value as raw bytes: decoding in Python leaves us in charge of what cannot be read."""
    return f"""
        CREATE TABLE snapshots (
            key BYTES, `value` BYTES,
            `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL,
            headers MAP<STRING, BYTES> METADATA VIRTUAL
        ) WITH (
            'connector' = 'kafka',
            'topic' = '{flow.snapshots_topic}',
            'properties.bootstrap.servers' = '{flow.kafka_bootstrap}',
            'properties.group.id' = '{flow.job_name(ENRICHMENT)}',
            'properties.isolation.level' = 'read_committed',
            'properties.max.partition.fetch.bytes' = '{MAX_MESSAGE_BYTES}',
            'scan.startup.mode' = 'earliest-offset',
            'scan.topic-partition-discovery.interval' = '{DISCOVERY_S} s',
            'key.format' = 'raw', 'key.fields' = 'key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )"""


def _metrics_sink(flow: Flow, delivery: Delivery) -> str:
    """The table `metrics`: JSON, keyed by hostname, with the time of the snapshot as the record's."""
    return f"""
        CREATE TABLE metrics (
            key STRING, `value` BYTES, event_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
        ) WITH (
            'topic' = '{flow.metrics_topic}', {_delivery(flow, delivery, "metrics")}
        )"""


def _dead_letter_sink(flow: Flow, delivery: Delivery) -> str:
    """The table `dead_letters`: key and value as they came, and why, in the headers."""
    return f"""
        CREATE TABLE dead_letters (
            key BYTES, `value` BYTES, headers MAP<STRING, BYTES> METADATA
        ) WITH (
            'topic' = '{flow.dead_letters_topic}', {_delivery(flow, delivery, "dead-letters")}
        )"""


def _delivery(flow: Flow, delivery: Delivery, sink: str) -> str:
    """Exactly once needs a transaction for each checkpoint, under a name of its own; the others write at once."""
    named = f"'sink.transactional-id-prefix' = '{flow.job_name(ENRICHMENT)}-{sink}',"
    return f"""
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{flow.kafka_bootstrap}',
            'properties.transaction.timeout.ms' = '{delivery.transaction_timeout_s * 1000}',
            'properties.max.request.size' = '{MAX_DEAD_LETTER_BYTES}',
            'properties.batch.size' = '262144',
            'sink.delivery-guarantee' = '{delivery.guarantee}',
            {named if delivery.guarantee == "exactly-once" else ""}
            'key.format' = 'raw', 'key.fields' = 'key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'"""
