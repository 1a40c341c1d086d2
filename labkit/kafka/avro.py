"""A `Snapshot` to the bytes of a Kafka value and back, in Confluent's wire format.

    00 | 00 00 00 07 | 0a 68 6f 73 74 31 …
    magic  schema id   Avro body (zig-zag varints, strings with their length)

Sources: the Avro specification, "Binary encoding"; Confluent's page "Wire format".
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sized
from dataclasses import fields
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
from fastavro.schema import to_parsing_canonical_form

from labkit.streams.procstat.snapshot import CpuTimes, Snapshot

__all__ = [
    "ASK_AGAIN_S",
    "MAX_SNAPSHOT_BYTES",
    "NOT_REGISTERED",
    "DeserializationError",
    "Encoded",
    "SnapshotCodec",
    "read_schema",
    "schema_file",
]  # fmt: skip

MAGIC = 0
HEADER_BYTES = 5
#: A snapshot of 4,096 CPUs with 20,000 interrupt lines stays below this; more is not a snapshot.
MAX_SNAPSHOT_BYTES = 1024 * 1024
#: The most that a kernel is built for (8,192 CPUs, and the total line), and names as long as they may be: what is
#: worked out of it still fits into a message, or the job would try for ever to write it.
MAX_CPU_LINES, MAX_CPU_NAME, MAX_HOSTNAME = 8193, 16, 255
#: The last ms of the year 9999: no date of four digits is later, and Kafka takes no time before 1970.
LAST_TIMESTAMP = 253_402_300_799_999
#: For this long an id that the registry did not know is not asked for again; it may be registered later.
ASK_AGAIN_S = 60.0
#: How the reason ends where the registry did not know the schema id. It alone may be otherwise later.
NOT_REGISTERED = "is not in the registry"

_SNAPSHOT_FIELDS = tuple(field.name for field in fields(Snapshot))  # in the order of the schema
_SINGLE_COUNTERS = _SNAPSHOT_FIELDS[5:]
_cpu_values = itemgetter(*CpuTimes._fields)

Schema = dict[str, Any]


class Encoded(NamedTuple):
    """A snapshot whose Avro body is there already; `cpus` has as many as it has CPU lines."""

    hostname: str
    timestamp: int
    cpus: Sized
    body: bytes


class DeserializationError(ValueError):
    """A value that is no snapshot; the message is the reason, for a person to read."""


def schema_file(schema_dir: Path) -> Path:
    """The file of the schema that this version writes."""
    return schema_dir / "procstat_snapshot.v1.avsc"


def read_schema(schema_dir: Path) -> Schema:
    """The schema that this version writes, as parsed JSON."""
    return cast(Schema, json.loads(schema_file(schema_dir).read_text()))


class SnapshotCodec:
    """Reads and writes snapshots with `schema`; `writer_schema(id)` gives the schema a record came with.

    `writer_schema` returns None for an id that nobody registered. It is asked once an id, and again
    for one that nobody had registered when `ASK_AGAIN_S` have passed on `clock` (s).
    """

    def __init__(
        self, schema: Schema, writer_schema: Callable[[int], Schema | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._schema = cast(Schema, fastavro.parse_schema(schema))
        self._writer_schema = writer_schema
        self._clock = clock
        self._writers: dict[int, Schema | str] = {}  # a str says why there is none, now and ever
        self._asked_at: dict[int, float] = {}  # ids that nobody had registered then

    def encode(self, snapshot: Snapshot | Encoded, schema_id: int) -> bytes:
        """A snapshot -> magic, schema id, Avro body."""
        header = bytes([MAGIC]) + schema_id.to_bytes(4, "big")
        if isinstance(snapshot, Encoded):
            return header + snapshot.body
        record = {name: getattr(snapshot, name) for name in _SNAPSHOT_FIELDS}
        record["cpus"] = [cpu._asdict() for cpu in snapshot.cpus]
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._schema, record)
        return header + buffer.getvalue()

    def decode(self, value: bytes | None) -> Snapshot:
        """The bytes of a Kafka value -> `Snapshot`; raises `DeserializationError` with the reason."""
        writer = self._writer_of(_checked_header(value))
        body = io.BytesIO(value or b"")
        body.seek(HEADER_BYTES)
        try:
            record = cast(Schema, fastavro.schemaless_reader(body, writer, self._schema))
        except (EOFError, IndexError):  # IndexError: inside a number
            raise DeserializationError("the Avro body ends too early") from None
        except Exception as error:  # fastavro raises whatever the bytes led it into
            raise DeserializationError(f"the Avro body cannot be read as a snapshot ({_words(error)})") from None
        left = len(body.read())
        if left:
            raise DeserializationError(f"{left} bytes are left over after the Avro body")
        return _checked_snapshot(record)

    def is_own(self, schema_id: int) -> bool:
        """Values with that id are written as this codec writes them; raises `DeserializationError` as `decode` does."""
        return to_parsing_canonical_form(self._writer_of(schema_id)) == to_parsing_canonical_form(self._schema)

    def _writer_of(self, schema_id: int) -> Schema:
        if schema_id not in self._writers:
            self._look_up(schema_id)
        writer = self._writers[schema_id]
        if isinstance(writer, str):
            raise DeserializationError(writer)
        return writer

    def _look_up(self, schema_id: int) -> None:
        now = self._clock()
        self._asked_at = {other: asked for other, asked in self._asked_at.items() if now - asked < ASK_AGAIN_S}
        found = None if schema_id in self._asked_at else self._writer_schema(schema_id)
        if found is None:
            self._asked_at.setdefault(schema_id, now)
            raise DeserializationError(f"schema id {schema_id} {NOT_REGISTERED}")
        self._writers[schema_id] = self._fitting(found, schema_id)

    def _fitting(self, found: Schema, schema_id: int) -> Schema | str:
        try:
            writer = fastavro.parse_schema(found)
        except Exception:  # fastavro raises whatever the schema led it into
            return f"schema id {schema_id} is no Avro schema"
        name = writer.get("name") if isinstance(writer, dict) else writer
        if not isinstance(writer, dict) or name != self._schema["name"]:
            return f"schema id {schema_id} is of {name}, not of {self._schema['name']}"
        return cast(Schema, writer)


def _checked_header(value: bytes | None) -> int:
    """The schema id of a framed value."""
    if not value:
        raise DeserializationError("the value is empty" if value is not None else "the value is null")
    if len(value) > MAX_SNAPSHOT_BYTES:
        raise DeserializationError(f"{len(value)} bytes are too many for a snapshot (at most {MAX_SNAPSHOT_BYTES})")
    if value[0] != MAGIC:
        raise DeserializationError(f"the first byte is 0x{value[0]:02x}, not the magic byte 0x00")
    if len(value) <= HEADER_BYTES:
        raise DeserializationError(f"{len(value)} bytes are too few for magic, schema id and a body")
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def _checked_snapshot(record: Schema) -> Snapshot:
    if not 0 <= record["timestamp"] <= LAST_TIMESTAMP:
        raise DeserializationError(f"its time, {record['timestamp']} ms, is not in the years 1970 to 9999")
    cpus = tuple(CpuTimes._make(_cpu_values(cpu)) for cpu in record["cpus"])
    if not cpus:
        raise DeserializationError("there are no CPUs in it")
    names = [cpu.id for cpu in cpus]
    sizes = (len(cpus), MAX_CPU_LINES), (max(map(len, names)), MAX_CPU_NAME), (len(record["hostname"]), MAX_HOSTNAME)
    if any(size > most for size, most in sizes):
        raise DeserializationError("it has more CPUs, or a longer name, than a machine can have")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DeserializationError(f"CPU {twice} is in it more than once")
    negative = next((cpu for cpu in cpus if min(cpu[1:]) < 0), None)
    if negative is not None:
        raise DeserializationError(f"CPU {negative.id} has a negative counter")
    if min([*record["intr"], *record["softirq"], *(record[name] for name in _SINGLE_COUNTERS)]) < 0:
        raise DeserializationError("there is a negative counter beside the CPUs")
    values = {name: record[name] for name in _SNAPSHOT_FIELDS}  # a later schema's fields are left alone
    return Snapshot(**{**values, "cpus": cpus, "intr": tuple(record["intr"]), "softirq": tuple(record["softirq"])})


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]
