"""Kafka values -> the snapshots of a whole batch; what is no snapshot comes back with its reason.

The bytes are read in Rust (pyruhvro, Avro -> Arrow), about ten times as fast as one by one. It is not told which value
of a batch it cannot read. So whatever is not beyond doubt (another schema, a number out of bounds, a length that does
not come out) goes through `SnapshotCodec.decode`, which has the last word. What that can read is written anew and read
again, beside the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyruhvro

from labkit.flink.engine.record_batch import decode_headers
from labkit.flink.engine.scalar import Items, ScalarRules
from labkit.kafka.avro import (
    HEADER_BYTES,
    MAGIC,
    MAX_SNAPSHOT_BYTES,
    DeserializationError,
    Schema,
    SnapshotCodec,
    Unreadable,
)
from labkit.streams.arrow import check_texts
from labkit.streams.stream import Columnar

__all__ = ["BatchDecoder", "batch_decoder"]

Numbers = npt.NDArray[np.int64]
Values = Sequence[bytes | None]


class BatchDecoder(Protocol):
    """Decodes what its codec can decode."""

    def decode(self, values: Values, headers: Values = ()) -> tuple[Numbers, Any, dict[int, DeserializationError]]:
        """Kafka values -> (their numbers, their snapshots), and why the others (by number) are none.

        `headers` of each record, as `record_batch` has them, are for the reasons.
        """


def batch_decoder(schema: Schema, codec: SnapshotCodec, rules: Columnar) -> BatchDecoder:
    """What decodes for `rules`: one by one only where they are no rules on columns and the schema is not plain."""
    if isinstance(rules, ScalarRules) and not rules.is_plain:
        return _ScalarDecoder(codec)
    return _ArrowDecoder(schema, codec, rules)


class _ScalarDecoder:
    def __init__(self, codec: SnapshotCodec) -> None:
        self._codec = codec

    def decode(self, values: Values, headers: Values = ()) -> tuple[Numbers, Items, dict[int, DeserializationError]]:
        numbers, found, reasons = [], [], {}
        for number, value in enumerate(values):
            try:
                found.append(self._codec.decode(value, _headers_of(headers, number)))
                numbers.append(number)
            except DeserializationError as reason:
                reasons[number] = reason
        return np.array(numbers, dtype=np.int64), Items([one.hostname for one in found], found), reasons


class _ArrowDecoder:
    def __init__(self, schema: Schema, codec: SnapshotCodec, rules: Columnar) -> None:
        self._schema = json.dumps(schema)
        self._codec = codec
        self._rules = rules
        self._own: dict[bytes, bool] = {}  # header of a value -> its schema is ours

    def decode(self, values: Values, headers: Values = ()) -> tuple[Numbers, Any, dict[int, DeserializationError]]:
        bodies: dict[int, bytes] = {}
        doubtful: list[int] = []
        for number, value in enumerate(values):
            if value is not None and HEADER_BYTES < len(value) <= MAX_SNAPSHOT_BYTES and self._is_own(value):
                bodies[number] = value[HEADER_BYTES:]
            else:
                doubtful.append(number)
        columns, sound = self._read(list(bodies.values()))
        numbers = np.fromiter(bodies, dtype=np.int64, count=len(bodies))
        doubtful += numbers[~sound].tolist()
        if not doubtful:
            return numbers, columns, {}
        reasons: dict[int, DeserializationError] = {}
        for number in doubtful:
            try:
                snapshot = self._codec.decode(values[number], _headers_of(headers, number))
                bodies[number] = self._codec.encode(snapshot, 0)[HEADER_BYTES:]
            except DeserializationError as reason:
                reasons[number] = reason
                bodies.pop(number, None)
        columns, sound = self._read([bodies[number] for number in sorted(bodies)])
        if not sound.all():
            for number in [number for number, body in bodies.items() if not self._read([body])[1].all()]:
                why = "the codec can read it, the engine cannot: a fault of this program"
                reasons[number] = DeserializationError(Unreadable.NO_SNAPSHOT_BODY, why)
                del bodies[number]
            columns, _ = self._read([bodies[number] for number in sorted(bodies)])
        return np.array(sorted(bodies), dtype=np.int64), columns, reasons

    def _is_own(self, value: bytes) -> bool:
        header = value[:HEADER_BYTES]
        if header not in self._own:
            if header[0] != MAGIC:
                return False
            try:
                self._own[header] = self._codec.is_own(int.from_bytes(header[1:], "big"))
            except DeserializationError:  # nobody has registered it so far
                return False
        return self._own[header]

    def _read(self, bodies: list[bytes]) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Avro bodies -> the snapshots in them, where the second array is True; nothing, where one cannot be read."""
        if not bodies:
            return self._rules.empty(), np.ones(0, dtype=bool)
        try:
            batch = pyruhvro.deserialize_array(bodies, self._schema)
            check_texts(batch)
        except BaseException as error:  # a panic in Rust is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return self._rules.empty(), np.zeros(len(bodies), dtype=bool)
        return self._rules.of_arrow(batch, bodies)


def _headers_of(headers: Values, number: int) -> Mapping[str, object]:
    return decode_headers(headers[number]) if headers else {}
