"""Partitions that a topic has and a job does not read yet: somebody has raised their number while it runs.

    kafka-topics --alter --topic procstat_snapshots --partitions 8      4 to 7 are new; a job finds them within 10 s

Flink reads a new partition from its start (KafkaSource, "Dynamic Partition Discovery"), so nothing is left out. A host
may have another partition from then on: what it sends lies behind its older snapshots all the same, by time.
"""

from __future__ import annotations

import time

from labkit.flink.rest import FlinkRest, Job
from labkit.jobs.origin import topic_read_by
from labkit.kafka.topics import DISCOVERY_S, topic_partitions
from labkit.settings import Settings
from labkit.streams.names import JOBS

__all__ = ["in_ranges", "unread_partitions"]

#: A job that has just begun has not reported all that it reads.
_REPORTS_WITHIN_MS = 5_000


def unread_partitions(settings: Settings) -> list[tuple[str, str, str]]:
    """(job, sentence, what to do) of each job of this pipeline that does not read a partition of its topic yet.

    Raises `LabkitError` where Kafka or the cluster does not answer.
    """
    rest = FlinkRest(settings.flink_url)
    there = topic_partitions(settings.kafka_bootstrap)
    found = []
    for name in JOBS:
        topic = topic_read_by(settings, name)
        job = rest.running(settings.job_name(name))
        if job is None or not _has_reported(rest, job):
            continue
        read = rest.read_partitions(job.id, topic)
        if read and (unread := set(range(there.get(topic, 0))) - read):
            what = f"The job {job.name} does not read {in_ranges(unread)} of {topic} yet: new since it started."
            found.append((job.name, what, f"It looks for new partitions every {DISCOVERY_S} s, and misses nothing."))
    return found


def in_ranges(numbers: set[int]) -> str:
    """{4} -> "partition 4", {4, 5, 6, 9} -> "partitions 4 to 6, 9" """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"partition{'' if len(numbers) == 1 else 's'} {', '.join(words)}"


def _has_reported(rest: FlinkRest, job: Job) -> bool:
    reached = int(rest.job(job.id)["timestamps"]["RUNNING"])
    return job.state == "RUNNING" and time.time() * 1000 - reached > _REPORTS_WITHIN_MS
