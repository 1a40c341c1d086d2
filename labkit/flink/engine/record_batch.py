"""Many records in one array of bytes: what crosses the border between the JVM and Python, instead of each of them.

    records of a topic    n │ n × (partition, offset, bytes of the key, of the value, of the headers) │ key, value,
                          headers, key, value, headers, …
    headers of a record   for each: bytes of the name, of the value │ name, value
    results               n │ n × (timestamp, bytes of the hostname, of the JSON) │ the hostnames │ lines of JSON

Numbers are big-endian, as in Kafka's own protocol; a length of -1 is a null. ToRecordBatches.java writes the
first, in the JVM, and FromResultBatches.java reads the second.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RecordBatch", "decode_headers", "decode_records", "encode_results"]

_COUNT = np.dtype(">i4")
_RECORD = np.dtype([("partition", ">i4"), ("offset", ">i8"), ("key", ">i4"), ("value", ">i4"), ("headers", ">i4")])
_HEADER = struct.Struct(">ii")
_RESULT = np.dtype([("timestamp", ">i8"), ("hostname", ">i4"), ("json", ">i4")])
_END_OF_LINE = ord("\n")


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """n Kafka records, in the order in which they came: a list of each of their parts.

    `decode_headers` reads one of `headers`.
    """

    partitions: list[int]
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[bytes | None]


def decode_records(batch: bytes) -> RecordBatch:
    """What ToRecordBatches.java has written."""
    (count,) = np.frombuffer(batch, _COUNT, 1).tolist()
    heads = np.frombuffer(batch, _RECORD, count, _COUNT.itemsize)
    lengths = np.stack((heads["key"], heads["value"], heads["headers"]), axis=1).astype(np.int64).ravel()
    first = _COUNT.itemsize + count * _RECORD.itemsize
    ends = (first + np.cumsum(np.maximum(lengths, 0))).tolist()
    parts: list[bytes | None] = [batch[begin:end] for begin, end in zip([first, *ends], ends, strict=False)]
    for place in np.flatnonzero(lengths < 0).tolist():
        parts[place] = None
    return RecordBatch(heads["partition"].tolist(), heads["offset"].tolist(), parts[::3], parts[1::3], parts[2::3])


def decode_headers(headers: bytes | None) -> dict[str, bytes | None]:
    """The headers of a record. Of several with one name there is the last: Flink's tables have no more of them."""
    found: dict[str, bytes | None] = {}
    at = 0
    while headers and at < len(headers):
        name, value = _HEADER.unpack_from(headers, at)
        begin = at + _HEADER.size + name
        at = begin + max(value, 0)
        found[headers[begin - name : begin].decode(errors="replace")] = None if value < 0 else headers[begin:at]
    return found


def encode_results(hostnames: Sequence[str], timestamps: npt.NDArray[np.int64], lines: bytes) -> bytes:
    """Results for FromResultBatches.java; `lines` has the JSON of each, a line each."""
    names = [hostname.encode() for hostname in hostnames]
    heads = np.empty(len(names), _RESULT)
    heads["timestamp"] = timestamps
    heads["hostname"] = [len(name) for name in names]
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == _END_OF_LINE)
    heads["json"] = np.diff(ends, prepend=-1) - 1
    return b"".join((np.array(len(names), _COUNT).tobytes(), heads.tobytes(), *names, lines))
