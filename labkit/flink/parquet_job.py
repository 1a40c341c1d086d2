"""The second job: a stream's metrics -> rows (of procstat: one a CPU) -> Parquet files, a folder a UTC date.

    {"hostname": "lab", "timestamp": 1764…, "cpu_metrics": [{"cpu_id": "cpu", …}, {"cpu_id": "cpu0", …}]}
    ->  output/cpu_metrics/date=2026-11-22/part-….parquet    2 rows: lab, ts, time_delta_ms, cpu_id, …

Everything runs inside Flink's JVM; Python only writes the plan. A file becomes visible when a
checkpoint completes, never before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyflink.java_gateway import get_gateway

from labkit.kafka.flow import Flow
from labkit.kafka.topics import DISCOVERY_S
from labkit.streams.names import PARQUET
from labkit.streams.shape import Shape

__all__ = ["define"]

_PARTITION = "date"
#: Another parallelism than the rest of the job, so that Flink does not chain the two. In one chain the JSON format
#: hands its records on inside the `try` that ignores what it cannot parse, and so ignores what the file sink throws:
#: with a full disk, rows were lost and the job ran on. (JsonRowDataDeserializationSchema.deserialize, Flink 2.3.)
_APART = 2


def define(tables: Any, flow: Flow, folder: Path) -> None:
    """Add the job to the environment of `tables` (parallelism 1): the metrics of `flow` -> rows below `folder`."""
    shape = flow.stream.shape
    tables.execute_sql(_source(flow, shape))
    rows = tables.sql_query(_rows(shape))
    java = get_gateway().jvm
    row_type = rows._j_table.getResolvedSchema().toPhysicalRowDataType()
    stream = tables._j_tenv.toDataStream(
        rows._j_table, row_type.notNull().bridgedTo(java.Class.forName("org.apache.flink.table.data.RowData"))
    )
    sink = _file_sink(java, folder, row_type)
    stream.sinkTo(sink).name("parquet files").uid("parquet-files")


_SQL = {str: "STRING", int: "BIGINT", float: "DOUBLE"}


def _rows(shape: Shape) -> str:
    """The date is the snapshot's, in UTC (the session's time zone), never the wall clock's."""
    own = ", ".join("TO_TIMESTAMP_LTZ(`timestamp`, 3) AS ts" if name == "timestamp" else f"`{name}`"
                    for name, _ in shape.fields)  # fmt: skip
    parts = f", `{shape.parts}`" if shape.parts else ""
    names, columns = (", ".join(f"`{name}`" for name, _ in some) for some in (shape.part_fields, shape.columns))
    unnested = f" CROSS JOIN UNNEST(`{shape.parts}`) AS part ({names})" if shape.parts else ""
    return f"""
        SELECT {columns}, DATE_FORMAT(ts, 'yyyy-MM-dd') AS `{_PARTITION}`
        FROM (
            SELECT {own}{parts} FROM metrics WHERE hostname IS NOT NULL AND `timestamp` IS NOT NULL
        ){unnested}"""


def _source(flow: Flow, shape: Shape) -> str:
    columns = [f"`{name}` {_SQL[kind]}" for name, kind in shape.fields]
    if shape.parts:
        row = ", ".join(f"`{name}` {_SQL[kind]}" for name, kind in shape.part_fields)
        columns.append(f"`{shape.parts}` ARRAY<ROW<{row}>>")
    return f"""
        CREATE TABLE metrics ({", ".join(columns)}) WITH (
            'connector' = 'kafka',
            'topic' = '{flow.metrics_topic}',
            'properties.bootstrap.servers' = '{flow.kafka_bootstrap}',
            'properties.group.id' = '{flow.job_name(PARQUET)}',
            'properties.isolation.level' = 'read_committed',
            'scan.startup.mode' = 'earliest-offset',
            'scan.topic-partition-discovery.interval' = '{DISCOVERY_S} s',
            'scan.parallelism' = '{_APART}',
            'format' = 'json',
            'json.ignore-parse-errors' = 'true'
        )"""


def _file_sink(java: Any, folder: Path, row_type: Any) -> Any:
    """Flink's FileSink with the bucket assigner of its SQL sink: date folders, and a .parquet suffix.

    SQL's own sink gives files no suffix, and PyFlink's FileSink takes no date from a column.
    """
    table = java.org.apache.flink.connector.file.table
    logical = row_type.getLogicalType()
    names, types = list(logical.getFieldNames()), list(row_type.getChildren())
    partitions = table.RowDataPartitionComputer(
        "unknown", _array(java.String, names), _array(java.org.apache.flink.table.types.DataType, types),
        _array(java.String, [_PARTITION]),
    )  # fmt: skip
    written = java.org.apache.flink.table.types.logical.RowType(
        java.java.util.ArrayList([field for field in logical.getFields() if field.getName() != _PARTITION])
    )
    hadoop = java.org.apache.hadoop.conf.Configuration()
    hadoop.set("parquet.write.int64.timestamp", "true")
    hadoop.set("parquet.timestamp.time.unit", "millis")
    utc = True
    parquet = java.org.apache.flink.formats.parquet.row.ParquetRowDataBuilder.createWriterFactory(written, hadoop, utc)
    sink = java.org.apache.flink.connector.file.sink.FileSink
    files = java.org.apache.flink.streaming.api.functions.sink.filesystem
    return (
        sink.forBulkFormat(
            java.org.apache.flink.core.fs.Path(f"file://{folder}"),
            table.FileSystemTableSink.ProjectionBulkFactory(parquet, partitions),
        )
        .withBucketAssigner(table.FileSystemTableSink.TableBucketAssigner(partitions))
        .withOutputFileConfig(files.OutputFileConfig.builder().withPartSuffix(".parquet").build())
        .build()
    )


def _array(kind: Any, items: list[Any]) -> Any:
    array = get_gateway().new_array(kind, len(items))
    for index, item in enumerate(items):
        array[index] = item
    return array
