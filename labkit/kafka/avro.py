"""A snapshot to the bytes of a Kafka value and back, in Confluent's wire format.

    00 | 00 00 00 07 | 0a 68 6f 73 74 31 …
    magic  schema id   Avro body (zig-zag varints, strings with their length)

Sources: the Avro specification, "Binary encoding"; Confluent's page "Wire format".
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sized
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
from fastavro.schema import to_parsing_canonical_form
from fastavro.validation import validate

from labkit.errors import BadInput
from labkit.kafka.avro_schema import NoAvroSchema, parsed_schema
from labkit.kafka.framing import HEADER_BYTES, MAGIC, in_other_framing
from labkit.streams.records import missing_field
from labkit.streams.rules import LAST_TIMESTAMP, MAX_HOSTNAME
from labkit.streams.stream import Stream

__all__ = [
    "ASK_AGAIN_S", "HEADER_BYTES", "MAGIC", "MAX_SNAPSHOT_BYTES", "DeserializationError", "Encoded", "SnapshotCodec",
    "Unreadable", "read_schema",
]  # fmt: skip

#: A snapshot of 4,096 CPUs with 20,000 interrupt lines stays below this; more is not a snapshot.
MAX_SNAPSHOT_BYTES = 1024 * 1024
#: For this long an id that the registry did not know is not asked for again; it may be registered later.
ASK_AGAIN_S = 60.0
_NO_HEADERS: Mapping[str, object] = {}

Schema = dict[str, Any]


class Encoded(NamedTuple):
    """A snapshot whose Avro body is there already; `cpus` has as many as it has CPU lines."""

    hostname: str
    timestamp: int
    cpus: Sized
    body: bytes


class Unreadable(StrEnum):
    """Why a value is no snapshot, as a code: a dead letter has it in its header `kind`."""

    NULL = "null"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    WRONG_MAGIC = "wrong-magic"
    TOO_SHORT = "too-short"
    #: It alone may be otherwise later.
    UNKNOWN_SCHEMA = "unknown-schema"
    NO_AVRO_SCHEMA = "no-avro-schema"
    OTHER_RECORD = "other-record"
    ENDS_EARLY = "ends-early"
    NO_SNAPSHOT_BODY = "no-snapshot-body"
    LEFT_OVER = "left-over"
    OUT_OF_BOUNDS = "out-of-bounds"


class DeserializationError(ValueError):
    """A value that is no snapshot: `kind` is the reason as a code, the message the reason for a person to read."""

    def __init__(self, kind: Unreadable, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def read_schema(schema_dir: Path, stream: Stream) -> Schema:
    """The schema that this version writes for a stream, as parsed JSON. Raises BadInput where it does not fit."""
    path = schema_dir / stream.schema_file
    try:
        schema = cast(Schema, json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise BadInput(f"The schema {path} cannot be read: {error}.") from None
    if missing := missing_field(stream.snapshot, schema):
        raise BadInput(f"{path} has no field {missing}, which {stream.snapshot.__name__} has.")
    return schema


class SnapshotCodec:
    """Reads and writes a stream's snapshots with `schema`; `writer_schema(id)` gives the one that a record came with.

    `writer_schema` returns None for an id that nobody registered. It is asked once an id, and again
    for one that nobody had registered when `ASK_AGAIN_S` have passed on `clock` (s).
    """

    def __init__(
        self,
        stream: Stream,
        schema: Schema,
        writer_schema: Callable[[int], Schema | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._schema = cast(Schema, parsed_schema(schema))
        self._writer_schema = writer_schema
        self._clock = clock
        self._writers: dict[int, _Writer | _NoWriter] = {}
        self._asked_at: dict[int, float] = {}  # ids that nobody had registered then

    def encode(self, snapshot: Any, schema_id: int) -> bytes:
        """A snapshot of the stream, or an `Encoded` one -> magic, schema id, Avro body."""
        header = bytes([MAGIC]) + schema_id.to_bytes(4, "big")
        if isinstance(snapshot, Encoded):
            return header + snapshot.body
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, self._schema, self._stream.to_record(snapshot))
        return header + buffer.getvalue()

    def decode(self, value: bytes | None, headers: Mapping[str, object] = _NO_HEADERS) -> Any:
        """The bytes of a Kafka value -> a snapshot of the stream; raises `DeserializationError` with the reason.

        `headers` are the record's, for the reason alone: they may name a framing that is not read here.
        """
        try:
            return self._decode(value)
        except DeserializationError as reason:
            if framing := in_other_framing(value, headers):
                raise DeserializationError(reason.kind, f"{reason}; {framing}") from None
            raise

    def _decode(self, value: bytes | None) -> Any:
        schema_id = _checked_header(value)
        writer, is_own = self._writer_of(schema_id)
        body = io.BytesIO(value or b"")
        body.seek(HEADER_BYTES)
        try:
            record = cast(Schema, fastavro.schemaless_reader(body, writer, self._schema))
        except (EOFError, IndexError):  # IndexError: inside a number
            raise DeserializationError(Unreadable.ENDS_EARLY, "the Avro body ends too early") from None
        except Exception as error:  # fastavro raises whatever the bytes led it into
            raise DeserializationError(
                Unreadable.NO_SNAPSHOT_BODY, f"the Avro body cannot be read as a snapshot ({_words(error)})"
            ) from None
        left = len(body.read())
        if left:
            raise DeserializationError(Unreadable.LEFT_OVER, f"{left} bytes are left over after the Avro body")
        if not is_own and not validate(record, self._schema, raise_errors=False):
            raise DeserializationError(Unreadable.NO_SNAPSHOT_BODY, f"schema id {schema_id} has other types of values")
        return self._checked(record)

    def _checked(self, record: Schema) -> Any:
        if not 0 <= record["timestamp"] <= LAST_TIMESTAMP:
            raise DeserializationError(
                Unreadable.OUT_OF_BOUNDS, f"its time, {record['timestamp']} ms, is not in the years 1970 to 9999"
            )
        if len(record["hostname"]) > MAX_HOSTNAME:
            raise DeserializationError(Unreadable.OUT_OF_BOUNDS, "its hostname is longer than a machine's can be")
        try:
            snapshot = self._stream.from_record(record)
            problem = self._stream.check(snapshot)
        except Exception as error:  # a stream's code, and what nobody thought of
            problem = f"it cannot be checked ({_words(error)})"
        if problem:
            raise DeserializationError(Unreadable.OUT_OF_BOUNDS, problem)
        return snapshot

    def is_own(self, schema_id: int) -> bool:
        """Values with that id are written as this codec writes them; raises `DeserializationError` as `decode` does."""
        return self._writer_of(schema_id).is_own

    def _writer_of(self, schema_id: int) -> _Writer:
        if schema_id not in self._writers:
            self._look_up(schema_id)
        writer = self._writers[schema_id]
        if isinstance(writer, _NoWriter):
            raise DeserializationError(writer.kind, writer.reason)
        return writer

    def _look_up(self, schema_id: int) -> None:
        now = self._clock()
        self._asked_at = {other: asked for other, asked in self._asked_at.items() if now - asked < ASK_AGAIN_S}
        found = None if schema_id in self._asked_at else self._writer_schema(schema_id)
        if found is None:
            self._asked_at.setdefault(schema_id, now)
            raise DeserializationError(Unreadable.UNKNOWN_SCHEMA, f"schema id {schema_id} is not in the registry")
        self._writers[schema_id] = self._fitting(found, schema_id)

    def _fitting(self, found: Schema, schema_id: int) -> _Writer | _NoWriter:
        try:
            writer = parsed_schema(found)
        except NoAvroSchema as why:
            return _NoWriter(Unreadable.NO_AVRO_SCHEMA, f"schema id {schema_id} is {why}")
        name = writer.get("name") if isinstance(writer, dict) else writer
        if not isinstance(writer, dict) or name != self._schema["name"]:
            reason = f"schema id {schema_id} is of {name}, not of {self._schema['name']}"
            return _NoWriter(Unreadable.OTHER_RECORD, reason)
        is_own = to_parsing_canonical_form(writer) == to_parsing_canonical_form(self._schema)
        return _Writer(writer, is_own)


class _Writer(NamedTuple):
    """A schema that records are written by; `is_own`: by this version, as far as bytes go."""

    schema: Schema
    is_own: bool


class _NoWriter(NamedTuple):
    """Why records of a schema id cannot be read, now and ever."""

    kind: Unreadable
    reason: str


def _checked_header(value: bytes | None) -> int:
    """The schema id of a framed value."""
    if value is None:
        raise DeserializationError(Unreadable.NULL, "the value is null")
    if not value:
        raise DeserializationError(Unreadable.EMPTY, "the value is empty")
    if len(value) > MAX_SNAPSHOT_BYTES:
        raise DeserializationError(
            Unreadable.TOO_LARGE, f"{len(value)} bytes are too many for a snapshot (at most {MAX_SNAPSHOT_BYTES})"
        )
    if value[0] != MAGIC:
        raise DeserializationError(
            Unreadable.WRONG_MAGIC, f"the first byte is 0x{value[0]:02x}, not the magic byte 0x00"
        )
    if len(value) <= HEADER_BYTES:
        raise DeserializationError(
            Unreadable.TOO_SHORT, f"{len(value)} bytes are too few for magic, schema id and a body"
        )
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]
