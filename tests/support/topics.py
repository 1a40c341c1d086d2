"""What is in a topic."""

from __future__ import annotations

from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.procstat.stream import PROCSTAT


def ends(settings: Settings) -> dict[int, int]:
    """Where the snapshots topic ends now."""
    end = dict.fromkeys(range(settings.partitions), 0)
    for record in read_topic(settings.kafka_bootstrap, settings.snapshots_topic):
        end[record.partition()] = record.offset() + 1
    return end


def sent_since(settings: Settings, start: dict[int, int]) -> list[Snapshot]:
    schema = read_schema(settings.schema_dir, PROCSTAT)
    codec = SnapshotCodec(PROCSTAT, schema, lambda _: schema)
    return [
        codec.decode(record.value()) for record in read_topic(settings.kafka_bootstrap, settings.snapshots_topic, start)
    ]
