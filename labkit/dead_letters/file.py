"""A dead letter as a file that a person edits: JSON, written from what could be read, checked when it comes back.

    {"dead_letter": "procstat_dead_letters/0/17", "came_from": "procstat_snapshots/2/1234",
     "reason": "CPU cpu has a negative counter", "snapshot": {"hostname": "web1", "timestamp": 1764…, …}}

What could not be read is null there, and has to be filled in. The rules for the snapshot that comes
back are those of the codec.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from labkit.dead_letters.letters import DeadLetter, Diagnosis, Repair
from labkit.errors import BadInput
from labkit.kafka.avro import DeserializationError, Schema, SnapshotCodec
from labkit.streams.stream import Stream

__all__ = ["export", "read_edited"]

_END_OF_LONG = 2**63


def export(examination: Diagnosis, schema: Schema, file: Path) -> None:
    """Write the letter to `file`. Raises `BadInput` where that is there already or cannot be written."""
    letter = examination.letter
    found = examination.read.value if examination.read is not None else None
    values = found if examination.of_ours and isinstance(found, dict) else {}
    snapshot = {field["name"]: values.get(field["name"]) for field in schema["fields"]}
    if snapshot["hostname"] is None and letter.key:
        snapshot["hostname"] = letter.key.decode(errors="replace")
    head = {"dead_letter": letter.name, "came_from": letter.came_from, "reason": letter.reason}
    lines = [*(f"  {_json(name)}: {_json(value)}," for name, value in head.items()), '  "snapshot": {']
    lines.append(",\n".join(f"    {_json(name)}: {_a_cpu_a_line(value)}" for name, value in snapshot.items()))
    text = "\n".join(["{", *lines, "  }", "}", ""])
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise BadInput(f"{file} is there already; nothing was written.", "Give another name.") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from None


def read_edited(
    file: Path,
    letter: Callable[[int], DeadLetter],
    stream: Stream,
    schema: Schema,
    schema_id: Callable[[], int],
) -> Repair:
    """The file of `export`, edited -> the value to send, written with `schema` under `schema_id()`.

    `letter(number)` finds the letter that it is for. Raises `BadInput`, naming what is not right; the
    schema id is asked for once everything is.
    """
    given = _parsed(file)
    number = _number(given, file)
    of = letter(number)
    if (of.name, of.came_from) != (given["dead_letter"], given.get("came_from")):
        raise BadInput(f"{file} is for {given['dead_letter']} from {given.get('came_from')}, which is not there now.",
                       "Export it again: labkit dead-letters NUMBER --export FILE")  # fmt: skip
    problem = next(_problems(given.get("snapshot"), schema, "snapshot"), None)
    if problem is not None:
        raise BadInput(f"{file} is no snapshot yet: {problem}. Nothing was sent.")
    snapshot = stream.from_record(given["snapshot"])
    codec = SnapshotCodec(stream, schema, lambda _: schema)
    try:
        codec.decode(codec.encode(snapshot, schema_id=0))
    except (DeserializationError, UnicodeError) as reason:
        raise BadInput(f"{file} is no snapshot yet: {reason}. Nothing was sent.") from None
    value = codec.encode(snapshot, schema_id())
    return Repair.of(of, value, snapshot, f"the snapshot of {file}")


def _parsed(file: Path) -> dict[str, Any]:
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BadInput(f"{file} is not an exported dead letter.")
    return given


def _number(given: dict[str, Any], file: Path) -> int:
    last = str(given.get("dead_letter", "")).rpartition("/")[2]
    if not (last.isascii() and last.isdigit() and len(last) < len(str(_END_OF_LONG))):
        raise BadInput(
            f"{file} does not say which dead letter it is for.",
            "To begin with: labkit dead-letters NUMBER --export FILE",
        )
    return int(last)


def _problems(value: Any, schema: Any, path: str) -> Iterator[str]:
    """What keeps `value` from being written with `schema` (records, arrays, strings and longs), a sentence each."""
    kind = schema if isinstance(schema, str) else schema["type"]
    if isinstance(kind, dict):
        yield from _problems(value, kind, path)
    elif kind == "record":
        if not isinstance(value, dict):
            yield f"{path} has to be an object with {', '.join(field['name'] for field in schema['fields'])}"
            return
        names = {field["name"] for field in schema["fields"]}
        yield from (f"{path}.{name} is no field of it" for name in value if name not in names)
        for field in schema["fields"]:
            if value.get(field["name"]) is None:
                yield f"{path}.{field['name']} is missing"
            else:
                yield from _problems(value[field["name"]], field["type"], f"{path}.{field['name']}")
    elif kind == "array":
        if not isinstance(value, list):
            yield f"{path} has to be a list"
            return
        for index, item in enumerate(value):
            yield from _problems(item, schema["items"], f"{path}[{index}]")
    elif kind == "string" and not isinstance(value, str):
        yield f"{path} has to be a text"
    elif kind == "long" and not (type(value) is int and -_END_OF_LONG <= value < _END_OF_LONG):
        yield f"{path} has to be a whole number below 2^63"


def _a_cpu_a_line(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"      {_json(item)}" for item in value) + "\n    ]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
