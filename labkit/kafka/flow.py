"""A stream in one Kafka: which broker and registry, which topics, which jobs. What a client has to be told.

Flow(PROCSTAT, "127.0.0.1:9092", "http://127.0.0.1:8081/apis/ccompat/v7")
->  procstat_snapshots, procstat_metrics, procstat_dead_letters, the subject procstat_snapshots-value
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.streams.names import job_name, topic_name
from labkit.streams.stream import Stream
from labkit.system.repository import REPOSITORY

__all__ = ["SCHEMAS", "Flow"]

#: The schemas of this repository.
SCHEMAS = REPOSITORY / "schemas"


@dataclass(frozen=True)
class Flow:
    """`registry_ready_url`, where given, answers 200 once the registry knows what was registered.

    A topic that is "" has the name that follows from the stream and `suffix`: meminfo_snapshots_nb21.
    """

    stream: Stream
    kafka_bootstrap: str
    registry_url: str
    registry_ready_url: str = ""
    suffix: str = ""
    snapshots_topic: str = ""
    metrics_topic: str = ""
    dead_letters_topic: str = ""
    partitions: int = 4
    schema_dir: Path = SCHEMAS

    def __post_init__(self) -> None:
        for what in ("snapshots", "metrics", "dead_letters"):
            if not getattr(self, f"{what}_topic"):
                object.__setattr__(self, f"{what}_topic", topic_name(what, self.stream.name, self.suffix))

    @property
    def subject(self) -> str:
        """The registry's subject for the values of the snapshots topic."""
        return f"{self.snapshots_topic}-value"

    def job_name(self, job: str) -> str:
        """The name of its job `ENRICHMENT` or `PARQUET`."""
        return job_name(job, self.stream.name, self.suffix)
