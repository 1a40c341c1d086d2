"""Dead letters on single values: what can be read of them, which repair is obvious, and the file a person edits."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from labkit.dead_letters.avro_bytes import read_what_can_be
from labkit.dead_letters.file import export, read_edited
from labkit.dead_letters.letters import DeadLetter, Diagnoser, Diagnosis
from labkit.dead_letters.view import letter_lines, letters_table
from labkit.errors import BadInput
from labkit.kafka.avro import DeserializationError, Schema, SnapshotCodec
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from tests.support.avro_examples import (
    CODEC,
    CORRUPT,
    HEADER,
    HOSTILE,
    REGISTERED,
    SCHEMA,
    SCHEMA_ID,
    SOMETHING_ELSE,
    TINY,
    TWO_CPUS,
    V2,
    V2_ID,
    written_with_v2,
)
from tests.support.strategies import snapshots

PARSED = fastavro.parse_schema(SCHEMA)
WHOLE = CODEC.encode(TWO_CPUS, SCHEMA_ID)
EXAMINER = Diagnoser(PROCSTAT, SCHEMA, REGISTERED.get)


def letter_of(value: bytes | None, reason: str = "", key: bytes | None = b"host1") -> DeadLetter:
    """The letter that the enrichment writes about `value`."""
    kind = ""
    if not reason:
        try:
            CODEC.decode(value)
        except DeserializationError as why:
            reason, kind = str(why), str(why.kind)
    headers = {"reason": reason, "kind": kind, "topic": "procstat_snapshots", "partition": "2", "offset": "1234"}
    return DeadLetter(
        "procstat_dead_letters", 17, "procstat_snapshots/2/1234", key, value, reason, 1_764_000_000_000,
        tuple(headers.items()),
    )  # fmt: skip


def examined(value: bytes | None) -> Diagnosis:
    return EXAMINER.examine(letter_of(value))


def test_a_repair_has_the_records_own_headers_but_for_those_that_name_a_framing() -> None:
    own = (("reason", b"mine"), ("trace-id", b"\xff"), ("__value_schema_id", bytes(17)), ("apicurio.value.id", b"7"))
    repair = EXAMINER.repair(replace(letter_of(WHOLE + b"left over"), own_headers=own))
    assert repair is not None
    assert repair.headers == (("reason", b"mine"), ("trace-id", b"\xff"))


# --- what can be read of damaged bytes


@given(snapshots())
def test_a_whole_body_is_read_as_fastavro_reads_it(snapshot: Snapshot) -> None:
    value = CODEC.encode(snapshot, SCHEMA_ID)
    read = read_what_can_be(value, len(HEADER), PARSED)
    assert (read.end, read.broke) == (len(value), "")
    assert read.value == fastavro.schemaless_reader(io.BytesIO(value[len(HEADER) :]), SCHEMA, None)


EVERYTHING: Schema = {
    "type": "record", "name": "Everything", "namespace": "test", "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "nothing", "type": "null"},
        {"name": "small", "type": "int"},
        {"name": "half", "type": "float"},
        {"name": "double", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "fixed", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "again", "type": "Four"},
        {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}},
        {"name": "maybe", "type": ["null", "long", {"type": "array", "items": "string"}]},
        {"name": "named", "type": {"type": "map", "values": {"type": "record", "name": "Point", "fields": [
            {"name": "x", "type": "long"}, {"name": "next", "type": ["null", "Point"]}]}}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}  # fmt: skip
EVERYTHING_IN_IT: dict[str, Any] = {
    "flag": True, "nothing": None, "small": -5, "half": 0.5, "double": -2.25, "raw": b"\x00\xff", "fixed": b"abcd",
    "again": b"efgh", "suit": "SPADES", "maybe": ["a", "ü"], "named": {"p": {"x": 1, "next": {"x": 2, "next": None}}},
    "at": 1_764_000_000_000,
}  # fmt: skip


def test_every_type_of_avro_is_read() -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, EVERYTHING, EVERYTHING_IN_IT)
    read = read_what_can_be(out.getvalue(), 0, fastavro.parse_schema(EVERYTHING))
    assert (read.value, read.end, read.broke) == (EVERYTHING_IN_IT, len(out.getvalue()), "")
    for length in range(len(out.getvalue())):
        assert read_what_can_be(out.getvalue()[:length], 0, fastavro.parse_schema(EVERYTHING)).broke


def test_of_a_truncated_body_everything_before_the_cut_is_read_and_the_field_that_broke_is_named() -> None:
    for length in range(len(HEADER), len(WHOLE)):
        read = read_what_can_be(WHOLE[:length], len(HEADER), PARSED)
        assert read.broke
        assert read.end <= length
    names = list(fastavro.schemaless_reader(io.BytesIO(WHOLE[len(HEADER) :]), SCHEMA, None))
    read = read_what_can_be(WHOLE[:-1], len(HEADER), PARSED)
    assert list(read.value) == names[:-1]
    assert read.broke == "procs_blocked: the bytes end before it"


def test_inside_a_list_the_item_and_its_field_are_named() -> None:
    cut = WHOLE[: WHOLE.index(b"cpu0") + 2]
    read = read_what_can_be(cut, len(HEADER), PARSED)
    assert read.broke == "cpus[1].id: 4 bytes are promised, 2 are left"
    assert read.value["cpus"] == [TWO_CPUS.cpus[0]._asdict(), {}]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_break_and_never_fail(body: bytes) -> None:
    read = read_what_can_be(body, 0, PARSED)
    assert 0 <= read.end <= len(body)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_promises_of_a_trillion_items_break_at_once(value: bytes) -> None:
    begin = time.monotonic()
    assert read_what_can_be(value, len(HEADER), PARSED).broke
    assert time.monotonic() - begin < 1


def test_a_record_that_holds_itself_breaks_and_does_not_hang() -> None:
    endless = {"type": "record", "name": "Endless", "fields": [{"name": "me", "type": "Endless"}]}
    assert "without an end" in read_what_can_be(b"x", 0, fastavro.parse_schema(endless)).broke


# --- what an examination says, kind by kind


def repaired(value: bytes | None) -> tuple[Snapshot, str] | None:
    found = EXAMINER.repair(letter_of(value))
    if found is None:
        return None
    assert CODEC.decode(found.value) == found.snapshot, "what is sent can be read"
    return found.snapshot, found.what


REPAIRED: dict[str, tuple[Snapshot, str]] = {
    "trailing bytes": (TWO_CPUS, "3 left-over bytes cut off"),
    "a cpu twice": (TINY, "CPU cpu kept once, its counters being the same each time"),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_only_what_has_one_obvious_repair_is_repaired(kind: str) -> None:
    assert repaired(CORRUPT[kind][0]) == REPAIRED.get(kind)


@pytest.mark.parametrize("kind", CORRUPT)
def test_every_kind_can_be_examined_and_shown(kind: str) -> None:
    examination = examined(CORRUPT[kind][0])
    assert examination.still == examination.letter.reason
    text = "\n".join(letter_lines(examination, {}))
    assert CORRUPT[kind][1] in text
    assert "procstat_snapshots/2/1234" in text
    assert ("--repair" in text) == (kind in REPAIRED)


def test_a_record_that_breaks_only_a_rule_of_ours_is_read_whole() -> None:
    examination = examined(CORRUPT["a negative counter"][0])
    assert examination.read is not None
    assert (examination.read.broke, examination.of_ours, examination.guessed) == ("", True, False)
    assert examination.read.value["cpus"][0]["idle"] == -1


def test_bytes_left_over_lie_after_the_record() -> None:
    value = CORRUPT["trailing bytes"][0]
    assert value is not None
    read = examined(value).read
    assert read is not None
    assert (value[read.end :], read.broke) == (b"abc", "")
    assert "3 bytes left over" in "\n".join(letter_lines(examined(value), {}))


def test_two_megabytes_after_a_snapshot_are_cut_off() -> None:
    assert repaired(WHOLE + bytes(2**21)) == (TWO_CPUS, f"{2**21} left-over bytes cut off")


def test_a_cpu_twice_with_other_counters_is_left_to_a_person() -> None:
    twice = (TINY.cpus[0], TINY.cpus[0]._replace(user=99))
    assert repaired(CODEC.encode(replace(TINY, cpus=twice), SCHEMA_ID)) is None


def test_a_cpu_twice_and_left_over_bytes_are_repaired_together() -> None:
    value = CODEC.encode(replace(TWO_CPUS, cpus=TWO_CPUS.cpus + TWO_CPUS.cpus[1:]), SCHEMA_ID) + b"\x00"
    expected = "1 left-over bytes cut off and CPU cpu0, cpu1 kept once, its counters being the same each time"
    assert repaired(value) == (TWO_CPUS, expected)


def test_two_faults_of_which_one_has_no_repair_are_left_to_a_person() -> None:
    negative = replace(TINY, cpus=(TINY.cpus[0]._replace(idle=-1),) * 2)
    assert repaired(CODEC.encode(negative, SCHEMA_ID) + b"x") is None


def test_a_record_whose_schema_is_registered_by_now_is_sent_as_it_is() -> None:
    value = CODEC.encode(TINY, 99)
    letter = letter_of(value)
    assert letter.schema_was_unknown
    assert EXAMINER.repair(letter) is None
    later = Diagnoser(PROCSTAT, SCHEMA, {99: SCHEMA}.get)
    examination = later.examine(letter)
    assert examination.still == ""
    assert examination.repair is not None
    assert examination.repair.value == value
    assert "by now     it can be read" in list(letter_lines(examination, {}))


def test_a_repair_keeps_the_schema_that_the_record_was_written_with() -> None:
    value = written_with_v2(TINY, "6.18.2")
    twice = written_with_v2(replace(TINY, cpus=TINY.cpus * 2), "6.18.2")
    diagnoser = Diagnoser(PROCSTAT, SCHEMA, {V2_ID: V2}.get)
    for broken in (value + b"abc", twice):
        repair = diagnoser.repair(letter_of(broken, "broken"))
        assert repair is not None
        assert repair.value == value


@pytest.mark.parametrize("value", [CODEC.encode(TWO_CPUS, 99), b"\x01" + WHOLE[1:]], ids=["unknown id", "magic"])
def test_a_snapshot_in_a_wrong_frame_is_shown_as_a_guess_and_not_repaired(value: bytes) -> None:
    examination = examined(value)
    assert examination.guessed
    assert examination.read is not None
    assert examination.read.value["hostname"] == "host1"
    assert examination.repair is None
    assert "Read as if it were a snapshot, which the frame does not say:" in list(letter_lines(examination, {}))


def test_a_record_of_another_schema_is_shown_with_its_own_fields() -> None:
    weather = {**SOMETHING_ELSE, "fields": [{"name": "rain_mm", "type": "long"}]}
    diagnoser = Diagnoser(PROCSTAT, SCHEMA, {8: weather}.get)
    examination = diagnoser.examine(letter_of(bytes([0, 0, 0, 0, 8, 6])))
    lines = list(letter_lines(examination, {}))
    assert "Read as local.Weather:" in lines
    assert "  rain_mm        3" in lines


def test_the_registry_is_asked_once_an_id_whatever_is_examined() -> None:
    asked: list[int] = []
    diagnoser = Diagnoser(PROCSTAT, SCHEMA, lambda schema_id: asked.append(schema_id) or REGISTERED.get(schema_id))
    for value in (WHOLE + b"x", WHOLE[:-1], CODEC.encode(TINY, 99), CODEC.encode(TINY, 99)):
        diagnoser.examine(letter_of(value))
    assert asked == [SCHEMA_ID, 99]


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda body: HEADER + body))
def test_any_bytes_can_be_examined_and_shown(value: bytes) -> None:
    assert list(letter_lines(EXAMINER.examine(letter_of(value, "some reason")), {}))


def test_what_strangers_wrote_is_not_obeyed_by_a_terminal() -> None:
    letter = letter_of(b"x", "\x1b[2J[red]boo[/]", key=b"\x1b]0;title\x07\xff")
    console = Console(file=io.StringIO(), width=300, force_terminal=False)
    console.print(letters_table([letter], {}))
    shown = console.file.getvalue() + "\n".join(letter_lines(EXAMINER.examine(letter), {}))  # type: ignore[attr-defined]
    assert "\x1b" not in shown
    assert "[red]boo[/]" in shown


def test_what_came_without_a_frame_is_shown_as_text_where_it_is_one() -> None:
    assert 'As text: {"hostname": "host1"}' in list(letter_lines(examined(CORRUPT["json"][0]), {}))
    assert not [line for line in letter_lines(examined(b"\xff\xfe"), {}) if line.startswith("As text")]


def test_one_letter_says_where_its_repair_went() -> None:
    (*_, last) = letter_lines(examined(WHOLE + b"abc"), {"procstat_snapshots/2/1234": "procstat_snapshots/2/1300"})
    assert last == "Its repair was sent to procstat_snapshots/2/1300."


def test_the_table_says_where_each_came_from_why_and_where_its_repair_went() -> None:
    console = Console(file=io.StringIO(), width=300)
    rows = [letter_of(WHOLE + b"abc"), replace(letter_of(None), number=19, came_from="", key=None)]
    console.print(letters_table(rows, {"procstat_snapshots/2/1234": "procstat_snapshots/2/1300"}))
    _, first, second = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    words = ["17", "2025-11-24 16:00:00", "procstat_snapshots/2/1234", "host1", str(len(WHOLE) + 3)]
    words += ["3 bytes are left over", "procstat_snapshots/2/1300"]
    assert all(word in first for word in words)
    assert second.split() == ["19", "2025-11-24", "16:00:00", "–", "null", "null", "the", "value", "is", "null"]


# --- the file that a person edits


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "letter-17.json"


def read_back(file: Path, letter: DeadLetter) -> tuple[Snapshot, bytes]:
    def find(number: int) -> DeadLetter:
        assert number == letter.number
        return letter

    repair = read_edited(file, find, PROCSTAT, SCHEMA, lambda: SCHEMA_ID)
    assert (repair.number, repair.key, repair.came_from) == (17, letter.key, letter.came_from)
    return repair.snapshot, repair.value


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    given = json.loads(file.read_text())
    change(given)
    file.write_text(json.dumps(given))


def test_an_exported_letter_comes_back_once_its_fault_is_edited_away(file: Path) -> None:
    examination = examined(CODEC.encode(replace(TWO_CPUS, ctxt=-1), SCHEMA_ID))
    export(examination, SCHEMA, file)
    with pytest.raises(BadInput, match=r"negative counter.*Nothing was sent"):
        read_back(file, examination.letter)
    edit(file, lambda given: given["snapshot"].update(ctxt=70_000))
    assert read_back(file, examination.letter) == (TWO_CPUS, WHOLE)


def test_of_a_truncated_letter_the_rest_is_to_be_filled_in(file: Path) -> None:
    examination = examined(WHOLE[: WHOLE.index(b"cpu1") + 4])
    export(examination, SCHEMA, file)
    snapshot = json.loads(file.read_text())["snapshot"]
    assert [cpu["id"] for cpu in snapshot["cpus"]] == ["cpu", "cpu0", "cpu1"]
    assert snapshot["btime"] is None
    with pytest.raises(BadInput, match=r"snapshot\.cpus\[2\]\.user is missing"):
        read_back(file, examination.letter)


@pytest.mark.parametrize("value", [None, b"", b'{"hostname": "x"}', HEADER])
def test_a_letter_without_anything_to_read_gives_an_empty_form_with_its_key(value: bytes | None, file: Path) -> None:
    export(examined(value), SCHEMA, file)
    snapshot = json.loads(file.read_text())["snapshot"]
    assert list(snapshot) == [field["name"] for field in SCHEMA["fields"]]
    assert {name: value for name, value in snapshot.items() if value is not None} == {"hostname": "host1"}


def test_each_cpu_is_a_line_of_the_file(file: Path) -> None:
    export(examined(CODEC.encode(replace(TWO_CPUS, ctxt=-1), SCHEMA_ID)), SCHEMA, file)
    lines = [line for line in file.read_text().splitlines() if '"id"' in line]
    assert len(lines) == len(TWO_CPUS.cpus)


def test_a_file_that_is_there_is_not_written_over(file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(BadInput, match="there already"):
        export(examined(b"x"), SCHEMA, file)
    assert file.read_text() == "mine"
    with pytest.raises(BadInput, match="cannot be written"):
        export(examined(b"x"), SCHEMA, file / "below")


def a_cpu(**values: Any) -> dict[str, Any]:
    return {**CpuTimes("cpu", 1, 2, 3, 4)._asdict(), **values}


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no snapshot": (lambda given: given.pop("snapshot"), "snapshot has to be an object with hostname"),
    "a list": (lambda given: given.update(snapshot=[]), "snapshot has to be an object"),
    "a field too many": (lambda given: given["snapshot"].update(uptime=3), "snapshot.uptime is no field of it"),
    "a field too few": (lambda given: given["snapshot"].pop("btime"), "snapshot.btime is missing"),
    "a text": (lambda given: given["snapshot"].update(ctxt="many"), "snapshot.ctxt has to be a whole number"),
    "a fraction": (lambda given: given["snapshot"].update(ctxt=1.5), "snapshot.ctxt has to be a whole number"),
    "true": (lambda given: given["snapshot"].update(ctxt=True), "snapshot.ctxt has to be a whole number"),
    "too large": (lambda given: given["snapshot"].update(ctxt=2**63), "snapshot.ctxt has to be a whole number"),
    "a number": (lambda given: given["snapshot"].update(hostname=5), "snapshot.hostname has to be a text"),
    "half a character": (lambda given: given["snapshot"].update(hostname="\ud800"), "surrogates"),
    "no list": (lambda given: given["snapshot"].update(intr=5), "snapshot.intr has to be a list"),
    "null in a list": (lambda given: given["snapshot"].update(intr=[1, None]), "snapshot.intr[1] has to be"),
    "no cpus": (lambda given: given["snapshot"].update(cpus=[]), "no CPUs"),
    "a cpu twice": (lambda given: given["snapshot"].update(cpus=[a_cpu(), a_cpu()]), "more than once"),
    "a negative": (lambda given: given["snapshot"].update(cpus=[a_cpu(user=-1)]), "negative counter"),
    "a cpu's column": (lambda given: given["snapshot"].update(cpus=[a_cpu(usr=1)]), "cpus[0].usr is no field"),
    "no letter": (lambda given: given.pop("dead_letter"), "does not say which dead letter"),
    "a letter by name": (lambda given: given.update(dead_letter="mine"), "does not say which dead letter"),
    "a huge number": (lambda given: given.update(dead_letter="x/0/" + "9" * 30), "does not say which dead letter"),
    "another topic": (lambda given: given.update(dead_letter="other/0/17"), "is not there now"),
    "another record": (lambda given: given.update(came_from="procstat_snapshots/0/1"), "is not there now"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_one_sentence(change: Callable[[dict[str, Any]], object], words: str, file: Path) -> None:
    examination = examined(CODEC.encode(replace(TINY, ctxt=-1), SCHEMA_ID))
    export(examination, SCHEMA, file)
    edit(file, lambda given: given["snapshot"].update(ctxt=1))
    edit(file, change)
    with pytest.raises(BadInput) as caught:
        read_back(file, examination.letter)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "[" * 100_000, '{"a": NaN'], ids=range(6))
def test_a_file_that_is_no_exported_letter_is_one_sentence(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(BadInput, match=r"is not JSON|is not an exported dead letter"):
        read_back(file, letter_of(b"x"))


def test_a_file_that_cannot_be_read_is_one_sentence(file: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_back(file, letter_of(b"x"))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is not JSON"):
        read_back(file, letter_of(b"x"))


@given(snapshots())
def test_any_snapshot_survives_the_file(tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot) -> None:
    file = tmp_path_factory.mktemp("letters") / "letter.json"
    value = CODEC.encode(snapshot, SCHEMA_ID)
    examination = EXAMINER.examine(letter_of(value, "a reason"))
    export(examination, SCHEMA, file)
    assert read_back(file, examination.letter) == (SnapshotCodec(PROCSTAT, SCHEMA, REGISTERED.get).decode(value), value)
