"""A learner's operator with two inputs on trial in a job on the lab's cluster: rows of CPU and of memory, by host.

joined_on_cluster(settings, "join", cpu, memory, attach, count=360)     what comes of those snapshots
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from labkit.kafka.producer import produce
from labkit.kafka.topics import Topic, create_topics
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.meminfo import MEMINFO, MemorySnapshot
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.checks.flink_trial import committed
from labkit.workshop.lesson import tidy
from labkit.workshop.parts import time_job, two_streams

__all__ = ["joined_on_cluster"]


def joined_on_cluster(
    settings: Settings, name: str, cpu: Sequence[Snapshot], memory: Sequence[MemorySnapshot],
    attach: Callable[[Any], Any], *, count: int,
) -> list[list[Any]]:  # fmt: skip
    """Send the snapshots, and run rows (hostname) of both, keyed by it -> `attach` on the cluster, until `count` rows.

    Each as a list. Raises `NotYet` where the job fails.
    """
    from pyflink.common import Row, Types

    from labkit.flink.environment import remote_environment

    own = settings.for_stream(MEMINFO.name)
    prepare(own)
    job, topic = settings.job_name(name), f"procstat_{settings.job_name(name)}"
    create_topics(settings.kafka_bootstrap, [Topic(topic, 1)])
    produce(settings.flow, cpu)
    produce(own.flow, memory)
    env, tables = remote_environment(
        settings.cluster, job, parallelism=1, resume_from=None, **time_job.ONE_BY_ONE
    )  # fmt: skip
    tables.execute_sql(two_streams.source(settings, "cpu", "procs_running BIGINT"))
    tables.execute_sql(two_streams.source(own, "memory", "mem_available_kib BIGINT"))
    tables.execute_sql(time_job.sink(settings, "results", topic, job))
    left, right = (
        tables.to_data_stream(tables.from_path(side)).map(lambda row: Row(row[0]), Types.ROW([Types.STRING()]))
        for side in ("cpu", "memory")
    )
    rows = attach(left.connect(right).key_by(lambda row: row[0], lambda row: row[0], Types.STRING()))
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
