"""An Avro schema as a registry has it -> as it is read by here: by the types whose bytes it is about, and nothing else.

    {"type": "long", "logicalType": "timestamp-millis"}   ->   "long": the same bytes, and a number

Logical types would turn numbers into dates and decimals, which no snapshot has. Whatever else a schema may carry has no
effect either. Sources: the Avro specification, "Logical Types" and "Parsing Canonical Form"; fastavro's `parse_schema`.
"""

from __future__ import annotations

from typing import Any

import fastavro

__all__ = ["NoAvroSchema", "parsed_schema"]

_OF_RECORD = ("name", "namespace", "aliases")
_OF_FIELD = ("name", "aliases", "default")
_OF_NAMED = {"enum": ("symbols", "default"), "fixed": ("size",)}


class NoAvroSchema(ValueError):
    """What cannot be read by; the message says why, after "it is": "it is no Avro schema"."""


def parsed_schema(schema: Any) -> Any:
    """A schema as fastavro takes it, without logical types. Raises `NoAvroSchema`."""
    try:
        found = fastavro.parse_schema(_plain(schema))
        ends = _arrays_end(found, {})
    except Exception:  # fastavro raises whatever the schema led it into
        raise NoAvroSchema("no Avro schema") from None
    if not ends:
        raise NoAvroSchema("a schema of an array whose items take no bytes: a few bytes could say that there are 2**62")
    return found


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    match kind := schema["type"]:
        case "record" | "error":
            fields = [{**_kept(field, _OF_FIELD), "type": _plain(field["type"])} for field in schema["fields"]]
            return {"type": "record", **_kept(schema, _OF_RECORD), "fields": fields}
        case "enum" | "fixed":
            return {"type": kind, **_kept(schema, (*_OF_RECORD, *_OF_NAMED[kind]))}
        case "array":
            return {"type": kind, "items": _plain(schema["items"])}
        case "map":
            return {"type": kind, "values": _plain(schema["values"])}
        case _:
            return _plain(kind)


def _kept(schema: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: schema[name] for name in names if name in schema}


def _arrays_end(schema: Any, named: dict[str, Any]) -> bool:
    """Whether the items of each array take a byte at least, so that there are no more of them than bytes.

    Of a schema that is parsed: it goes by full names.
    """
    if isinstance(schema, list):
        return all(_arrays_end(branch, named) for branch in schema)
    if not isinstance(schema, dict):
        return True
    if "name" in schema:
        named[schema["name"]] = schema
    match schema["type"]:
        case "record":
            return all(_arrays_end(field["type"], named) for field in schema["fields"])
        case "array":
            return _arrays_end(schema["items"], named) and _takes_bytes(schema["items"], named, ())
        case "map":
            return _arrays_end(schema["values"], named)
        case _:
            return True


def _takes_bytes(schema: Any, named: dict[str, Any], within: tuple[str, ...]) -> bool:
    if isinstance(schema, str):
        schema = named.get(schema, schema)
    if schema == "null":
        return False
    if not isinstance(schema, dict):
        return True
    match schema["type"]:
        case "fixed":
            return bool(schema["size"] > 0)
        case "record":
            if schema["name"] in within:  # a record that holds itself and nothing else has no end, and no bytes
                return False
            inside = (*within, schema["name"])
            return any(_takes_bytes(field["type"], named, inside) for field in schema["fields"])
        case _:
            return True
