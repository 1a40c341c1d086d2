"""The tables around a job in event time, as lesson 08 builds them: records with a time and a watermark, lines of text.

tables.execute_sql(source(settings, bound_s=5))      snapshots: host, value, ts, and the watermark 5 s behind ts
tables.execute_sql(sink(settings, "closed", topic, job))
"""

from __future__ import annotations

from labkit.settings import Settings

__all__ = ["ONE_BY_ONE", "sink", "source"]

#: An option of `remote_environment`: PyFlink hands records to Python in bundles, and lets a window or a timer see the
#: watermark between two bundles only. With bundles of one record what is late is the same on every machine.
ONE_BY_ONE = {"python.fn-execution.bundle.size": "1"}


def source(settings: Settings, bound_s: int, more: str = "") -> str:
    """A table of the snapshots topic; `more` are further options, beginning with a comma.

    `ts` is Kafka's time of a record, which labkit sets to the event's. The watermark moves at each record, so what is
    late does not hang on how fast somebody reads. Source: Flink, FLIP-296, scan.watermark.emit.strategy.
    """
    return f"""
        CREATE TABLE snapshots (
            host STRING, `value` BYTES, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
            WATERMARK FOR ts AS ts - INTERVAL '{bound_s}' SECOND)
        WITH ('connector' = 'kafka', 'topic' = '{settings.snapshots_topic}',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'scan.startup.mode' = 'earliest-offset', 'scan.watermark.emit.strategy' = 'on-event',
            'key.format' = 'raw', 'key.fields' = 'host',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'{more})"""


def sink(settings: Settings, name: str, topic: str, job: str) -> str:
    """A table `name` of one column of text, written to `topic` exactly once."""
    return f"""
        CREATE TABLE {name} (`value` STRING) WITH (
            'connector' = 'kafka', 'topic' = '{topic}', 'format' = 'raw',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '{job}-{name}')"""
