"""Values of procstat_snapshots, sound and damaged, and the schemas they are of."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace

import fastavro

from labkit.kafka.avro import (
    MAX_SNAPSHOT_BYTES,
    Schema,
    SnapshotCodec,
    read_schema,
)
from labkit.settings import REPOSITORY
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT

SCHEMA = read_schema(REPOSITORY / "schemas", PROCSTAT)


SCHEMA_ID = 7


SOMETHING_ELSE = {"type": "record", "name": "Weather", "namespace": "local", "fields": []}


#: Schema ids and what the registry says about them; it knows no other.
REGISTERED: dict[int, Schema] = {SCHEMA_ID: SCHEMA, 8: SOMETHING_ELSE, 9: {"type": "string"}}


CODEC = SnapshotCodec(PROCSTAT, SCHEMA, REGISTERED.get)


#: The examples of a second version: one field more.
V2: Schema = json.loads((REPOSITORY / "schemas/examples/procstat_snapshot.v2.avsc").read_text())


V2_ID = 10


HEADER = bytes([0, 0, 0, 0, SCHEMA_ID])


TINY = Snapshot("host1", 1, (CpuTimes("cpu", 1, 2, 3, 64),), intr=(5,), btime=8192)


TWO_CPUS = Snapshot(
    "host1", 1_764_000_000_000,
    tuple(CpuTimes(cpu_id, *range(1, 11)) for cpu_id in ("cpu", "cpu0", "cpu1")),
    intr=(9, 4, 5), softirq=(3, 3), ctxt=70_000, btime=1_763_000_000, processes=300, procs_running=2,
)  # fmt: skip


def varint(number: int) -> bytes:
    """Avro's long: zig-zag, then seven bits a byte, the lowest first."""
    zigzag = (number << 1) ^ (number >> 63)
    last_to_first = [zigzag >> shift & 0x7F for shift in range(0, max(zigzag.bit_length(), 1), 7)]
    return bytes([*(seven | 0x80 for seven in last_to_first[:-1]), last_to_first[-1]])


def written_with_v2(snapshot: Snapshot, kernel: str, schema_id: int = V2_ID) -> bytes:
    """The value that a producer of the second version sends."""
    record = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, V2, {**record, "cpus": [cpu._asdict() for cpu in snapshot.cpus], "kernel": kernel})
    return b"\x00" + schema_id.to_bytes(4, "big") + out.getvalue()


CORRUPT = {
    "null": (None, "null"),
    "empty": (b"", "empty"),
    "too short": (HEADER, "too few"),
    "wrong magic": (b"\x01" + HEADER[1:] + b"body", "magic"),
    "json": (b'{"hostname": "host1"}', "magic"),
    "unknown schema id": (bytes([0, 0, 0, 0, 99]) + b"body", "schema id 99 is not in the registry"),
    "another record's schema": (bytes([0, 0, 0, 0, 8]) + b"body", "local.Weather"),
    "a schema that is no record": (bytes([0, 0, 0, 0, 9]) + varint(4) + b"rain", "schema id 9"),
    "cut in a text": (HEADER + varint(9) + b"host", "ends too early"),
    "cut between two numbers": (CODEC.encode(TWO_CPUS, SCHEMA_ID)[:-1], "ends too early"),
    "cut inside a number": (CODEC.encode(TWO_CPUS, SCHEMA_ID)[:14], "ends too early"),
    "trailing bytes": (CODEC.encode(TWO_CPUS, SCHEMA_ID) + b"abc", "3 bytes are left over"),
    "a negative counter": (
        CODEC.encode(replace(TINY, cpus=(TINY.cpus[0]._replace(idle=-1),)), SCHEMA_ID),
        "cpu has a negative counter",
    ),
    "a cpu twice": (CODEC.encode(replace(TINY, cpus=TINY.cpus * 2), SCHEMA_ID), "cpu is in it more than once"),
    "no cpus": (CODEC.encode(replace(TINY, cpus=()), SCHEMA_ID), "no CPUs"),
    "two megabytes": (HEADER + bytes(2 * 1024 * 1024), "too many"),
    "one byte more than allowed": (HEADER + bytes(MAX_SNAPSHOT_BYTES - len(HEADER) + 1), "too many"),
    "a name that is not text": (HEADER + varint(1) + b"\xff" + bytes(40), "cannot be read"),
    "a number without an end": (HEADER + b"\xff" * 40, "ends too early"),
}


HUGE = 2**40
START_OF_CPUS = HEADER + varint(1) + b"h" + varint(1)
HOSTILE = {
    "cpus": START_OF_CPUS + varint(HUGE),
    "cpus, with the block's bytes": START_OF_CPUS + varint(-HUGE) + varint(HUGE),
    "the smallest number of cpus": START_OF_CPUS + varint(-(2**63)),
    "interrupts": START_OF_CPUS + varint(1) + varint(3) + b"cpu" + bytes(10) + bytes(1) + varint(HUGE),
    "characters": HEADER + varint(HUGE) + b"h",
    "less than no characters": HEADER + varint(-HUGE) + b"h",
}
