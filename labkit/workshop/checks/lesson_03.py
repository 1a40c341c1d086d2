"""Judges of lesson 03: Avro numbers, and framed records whose schema is asked of the registry."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import fastavro
import httpx2

from labkit.errors import LabkitError
from labkit.kafka.avro import HEADER_BYTES
from labkit.kafka.registry import Registry
from labkit.settings import Settings, load_settings
from labkit.system import own_http
from labkit.workshop.checks.outcome import NotSolved, NotYet, raised

__all__ = ["JUDGES", "judge_03a", "judge_03b"]

_SUFFIX = "_ex03"
#: From the small to what breaks a guess: one byte, two, signs, a timestamp, the ends of 64 bits.
_NUMBERS = (
    0, 5, 8, -1, 1, -3, 63, -64, 64, -65, 150, 4673, 4705, -4705, 1_795_368_345_547,
    2**63 - 1, -(2**63),
)  # fmt: skip

Read = Callable[[bytes, int], tuple[int, int]]
Framed = Callable[[str, str, dict[str, Any], dict[str, Any]], bytes]


def judge_03a(answer: Read, _: Settings) -> str:
    """Numbers that fastavro wrote, at the start of the bytes and further on."""
    for number in _NUMBERS:
        written = _avro("long", number)
        for before in (b"", b"\x82\x01"):
            _judge_number(answer, number, written, before)
    return f"{len(_NUMBERS)} numbers from -2⁶³ to 2⁶³ - 1, at the start of the bytes and further on."


def _judge_number(answer: Read, number: int, written: bytes, before: bytes) -> None:
    data, start, end = before + written + b"\x02", len(before), len(before) + len(written)
    asked = f"read_long(bytes.fromhex('{data.hex(' ')}'), {start})"
    try:
        said = answer(data, start)
    except (IndexError, TypeError) as error:
        raise NotYet(f"{asked} raised {type(error).__name__}: {error}.", f"It should give {(number, end)}.") from None
    if not isinstance(said, tuple) or len(said) != 2:
        raise NotYet(f"{asked} gave {said!r}.", "Return two things: the number, and the place after it.")
    if said[0] != number:
        raise NotYet(f"{asked} gave the number {said[0]}; it is {number}.", _why(said[0], number, written, data))
    if said[1] != end:
        hint = "Count from the beginning of data, not from start." if said[1] == len(written) else _PLACE
        raise NotYet(f"{asked} gave the place {said[1]}; the number ends before place {end}.", hint)


_PLACE = "It is the place of the first byte that does not belong to the number any more."


def _why(said: object, number: int, written: bytes, data: bytes) -> str:
    """What a wrong number looks like."""
    unsigned = number << 1 if number >= 0 else ~number << 1 | 1
    big_end_first = 0
    for byte in written:
        big_end_first = big_end_first << 7 | byte & 0x7F
    if said == unsigned:
        return "That is the number before zig-zag: 0, 1, 2, 3, 4 stand for 0, -1, 1, -2, 2."
    if said in (unsigned >> 1, -(unsigned >> 1)):
        return "Odd numbers stand for negative ones: 1 is -1, 3 is -2, 5 is -3."
    if said in (big_end_first, big_end_first >> 1 ^ -(big_end_first & 1)) and len(written) > 1:
        return "The first byte has the lowest seven bits, not the highest."
    if len(written) > 1 and said in (written[0] & 0x7F, (written[0] & 0x7F) >> 1 ^ -(written[0] & 1), written[0]):
        return "A byte of 0x80 or more says that another one follows."
    if data[0] != written[0] and said == 65:
        return "The number begins at data[start]."
    return "Take seven bits of each byte, the first byte's lowest, until one is below 0x80; then zig-zag."


_DISK = {
    "type": "record",
    "name": "Disk",
    "namespace": "judge.lesson03",
    "fields": [{"name": "device", "type": "string"}, {"name": "free", "type": "long"}],
}
_FAN = {
    "type": "record",
    "name": "Fan",
    "namespace": "judge.lesson03",
    "fields": [{"name": "place", "type": "int"}, {"name": "turns", "type": {"type": "array", "items": "long"}}],
}
_ONE_BYTE = 256
_FOUR_BYTES = 'An id takes four bytes, since it may be larger than 255: schema_id.to_bytes(4, "big").'
#: What an export of Apicurio 3.3.3 says about itself.
_EXPORT = {
    "systemVersion": "3.3.3", "systemName": "labkit", "systemDescription": "", "exportVersion": "3.0",
    "exportedOn": 1_795_704_176_181, "exportedBy": "", "dbVersion": "109",
}  # fmt: skip
_ASKED: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("disks", _DISK, {"device": "sda1", "free": 123_456_789}),
    ("fans", _FAN, {"place": -2, "turns": [900, 905, 0]}),
)
#: The registry gives this one an id that does not fit into a byte.
_ASKED_LATE = ("pumps", {**_DISK, "name": "Pump"}, {"device": "pump1", "free": 1})


def judge_03b(answer: Framed, _: Settings) -> str:
    """Two schemas that it has not seen, under two subjects; what the registry knows then has to read the bytes."""
    settings = load_settings(suffix=_SUFFIX)
    ids = [_judge_framed(answer, settings, *asked) for asked in _ASKED]
    if max(ids) < _ONE_BYTE:
        _count_on_from(settings, _ONE_BYTE)
    ids.append(_judge_framed(answer, settings, *_ASKED_LATE))
    return f"Records with the schema ids {', '.join(map(str, ids))}: the registry's schemas read them back."


def _judge_framed(answer: Framed, settings: Settings, name: str, schema: dict[str, Any], record: dict[str, Any]) -> int:
    with _subject(settings, f"asked_{name}{_SUFFIX}-value") as subject:
        with _what_is_answered() as answers:
            try:
                value = answer(settings.registry_url, subject, schema, record)
            except NotSolved:
                raise
            except Exception as error:
                _require_no_refusal(answers, f" Then your function raised {raised(error)}.")
                if isinstance(error, ValueError | OverflowError):
                    _require_room(_registered_id(settings, subject), error)
                raise
        try:
            return _judge_value(settings, subject, schema, record, value)
        except NotYet:
            _require_no_refusal(answers)
            raise


def _require_room(schema_id: int, error: Exception) -> None:
    """Raise `NotYet` where `error` may come from an id that does not fit into a byte."""
    if schema_id >= _ONE_BYTE:
        said = f"{type(error).__name__}: {error}"
        raise NotYet(f"With the schema id {schema_id} your function raised {said}.", _FOUR_BYTES) from error


@contextmanager
def _what_is_answered() -> Iterator[list[httpx2.Response]]:
    """What is answered meanwhile to whoever asks with httpx2, the newest last."""
    answers: list[httpx2.Response] = []
    send = httpx2.Client.send

    def keep(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        answers.append(send(client, request, **options))
        return answers[-1]

    with patch.object(httpx2.Client, "send", keep):
        yield answers


def _require_no_refusal(answers: list[httpx2.Response], then: str = "") -> None:
    """Raise `NotYet` with the registry's own words where its last answer is a refusal."""
    if not answers or not answers[-1].is_error:
        return
    refusal = answers[-1]
    try:
        said = refusal.json()
        words = str(said.get("message") or said["title"])  # Confluent's way to say it, and Apicurio's
    except (ValueError, KeyError, TypeError, AttributeError):
        words = refusal.text or refusal.reason_phrase
    words = words.strip().split("\n")[0].rstrip(".")
    hint = 'It wants {"schema": "…the schema as text…"}, posted to {registry_url}/subjects/{subject}/versions.'
    if b'"schema":{' in refusal.request.content.replace(b" ", b""):
        hint = 'The schema goes there as text, not as an object: {"schema": json.dumps(schema)}.'
    raise NotYet(f"The registry answered {refusal.status_code}: {words}.{then}", hint)


def _count_on_from(settings: Settings, number: int) -> None:
    """Let the registry's next schema id be the one after `number`: it is given a content with that id, of no subject.

    As when the export of a registry that has seen many schemas is imported. (Apicurio's REST API, admin/import.)
    """
    content = b'"string"'
    name = hashlib.sha256(content).hexdigest()
    about = {
        "contentId": number, "contentHash": name, "canonicalHash": name, "artifactType": "AVRO",
        "contentType": "application/json", "serializedReferences": None,
    }  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("manifest-2026-11-26T14:42:56.181Z.Manifest.json", json.dumps(_EXPORT))
        archive.writestr(f"content/{name}.Content.json", json.dumps(about))
        archive.writestr(f"content/{name}.Content.data", content)
    admin = f"{settings.registry_url.split('/apis/')[0]}/apis/registry/v3/admin/import?requireEmptyRegistry=false"
    kept = {f"X-Registry-Preserve-{what}": "true" for what in ("GlobalId", "ContentId")}
    header = {"Content-Type": "application/zip", **kept}
    try:
        answered = own_http.request("POST", admin, timeout_s=30, content=packed.getvalue(), headers=header)
        answered.raise_for_status()
    except httpx2.HTTPError as error:
        raise LabkitError("The registry took no import.", "Start the services: labkit up") from error


def _judge_value(
    settings: Settings, subject: str, schema: dict[str, Any], record: dict[str, Any], value: object
) -> int:
    wanted = _registered_id(settings, subject)
    if not isinstance(value, bytes):
        raise NotYet(f"Your function returned {type(value).__name__}, not bytes.", "A Kafka value is bytes.")
    body = _avro(schema, record)
    start = value[: HEADER_BYTES + 1].hex(" ")
    if value == body:
        raise NotYet(
            f"The value begins with {start}: that is the Avro body alone.",
            "Put the magic byte 0x00 and the schema id, 4 bytes, before it: nobody could read it otherwise.",
        )
    if not value or value[0] != 0:
        raise NotYet(f"The value begins with {start}; the first byte has to be the magic byte 0x00.", "b'\\0' + …")
    found = int.from_bytes(value[1:HEADER_BYTES], "big")
    if found != wanted and value[1:HEADER_BYTES] == wanted.to_bytes(4, "little"):
        raise NotYet(
            f"The value begins with {start}; a reader takes that for the schema id {found}, not {wanted}.",
            'The id has its highest byte first: to_bytes(4, "big").',
        )
    if found != wanted and found == wanted % _ONE_BYTE:
        raise NotYet(
            f"The value begins with {start}, the schema id {found}: that is only the lowest byte of the id {wanted}.",
            _FOUR_BYTES,
        )
    if found != wanted:
        raise NotYet(
            f"The value begins with {start}, the schema id {found}; the registry gave {subject} the id {wanted}.",
            'The id is in the registry\'s answer: answer.json()["id"].',
        )
    if value[HEADER_BYTES:].startswith(b"Obj\x01"):
        raise NotYet(
            "After the header comes 4f 62 6a 01, `Obj`: that is an Avro file with its schema inside.",
            "A message has the body only: fastavro.schemaless_writer.",
        )
    if value[HEADER_BYTES:] != body:
        raise NotYet(
            f"The body is {value[HEADER_BYTES:][:12].hex(' ')} …; as Avro {record} is {body[:12].hex(' ')} ….",
            "fastavro.schemaless_writer writes it into an io.BytesIO.",
        )
    if Registry.of(settings.flow).schema(wanted) is None:
        raise NotYet(f"The registry does not know the schema id {wanted}.", "Register the schema that it was given.")
    return wanted


def _registered_id(settings: Settings, subject: str) -> int:
    answer = _ask("GET", settings, f"/subjects/{subject}/versions/latest")
    if answer.is_client_error:
        raise NotYet(
            f"Nothing is registered under the subject {subject}.",
            "POST the schema to /subjects/{subject}/versions, with the subject that your function was given.",
        )
    return int(answer.json()["id"])


@contextmanager
def _subject(settings: Settings, subject: str) -> Iterator[str]:
    """A subject that has no schema before, and none afterwards. The API wants a soft deletion first."""

    def forget() -> None:
        for words in ("", "?permanent=true"):
            _ask("DELETE", settings, f"/subjects/{subject}{words}")

    forget()
    try:
        yield subject
    finally:
        forget()


def _ask(method: str, settings: Settings, path: str) -> httpx2.Response:
    try:
        return own_http.request(method, f"{settings.registry_url}{path}")
    except httpx2.HTTPError:
        raise LabkitError("The registry does not answer.", "Start the services: labkit up") from None


def _avro(schema: Any, value: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return body.getvalue()


JUDGES = {"03a": judge_03a, "03b": judge_03b}
