"""Begin a job anew: empty what it has written, and forget what it has read."""

from __future__ import annotations

import shutil

from confluent_kafka import KafkaError, KafkaException

from labkit.errors import LabkitError
from labkit.jobs.origin import origin_now
from labkit.jobs.rows import require_own_rows
from labkit.jobs.submit import require_absent
from labkit.kafka.topics import admin_client, create_topics, pipeline_topics, topic_partitions
from labkit.parquet.compact import work_folder
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.system.waiting import wait_until

__all__ = ["delete_groups", "delete_topics", "reset_job", "what_fresh_empties"]


def what_fresh_empties(settings: Settings, name: str) -> list[str]:
    """What `reset_job` would empty, for a person to agree to."""
    rows = [str(settings.parquet_dir), "the saved state of the parquet job"]
    if name == PARQUET:
        return rows
    topics = [f"topic {settings.metrics_topic}", f"topic {settings.dead_letters_topic}"]
    return [*topics, "the saved state of the enrichment job", *rows]


def reset_job(settings: Settings, name: str) -> None:
    """Empty the job's output and saved state, and those of the job that reads its output.

    Without that, a job that begins anew would write every result a second time. Raises `BadInput` where one of them is
    at work, or the rows are another lab's.
    """
    affected = JOBS if name == ENRICHMENT else (PARQUET,)
    require_absent(settings, *affected)
    require_own_rows(settings, origin_now(settings, PARQUET), begins_anew=True)
    if name == ENRICHMENT:
        results = [topic for topic in pipeline_topics(settings.flow)
                   if topic.name != settings.snapshots_topic]  # fmt: skip
        delete_topics(settings, [topic.name for topic in results])
        create_topics(settings.kafka_bootstrap, results)
    delete_groups(settings, [settings.job_name(job) for job in affected])
    for folder in (settings.parquet_dir, work_folder(settings.rows)):
        shutil.rmtree(folder, ignore_errors=True)
    for job in affected:
        shutil.rmtree(settings.savepoints_dir / settings.job_name(job), ignore_errors=True)
        shutil.rmtree(settings.checkpoints_dir / settings.job_name(job), ignore_errors=True)


def delete_topics(settings: Settings, names: list[str]) -> None:
    """Delete those of `names` that are there, and wait until the broker has forgotten them."""
    there = topic_partitions(settings.kafka_bootstrap)
    known = [name for name in names if name in there]
    if known:
        admin = admin_client(settings.kafka_bootstrap)
        for outcome in admin.delete_topics(known).values():
            outcome.result()

    def left() -> list[str]:
        there = topic_partitions(settings.kafka_bootstrap)
        return [name for name in known if name in there]

    wait_until(lambda: not left(), "Topics are deleted", seen=lambda: f"{', '.join(left())} are still there")


def delete_groups(settings: Settings, names: list[str]) -> None:
    """Forget how far the consumer groups `names` have read; those that are not there are no error."""
    admin = admin_client(settings.kafka_bootstrap)
    for name, outcome in admin.delete_consumer_groups(names).items():
        try:
            outcome.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise LabkitError(f"Group {name} could not be deleted: {error.args[0].str()}.") from None
