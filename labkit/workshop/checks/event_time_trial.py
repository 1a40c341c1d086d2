"""A learner's operator on trial in a job on the lab's cluster, in event time, with a watermark behind each record.

in_event_time(settings, "silent", snapshots, attach, bound_s=2, count=5)     what comes of those snapshots
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.checks.flink_trial import committed
from labkit.workshop.lesson import tidy
from labkit.workshop.parts.time_job import ONE_BY_ONE, sink, source

__all__ = ["in_event_time"]


def in_event_time(
    settings: Settings, name: str, sent: Sequence[Snapshot], attach: Callable[[Any], Any], *, bound_s: int, count: int
) -> list[list[Any]]:
    """Send the snapshots, and run rows (hostname) keyed by it -> `attach` on the cluster, until `count` rows came.

    Each as a list. Raises `NotYet` where the job fails.
    """
    from pyflink.common import Row, Types

    from labkit.flink.environment import remote_environment

    job, topic = settings.job_name(name), f"procstat_{settings.job_name(name)}"
    create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
    produce(settings.flow, sent)
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None, **ONE_BY_ONE)
    tables.execute_sql(source(settings, bound_s))
    tables.execute_sql(sink(settings, "results", topic, job))
    snapshots = tables.to_data_stream(tables.from_path("snapshots"))
    hosts = snapshots.map(lambda row: Row(row[0]), Types.ROW([Types.STRING()]))
    rows = attach(hosts.key_by(lambda row: row[0], Types.STRING()))
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
