"""A learner's functions on trial in a job on the lab's cluster.

on_cluster(settings, "rates", attach, 600)                  what comes of the lesson's snapshots, from a real job
results(settings, "rates", env, tables, rows, count=600)    what comes of a stream of rows that is made already
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from confluent_kafka import Message

from labkit.flink.rest import FlinkRest
from labkit.flink.root_cause import root_cause
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.registry import Registry
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.streams.procstat.stream import PROCSTAT
from labkit.system.waiting import NotInTime, wait_until
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.lesson import tidy
from labkit.workshop.parts.time_job import sink

__all__ = ["committed", "decoded", "on_cluster", "results"]

WITHIN_S = 40.0
_POLL_S = 0.3
#: So many checkpoints after which nothing more has come: nothing more comes.
_QUIET = 6


def decoded(settings: Settings, raw: Any) -> Any:
    """The raw stream of `on_cluster` -> (hostname, Snapshot)."""
    from pyflink.common import Types
    from pyflink.datastream import MapFunction

    schema, registry = read_schema(settings.schema_dir, PROCSTAT), Registry.of(settings.flow)

    class Decode(MapFunction):
        def open(self, runtime_context: Any) -> None:
            self._codec = SnapshotCodec(PROCSTAT, schema, registry.wait_for_schema)

        def map(self, record: Any) -> Any:
            snapshot = self._codec.decode(record[1])
            return snapshot.hostname, snapshot

    return raw.map(Decode(), Types.TUPLE([Types.STRING(), Types.PICKLED_BYTE_ARRAY()]))


def on_cluster(settings: Settings, name: str, attach: Callable[[Any], Any], count: int) -> list[list[Any]]:
    """Run raw records -> `attach` -> JSON on the cluster, until there are `count` results; those, as lists.

    `attach` gets a stream of rows (host, value) and returns one of rows. Raises `NotYet` where the job fails.
    """
    from labkit.flink.environment import remote_environment

    env, tables = remote_environment(settings.cluster, settings.job_name(name), parallelism=1, resume_from=None)
    tables.execute_sql(f"""
        CREATE TABLE records (host STRING, `value` BYTES)
        WITH ('connector' = 'kafka', 'topic' = '{settings.snapshots_topic}',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'scan.startup.mode' = 'earliest-offset', 'key.format' = 'raw', 'key.fields' = 'host',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')""")
    rows = attach(tables.to_data_stream(tables.from_path("records")))
    return results(settings, name, env, tables, rows, count=count)


def results(settings: Settings, name: str, env: Any, tables: Any, rows: Any, *, count: int) -> list[list[Any]]:
    """Run the job `name` of `env`, which writes the stream `rows`, until there are `count` of them; those, as lists.

    They go to a topic of the job's name, as JSON. Raises `NotYet` where the job fails. At the end the jobs of the
    settings' suffix are ended.
    """
    from pyflink.common import Row, Types

    job, topic = settings.job_name(name), f"procstat_{settings.job_name(name)}"
    create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
    tables.execute_sql(sink(settings, "results", topic, job))
    line = Types.ROW_NAMED(["value"], [Types.STRING()])
    lines = rows.map(lambda row: Row(json.dumps(list(row), default=lambda value: value.item())), line)
    statements = tables.create_statement_set()
    statements.add_insert("results", tables.from_data_stream(lines))
    statements.attach_as_datastream()
    try:
        job_id = str(env.execute_async(job).get_job_id())
        return [json.loads(record.value()) for record in committed(settings, job_id, topic, count)]
    finally:
        tidy(settings)


def committed(settings: Settings, job_id: str, topic: str, count: int) -> list[Message]:
    """Wait until the job has committed `count` records to `topic`, and a checkpoint more; those that are there then.

    Where fewer come, it waits until `_QUIET` checkpoints have brought no more. Raises `NotYet` with the cause where the
    job fails.
    """
    rest = FlinkRest(settings.flink_url)
    found: list[Message] = []
    seen, since = -1, 0

    def are_there() -> bool:
        nonlocal found, seen, since
        completed = int(rest.checkpoints(job_id)["counts"]["completed"])
        found = list(read_topic(settings.kafka_bootstrap, topic))
        if len(found) != seen:
            seen, since = len(found), completed
        trace = "" if len(found) >= count else rest.root_exception(job_id)
        if trace:
            raise NotYet(
                f"On the cluster the job fails: {root_cause(trace)}.", "Flink's page has all of it, under Exceptions."
            )
        return completed - since >= (1 if len(found) >= count else _QUIET)

    with suppress(NotInTime):  # what is missing, the check of what came says better
        wait_until(
            are_there, f"{topic} has {count} committed records", WITHIN_S, _POLL_S,
            seen=lambda: f"there are {len(found)}",
        )  # fmt: skip
    return found
