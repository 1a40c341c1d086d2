"""What the exercises of 14 have to do: sort records out byte by byte, and doubt what can be read and cannot be true."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from typing import Any

import fastavro

from labkit.kafka.producer import produce
from labkit.settings import Settings
from labkit.sources.scenario import Scenario
from labkit.sources.simulator import FleetSource
from labkit.streams.procstat.snapshot import Snapshot
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.flink_trial import decoded, on_cluster
from labkit.workshop.checks.model import hint_for
from labkit.workshop.checks.operator_trial import Operator
from labkit.workshop.checks.outcome import NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.checks.stream_trial import RESTART, Fault, Stream
from labkit.workshop.course.contents import Start
from labkit.workshop.lesson import begin

__all__ = ["JUDGES", "MEETS", "judge_14a", "judge_14b"]

_SUFFIX = "_ex14"

MEETS: Meets = {
    "14a": {
        "task": "each of the nine reasons, in every way that there is for it; records of three schemas; two reasons at "
        "once, of which the first holds; then bytes by chance",
        "boundaries": "five, six and seven bytes; a body that ends at each of its bytes; one byte left over and many; "
        "ids of one byte and of four; the same name in another namespace",
        "given": "key, headers and schemas are compared before and after each call",
        "arguments": "keys and headers of every kind, two sets of schemas, two readers",
        "twice": "each call is made a second time",
        "point": "nothing: any way to find it out is right",
    },
    "14b": {
        "task": "each reason by hand, and what is good, late and rebooted, of several hosts; then a fleet's on the "
        "cluster",
        "boundaries": "a time 1 ms before, at and 1 s after the boot; a boot as far away as the slack and 1 s more, "
        "older and newer, and one that creeps; ticks equal, one fewer, one more; a time equal, 1 ms older and newer",
        "given": "the row is compared before and after process_element",
        "arguments": "made for a slack of 30 s, 1 s and 0 s",
        "ends": "each element has 10 s, and may give 1,000 results",
        "twice": "the operator is made and fed a second time; another one runs on the cluster",
        "point": "a restart keeps what Flink's coders wrote down, and nothing else; there has to be something",
    },
}

Schema = dict[str, Any]
Headers = tuple[tuple[str, bytes | None], ...]


# ------------------------------------------------------------------------------------------------------------- 14a


def _schema(*fields: tuple[str, Any], name: str = "Load", namespace: str = "check", **defaults: Any) -> Schema:
    made = [{"name": field, "type": kind, **({"default": defaults[field]} if field in defaults else {})}
            for field, kind in fields]  # fmt: skip
    return {"type": "record", "name": name, "namespace": namespace, "fields": made}


_HOST, _BUSY, _CPUS = ("host", "string"), ("busy", "long"), ("cpus", {"type": "array", "items": "long"})
_READER = _schema(_HOST, _BUSY)
#: The same the other way round, with a field that no writer of `_READER` has.
_ROOM_READER = _schema(_BUSY, _HOST, ("room", "string"), room="?")
_HOST_MAY_BE_MISSING = _schema(_HOST, _BUSY, host="?")
#: An id that is another one when it is read from its other end.
_LONG_ID = 0x01020304
_TURNED = int.from_bytes(_LONG_ID.to_bytes(4, "big"), "little")
#: {id: (schema, a record of it)}
_WRITERS: dict[int, tuple[Schema, dict[str, Any]]] = {
    7: (_READER, {"host": "web", "busy": 300}),
    _LONG_ID: (_schema(("room", "string"), _BUSY, _HOST), {"room": "b2", "busy": -5, "host": "db/1"}),
    300: (_schema(_HOST, _BUSY, _CPUS), {"host": "w\u00e9b", "busy": 0, "cpus": [1, 1000, -7]}),
    12: (_schema(_BUSY), {"busy": 5}),
    8: (_schema(("rain_mm", "long"), name="Weather"), {"rain_mm": 3}),
    9: (_schema(_HOST, _BUSY, namespace="elsewhere"), {"host": "web", "busy": 300}),
    10: (_schema(_HOST), {"host": "web"}),
    11: (_schema(_BUSY, ("host", "long")), {"busy": 2, "host": 6}),
}
_SCHEMAS = {number: schema for number, (schema, _) in _WRITERS.items()}
_MORE_SCHEMAS = {**_SCHEMAS, _TURNED: _schema(("far", "long"), name="Far"), 999: _READER}
_KEYS = (b"web", None, b"", b"\xff\x00")
_HEADERS: tuple[Headers, ...] = (
    (), (("trace", b"1"), ("trace", b"2")), (("none", None), ("empty", b"")), (("reason", b"mine"),),
    (("b", b"\xff"), ("a", b"x"), ("b", b"\xff")),
)  # fmt: skip
_BY_CHANCE = 100
_REASONS = ("null", "empty", "wrong magic", "too short", "unknown schema", "other record", "ends early", "unreadable",
            "left over")  # fmt: skip


@dataclass(frozen=True)
class _Case:
    """A record and how a sentence has it; `due` is a record, the reason of a dead letter, or None: nobody knows."""

    what: str
    value: bytes | None
    due: dict[str, Any] | str | None
    reader: Schema
    schemas: dict[int, Schema]
    key: bytes | None = None
    headers: Headers = ()

    @property
    def given(self) -> tuple[Any, ...]:
        return self.key, self.value, list(self.headers), copy.deepcopy(self.schemas), copy.deepcopy(self.reader)


def _body(number: int) -> bytes:
    schema, record = _WRITERS[number]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), record)
    return out.getvalue()


def _framed(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + body


def _value(number: int) -> bytes:
    return _framed(number, _body(number))


def _values() -> Iterator[tuple[str, bytes | None, dict[str, Any] | str | None]]:
    """(what it is, the value, what is due), of the reader `_READER`."""
    for number in (7, _LONG_ID, 300):
        record = {name: _WRITERS[number][1][name] for name in ("host", "busy")}
        yield f"a record with schema id {number}", _value(number), record
    yield "no value", None, "null"
    yield "a value without bytes", b"", "empty"
    yield "JSON", b'{"host": "web", "busy": 300}', "wrong magic"
    yield "an Avro body without a frame", _body(7), "wrong magic"
    yield "a record with a 1 in front", b"\1" + _value(7)[1:], "wrong magic"
    yield "the one byte 0x07", b"\7", "wrong magic"
    yield "the one byte 0x00", b"\0", "too short"
    yield "a frame alone, five bytes", _value(7)[:5], "too short"
    yield "a frame with an unknown id alone, five bytes", _framed(1_000_000, b""), "too short"
    yield "an id of eight bytes", b"\0" + (7).to_bytes(8, "big") + _body(7), "unknown schema"
    yield "the largest id", _framed(2**32 - 1, _body(7)), "unknown schema"
    yield "an id that is not in schemas", _framed(999, _body(7)), "unknown schema"
    yield "an unknown id, and a body of one byte", _framed(998, b"\x80"), "unknown schema"
    yield "a record of Weather", _value(8), "other record"
    yield "a record of Weather, cut off", _framed(8, b"\x80"), "other record"
    yield "a record of elsewhere.Load", _value(9), "other record"
    for number in (300, _LONG_ID):
        for length in range(6, len(_value(number))):
            yield f"the first {length} of {len(_value(number))} bytes", _value(number)[:length], "ends early"
    yield "a record without the field busy", _value(10), "unreadable"
    yield "a record whose host is a number", _value(11), "unreadable"
    yield "a host that is no UTF-8", _framed(7, b"\6\xff\xff\xff\2"), "unreadable"
    yield "a host that is no UTF-8, and bytes behind it", _framed(7, b"\6\xff\xff\xff\2abc"), "unreadable"
    yield "a record and a byte more", _value(7) + b"\0", "left over"
    yield "a record and three bytes more", _value(300) + b"abc", "left over"
    yield "two records in one value", _value(7) * 2, "left over"


def _cases() -> Iterator[_Case]:
    keys, headers = cycle(_KEYS), cycle(_HEADERS)

    def case(what: str, value: bytes | None, due: Any, reader: Schema = _READER, schemas: Any = _SCHEMAS) -> _Case:
        return _Case(what, value, due, reader, schemas, next(keys), next(headers))

    for what, value, due in _values():
        yield case(what, value, due)
    for number in (7, _LONG_ID, 300):
        record = {"room": "?", **_WRITERS[number][1]}
        due = {name: record[name] for name in ("busy", "host", "room")}
        yield case(f"schema id {number}, a reader with one field more", _value(number), due, _ROOM_READER)
    yield case("a value of six bytes", _value(12), {"host": "?", "busy": 5}, _HOST_MAY_BE_MISSING)
    yield case("an id that is in other schemas", _framed(999, _body(7)), {"host": "web", "busy": 300},
               schemas=_MORE_SCHEMAS)  # fmt: skip
    yield case(f"schema id {_LONG_ID}, with more schemas", _value(_LONG_ID), {"host": "db/1", "busy": -5},
               schemas=_MORE_SCHEMAS)  # fmt: skip
    yield case("a registry without a schema", _value(7), "unknown schema", schemas={})
    random = Random("labkit 14a")
    for _ in range(_BY_CHANCE):
        value = bytes(random.randrange(256) for _ in range(random.randrange(30)))
        number = random.choice(list(_SCHEMAS))
        yield case(f"bytes by chance, {value.hex(' ') or 'none'}", value, None)
        yield case(f"a body by chance, {value.hex(' ') or 'none'}", _framed(number, value), None)


def judge_14a(answer: Any, _: Settings) -> str:
    """Each reason in its ways, then bytes by chance."""
    cases = list(_cases())
    for case in cases:
        found = _asked(answer, case)
        said, hint = _fault(case, found)
        if said:
            raise NotYet(f"{_of(case)}: {said}.", hint or _why(answer, cases))
        if _asked(answer, case) != found:
            raise NotYet(f"{_of(case)}: asked a second time, it gave something else.", "")
    read = sum(isinstance(case.due, dict) for case in cases)
    dead = sum(isinstance(case.due, str) for case in cases)
    kinds = len(_REASONS)
    return f"{read} records read, {dead} dead letters of {kinds} kinds; {2 * _BY_CHANCE} by chance raised nothing."


def _of(case: _Case) -> str:
    return case.what[0].upper() + case.what[1:]


def _asked(answer: Any, case: _Case) -> Any:
    names = ("key", "value", "headers", "schemas", "reader")
    return called(answer, case.given, case.what, "Whatever comes, it returns a record or a dead letter.", names=names)


def _fault(case: _Case, found: Any) -> tuple[str, str]:
    """(What is wrong with it, a hint where the cause is known); "" where nothing is."""
    if not isinstance(found, (tuple, list)) or not found or found[0] not in ("record", "dead letter"):
        hint = "Each way through it ends with a return." if found is None else ""
        return f"sort_out gave {shown(found)}, which is neither a record nor a dead letter", hint
    if found[0] == "record":
        return _fault_of_record(case, found)
    if len(found) != 5:
        return f"sort_out gave a dead letter of {len(found)} parts: {shown(found)}", "It has five: see the task."
    if isinstance(case.due, dict):
        return f"sort_out gave a dead letter, {shown(found[1])}; it can be read", ""
    if found[1] != case.due and (case.due is not None or found[1] not in _REASONS):
        return f"sort_out gave the reason {shown(found[1])}; " + (
            f"it is {case.due!r}" if case.due else "that is none of the nine"
        ), ""
    return _not_as_it_came(case, found)


def _fault_of_record(case: _Case, found: Any) -> tuple[str, str]:
    if len(found) != 2 or not isinstance(found[1], dict):
        return f"sort_out gave {shown(found)}", 'A record is ("record", record).'
    if isinstance(case.due, str):
        return f"sort_out gave the record {shown(found[1])}; it is a dead letter, {case.due!r}", ""
    if case.due is not None and found[1] != case.due:
        return f"sort_out gave the record {shown(found[1])}; it is {case.due}", ""
    return "", ""


def _not_as_it_came(case: _Case, found: Sequence[Any]) -> tuple[str, str]:
    for name, got, came in zip(("key", "value", "headers"), found[2:], case.given, strict=False):
        if type(got) is not type(came) or got != came:
            hint = "Headers may have the same name twice, and their order counts." if isinstance(got, dict) else ""
            return f"the {name} of the dead letter: {shown(got)}; as it came: {shown(came)}", hint
    return "", ""


def _comes(
    case: _Case,
    *,
    order: Any = "big",
    at_least: int = 6,
    short_first: bool = False,
    null: str = "null",
    name: tuple[str, ...] = ("name", "namespace"),
    schemas: Callable[[Schema, Schema], tuple[Any, Any]] = lambda writer, reader: (writer, reader),
    early: tuple[type[Exception], ...] = (EOFError, IndexError),
    others: str = "unreadable",
    left: bool = True,
) -> dict[str, Any] | str:
    """The record, or the reason, where one thing is done in another way. Without any it is right."""
    value = case.value
    if not value:
        return null if value is None else "empty"
    tests = [("wrong magic", value[0] != 0), ("too short", len(value) < at_least)]
    for reason, holds in reversed(tests) if short_first else tests:
        if holds:
            return reason
    writer = case.schemas.get(int.from_bytes(value[1:5], order))
    if writer is None:
        return "unknown schema"
    if any(writer[part] != case.reader[part] for part in name):
        return "other record"
    body = io.BytesIO(value[5:])
    try:
        record: Any = fastavro.schemaless_reader(body, *schemas(*copy.deepcopy((writer, case.reader))))
    except early:
        return "ends early"
    except Exception:
        return others
    return "left over" if left and body.read() else record


_BOTH = "A value is read with two schemas: first the one that it was written with, then `reader`."
_SORT_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("The id has its highest byte first.", {"order": "little"}),
    ("The first reason that holds counts, in the order of the task: the magic byte comes before the length.",
     {"short_first": True}),
    ("A frame is five bytes, and a body has one at least.", {"at_least": 5}),
    ("A frame is five bytes, and a body of one byte is a body.", {"at_least": 7}),
    ("No value is not the same as a value without bytes.", {"null": "empty"}),
    ("The namespace is a part of a schema's name.", {"name": ("name",)}),
    ("What has another name is another record, whether it could be read or not.", {"name": ()}),
    (_BOTH, {"schemas": lambda writer, reader: (writer, None)}),
    (_BOTH, {"schemas": lambda writer, reader: (reader, None)}),
    (_BOTH, {"schemas": lambda writer, reader: (reader, writer)}),
    ("Behind the record there may be bytes: read() of what it was read from gives them.", {"left": False}),
    ("Bytes that end inside of a number raise IndexError.", {"early": (EOFError,)}),
    ("Bytes that end too early have a reason of their own.", {"early": ()}),
    ("Not every error is an early end: only EOFError and IndexError are.", {"early": (Exception,)}),
)  # fmt: skip


def _why(answer: Any, cases: Sequence[_Case]) -> str:
    """The usual mistake that explains what comes of all cases; "" where none does."""
    known = [case for case in cases if case.due is not None]
    return hint_for(known, lambda case: _asked(answer, case)[1], _comes, _SORT_FAULTS)


# ------------------------------------------------------------------------------------------------------------- 14b

#: A boot, in s.
_BOOT = 1_795_000_000
#: A record as the models of faults have it: (host, ms, boot in s, ticks).
_Short = tuple[str, int, int, int]


def judge_14b(doubts: Any, settings: Settings) -> str:
    """Doubts by hand, for three slacks, and on the cluster those of a fleet."""
    for slack_s in (30, 1, 0):
        _by_hand(doubts, slack_s)
    return _on_the_cluster(doubts)


def _by_hand(doubts: Any, slack: int) -> None:
    stream = Stream(lambda history, **otherwise: _doubted(history, slack, **otherwise), _DOUBT_FAULTS,
                    "hostname, timestamp, reason")  # fmt: skip

    def heard(host: str, after_ms: int, boot: int, ticks: int, reason: str = "") -> None:
        """`after_ms` and `boot` count from `_BOOT`."""
        short = host, 1000 * _BOOT + after_ms, _BOOT + boot, ticks
        want = [[host, short[1], reason]] if reason else []
        said = f"slack_s {slack}, {host} at {short[1]} ms, boot {short[2]} s, {ticks} ticks"
        stream.expect(host, _row(*short), short, want, said)

    before, other, back = "before boot", "another machine", "went back"
    heard("web", -1, 0, 5, before)
    heard("web", 0, 0, 0)
    heard("web", 1_000, 0, 100)
    heard("web", 2_000, 0, 99, back)
    heard("web", 2_500, 0, 100)
    heard("web", 3_000, 0, 101)
    heard("web", 3_000, 0, 90)
    heard("web", 2_999, 0, 90)
    heard("web", 2_999, 0, 150)
    heard("web", 3_001, 0, 100, back)
    heard("db-1", 500_000, 400, 7)
    heard("db/1", 500_000, 450, 70_000)
    heard("web", 104_000, 0, 102)
    heard("web", 104_200, min(slack, 1), 103)
    heard("web", 104_400, 0, 104)
    heard("web", 104_600, slack // 2, 105)
    heard("web", 104_800, 0, 106)
    heard("web", 105_000, slack, 500)
    heard("web", 106_000, 0, 600)
    heard("web", 107_000, -slack - 1, 700, other)
    heard("web", 108_000, -slack, 800)
    heard("web", 109_000, -2 * slack, 900)
    heard("web", 109_500, -3 * slack - 1, 950, other)
    heard("web", 109_600, -2 * slack, 899, back)
    heard("web", 109_700, -2 * slack, 901)
    boot = 1 - slack
    heard("web", 102_000, boot, 3)
    heard("web", 102_500, boot, 4)
    heard("web", 102_400, boot, 100)
    heard("web", 102_600, boot, 3, back)
    heard("web", 120_000, boot - slack - 1, 9, other)
    heard("web", 121_000, boot - slack - 1, 10, other)
    heard("web", 102_000, boot - slack - 1, 11, other)
    heard("web", 130_000, 131, 12, before)
    heard("web", 130_000, boot, 50)
    heard("db-1", 10_000, 20, 5, before)
    heard("db-1", 300_000, 300, 5, other)
    heard("db-1", 1_000_000, 400, 8)
    stream.restart()
    heard("db-1", 1_000_001, 400, 7, back)
    heard("web", 131_000, boot, 49, back)
    heard("web", 132_000, boot - slack - 1, 60, other)
    heard("web", 129_000, boot, 1)
    heard("db/1", 600_000, 450 + slack + 1, 1)
    heard("db/1", 700_000, 450, 80_000, other)
    heard("new", 1_000, 0, 0)
    heard("new", 1_001, 1_000, 0, before)
    heard("new", 1_002, 0, 0)
    stream.judge(lambda: Operator(_operator_of(doubts, slack)))


def _operator_of(doubts: Any, slack_s: int) -> Any:
    return called(doubts, (slack_s,), f"a slack of {slack_s} s", names=("slack_s",))


def _row(*values: Any) -> Any:
    from pyflink.common import Row

    return Row(*values)


def _doubted(
    history: Iterable[Any],
    slack: float,
    *,
    own: Callable[[int, int], bool] = lambda at, boot: at < 1000 * boot,
    slack_is: Callable[[float], float] = lambda slack: slack,
    apart: Callable[[float, float], bool] = lambda distance, slack: distance > slack,
    reboots: str | None = "",
    in_time: bool = False,
    late: Callable[[_Short, _Short], bool] = lambda last, now: now[1] <= last[1],
    back: Callable[[int, int], bool] = lambda before, now: now < before,
    keeps: Callable[[str, bool], bool] = lambda reason, is_late: not reason and not is_late,
    boot: Callable[[_Short, _Short], int] = lambda last, now: now[2],
    key: Callable[[str], str] = lambda host: host,
    first: str = "before boot",
    forgets: bool = False,
    stamp: Callable[[_Short, _Short | None], float] = lambda now, last: now[1],
) -> Iterator[list[Any]]:
    """What comes of each record where one thing is done in another way. Without any it is right."""
    kept: dict[str, _Short] = {}
    slack = slack_is(slack)
    for now in history:
        if now is RESTART:
            kept = {} if forgets else kept
            continue
        last = kept.get(key(now[0]))
        reason, is_late = "before boot" if own(now[1], now[2]) else "", False
        if last is not None and (not reason or first == "another machine"):
            beside, is_late = _beside(last, now, slack, apart, reboots, in_time, late, back)
            reason = beside if first == "another machine" and beside == first else reason or beside
        if keeps(reason, is_late):
            kept[key(now[0])] = (*now[:2], now[2] if last is None else boot(last, now), now[3])
        yield [[now[0], stamp(now, last), reason]] if reason else []


def _beside(
    last: _Short, now: _Short, slack: float, apart: Any, reboots: str | None, in_time: bool, late: Any, back: Any
) -> tuple[str, bool]:
    """(The reason that the last good record gives, whether it is late.)"""
    if now[2] < last[2] and apart(last[2] - now[2], slack):
        return "another machine", False
    if now[2] > last[2] and apart(now[2] - last[2], slack) and reboots is not None:
        return ("", True) if in_time and late(last, now) else (reboots, False)
    if late(last, now):
        return "", True
    return ("went back" if back(last[3], now[3]) else ""), False


def _doubt_fault(hint: str, **otherwise: Any) -> Fault:
    return Fault(hint, otherwise)


_UNIT = "The time is in ms and the boot in s."
_SLACK = "Boots that lie no more than `slack_s` seconds apart are the same boot."
_DOUBT_FAULTS = (
    _doubt_fault(_UNIT, own=lambda at, boot: at < boot),
    _doubt_fault("The time of the boot itself is not before the boot.", own=lambda at, boot: at <= 1000 * boot),
    _doubt_fault(_SLACK, slack_is=lambda slack: 0),
    _doubt_fault("`slack_s` is an argument: it may be another one than 1.", slack_is=lambda slack: 1),
    _doubt_fault("`slack_s` is in seconds, as boots are.", slack_is=lambda slack: 1000 * slack),
    _doubt_fault("`slack_s` is in seconds, as boots are.", slack_is=lambda slack: slack / 1000),
    _doubt_fault("Exactly `slack_s` apart is the same boot still.", apart=lambda distance, slack: distance >= slack > 0
                 or distance > slack),
    _doubt_fault("A boot that is newer is a reboot, and good.", reboots="another machine"),
    _doubt_fault("After a reboot time and ticks begin anew: that record is good.", reboots=None),
    _doubt_fault("A reboot is good whatever its time: it is not late.", in_time=True),
    _doubt_fault("What is in doubt is not kept: the next record is compared with the last good one.",
                 keeps=lambda reason, is_late: not is_late),
    _doubt_fault("What is in doubt is not kept: the next record is compared with the last good one.",
                 keeps=lambda reason, is_late: True),
    _doubt_fault("A record whose time is before its boot is in doubt too, and not kept.",
                 keeps=lambda reason, is_late: reason in ("", "before boot") and not is_late),
    _doubt_fault("A late record changes nothing: the next one is compared with the last good one.",
                 keeps=lambda reason, is_late: not reason),
    _doubt_fault("A record that is not newer is late. That it has fewer ticks is no wonder, and no doubt.",
                 late=lambda last, now: False),
    _doubt_fault("A record of the same time as the last good one is late, too.",
                 late=lambda last, now: now[1] < last[1]),
    _doubt_fault("As many ticks as before have not gone back.", back=lambda before, now: now <= before),
    _doubt_fault("The boot of the last good record counts, not the newest of all.",
                 boot=lambda last, now: max(last[2], now[2])),
    _doubt_fault("It was compared with a record of another host.", key=lambda host: ""),
    _doubt_fault("The first reason that holds counts: what a record says of itself comes first.",
                 first="another machine"),
    _doubt_fault("After the restart the last good record was not known any more: it belongs in state, got in open.",
                 forgets=True),
    _doubt_fault("That is the time of the last good record; the one in doubt is asked for.",
                 stamp=lambda now, last: last[1] if last else now[1]),
    _doubt_fault("The timestamp is in ms, as in the record.", stamp=lambda now, last: now[1] / 1000),
    _doubt_fault("The timestamp is in ms, as in the record.", stamp=lambda now, last: now[1] // 1000),
)  # fmt: skip

_HOSTS, _SECONDS, _START_MS = 4, 20, 1_795_168_800_000


def _on_the_cluster(doubts: Any) -> str:
    own = begin("14", say=lambda _: None, suffix=_SUFFIX, start=Start.TOPICS, checkpoint_interval_s=1, partitions=1)
    sent = list(_fleet())
    rows = _doubted([(one.hostname, one.timestamp, one.btime, _ticks(one)) for one in sent], 1)
    want = [row for some in rows for row in some]

    def attach(raw: Any) -> Any:
        from pyflink.common import Row, Types

        def short(pair: Any) -> Any:
            _, one = pair
            return Row(one.hostname, one.timestamp, one.btime, _ticks(one))

        kinds = Types.ROW([Types.STRING(), Types.LONG(), Types.LONG(), Types.LONG()])
        keyed = decoded(own, raw).map(short, kinds).key_by(lambda row: row[0], Types.STRING())
        return keyed.process(_operator_of(doubts, 1), Types.PICKLED_BYTE_ARRAY())

    produce(own.flow, sent)
    found = on_cluster(own, "doubts", attach, len(want))
    if sorted(found) != sorted(want):
        extra, missing = [one for one in found if one not in want], [one for one in want if one not in found]
        said = f"{extra[0]} is one too many" if extra else f"{missing[0]} is missing" if missing else "one came twice"
        raise NotYet(f"By hand it was right. On the cluster there were {len(found)} doubts of {len(want)}: {said}.", "")
    return f"{len(found)} records of {_HOSTS} hosts in doubt on the cluster, of {len(sent)}."


def _fleet() -> Iterator[Snapshot]:
    """Of four hosts one is well; one sends seconds, one shares its name, and one counts backwards once."""
    fleet = FleetSource(_HOSTS, 2, 14, Scenario(), interval_s=1.0, start_ms=_START_MS, seconds=_SECONDS)
    for place, one in enumerate(fleet):
        second, host = divmod(place, _HOSTS)
        if host == 1 and second % 3 == 2:
            yield replace(one, timestamp=one.timestamp // 1000)
        elif host == 2 and second % 2:
            yield replace(one, btime=one.btime - 5_000)
        elif host == 3 and second == 12:
            yield replace(one, cpus=tuple(cpu._replace(idle=cpu.idle // 2) for cpu in one.cpus))
        else:
            yield one


def _ticks(one: Snapshot) -> int:
    return sum(one.cpus[0][1:9])


JUDGES = {"14a": judge_14a, "14b": judge_14b}
