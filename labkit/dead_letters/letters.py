"""Dead letters: what the enrichment could not read, why, and whether there is an obvious repair.

    17 │ procstat_snapshots/2/1234 │ web1 │ 815 bytes │ 3 bytes are left over after the Avro body
    ->  repair: the first 812 bytes, which are a snapshot of web1

A letter's number is its offset in the topic of dead letters. Numbers have gaps: the marks that end
transactions take offsets too (KIP-98).
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fastavro
from confluent_kafka import Message

from labkit.dead_letters.avro_bytes import Readable, read_what_can_be
from labkit.errors import BadInput
from labkit.kafka.avro import (
    HEADER_BYTES,
    MAGIC,
    DeserializationError,
    Schema,
    SnapshotCodec,
    Unreadable,
    read_schema,
)
from labkit.kafka.avro_schema import NoAvroSchema, parsed_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.flow import Flow
from labkit.kafka.framing import names_a_framing
from labkit.kafka.registry import Registry
from labkit.streams.stream import Stream

__all__ = ["DeadLetter", "Diagnoser", "Diagnosis", "Repair", "diagnoser", "letter", "letters", "newest"]

#: Headers that say why a record is a dead letter; one of the record's own with such a name is "record.reason", say.
_WHY = frozenset({"reason", "kind", "topic", "partition", "offset"})
_OF_THE_RECORD = "record."


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `came_from` is the position of the record: "procstat_snapshots/2/1234", "" where nobody said.

    `time_ms` is when it became a dead letter, ms since the epoch; key and value are those of the
    record, `headers` the letter's own, as text: (("reason", "the value is empty"), ("topic", …), …). `own_headers` are
    those that the record had when it came, without what was said of why it is here.
    """

    topic: str
    number: int
    came_from: str
    key: bytes | None
    value: bytes | None
    reason: str
    time_ms: int
    headers: tuple[tuple[str, str], ...]
    own_headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def name(self) -> str:
        """Where the letter itself lies: "procstat_dead_letters/0/17"."""
        return f"{self.topic}/0/{self.number}"

    @property
    def schema_id(self) -> int | None:
        """The schema id in its frame; None where the frame is not one."""
        framed = self.value is not None and len(self.value) >= HEADER_BYTES and self.value[0] == MAGIC
        return int.from_bytes(self.value[1:HEADER_BYTES], "big") if self.value and framed else None

    @property
    def schema_was_unknown(self) -> bool:
        """Whether it is here only because nobody had registered its schema."""
        return ("kind", Unreadable.UNKNOWN_SCHEMA) in self.headers


@dataclass(frozen=True, slots=True)
class Repair:
    """A value that can be read, in place of letter `number`'s; `what` was done to it, in words.

    `headers` are the record's own, but for those that name a framing: the value has one of its own.
    """

    number: int
    name: str
    came_from: str
    key: bytes | None
    value: bytes
    snapshot: Any
    what: str
    headers: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, letter: DeadLetter, value: bytes, snapshot: Any, what: str) -> Repair:
        """The repair of that letter."""
        headers = tuple(header for header in letter.own_headers if not names_a_framing(header[0]))
        return cls(letter.number, letter.name, letter.came_from, letter.key, value, snapshot, what, headers)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What can be said about a letter now.

    `schema_name` is the registry's word for the schema id, "" where it has none. `read` is as much of
    the body as could be read, None where there was nothing to go by; `of_ours` says that it is a
    snapshot's body, `guessed` that it was read as one although the frame does not say so. `still` is
    what is wrong with the value as it is, "" where it can be read by now.
    """

    letter: DeadLetter
    schema_name: str
    read: Readable | None
    of_ours: bool
    guessed: bool
    still: str
    repair: Repair | None


def letters(flow: Flow) -> Iterator[DeadLetter]:
    """Every dead letter, oldest first."""
    for record in read_topic(flow.kafka_bootstrap, flow.dead_letters_topic):
        yield _letter(flow, record)


def newest(flow: Flow, count: int | None) -> tuple[list[DeadLetter], int]:
    """The newest `count` letters (None: all of them), oldest first, and how many there are in all."""
    kept: deque[DeadLetter] = deque(maxlen=count)
    total = 0
    for one in letters(flow):
        kept.append(one)
        total += 1
    return list(kept), total


def letter(flow: Flow, number: int) -> DeadLetter:
    """The dead letter with that number. Raises `BadInput` where there is none."""
    found = next(read_topic(flow.kafka_bootstrap, flow.dead_letters_topic, {0: number}), None)
    if found is None or found.offset() != number:
        raise BadInput(f"There is no dead letter {number}.", "To see them all: labkit dead-letters")
    return _letter(flow, found)


def diagnoser(flow: Flow) -> Diagnoser:
    """An `Diagnoser` that asks the lab's registry. Its methods raise `RegistryUnavailable`."""
    return Diagnoser(flow.stream, read_schema(flow.schema_dir, flow.stream), Registry.of(flow).schema)


class Diagnoser:
    """Looks at letters with `schema`, this version's; `writer_schema(id)` is asked once an id."""

    def __init__(self, stream: Stream, schema: Schema, writer_schema: Callable[[int], Schema | None]) -> None:
        self._stream = stream
        self._schema: Any = parsed_schema(schema)
        self._ask = writer_schema
        self._asked: dict[int, Schema | None] = {}
        self._codec = SnapshotCodec(stream, schema, self._registered)
        self._as_ours = SnapshotCodec(stream, schema, lambda _: schema)

    def examine(self, letter: DeadLetter) -> Diagnosis:
        """Everything that a person may want to know about the letter."""
        writer = None if letter.schema_id is None else _parsed(self._registered(letter.schema_id))
        value = letter.value or b""
        read, guessed = None, False
        if writer is not None:
            read = read_what_can_be(value, HEADER_BYTES, writer)
        elif self._as_ours_it_is_a_snapshot(value):
            read, guessed = read_what_can_be(value, HEADER_BYTES, self._schema), True
        try:
            self._codec.decode(letter.value, dict(letter.headers))
            still = ""
        except DeserializationError as reason:
            still = str(reason)
        of_ours = guessed or _name(writer) == self._schema["name"]
        return Diagnosis(letter, _name(writer), read, of_ours, guessed, still, self.repair(letter))

    def repair(self, letter: DeadLetter) -> Repair | None:
        """The one obvious repair of the letter, or None.

        - Its schema is registered by now: the bytes as they are.
        - Bytes are left over after a valid snapshot: without them.
        - What the stream itself knows to mend (`Stream.mend`): of procstat, a CPU that is there twice, the same.
        """
        value = letter.value
        snapshot = self._decoded(value)
        if snapshot is not None and value is not None:
            return Repair.of(letter, value, snapshot, "the bytes as they are: they can be read by now")
        if value is None or letter.schema_id is None:
            return None
        writer = _parsed(self._registered(letter.schema_id))
        if _name(writer) != self._schema["name"]:
            return None
        body = io.BytesIO(value)
        body.seek(HEADER_BYTES)
        try:
            record: Any = fastavro.schemaless_reader(body, writer)
            mended = self._stream.mend(record)
        except Exception:  # fastavro raises whatever the bytes led it into; a strange schema may have other fields
            return None
        end, done = body.tell(), []
        repaired = value[:end]
        if end < len(value):
            done.append(f"{len(value) - end} left-over bytes cut off")
        if mended:
            done += mended
            rewritten = io.BytesIO()
            fastavro.schemaless_writer(rewritten, writer, record)
            repaired = value[:HEADER_BYTES] + rewritten.getvalue()
        snapshot = self._decoded(repaired)
        return None if snapshot is None else Repair.of(letter, repaired, snapshot, " and ".join(done))

    def _decoded(self, value: bytes | None) -> Any:
        try:
            return self._codec.decode(value)
        except DeserializationError:
            return None

    def _as_ours_it_is_a_snapshot(self, value: bytes) -> bool:
        try:
            self._as_ours.decode(bytes(HEADER_BYTES) + value[HEADER_BYTES:])
        except DeserializationError:
            return False
        return True

    def _registered(self, schema_id: int) -> Schema | None:
        if schema_id not in self._asked:
            self._asked[schema_id] = self._ask(schema_id)
        return self._asked[schema_id]


def _letter(flow: Flow, record: Message) -> DeadLetter:
    came = [(name, value or b"") for name, value in record.headers() or []]
    headers = {name: value.decode(errors="replace") for name, value in came}
    own = tuple((name.removeprefix(_OF_THE_RECORD), value) for name, value in came if name not in _WHY)
    place = [headers.get(name, "") for name in ("topic", "partition", "offset")]
    return DeadLetter(
        flow.dead_letters_topic, record.offset(), "/".join(place) if all(place) else "", record.key(),
        record.value(), headers.get("reason", "nobody said why"), record.timestamp()[1], tuple(headers.items()), own,
    )  # fmt: skip


def _parsed(schema: Schema | None) -> Any:
    """The schema as fastavro wants it; None where there is none, or where it is no Avro."""
    try:
        return None if schema is None else parsed_schema(schema)
    except NoAvroSchema:
        return None


def _name(schema: Any) -> str:
    """local.metrics.ProcStatSnapshot, or "string"; "" where there is no schema."""
    return str(schema.get("name", schema.get("type"))) if isinstance(schema, dict) else str(schema or "")
