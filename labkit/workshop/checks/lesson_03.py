"""Judges of lesson 03: Avro numbers, and framed records whose schema is asked of the registry."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import fastavro
import httpx2

from labkit.errors import LabkitError
from labkit.kafka.avro import HEADER_BYTES
from labkit.settings import Settings, load_settings
from labkit.system import own_http
from labkit.workshop.checks.calling import called, difference, shown
from labkit.workshop.checks.outcome import NotYet, raised
from labkit.workshop.checks.registry_relay import Asked, Way, relay
from labkit.workshop.checks.rules import Meets

__all__ = ["JUDGES", "MEETS", "judge_03a", "judge_03b"]

_SUFFIX = "_ex03"

MEETS: Meets = {
    "03a": {
        "task": "both numbers and places of 21 numbers, between other bytes; the two examples are among them",
        "boundaries": "one to ten bytes, each from both sides (63, 64; -64, -65); the ends of 64 bits; 0x80 as a byte; "
        "nothing, and more, before and behind",
        "arguments": "the same bytes are read from another start, other bytes from the same one",
        "twice": "each number is read in four surroundings, and the first one once more at the end",
        "point": "nothing: any way to read the bytes is right",
    },
    "03b": {
        "task": "four schemas: magic byte, id, body; the registry has the schema that was given under the subject",
        "boundaries": "ids of one, three and four bytes; a first and a second schema under one subject, and the first "
        "once more",
        "world": "subjects that end in _ex03-value are compared too: none but the given one is new",
        "arguments": "each call has an address of its own that leads to the registry, and other subjects and schemas",
        "twice": "the same call gives the same bytes, and no second version",
        "point": "what is asked on the way to the registry is written down: something has to be",
    },
}


# ------------------------------------------------------------------------------------------------------------- 03a

#: From the small to what breaks a guess: one byte, two, signs, a timestamp, the ends of 64 bits.
_NUMBERS = (
    0, 5, 8, -3, -1, 1, 63, -64, 4673, 64, -65, 150, 4705, -4705, 8191, 8192, 3_000_000_001, -(2**35),
    1_795_368_345_547, 2**60 + 1, -(2**60) - 1, 2**63 - 1, -(2**63),
)  # fmt: skip


_READ_WITHIN_S = 3.0


def judge_03a(answer: Any, _: Settings) -> str:
    """Numbers that fastavro wrote, at the start of the bytes and further on."""
    for number in (*_NUMBERS, _NUMBERS[0]):
        written = _avro("long", number)
        for before, behind in ((b"", b"\x02"), (b"\x82\x01", b"\x02"), (b"", b""), (b"\xff\x07", b"\x80\x01wo")):
            _judge_number(answer, number, written, before, behind)
    return f"{len(_NUMBERS)} numbers from -2⁶³ to 2⁶³ - 1, at the start of the bytes and further on."


def _judge_number(answer: Any, number: int, written: bytes, before: bytes, behind: bytes) -> None:
    data, start, end = before + written + behind, len(before), len(before) + len(written)
    asked = f"read_long(bytes.fromhex('{data.hex(' ')}'), {start})"
    try:
        said = called(
            answer, (data, start), asked, within_s=_READ_WITHIN_S, lets_out=(Exception,), names=("data", "start")
        )
    except LabkitError:
        raise
    except IndexError as error:
        hint = "The number ends with the last byte of data: nothing may be read behind it." if not behind else ""
        raise NotYet(f"{asked} raised {raised(error)}. It should give {(number, end)}.", hint) from error
    except Exception as error:
        raise NotYet(f"{asked} raised {raised(error)}. It should give {(number, end)}.") from error
    if said is None:
        raise NotYet(
            f"{asked} gave None; it should give {(number, end)}.", "Is there a return in every way through it?"
        )
    if not isinstance(said, (tuple, list)) or len(said) != 2:
        raise NotYet(f"{asked} gave {shown(said)}.", "Return two things: the number, and the place after it.")
    if (said[0], said[1]) == (end, number) and end != number:
        raise NotYet(f"{asked} gave {tuple(said)}; it should give {(number, end)}.", "The number comes first.")
    if isinstance(said[0], float) or isinstance(said[1], float):
        raise NotYet(
            f"{asked} gave {tuple(said)}, with a float; it should give {(number, end)}.",
            "/ makes a float, which has 53 bits for digits: // or >> keep all of a number.",
        )
    if said[0] != number:
        raise NotYet(
            f"{asked} gave the number {shown(said[0])}; it is {number}.", _why(said[0], number, written, data, start)
        )
    if said[1] != end:
        raise NotYet(f"{asked} gave the place {shown(said[1])}; the place after the number is {end}.",
                     _why_there(said[1], len(written), end, data))  # fmt: skip


def _why_there(said: object, length: int, end: int, data: bytes) -> str:
    """What a wrong place looks like; "" where nothing is known that makes it."""
    if isinstance(said, int) and end - length < said < end and data[said - 1] == 0x80:
        return "A byte of 0x80 itself says too that another one follows."
    if said == length:
        return "That is how many bytes it has: count from the beginning of data, not from start."
    if said == end - 1:
        return "That is the place of its last byte: the next one is asked for."
    if said == end + 1:
        return "That is one too far: the place of the first byte that does not belong to the number is asked for."
    return ""


def _why(said: object, number: int, written: bytes, data: bytes, start: int) -> str:
    """What a wrong number looks like; "" where nothing is known that makes it."""
    if isinstance(said, int) and said == int(float(number)) != number:
        return "A float has 53 bits for digits, and this number has more: use // or >> everywhere, without float."
    groups = [byte & 0x7F for byte in written]
    unsigned = sum(group << 7 * place for place, group in enumerate(groups))
    swapped = sum(group << 7 * place for place, group in enumerate(reversed(groups)))
    eight_bits = sum(byte << 8 * place for place, byte in enumerate(written))
    eight_apart = sum(group << 8 * place for place, group in enumerate(groups))
    with_flags = sum(byte << 7 * place for place, byte in enumerate(written))
    if len(written) == 1:
        elsewhere = _read(data, 0) if start else None
        begins = "The number begins at data[start]; that is what begins at data[0]." if said == elsewhere else ""
        return _why_turned(said, unsigned) or begins
    firsts = groups[0], _zigzag(groups[0]), written[0], _zigzag(written[0])
    found = (
        ("The first byte has the lowest seven bits, not the highest.", (swapped, _zigzag(swapped))),
        ("A byte of 0x80 or more says that another one follows.", firsts),
        ("The highest bit of a byte says whether another one follows: it does not count.",
         (with_flags, _zigzag(with_flags), eight_bits, _zigzag(eight_bits))),
        ("Each byte has seven bits of the number: the next one's begin seven bits further up, not eight.",
         (eight_apart, _zigzag(eight_apart))),
        ("A number can have ten bytes: those behind are missing.",
         tuple(_zigzag(sum(group << 7 * place for place, group in enumerate(groups[:many])))
               for many in range(2, len(groups)))),
        ("The number begins at data[start]; that is what begins at data[0].", (_read(data, 0),) if start else ()),
        ("All 64 bits count, and no more: zig-zag turns the highest one into a sign.",
         (_zigzag(unsigned & 0x7FFFFFFFFFFFFFFF), _zigzag(unsigned & 0xFFFFFFFF), _signed(unsigned, 32),
          _signed(_zigzag(unsigned), 32))),
    )  # fmt: skip
    return next((hint for hint, numbers in found if said in numbers), "") or _why_turned(said, unsigned)


def _why_turned(said: object, unsigned: int) -> str:
    """A number whose bits are right, but not the zig-zag; "" where it is not that."""
    known = {
        "That is the number before zig-zag: 0, 1, 2, 3, 4 stand for 0, -1, 1, -2, 2.": unsigned,
        "Odd numbers stand for negative ones: 1 is -1, 3 is -2, 5 is -3.": (unsigned >> 1, unsigned + 1 >> 1),
        "Even numbers stand for those from 0 on, odd ones for negative ones: 1 is -1, 2 is 1.": -_zigzag(unsigned),
        "1 stands for -1, 3 for -2: an odd number is one further from 0 than its half.":
            (-(unsigned >> 1), -(unsigned - 1 >> 1), ~(unsigned >> 1) - 1 if unsigned & 1 else ()),
    }  # fmt: skip
    for hint, numbers in known.items():
        if said == numbers or (isinstance(numbers, tuple) and said in numbers):
            return hint
    return ""


def _zigzag(unsigned: int) -> int:
    return unsigned >> 1 ^ -(unsigned & 1)


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _read(data: bytes, place: int) -> int:
    """The number that begins there, if it ends."""
    unsigned = shift = 0
    for byte in data[place:]:
        unsigned |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return _zigzag(unsigned)


# ------------------------------------------------------------------------------------------------------------- 03b

_DISK = {
    "type": "record",
    "name": "Disk",
    "namespace": "judge.lesson03",
    "fields": [{"name": "device", "type": "string"}, {"name": "free", "type": "long"}],
}
_DISK_AND_KIND = {**_DISK, "fields": [*_DISK["fields"], {"name": "kind", "type": "string", "default": "ssd"}]}
_FAN = {
    "type": "record",
    "name": "Fan",
    "namespace": "judge.lesson03",
    "doc": "How fast a fan turns.",
    "fields": [
        {"name": "place", "type": "int"},
        {"name": "turns", "type": {"type": "array", "items": "long"}},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
_PUMP = {**_DISK, "name": "Pump"}
_FOUR_BYTES = 'An id takes four bytes, since it may be larger than 255: schema_id.to_bytes(4, "big").'
_POST = 'It wants {"schema": "…the schema as text…"}, posted to {registry_url}/subjects/{subject}/versions.'
#: (of the subject's name, schema, record, by how much larger its ids come)
_ASKED: tuple[tuple[str, dict[str, Any], dict[str, Any], int], ...] = (
    ("disks", _DISK, {"device": "sda1", "free": 123_456_789}, 0),
    ("fans-1.b", _FAN, {"place": -2, "turns": [900, 905, 0], "note": "hörbar"}, 70_000),
    ("pumps", _PUMP, {"device": "pump1", "free": -1}, 0x01_02_00_00),
    ("disks", _DISK_AND_KIND, {"device": "sdb", "free": 7, "kind": "hdd"}, 0),
)
#: The schema of another subject, under one of its own.
_TWIN = ("twins", *_ASKED[0][1:])


def judge_03b(answer: Any, _: Settings) -> str:
    """Schemas that it has not seen, each by a way of its own to the registry; what that has then is looked at."""
    settings = load_settings(suffix=_SUFFIX)
    subjects = {f"asked_{name}{_SUFFIX}-value" for name, *_ in (*_ASKED, _TWIN)}
    with _forgotten(settings, subjects):
        before = _subjects(settings)
        with relay(settings.registry_url, 0) as way:  # one registry; one subject with two schemas, and the reverse
            asked = (_ASKED[0], _TWIN, _ASKED[-1], _ASKED[0])  # the last is no longer the newest of its subject
            ids = [_judge_framed(answer, settings, way, *each) for each in asked]
        again = _judge_alone(answer, settings, *_ASKED[-1])
        if again != ids[-2]:  # pragma: no cover  # the value is compared with the registry's id already
            raise NotYet(f"The same call gave the schema id {ids[-2]} first, and {again} then.")
        ids += [_judge_alone(answer, settings, *asked) for asked in _ASKED[1:-1]]
        others = sorted(_subjects(settings) - before - subjects)
        if others:
            _forget(settings, others)
            raise NotYet(
                f"In the registry there is also a new subject {', '.join(others)}.",
                "Register the schema under the subject that was given, and nowhere else.",
            )
    return f"Records with the schema ids {', '.join(map(str, ids))}: the registry's schemas read them back."


def _judge_alone(
    answer: Any, settings: Settings, name: str, schema: dict[str, Any], record: dict[str, Any], larger_by: int
) -> int:
    with relay(settings.registry_url, larger_by) as way:
        return _judge_framed(answer, settings, way, name, schema, record, larger_by)


def _judge_framed(
    answer: Any, settings: Settings, way: Way, name: str,
    schema: dict[str, Any], record: dict[str, Any], larger_by: int,
) -> int:  # fmt: skip
    subject, before = f"asked_{name}{_SUFFIX}-value", len(way.asked)
    try:
        value = called(
            answer, (way.url, subject, schema, record), f"a schema {schema['name']} under {subject}",
            lets_out=(Exception,), names=("registry_url", "subject", "schema", "record"),
        )  # fmt: skip
    except LabkitError:
        raise
    except Exception as error:
        found = way.asked[before:]
        _require_no_refusal(found, f" Then your function raised {raised(error)}.")
        wanted = _registered(settings, subject, schema, found)["id"] + larger_by
        hint = _FOUR_BYTES if wanted > 255 and isinstance(error, ValueError | OverflowError) else ""
        raise NotYet(f"With the schema id {wanted} your function raised {raised(error)}.", hint) from error
    found = way.asked[before:]
    try:
        registered = _registered(settings, subject, schema, found)
        _judge_value(value, registered, larger_by, subject, schema, record, found)
        _judge_registered(registered, subject, schema, found)
    except NotYet:
        _require_no_refusal(found)
        raise
    if not found:
        raise NotYet(
            f"Nobody asked at the registry_url that your function was given, but {subject} has a schema.",
            "Ask at registry_url: the caller may have another registry than the one in settings.",
        )
    return int(registered["id"]) + larger_by


def _require_no_refusal(asked: list[Asked], then: str = "") -> None:
    """Raise `NotYet` with the registry's own words where its last answer is a refusal."""
    if not asked or asked[-1].status < 400:
        return
    last = asked[-1]
    try:
        said = json.loads(last.answer)
        words = str(said.get("message") or said["title"])  # Confluent's way to say it, and Apicurio's
    except (ValueError, KeyError, TypeError, AttributeError):
        words = last.answer.decode(errors="replace")
    words = words.strip().split("\n")[0].rstrip(".") or HTTPStatus(last.status).phrase
    hint = _POST
    if b'"schema":{' in last.body.replace(b" ", b"").replace(b"\n", b""):
        hint = 'The schema goes there as text, not as an object: {"schema": json.dumps(schema)}.'
    raise NotYet(f"The registry answered {last.status} to {last.method} {last.path}: {words}.{then}", hint)


_ID_OF_A_SCHEMA = "An id belongs to a schema, not to a subject: another schema has to be registered, too."


def _registered(settings: Settings, subject: str, schema: dict[str, Any], asked: list[Asked]) -> dict[str, Any]:
    """The version of the subject that has this schema, else the newest one: id, version, schema."""
    known = _ask("POST", settings, f"/subjects/{subject}", {"schema": json.dumps(schema)})
    answer = known if known.is_success else _ask("GET", settings, f"/subjects/{subject}/versions/latest")
    if not answer.is_client_error:
        return dict(answer.json())
    if not asked:
        raise NotYet(
            f"Nothing is registered under the subject {subject}, and nobody asked at registry_url.",
            "POST the schema to {registry_url}/subjects/{subject}/versions.",
        )
    last = asked[-1]
    raise NotYet(
        f"Nothing is registered under the subject {subject}; the last question was {last.method} {last.path}.",
        "POST the schema to /subjects/{subject}/versions, with the subject that your function was given.",
    )


def _judge_registered(registered: dict[str, Any], subject: str, schema: dict[str, Any], asked: list[Asked]) -> None:
    """Raise `NotYet` where what was registered is another schema than the one that was given."""
    found = json.loads(registered["schema"])
    if found == schema or fastavro.parse_schema(found) == fastavro.parse_schema(schema):
        return
    missing = [field["name"] for field in schema["fields"] if field not in found.get("fields", ())]
    said = f"The schema under {subject} is not the one that was given"
    what = f"its field {missing[0]} is another one" if missing else difference(schema, found)
    if not asked:
        raise NotYet(f"{said}: {what}. This time nobody asked the registry.", _ID_OF_A_SCHEMA)
    hint = "parse_schema adds that: keep what it gives under a name of its own, and register what was given."
    raise NotYet(f"{said}: {what}.", hint if "fastavro" in what else "")


def _judge_value(
    value: Any, registered: dict[str, Any], larger_by: int, subject: str,
    schema: dict[str, Any], record: dict[str, Any], asked: list[Asked],
) -> None:  # fmt: skip
    if not isinstance(value, (bytes, bytearray, memoryview)):
        hint = "A Kafka value is bytes."
        hint = "Its getvalue() has the bytes." if isinstance(value, io.BytesIO) else hint
        hint = "Is there a return?" if value is None else hint
        raise NotYet(f"Your function returned {shown(value)}, not bytes.", hint)
    value, body, wanted = bytes(value), _avro(schema, record), int(registered["id"]) + larger_by
    start = value[: HEADER_BYTES + 1].hex(" ")
    right = b"\0" + wanted.to_bytes(4, "big") + body
    if value == right:
        return
    shapes = {
        ("that is the Avro body alone", "Put the magic byte 0x00 and the schema id, 4 bytes, before it."): body,
        ("that is the schema id and the body", "The magic byte 0x00 comes before them."): right[1:],
        ("that is the magic byte and the body", "The schema id, 4 bytes, stands between them."): b"\0" + body,
        ("that is 30, the sign 0, not the byte 00", "The magic byte is b'\\0'."): b"0" + right[1:],
        ("that is 01, not the magic byte 00", "The magic byte is b'\\0'."): b"\1" + right[1:],
        ("the schema id takes eight bytes there", _FOUR_BYTES): b"\0" + wanted.to_bytes(8, "big") + body,
        ("the schema id stands there as text", _FOUR_BYTES): b"\0" + str(wanted).encode() + body,
        ("the schema id stands there as an Avro number", _FOUR_BYTES): b"\0" + _avro("long", wanted) + body,
        ("the schema id takes two bytes there", _FOUR_BYTES): b"\0" + (wanted & 0xFFFF).to_bytes(2, "big") + body,
        ("the schema id takes one byte there", _FOUR_BYTES): b"\0" + bytes([wanted & 0xFF]) + body,
    }
    for (said, hint), shape in shapes.items():
        if value == shape:
            raise NotYet(f"With the schema id {wanted} the value begins with {start}: {said}.", hint)
    if not value or value[0] != 0:
        raise NotYet(f"The value begins with {start}; the first byte has to be the magic byte 0x00.")
    if len(value) < HEADER_BYTES:
        raise NotYet(f"The value is {value.hex(' ')}: that is no magic byte, id of four bytes and body.")
    _judge_id(value, start, wanted, larger_by, subject, asked)
    _judge_body(value[HEADER_BYTES:], body, schema, record)


def _judge_id(value: bytes, start: str, wanted: int, larger_by: int, subject: str, asked: list[Asked]) -> None:
    found = int.from_bytes(value[1:HEADER_BYTES], "big")
    if found == wanted:
        return
    if value[1:HEADER_BYTES] == wanted.to_bytes(4, "little"):
        raise NotYet(
            f"The value begins with {start}; a reader takes that for the schema id {found}, not {wanted}.",
            'The id has its highest byte first: to_bytes(4, "big").',
        )
    if found in (wanted % 256, wanted % 65536):
        raise NotYet(
            f"The value begins with {start}, the schema id {found}: that is only the lower part of the id {wanted}.",
            _FOUR_BYTES,
        )
    hint = ""
    if larger_by and found == wanted - larger_by:
        hint = "That is what the registry says at another address: ask at the registry_url that was given."
    elif any(f'"version":{found},'.encode() in one.answer.replace(b" ", b"") for one in asked):
        hint = "That is the number of the subject's version; the schema's own id is in the registry's answer."
    elif any(one.path.endswith("/versions/latest") for one in asked):
        hint = "The latest version of a subject may be another schema than the one that was just registered."
    raise NotYet(
        f"The value begins with {start}, the schema id {found}; the registry gave {subject} the id {wanted}.", hint
    )


def _judge_body(found: bytes, body: bytes, schema: dict[str, Any], record: dict[str, Any]) -> None:
    if found == body:
        return
    begins = f"The body is {found[:16].hex(' ')} …" if len(found) > 16 else f"The body is {found.hex(' ')}"
    said = f"{begins}; as Avro {record} is {body.hex(' ')}."
    if found.startswith(b"Obj\x01"):
        raise NotYet(
            "After the header comes 4f 62 6a 01, `Obj`: that is an Avro file with its schema inside.",
            "A message has the body only: fastavro.schemaless_writer.",
        )
    if found[:1] in (b"{", b'"', b"["):
        raise NotYet(f"After the header comes {shown(found)}: that is JSON, not Avro.",
                     "fastavro.schemaless_writer writes the body into an io.BytesIO.")  # fmt: skip
    if not found:
        raise NotYet(f"After the header comes nothing; as Avro {record} is {body.hex(' ')}.",
                     "A BytesIO is read from where it is: getvalue() gives all of it.")  # fmt: skip
    twice = b"\0" + b"\0\0\0\0"
    raise NotYet(said, "The header stands there twice." if found.startswith(twice[:4]) and found.endswith(body) else "")


# ------------------------------------------------------------------------------------------------------- the registry


@contextmanager
def _forgotten(settings: Settings, subjects: set[str]) -> Iterator[None]:
    """Subjects that have no schema before, and none afterwards."""
    _forget(settings, subjects)
    try:
        yield
    finally:
        _forget(settings, subjects)


def _forget(settings: Settings, subjects: Any) -> None:
    """The API wants a soft deletion first."""
    for subject in subjects:
        for words in ("", "?permanent=true"):
            _ask("DELETE", settings, f"/subjects/{subject}{words}")


def _subjects(settings: Settings) -> set[str]:
    return set(_ask("GET", settings, "/subjects").json())


def _ask(method: str, settings: Settings, path: str, body: Any = None) -> httpx2.Response:
    try:
        return own_http.request(method, f"{settings.registry_url}{path}", json=body)
    except httpx2.HTTPError:
        raise LabkitError("The registry does not answer.", "Start the services: labkit up") from None


def _avro(schema: Any, value: Any) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return body.getvalue()


JUDGES = {"03a": judge_03a, "03b": judge_03b}
