"""Records of every kind, sent as they are: framed, damaged, of other schemas."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import fastavro
from confluent_kafka import Message, Producer

from labkit.dead_letters.letters import DeadLetter, letters
from labkit.kafka.avro import MAX_SNAPSHOT_BYTES, Schema, SnapshotCodec, read_schema
from labkit.kafka.producer import register_snapshot_schema
from labkit.kafka.registry import Registry
from labkit.kafka.topics import MAX_MESSAGE_BYTES
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import MAX_CPU_LINES, CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT


def corrupt_values(settings: Settings, good: Snapshot) -> dict[str, bytes]:
    """One value of each kind that cannot be read, by the words of its reason."""
    schema = read_schema(settings.schema_dir, PROCSTAT)
    schema_id = register_snapshot_schema(settings.flow)
    codec = SnapshotCodec(PROCSTAT, schema, lambda _: schema)
    other = {"type": "record", "name": "Other", "fields": [{"name": "x", "type": "long"}]}
    other_id = Registry(settings.registry_url).register("test-other-value", other)
    framed = codec.encode(good, schema_id)
    first = good.cpus[0]

    def with_cpus(*cpus: CpuTimes) -> bytes:
        return codec.encode(Snapshot(good.hostname, good.timestamp, cpus, btime=good.btime), schema_id)

    return {
        "is empty": b"",
        "too few": framed[:4],
        "not the magic byte": b"\x01" + framed[1:],
        "not in the registry": framed[:1] + (999_999).to_bytes(4, "big") + framed[5:],
        "ends too early": framed[:-3],
        "left over": framed + b"\x00",
        "not of local.metrics.ProcStatSnapshot": b"\x00" + other_id.to_bytes(4, "big") + b"\x02",
        "negative counter": with_cpus(first._replace(user=-1)),
        "more than once": with_cpus(first, first),
        "no CPUs": with_cpus(),
        "too many for a snapshot": framed + bytes(2 * MAX_SNAPSHOT_BYTES),
        "not in the years": codec.encode(replace(good, timestamp=-1), schema_id),
        "more CPUs": with_cpus(*(CpuTimes(f"cpu{number}", number, 0, 0, 0) for number in range(MAX_CPU_LINES + 1))),
    }


def send_raw(
    settings: Settings,
    records: list[tuple[bytes | None, bytes | None]],
    headers: Mapping[str, bytes | None] = MappingProxyType({}),
) -> list[str]:
    """(key, value) each as it is, with these headers -> where they lie: ["procstat_snapshots/2/1234", …]."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap, "partitioner": "murmur2_random",
                         "message.max.bytes": 2 * MAX_MESSAGE_BYTES, "acks": "all"})  # fmt: skip
    where: dict[int, str] = {}
    for number, (key, value) in enumerate(records):

        def delivered(error: object, record: Message, number: int = number) -> None:
            assert error is None, error
            where[number] = f"{record.topic()}/{record.partition()}/{record.offset()}"

        producer.produce(settings.snapshots_topic, key=key, value=value, headers=dict(headers), on_delivery=delivered)
    assert producer.flush(30) == 0
    return [where[number] for number in range(len(records))]


def framed(snapshot: Snapshot, schema: Schema, schema_id: int, **more: Any) -> bytes:
    """The value that a producer with `schema` sends."""
    record = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, {**record, "cpus": [cpu._asdict() for cpu in snapshot.cpus], **more})
    return b"\x00" + schema_id.to_bytes(4, "big") + out.getvalue()


def v1(settings: Settings, snapshot: Snapshot) -> bytes:
    return framed(snapshot, read_schema(settings.schema_dir, PROCSTAT), register_snapshot_schema(settings.flow))


def new_letters(settings: Settings, known: int) -> list[DeadLetter]:
    return list(letters(settings.flow))[known:]


def count_letters(settings: Settings) -> int:
    return sum(1 for _ in letters(settings.flow))
