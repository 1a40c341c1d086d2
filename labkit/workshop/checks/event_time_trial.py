"""A learner's operator on trial in a job on the lab's cluster, in event time, with a watermark behind each record.

in_event_time(settings, "silent", snapshots, attach, bound_s=2, count=5)     what comes of those snapshots
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labkit.kafka.producer import produce
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.checks.flink_trial import results
from labkit.workshop.parts.time_job import ONE_BY_ONE, source

__all__ = ["in_event_time"]


def in_event_time(
    settings: Settings, name: str, sent: Sequence[Snapshot], attach: Callable[[Any], Any], *, bound_s: int, count: int
) -> list[list[Any]]:
    """Send the snapshots, and run rows (hostname) keyed by it -> `attach` on the cluster, until `count` rows came.

    Each as a list. Raises `NotYet` where the job fails.
    """
    from pyflink.common import Row, Types

    from labkit.flink.environment import remote_environment

    produce(settings.flow, sent)
    job = settings.job_name(name)
    env, tables = remote_environment(settings.cluster, job, parallelism=1, resume_from=None, **ONE_BY_ONE)
    tables.execute_sql(source(settings, bound_s))
    snapshots = tables.to_data_stream(tables.from_path("snapshots"))
    hosts = snapshots.map(lambda row: Row(row[0]), Types.ROW([Types.STRING()]))
    rows = attach(hosts.key_by(lambda row: row[0], Types.STRING()))
    return results(settings, name, env, tables, rows, count=count)
