"""Dead letters and schema evolution on the real services: kept with their reason, shown, repaired, sent once."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import fastavro
import pandas as pd
import pytest
from confluent_kafka import Producer

from labkit.dead_letters.letters import DeadLetter, diagnoser, letters
from labkit.dead_letters.resend import CAME_FROM, REPAIRED_FROM, resend, send_repairs
from labkit.errors import BadInput
from labkit.flink.rest import FlinkRest
from labkit.kafka.avro import ASK_AGAIN_S, Schema, SnapshotCodec, Unreadable, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce, register_snapshot_schema
from labkit.kafka.registry import Registry, RegistryUnavailable
from labkit.kafka.topics import MAX_DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES
from labkit.lab import services
from labkit.pipeline.run import prepare
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import Verdict
from labkit.system.own_http import request
from tests.support.feeds import hosts, shares_by_pandas
from tests.support.labs import Labkit
from tests.support.pipelines import both_jobs_of, finish, idle, rows_of
from tests.support.records import corrupt_values, count_letters, framed, new_letters, send_raw, v1
from tests.support.waiting import wait_for

EXAMPLES = REPOSITORY / "schemas" / "examples"
V2: Schema = json.loads((EXAMPLES / "procstat_snapshot.v2.avsc").read_text())
WITHOUT_DEFAULT: Schema = json.loads((EXAMPLES / "procstat_snapshot.v2-without-default.avsc").read_text())


def wider(name: str) -> Schema:
    """Version 2 and one more field: the registry knows schemas by their fields, not by what they say of them."""
    return {**V2, "fields": [*V2["fields"], {"name": name, "type": "long", "default": 0}]}


@pytest.fixture(scope="module")
def ready(lab: Settings) -> Settings:
    """The lab, with topics and schema there and no job at work."""
    return idle(lab)


@pytest.fixture
def at_work(ready: Settings) -> Iterator[Settings]:
    """Both jobs at work; a test that passes has ended them with `finish`."""
    with both_jobs_of(ready) as lab:
        yield lab


# --- every kind, with its reason and its position


def test_every_kind_of_corrupt_record_is_a_letter_with_its_reason_and_position_and_the_others_are_enriched(
    at_work: Settings,
) -> None:
    every_kind_beside_sound_ones(at_work)


def every_kind_beside_sound_ones(at_work: Settings) -> None:
    """Send a record of every kind, and sound ones between them, to the jobs that are at work; look at what comes."""
    known = count_letters(at_work)
    valid = hosts(["beset"], 20, seed=21)
    kinds: dict[str, bytes | None] = {**corrupt_values(at_work, valid[0]), "is null": None}
    assert len(kinds) == 14
    sound = iter(v1(at_work, snapshot) for snapshot in valid)
    records: list[tuple[bytes | None, bytes | None]] = [(b"beset", next(sound))]
    for value in kinds.values():
        records += [(b"beset", value), (b"beset", next(sound))]
    records += [(b"beset", value) for value in sound]
    positions = send_raw(at_work, records)
    finish(at_work)
    found = new_letters(at_work, known)
    for letter, (words, value) in zip(found, kinds.items(), strict=True):
        assert words in letter.reason
        assert letter.key == b"beset"
        assert (letter.value or b"") == (value or b""), words
        assert letter.came_from == positions[records.index((b"beset", value))]
    assert [letter.value for letter in found if letter.reason == "the value is null"] == [None]
    pd.testing.assert_frame_equal(rows_of(at_work, {"beset"}), shares_by_pandas(valid))


def test_the_largest_record_that_kafka_takes_and_one_without_a_key_are_letters_too(at_work: Settings) -> None:
    known = count_letters(at_work)
    largest = bytes(MAX_MESSAGE_BYTES - 120)
    records: list[tuple[bytes | None, bytes | None]] = [
        (b"large", largest),
        (None, b"no key"),
        (None, None),
        (b"", b""),
    ]
    positions = send_raw(at_work, records)
    finish(at_work)
    found = {letter.came_from: letter for letter in new_letters(at_work, known)}
    assert set(found) == set(positions)
    assert found[positions[0]].value == largest
    assert len(largest) < MAX_MESSAGE_BYTES < MAX_DEAD_LETTER_BYTES
    assert "are too many for a snapshot" in found[positions[0]].reason
    assert (found[positions[1]].key, found[positions[1]].value) == (None, b"no key")
    assert (found[positions[2]].key, found[positions[2]].value) == (None, None)


# --- shown, repaired, sent again


#: What its sender wrote beside each record; one has the name of a header of a dead letter.
OWN = {"trace-id": b"\xff\x00", "reason": b"a reading"}


@pytest.fixture
def broken(at_work: Settings) -> dict[str, DeadLetter]:
    """Letters of hosts whose other snapshots are good: {host: letter}."""
    feeds = feeds_to_break()
    known = count_letters(at_work)
    records = []
    for host, (before, fault, after) in feeds.items():
        key = b"somebody-else" if host == "mixed-up" else host.encode()
        value = v1(at_work, fault)
        if host not in ("edited", "doubled"):
            value += b"left over"
        records += [(host.encode(), v1(at_work, one)) for one in before]
        records.append((key, value))
        records += [(host.encode(), v1(at_work, one)) for one in after]
    send_raw(at_work, records, OWN)
    wait_for(lambda: count_letters(at_work) == known + len(feeds), 60)
    schema = read_schema(at_work.schema_dir, PROCSTAT)
    found = {}
    for letter in new_letters(at_work, known):
        body = io.BytesIO((letter.value or b"")[5:])
        found[fastavro.schemaless_reader(body, schema, None)["hostname"]] = letter
    assert set(found) == set(feeds)
    return found


def feeds_to_break() -> dict[str, tuple[list[Snapshot], Snapshot, list[Snapshot]]]:
    """{host: (good ones before, the one that is broken, good ones after)}."""
    names = ["newest", "late", "edited", "doubled", "booted", "mixed-up"]
    feed = {name: [one for one in hosts(names, 3, seed=22) if one.hostname == name] for name in names}
    doubled = feed["doubled"][1]
    negative = replace(feed["edited"][1], ctxt=-1)
    booted = replace(feed["booted"][2], btime=feed["booted"][2].btime + 1000)
    return {
        "newest": (feed["newest"][:1], feed["newest"][1], []),
        "late": (feed["late"][:1], feed["late"][1], feed["late"][2:]),
        "edited": (feed["edited"][:1], negative, []),
        "doubled": (feed["doubled"][:1], replace(doubled, cpus=doubled.cpus + doubled.cpus[:1]), []),
        "booted": (feed["booted"][:1], feed["booted"][1], [booted]),
        "mixed-up": (feed["mixed-up"][:1], feed["mixed-up"][1], []),
    }


def headers_of(settings: Settings, position: str) -> Mapping[str, bytes]:
    topic, partition, offset = position.split("/")
    for record in read_topic(settings.kafka_bootstrap, topic, {int(partition): int(offset)}):
        if (record.partition(), record.offset()) == (int(partition), int(offset)):
            return dict(record.headers() or [])
    raise AssertionError(position)


def test_letters_are_shown_repaired_and_sent_again_once_each(
    at_work: Settings, broken: dict[str, DeadLetter], labkit: Labkit, tmp_path: Path
) -> None:
    def number(host: str) -> str:
        return str(broken[host].number)

    table = labkit("dead-letters")
    assert table.returncode == 0, table.stderr
    for letter in broken.values():
        (row,) = [line for line in table.stdout.splitlines() if line.split()[0] == str(letter.number)]
        assert letter.came_from in row
        assert letter.reason in row
    shown = labkit("dead-letters", number("newest")).stdout
    for words in ("9 bytes left over", 'hostname       "newest"', "schema id", "--repair"):
        assert words in shown

    # newer than every other: metrics
    sent = labkit("dead-letters", number("newest"), "--repair")
    assert sent.returncode == 0, sent.stderr
    assert "9 left-over bytes cut off, sent to procstat_snapshots/" in sent.stdout
    assert "it gives metrics" in sent.stdout
    position = sent.stdout.split("sent to ")[1].split(";")[0]
    assert headers_of(at_work, position) == {
        **OWN,
        REPAIRED_FROM: f"procstat_dead_letters/0/{number('newest')}".encode(),
        CAME_FROM: broken["newest"].came_from.encode(),
    }
    again = labkit("dead-letters", number("newest"), "--repair")
    assert (again.returncode, again.stdout, len(again.stderr.splitlines())) == (2, "", 1)
    assert f"sent before, to {position}" in again.stderr
    assert f"Its repair was sent to {position}." in labkit("dead-letters", number("newest")).stdout

    # no obvious repair: a file, which is checked
    refused = labkit("dead-letters", number("edited"), "--repair")
    assert refused.returncode == 2
    assert f"labkit dead-letters {number('edited')} --export" in refused.stderr
    file = tmp_path / "letter.json"
    assert labkit("dead-letters", number("edited"), "--export", str(file)).returncode == 0
    wrong = labkit("dead-letters", "--resend", str(file))
    assert (wrong.returncode, wrong.stdout, len(wrong.stderr.splitlines())) == (2, "", 1)
    assert "negative counter" in wrong.stderr
    assert "Nothing was sent" in wrong.stderr
    file.write_text(file.read_text().replace('"ctxt": -1', '"ctxt": 0'))
    edited = labkit("dead-letters", "--resend", str(file))
    assert edited.returncode == 0, edited.stderr
    assert "it gives metrics" in edited.stdout
    assert labkit("dead-letters", "--resend", str(file)).returncode == 2

    # all that is left
    rest = labkit("dead-letters", "--repair")
    assert rest.returncode == 0, rest.stderr
    lines = {line.split(":")[0]: line for line in (rest.stdout + rest.stderr).splitlines()}
    for host, words in {
        "late": "newer snapshots of late are there already: it will be counted as rejected",
        "doubled": "CPU cpu kept once",
        "booted": "not sent: booted was booted since then",
        "mixed-up": "not sent: its key is somebody-else, the snapshot is of mixed-up",
    }.items():
        assert words in lines[f"dead letter {number(host)}"]
    assert f"dead letter {number('newest')}" not in lines
    nothing_new = labkit("dead-letters", "--repair")
    assert nothing_new.stdout.startswith("0 sent")

    rejected = finish(at_work).verdicts[Verdict.REJECTED]
    assert rejected >= 1
    expected = [
        one
        for host, (before, fault, after) in feeds_to_break().items()
        for one in (
            [*before, replace(fault, ctxt=0), *after]
            if host in ("newest", "edited")
            else [*before, replace(fault, cpus=fault.cpus[:-1])]
            if host == "doubled"
            else [*before, *after]
        )
        if host != "booted"
    ]
    names = {"newest", "late", "edited", "doubled", "mixed-up"}
    pd.testing.assert_frame_equal(rows_of(at_work, names), shares_by_pandas(expected))
    assert rows_of(at_work, {"booted"}).empty


BAD = {
    "99999999": "no dead letter 99999999",
    "--resend nowhere.json": "cannot be read",
    "99999999 --repair": "no dead letter 99999999",
    "--export x.json": "--export is for one letter",
    "17 --export x.json --repair": "--export and --repair do not go together",
    "17 --resend x.json": "goes with nothing else",
    "17 --all": "--all is for the table",
    "-1": "-1",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_sentence(ready: Settings, words: str, labkit: Labkit) -> None:
    done = labkit("dead-letters", *words.split())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert BAD[words] in done.stderr


# --- schema ids, known late or while the registry is away


@pytest.fixture
def apart(ready: Settings) -> Settings:
    """Topics of their own, which no job reads: a schema that is registered late would not fit the jobs' account."""
    names = {f"{name}_topic": f"apart_{name}" for name in ("snapshots", "metrics", "dead_letters")}
    settings = load_settings(**names)
    prepare(settings)
    return settings


def test_a_letter_whose_schema_is_registered_later_is_sent_as_it_is_once_every_job_has_forgotten(
    apart: Settings,
) -> None:
    registry = Registry.of(apart.flow)
    subject = apart.flow.subject
    latest = registry.register(subject, wider("to_see_the_latest_id"))
    (snapshot,) = hosts(["registered-late"], 1, seed=23)
    value = framed(snapshot, wider("registered_late"), latest + 1, kernel="6.18.2")
    (position,) = send_raw(apart, [(b"registered-late", value)])
    topic, partition, offset = position.split("/")
    producer = Producer({"bootstrap.servers": apart.kafka_bootstrap})
    headers = {
        "reason": f"schema id {latest + 1} is not in the registry",
        "kind": Unreadable.UNKNOWN_SCHEMA.value,
        "topic": topic,
        "partition": partition,
        "offset": offset,
    }
    producer.produce(apart.dead_letters_topic, key=b"registered-late", value=value, headers=headers)
    producer.flush()
    (letter,) = letters(apart.flow)
    assert diagnoser(apart.flow).examine(letter).still == letter.reason
    with pytest.raises(BadInput, match="has no obvious repair"):
        send_repairs(apart, letter.number)

    assert registry.register(subject, wider("registered_late")) == latest + 1
    repair = diagnoser(apart.flow).repair(letter)
    assert repair is not None
    assert repair.value == value
    with pytest.raises(BadInput, match=r"may take its schema for unknown for another \d+ s"):
        resend(apart, [repair], all_or_none=True)
    (outcome,) = resend(apart, [repair], all_or_none=True, now_s=lambda: time.time() + 61)
    assert outcome.words == "registered-late begins with it: the next snapshot gives metrics"
    sent = list(read_topic(apart.kafka_bootstrap, apart.snapshots_topic))[-1]
    assert (sent.value(), sent.key()) == (value, b"registered-late")
    assert sent.timestamp()[1] == snapshot.timestamp


def test_a_schema_that_is_registered_late_is_seen_by_the_job_and_the_letters_before_stay_right(
    at_work: Settings,
) -> None:
    known = count_letters(at_work)
    registry = Registry.of(at_work.flow)
    late_id = registry.register(at_work.flow.subject, wider("the_latest")) + 1
    feed = hosts(["early"], 3, seed=27)
    send_raw(at_work, [(b"early", framed(feed[0], wider("registered_after"), late_id, kernel=""))])
    wait_for(lambda: count_letters(at_work) == known + 1, 60)
    assert registry.register(at_work.flow.subject, wider("registered_after")) == late_id
    wait_for(lambda: time.time() * 1000 > list(letters(at_work.flow))[-1].time_ms + (ASK_AGAIN_S + 1) * 1000, 90)
    (outcome,) = send_repairs(at_work, list(letters(at_work.flow))[-1].number)
    assert outcome.sent_to
    send_raw(at_work, [(b"early", framed(one, wider("registered_after"), late_id, kernel="")) for one in feed[1:]])
    finish(at_work)
    assert count_letters(at_work) == known + 1
    pd.testing.assert_frame_equal(rows_of(at_work, {"early"}), shares_by_pandas(feed))


def versions(settings: Settings) -> list[int]:
    found: list[int] = request("GET", f"{settings.registry_url}/subjects/{settings.flow.subject}/versions").json()
    return found


def test_a_change_without_a_default_is_refused_in_words_and_nothing_is_registered(ready: Settings) -> None:
    registry = Registry.of(ready.flow)
    for step in ("beside version 1", "beside version 2, which has the field with a default"):
        before = versions(ready)
        with pytest.raises(BadInput) as caught:
            registry.register(ready.flow.subject, WITHOUT_DEFAULT)
        said = str(caught.value)
        assert said.startswith("The registry refuses the schema for procstat_snapshots-value"), step
        assert "kernel" in said
        assert "default" in said
        assert "\n" not in said
        assert versions(ready) == before
        registry.register(ready.flow.subject, V2)
    assert register_snapshot_schema(ready.flow) < registry.register(ready.flow.subject, V2)


def test_snapshots_of_both_versions_in_one_topic_are_enriched_and_version_2_reads_both(at_work: Settings) -> None:
    known = count_letters(at_work)
    v2_id = Registry.of(at_work.flow).register(at_work.flow.subject, V2)
    feed = hosts(["evolved", "evolving"], 12, seed=24)
    records = []
    for number, snapshot in enumerate(feed):
        second = snapshot.hostname == "evolved" or number // 2 % 2
        value = framed(snapshot, V2, v2_id, kernel="6.18.2") if second else v1(at_work, snapshot)
        records.append((snapshot.hostname.encode(), value))
    send_raw(at_work, records)
    produce(at_work.flow, hosts(["evolving"], 1, seed=25, start_ms=feed[-1].timestamp + 1000))
    finish(at_work)
    assert count_letters(at_work) == known
    expected = shares_by_pandas(feed)
    pd.testing.assert_frame_equal(
        rows_of(at_work, {"evolved", "evolving"}).query(f"ts <= {feed[-1].timestamp}"), expected
    )
    registry = Registry.of(at_work.flow)
    reader_of_2 = SnapshotCodec(PROCSTAT, V2, registry.schema)
    assert [reader_of_2.decode(value) for _, value in records] == feed
    kernels = set()
    for _, value in records:
        schema_id = int.from_bytes(value[1:5], "big")
        kernels.add(fastavro.schemaless_reader(io.BytesIO(value[5:]), registry.schema(schema_id), V2)["kernel"])
    assert kernels == {"6.18.2", ""}


def test_a_registry_that_has_just_started_is_away_until_it_has_read_back_what_it_knew(ready: Settings) -> None:
    """For a moment it answers "not found" for everything: a sound record would be taken for corrupt."""
    registry = Registry.of(ready.flow)
    known_id = register_snapshot_schema(ready.flow)
    services.stop_one(ready, "registry")
    starting = threading.Thread(target=services.up, args=(ready,))
    starting.start()
    answers = []
    while starting.is_alive() or not answers:
        with suppress(RegistryUnavailable):
            answers.append(registry.schema(known_id))
        time.sleep(0.01)
    starting.join()
    assert None not in answers
    assert registry.schema(999_999) is None


def test_a_registry_that_is_away_is_waited_for_and_no_record_is_taken_for_corrupt(at_work: Settings) -> None:
    known = count_letters(at_work)
    registry = Registry.of(at_work.flow)
    unseen = wider("that_no_worker_has_met")
    unseen_id = registry.register(at_work.flow.subject, unseen)
    feed = hosts(["patient"], 6, seed=26)
    produce(at_work.flow, feed[:2])
    metrics = sum(1 for _ in read_topic(at_work.kafka_bootstrap, at_work.metrics_topic))
    services.stop_one(at_work, "registry")
    try:
        with pytest.raises(RegistryUnavailable):
            registry.schema(unseen_id)
        send_raw(at_work, [(b"patient", framed(one, unseen, unseen_id, kernel="6.18.2")) for one in feed[2:]])
        until = time.monotonic() + 10
        while time.monotonic() < until:
            job = FlinkRest(at_work.flink_url).running(ENRICHMENT)
            assert job is not None
            assert job.state == "RUNNING"
            assert count_letters(at_work) == known
            time.sleep(0.5)
        assert sum(1 for _ in read_topic(at_work.kafka_bootstrap, at_work.metrics_topic)) <= metrics + 1
    finally:
        services.up(at_work)
    finish(at_work)
    assert count_letters(at_work) == known
    pd.testing.assert_frame_equal(rows_of(at_work, {"patient"}), shares_by_pandas(feed))
