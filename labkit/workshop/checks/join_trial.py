"""A learner's operator with two inputs on trial in a job on the lab's cluster: rows of CPU and of memory, by host.

joined_on_cluster(settings, "join", cpu, memory, attach, count=360)     what comes of those snapshots
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labkit.kafka.producer import produce
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.meminfo import MEMINFO, MemorySnapshot
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.checks.flink_trial import results
from labkit.workshop.parts.time_job import ONE_BY_ONE
from labkit.workshop.parts.two_streams import source

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
    produce(settings.flow, cpu)
    produce(own.flow, memory)
    job = settings.job_name(name)
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None, **ONE_BY_ONE)
    tables.execute_sql(source(settings, "cpu", "procs_running BIGINT"))
    tables.execute_sql(source(own, "memory", "mem_available_kib BIGINT"))
    left, right = (
        tables.to_data_stream(tables.from_path(side)).map(lambda row: Row(row[0]), Types.ROW([Types.STRING()]))
        for side in ("cpu", "memory")
    )
    rows = attach(left.connect(right).key_by(lambda row: row[0], lambda row: row[0], Types.STRING()))
    return results(settings, name, env, tables, rows, count=count)
