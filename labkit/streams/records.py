"""A snapshot (dataclass) to the record that Avro writes and back, by the types of its fields.

Snapshot("lab", 1764…, (CpuTimes("cpu", 4705, …),))  <->  {"hostname": "lab", "timestamp": 1764…, "cpus": [{…}]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["from_record", "to_record"]

Record = dict[str, Any]


def to_record(value: Any) -> Record:
    """A dataclass (with tuples of counts, or of named tuples, in it) -> a record with the same names."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def from_record(kind: type, record: Record) -> Any:
    """A record -> a `kind`. Fields that `kind` does not know are left alone: a later schema may have more."""
    return _reader(kind)(record)


def _plain(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    if hasattr(value, "_asdict"):
        return value._asdict()
    return [_plain(item) for item in value]


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    if get_origin(kind) is tuple:
        item = _reader(get_args(kind)[0])
        return lambda values: tuple(map(item, values))
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "_fields"):
        names = list(kind._fields)
    else:
        return lambda value: value
    hints = get_type_hints(kind)
    readers = [(name, _reader(hints[name])) for name in names]
    return lambda record: kind(**{name: read(record[name]) for name, read in readers})
