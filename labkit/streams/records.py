"""A snapshot (dataclass) to the record that Avro writes and back, by the types of its fields.

Snapshot("lab", 1764…, (CpuTimes("cpu", 4705, …),))  <->  {"hostname": "lab", "timestamp": 1764…, "cpus": [{…}]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

__all__ = ["fields_of", "from_record", "missing_field", "to_record"]

Record = dict[str, Any]


def to_record(value: Any) -> Record:
    """A dataclass (with tuples of counts, of dataclasses or of named tuples in it) -> a record with the same names."""
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def from_record(kind: type, record: Record) -> Any:
    """A record -> a `kind`. Fields that `kind` does not know are left alone: a later schema may have more."""
    return _reader(kind)(record)


def missing_field(kind: type, schema: Any) -> str:
    """The first field of `kind` (or of the parts in it: "cpus.user") that an Avro schema of a record lacks; or ""."""
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    there = {field["name"]: field["type"] for field in fields}
    for name, hint in fields_of(kind).items():
        if name not in there:
            return name
        if get_origin(hint) is tuple and fields_of(part := get_args(hint)[0]):
            array = there[name]
            if inner := missing_field(part, array.get("items") if isinstance(array, dict) else None):
                return f"{name}.{inner}"
    return ""


def fields_of(kind: Any) -> dict[str, Any]:
    """{name: type} of a dataclass or a named tuple; {} for any other type."""
    return get_type_hints(kind) if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields") else {}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else [_plain(item) for item in value]
    return to_record(value) if dataclasses.is_dataclass(value) else value


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    if get_origin(kind) is tuple:
        item = _reader(get_args(kind)[0])
        return lambda values: tuple(map(item, values))
    fields = fields_of(kind)
    if not fields:
        return lambda value: value
    readers = [(name, _reader(hint)) for name, hint in fields.items()]
    return lambda record: kind(**{name: read(record[name]) for name, read in readers})
