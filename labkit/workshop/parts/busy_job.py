"""The tables around the jobs of lesson 09: how busy a host was, and what windows make of it.

send(settings, rows)                                      Busy(host, timestamp, busy) to the topic of the lesson
job_id = submit(settings, "kinds", bound_s=30, build)     build(rows) -> {"tumbling": a stream of lines of JSON, …}
so_far(settings, job_id, "kinds", ("tumbling",), 270)     what has come of the first 270 rows, {"tumbling": [{…}, …]}

A row of a job is Row(host, timestamp, busy), with its event time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Producer
from pyflink.common import Row, Types

from labkit.errors import LabkitError
from labkit.flink.environment import remote_environment
from labkit.flink.rest import FlinkRest
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import hand_over, producer_config
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.system.waiting import wait_until
from labkit.workshop.parts.sleep import Busy
from labkit.workshop.parts.time_job import ONE_BY_ONE, sink

__all__ = ["row_type", "send", "sent", "so_far", "submit"]

_LINE = Types.ROW_NAMED(["value"], [Types.STRING()])
#: One may be under way when all is read; the next has it all in it; one more, and what that one had is committed.
_CHECKPOINTS = 3


def row_type() -> Any:
    """What a row of a job is made of.

    A new one each time: PyFlink keeps Java's type in a type that was used, and a tag with such a one cannot be sent to
    a worker.
    """
    return Types.ROW_NAMED(["host", "timestamp", "busy"], [Types.STRING(), Types.LONG(), Types.DOUBLE()])


def send(settings: Settings, rows: Iterable[Busy]) -> None:
    """Write rows to the lesson's topic, in their order, each with its event time as Kafka's time."""
    topic = _topic(settings, "busy")
    create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
    producer = Producer(producer_config(settings.kafka_bootstrap, {}))
    for row in rows:
        value = json.dumps({"made": row.timestamp, "busy": row.busy})
        hand_over(producer, topic, key=row.host, value=value, timestamp=row.timestamp)
    producer.flush()


def sent(settings: Settings) -> int:
    """How many rows there are in the lesson's topic."""
    return sum(1 for _ in read_topic(settings.kafka_bootstrap, _topic(settings, "busy")))


def submit(settings: Settings, name: str, bound_s: float, build: Callable[[Any], dict[str, Any]]) -> str:
    """Start the job `name`: what `build` makes of the rows, each way out to a topic of its own; its id.

    The watermark is `bound_s` behind the newest row, and moves at each. Raises `LabkitError` where it runs already.
    """
    job = settings.job_name(name)
    if FlinkRest(settings.flink_url).running(job):
        raise LabkitError(f"{job} runs already.", "To begin anew, run all cells from begin on.")
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None, **ONE_BY_ONE)
    tables.execute_sql(_source(settings, bound_s))
    table = tables.sql_query("SELECT host, made, busy, ts FROM busy_rows")
    rows = tables.to_data_stream(table).map(lambda row: Row(row[0], row[1], row[2]), row_type())
    statements = tables.create_statement_set()
    for way, stream in build(rows).items():
        topic = _topic(settings, f"{name}_{way}")
        create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
        tables.execute_sql(sink(settings, f"to_{way}", topic, job))
        statements.add_insert(f"to_{way}", tables.from_data_stream(stream.map(lambda text: Row(text), _LINE)))
    statements.attach_as_datastream()
    return str(env.execute_async(job).get_job_id())


def so_far(
    settings: Settings, job_id: str, name: str, ways: Iterable[str], count: int
) -> dict[str, list[dict[str, Any]]]:
    """{way: its results, in their order}, as soon as the job has read `count` rows and all that came of them is there.

    Nothing is known of what has to come: a checkpoint that begins when all is read has it in it, and it is committed
    before the next one ends. Raises `LabkitError` where that does not come.
    """
    rest, topic = FlinkRest(settings.flink_url), _topic(settings, "busy")

    def read() -> int:
        return sum(rest.read_offsets(job_id, topic).values())

    def completed() -> int:
        return int(rest.checkpoints(job_id)["counts"]["completed"])

    wait_until(lambda: read() == count, f"{name} has read {count} rows", seen=lambda: f"it has read {read()}")
    before = completed()
    wait_until(
        lambda: completed() >= before + _CHECKPOINTS, f"{name} has made {_CHECKPOINTS} checkpoints more",
        seen=lambda: f"it has made {completed() - before}",
    )  # fmt: skip
    topics = {way: _topic(settings, f"{name}_{way}") for way in ways}
    return {
        way: [json.loads(record.value()) for record in read_topic(settings.kafka_bootstrap, topic)]
        for way, topic in topics.items()
    }


def _source(settings: Settings, bound_s: float) -> str:
    return f"""
        CREATE TABLE busy_rows (
            host STRING, made BIGINT, busy DOUBLE, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
            WATERMARK FOR ts AS ts - INTERVAL '{bound_s}' SECOND)
        WITH ('connector' = 'kafka', 'topic' = '{_topic(settings, "busy")}',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'scan.startup.mode' = 'earliest-offset', 'scan.watermark.emit.strategy' = 'on-event',
            'key.format' = 'raw', 'key.fields' = 'host',
            'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY')"""


def _topic(settings: Settings, name: str) -> str:
    return f"procstat_{name}{settings.suffix}"
