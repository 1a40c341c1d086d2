"""What the exercises of 13 have to do: read across two schemas, and ask a registry what it would accept."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastavro
import httpx2

from labkit.errors import LabkitError
from labkit.settings import Settings, load_settings
from labkit.system import own_http
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.registry_relay import relay
from labkit.workshop.checks.rules import Meets

__all__ = ["JUDGES", "MEETS", "judge_13a", "judge_13b"]

_SUFFIX = "_ex13"

MEETS: Meets = {
    "13a": {
        "task": "seventeen changes: both words, one of them, none",
        "boundaries": "a default and none; a field more, less and renamed; int, long, float and string in both "
        "directions; a union with null; an enum with and without a default; a record in a record, a list; no change",
        "given": "schemas and records are compared before and after each call",
        "arguments": "each change is tried the other way round, too, with the same records",
        "twice": "each call is made a second time",
        "point": "nothing: any way to find it out is right",
    },
    "13b": {
        "task": "one, two and three versions in seven modes; accepted and refused",
        "boundaries": "a first version alone; two steps, of which BACKWARD sees the last and its transitive twin both; "
        "versions in between that no mode would accept",
        "world": "the subject and its mode are looked for afterwards, also where the answer was no",
        "arguments": "each call has an address of its own that leads to the registry, and another subject",
        "ends": "`called` gives each call 30 s",
        "twice": "each call is made a second time",
        "point": "what is asked on the way to the registry is written down: something has to be",
    },
}

Schema = dict[str, Any]


def _record(*fields: Schema, name: str = "Load") -> Schema:
    return {"type": "record", "name": name, "namespace": "check", "fields": list(fields)}


def _field(name: str, kind: Any = "int", **more: Any) -> Schema:
    return {"name": name, "type": kind, **more}


_HOST, _BUSY = _field("host", "string"), _field("busy")
_KIND = {"type": "enum", "name": "Kind", "symbols": ["LAPTOP", "SERVER"]}
_PHONE = {**_KIND, "symbols": ["LAPTOP", "SERVER", "PHONE"]}
_OWNER = _record(_field("who", "string"), name="Owner")
_OWNER_AND_ROOM = _record(_field("who", "string"), _field("room", "int", default=0), name="Owner")
_NO_ROOM = _record(_field("who", "string"), _field("room"), name="Owner")


# ------------------------------------------------------------------------------------------------------------- 13a


@dataclass(frozen=True)
class _Change:
    what: str
    old: Schema
    old_record: dict[str, Any]
    new: Schema
    new_record: dict[str, Any]

    @property
    def turned_round(self) -> _Change:
        return _Change(f"{self.what}, the other way round", self.new, self.new_record, self.old, self.old_record)


def _of_one(what: str, old: Any, old_value: Any, new: Any, new_value: Any) -> _Change:
    """A change of one field beside the host."""
    records = [{"host": "web", field["name"]: value} for field, value in ((old, old_value), (new, new_value))]
    return _Change(what, _record(_HOST, old), records[0], _record(_HOST, new), records[1])


_BASE = {"host": "web", "busy": 7}
_CHANGES = (
    _Change("a field with a default", _record(_HOST, _BUSY), _BASE,
            _record(_HOST, _BUSY, _field("cpus", default=1)), {**_BASE, "cpus": 4}),
    _Change("a field without a default", _record(_HOST, _BUSY), _BASE,
            _record(_HOST, _BUSY, _field("cpus")), {**_BASE, "cpus": 4}),
    _of_one("a field renamed", _BUSY, 7, _field("load"), 7),
    _of_one("a field renamed, with an alias", _BUSY, 7, _field("load", aliases=["busy"]), 7),
    _of_one("int made long", _BUSY, 7, _field("busy", "long"), 2**40),
    _of_one("int made float", _BUSY, 7, _field("busy", "float"), 0.5),
    _of_one("int made string", _BUSY, 7, _field("busy", "string"), "7"),
    _of_one("string made bytes", _field("busy", "string"), "x", _field("busy", "bytes"), b"x"),
    _of_one("bytes made string", _field("busy", "bytes"), b"\xff", _field("busy", "string"), "x"),
    _of_one("a field that may be null", _BUSY, 7, _field("busy", ["null", "int"]), 7),
    _of_one("a symbol more in an enum", _field("kind", _KIND), "LAPTOP", _field("kind", _PHONE), "PHONE"),
    _of_one("a symbol more in an enum with a default", _field("kind", {**_KIND, "default": "SERVER"}), "LAPTOP",
            _field("kind", {**_PHONE, "default": "SERVER"}), "PHONE"),
    _of_one("a field more in a record inside", _field("owner", _OWNER), {"who": "ada"},
            _field("owner", _OWNER_AND_ROOM), {"who": "ada", "room": 3}),
    _of_one("a field without a default in a record inside", _field("owner", _OWNER), {"who": "ada"},
            _field("owner", _NO_ROOM), {"who": "ada", "room": 3}),
    _of_one("a list of long instead of int", _field("each", {"type": "array", "items": "int"}), [1, 2],
            _field("each", {"type": "array", "items": "long"}), [2**40]),
    _Change("fields in another order", _record(_HOST, _BUSY), _BASE, _record(_BUSY, _HOST), _BASE),
    _Change("no change", _record(_HOST, _BUSY), _BASE, _record(_HOST, _BUSY), _BASE),
    _of_one("another name, another type", _BUSY, 7, _field("load", "string"), "7"),
)  # fmt: skip


def judge_13a(answer: Any, _: Settings) -> str:
    """Each change, and its counterpart."""
    changes = [one for change in _CHANGES for one in (change, change.turned_round)]
    for change in changes:
        want = _verdict(change)
        found = _asked(answer, change)
        if not isinstance(found, (set, frozenset)):
            hint = "Curly brackets make one: {'BACKWARD'}; set() has nothing in it." if found is not None else ""
            raise NotYet(f"{_of(change)}: verdict gave {shown(found)}, which is no set.", hint)
        if found != want:
            raise NotYet(f"{_of(change)}: verdict gave {_words(found)}; it is {_words(want)}.", _why(answer, changes))
        if _asked(answer, change) != want:
            raise NotYet(f"{_of(change)}: asked a second time, it gave something else.", "")
    return f"{len(changes)} changes."


def _of(change: _Change) -> str:
    return change.what[0].upper() + change.what[1:]


def _words(found: Any) -> str:
    return " and ".join(sorted(map(str, found))) or "neither of the two"


def _asked(answer: Any, change: _Change) -> Any:
    given = [copy.deepcopy(one) for one in (change.old, change.old_record, change.new, change.new_record)]
    names = ("old", "old_record", "new", "new_record")
    return called(answer, given, change.what, names=names)


def _reads(writer: Schema, record: Any, reader: Schema | None) -> bool:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(copy.deepcopy(writer)), record)
    body.seek(0)
    try:
        fastavro.schemaless_reader(
            body,
            fastavro.parse_schema(copy.deepcopy(writer)),
            None if reader is None else fastavro.parse_schema(copy.deepcopy(reader)),
        )
    except Exception:
        return False
    return True


def _verdict(change: _Change, *, backward: str = "BACKWARD", forward: str = "FORWARD", asks: bool = True) -> set[str]:
    """The two words; in another way where one is told."""
    old, new = (change.old, change.new) if asks else (None, None)
    found = {
        backward: _reads(change.old, change.old_record, new),
        forward: _reads(change.new, change.new_record, old),
    }
    return {word for word, can in found.items() if can}


def _full(change: _Change) -> set[str]:
    found = _verdict(change)
    return {"FULL"} if len(found) == 2 else found


def _same_fields(change: _Change) -> set[str]:
    old, new = ({field["name"] for field in schema["fields"]} for schema in (change.old, change.new))
    return {word for word, can in (("BACKWARD", new <= old), ("FORWARD", old <= new)) if can}


def _why(answer: Any, changes: list[_Change]) -> str:
    """The usual mistake that explains what comes of all changes; "" where none does."""
    try:
        came = [(change, _asked(answer, change)) for change in changes]
    except Exception:
        return ""
    faults = (
        ("BACKWARD is a reader with `new` and a record of `old`; FORWARD is the other way round.",
         lambda change: _verdict(change, backward="FORWARD", forward="BACKWARD")),
        ("A reader has a schema of its own: schemaless_reader takes the writer's and the reader's.",
         lambda change: _verdict(change, asks=False)),
        ("Where both hold, both words are in the set.", _full),
        ("It does not go by the names of fields alone.", _same_fields),
        ("The two words are asked for one by one: one of them may hold alone.",
         lambda change: found if len(found := _verdict(change)) == 2 else set()),
    )  # fmt: skip
    return next((hint for hint, fault in faults if all(found == fault(change) for change, found in came)), "")


# ------------------------------------------------------------------------------------------------------------- 13b

_V1 = _record(_HOST, _BUSY)
_WITH = _record(_HOST, _BUSY, _field("cpus", default=1))
_WITHOUT = _record(_HOST, _BUSY, _field("cpus"))
_GONE = _record(_HOST)
_OTHER = _record(_field("place"))
_MODES = ("BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE")


@dataclass(frozen=True)
class _Question:
    mode: str
    versions: tuple[Schema, ...]
    what: str

    @property
    def said(self) -> str:
        return f"{self.mode}, {self.what}"


def _questions() -> Iterator[_Question]:
    for mode in ("BACKWARD", "FORWARD", "FULL", "NONE"):
        yield _Question(mode, (_V1, _WITHOUT), "a field without a default")
        yield _Question(mode, (_V1, _GONE), "a field less")
    for mode in _MODES:
        yield _Question(mode, (_V1, _WITH, _WITHOUT), "a field with a default, and then without it")
    yield _Question("FULL_TRANSITIVE", (_V1,), "a first version alone")
    yield _Question("BACKWARD", (_V1, _OTHER, _record(_field("place"), _field("more", default=0))),
                    "another record in between, and a field with a default")  # fmt: skip
    yield _Question("BACKWARD_TRANSITIVE", (_V1, _OTHER, _V1), "another record in between, and the first one again")


def judge_13b(answer: Any, _: Settings) -> str:
    """Questions whose answers the registry has given to the check before, each at an address of its own."""
    settings = load_settings(suffix=_SUFFIX)
    questions = list(_questions())
    accepted = 0
    for number, question in enumerate(questions):
        want = _by_registry(settings, question)
        for _again in range(2 if number < 2 else 1):
            _judge_question(answer, settings, f"asked-{number}{_SUFFIX}-value", question, want)
        accepted += want
    return f"{len(questions)} questions: {accepted} times yes, {len(questions) - accepted} times no."


def _judge_question(answer: Any, settings: Settings, subject: str, question: _Question, want: bool) -> None:
    with relay(settings.registry_url) as way:
        found = called(
            answer, (way.url, subject, question.mode, [copy.deepcopy(one) for one in question.versions]),
            question.said, names=("registry_url", "subject", "mode", "versions"),
        )  # fmt: skip
        asked = list(way.asked)
    if not asked:
        raise NotYet(f"{question.said}: nobody asked at the registry_url that was given.",
                     "Ask at registry_url: the caller may have another registry than the one in settings.")  # fmt: skip
    if not isinstance(found, bool):
        raise NotYet(f"{question.said}: allowed gave {shown(found)}, neither True nor False.", "")
    left = _ask("GET", settings, f"/subjects/{subject}/versions?deleted=true")
    if left.is_success and left.json():
        is_there = _ask("GET", settings, f"/subjects/{subject}/versions").is_success
        _forget(settings, subject)
        how = "still there" if is_there else "not gone for good"
        raise NotYet(
            f"{question.said}: the subject {subject} is {how} afterwards.",
            "Both DELETEs are needed, also where the last version was refused.",
        )
    if found != want:
        posts = [one for one in asked if one.method == "POST"]
        said = ", ".join(str(one.status) for one in posts) or "none"
        raise NotYet(
            f"{question.said}: allowed gave {found}; the registry says {want}. (The answers to its POSTs were {said}.)",
            _why_not(question, asked),
        )


def _why_not(question: _Question, asked: list[Any]) -> str:
    modes = [json.loads(one.body).get("compatibility") for one in asked if one.method == "PUT" and one.body]
    if len(question.versions) > 1 and question.mode not in modes:
        return "The subject was never told the mode."
    versions = [one for one in asked if one.method == "POST" and one.path.split("?")[0].endswith("/versions")]
    if any(one.status == 409 for one in versions[:-1]):
        return "The versions before the last one are accepted in any case: the mode is for the last one."
    if 0 < len(versions) < len(question.versions):
        return f"{len(versions)} of {len(question.versions)} versions were registered."
    return ""


def _by_registry(settings: Settings, question: _Question) -> bool:
    subject = f"own{_SUFFIX}-value"
    _forget(settings, subject)
    status = 0
    try:
        for place, schema in enumerate(question.versions):
            if place:
                mode = question.mode if place == len(question.versions) - 1 else "NONE"
                _ask("PUT", settings, f"/config/{subject}", {"compatibility": mode}).raise_for_status()
            status = _ask("POST", settings, f"/subjects/{subject}/versions", {"schema": json.dumps(schema)}).status_code
    finally:
        _forget(settings, subject)
    if status not in (200, 409):
        raise LabkitError(f"The registry answered {status} to a schema of the check.")
    return status == 200


def _forget(settings: Settings, subject: str) -> None:
    for words in ("", "?permanent=true"):
        _ask("DELETE", settings, f"/subjects/{subject}{words}")


def _ask(method: str, settings: Settings, path: str, body: Any = None) -> httpx2.Response:
    try:
        return own_http.request(method, f"{settings.registry_url}{path}", json=body)
    except httpx2.HTTPError:
        raise LabkitError("The registry does not answer.", "Start the services: labkit up") from None


JUDGES = {"13a": judge_13a, "13b": judge_13b}
