"""The ledger on real services: what is lost, doubled or altered on purpose, a pipeline at work, files that are merged.

Damage is done to copies: a topic and an output folder of the tests' own. The lab itself stays balanced.
"""

from __future__ import annotations

import itertools
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Message, Producer, TopicPartition

from labkit.errors import BadInput
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import MAX_DEAD_LETTER_BYTES, Topic, admin_client, create_topics, topic_partitions
from labkit.lab.account import measure
from labkit.ledger.ledger import Ledger
from labkit.parquet.compact import compact
from labkit.parquet.read import parquet_files
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.names import JOBS
from labkit.streams.procstat.snapshot import Snapshot
from tests.support.feeds import hosts
from tests.support.labs import Labkit, free_ports
from tests.support.pipelines import balanced_account, idle
from tests.support.records import v1
from tests.support.waiting import wait_for

HOSTS = [f"ledger{number}" for number in range(5)]
COPIES = itertools.count()
DOES_NOT_BALANCE = (
    "The ledger does not balance. Look next whether a job fails: labkit doctor; then what it wrote: "
    "labkit logs taskmanager."
)
Change = Callable[[list[Message]], list[tuple[bytes | None, bytes | None]]]


def raw_producer(settings: Settings) -> Producer:
    limits = {"message.max.bytes": MAX_DEAD_LETTER_BYTES}  # a dead letter may be large
    return Producer({"bootstrap.servers": settings.kafka_bootstrap, "partitioner": "murmur2_random", **limits})


@pytest.fixture(scope="module")
def balanced(lab: Settings) -> Settings:
    """The lab with five hosts' results in topics and Parquet, two files a date or more, and no job at work."""
    idle(lab)
    submit(lab, *JOBS)
    feed = hosts(HOSTS, 20, seed=6)
    try:
        produce(lab.flow, feed[: len(feed) // 2])
        files = len(parquet_files(lab.parquet_dir))
        wait_for(lambda: len(parquet_files(lab.parquet_dir)) > files)
        raw = raw_producer(lab)
        raw.produce(lab.snapshots_topic, key=b"nobody", value=b"no snapshot")
        assert raw.flush(10) == 0
        produce(lab.flow, feed[len(feed) // 2 :])
        for job in JOBS:
            drain_and_stop(lab, job)
    finally:
        for job in JOBS:
            stop_with_savepoint(lab, job)
    account = balanced_account(lab)
    assert account.dead_letters.found >= 1
    return lab


@pytest.fixture
def copy_of_topic(balanced: Settings) -> Iterator[Callable[..., Settings]]:
    """Settings of a lab with a changed copy of one of its topics."""
    made: list[str] = []

    def copy(setting: str, change: Change) -> Settings:
        topic = getattr(balanced, setting)
        own = f"ledger_{next(COPIES)}_{topic}"
        number = topic_partitions(balanced.kafka_bootstrap)[topic]
        create_topics(balanced.kafka_bootstrap, [Topic(own, number)])
        made.append(own)
        raw = raw_producer(balanced)
        records = sorted(
            read_topic(balanced.kafka_bootstrap, topic), key=lambda record: (record.partition(), record.offset())
        )
        for key, value in change(records):
            raw.produce(own, key=key, value=value)
        assert raw.flush(10) == 0
        return load_settings(**{setting: own})

    yield copy
    admin = admin_client(balanced.kafka_bootstrap)
    for outcome in admin.delete_topics(made).values() if made else ():
        outcome.result()


def pairs(records: list[Message]) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key(), record.value()) for record in records]


def key_of(value: bytes) -> str:
    metrics = orjson.loads(value)
    return repr((metrics["hostname"], metrics["timestamp"]))


def altered(value: bytes) -> bytes:
    """The same record with one share a little larger."""
    metrics = orjson.loads(value)
    metrics["cpu_metrics"][0]["user_pct"] += 2**-40
    return orjson.dumps(metrics)


def test_a_lost_a_doubled_and_an_altered_record_are_found_counted_and_named(
    balanced: Settings, copy_of_topic: Callable[..., Settings], labkit: Labkit
) -> None:
    names: dict[str, str] = {}

    def change(records: list[Message]) -> list[tuple[bytes | None, bytes | None]]:
        (_, lost), (host, doubled), (other, wrong), *rest = pairs(
            [record for record in records if record.key().startswith(b"ledger")]
        )
        others = pairs([record for record in records if not record.key().startswith(b"ledger")])
        names.update(lost=key_of(lost), doubled=key_of(doubled), wrong=key_of(wrong))
        return [*others, (host, doubled), (host, doubled), (other, altered(wrong)), *rest, (b"x", b"{no JSON")]

    own = copy_of_topic("metrics_topic", change)
    true = measure(balanced)
    account = measure(own)
    metrics = account.metrics
    assert (metrics.missing, metrics.duplicates, metrics.mismatched, metrics.unexpected) == (1, 1, 1, 1)
    assert metrics.found == true.metrics.found + 1
    said = "\n".join(metrics.faults)
    assert f"metrics: {names['lost']} is missing; its snapshot is at offset " in said
    assert f"metrics: {names['doubled']} is there twice; it is at offset " in said
    assert f"metrics: {names['wrong']} has other values than expected; it is at offset " in said
    assert any("an unreadable record at" in fault and "is not expected" in fault for fault in metrics.faults)
    assert account.rows.balances, "the rows are those of the true records"
    told = labkit("ledger", LABKIT_METRICS_TOPIC=own.metrics_topic)
    assert told.returncode == 1
    assert f"found {metrics.found} missing 1 twice 1 unexpected 1 altered 1 │ rows" in told.stdout
    assert set(metrics.faults) <= set(told.stderr.splitlines())
    assert told.stderr.endswith(f"{DOES_NOT_BALANCE}\n")


def test_of_two_records_of_one_host_and_time_with_other_values_the_second_is_twice(
    balanced: Settings, copy_of_topic: Callable[..., Settings]
) -> None:
    def change(records: list[Message]) -> list[tuple[bytes | None, bytes | None]]:
        return [pair for key, value in pairs(records) for pair in ((key, value), (key, altered(value)))]

    account = measure(copy_of_topic("metrics_topic", change))
    assert account.metrics.duplicates == measure(balanced).metrics.found
    assert (account.metrics.mismatched, account.metrics.missing, account.metrics.unexpected) == (0, 0, 0)


def test_a_lost_and_an_altered_dead_letter_are_found(
    balanced: Settings, copy_of_topic: Callable[..., Settings]
) -> None:
    own = copy_of_topic("dead_letters_topic", lambda records: [])
    letters = list(read_topic(balanced.kafka_bootstrap, balanced.dead_letters_topic))
    assert measure(own).dead_letters.missing == len(letters)
    raw = raw_producer(balanced)
    for letter in letters:
        value = b"other bytes" if letter is letters[-1] else letter.value()
        raw.produce(own.dead_letters_topic, key=letter.key(), value=value, headers=letter.headers())
    raw.produce(own.dead_letters_topic, value=b"a letter without headers")
    assert raw.flush(10) == 0
    dead = measure(own).dead_letters
    assert (dead.missing, dead.mismatched, dead.unexpected) == (0, 1, 1)
    headers = dict(letters[-1].headers())
    assert dead.faults == [
        f"dead letters: ({int(headers['partition'])}, {int(headers['offset'])}) has other values than expected",
        f"dead letters: a record without its position at (0, {len(letters)}) is not expected",
    ]


@pytest.mark.parametrize("setting", ["metrics_topic", "snapshots_topic"])
def test_a_log_that_does_not_start_at_0_any_more_is_said(
    setting: str, balanced: Settings, copy_of_topic: Callable[..., Settings], labkit: Labkit
) -> None:
    own = copy_of_topic(setting, pairs)
    topic = getattr(own, setting)
    record = next(read_topic(own.kafka_bootstrap, topic))
    admin = admin_client(own.kafka_bootstrap)
    for outcome in admin.delete_records([TopicPartition(topic, record.partition(), 1)]).values():
        outcome.result()
    with pytest.raises(BadInput, match="no longer starts at offset 0"):
        measure(own)
    told = labkit("ledger", **{f"LABKIT_{setting.upper()}": topic})
    assert told.returncode == 2
    assert f"Topic {topic} no longer starts at offset 0" in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.fixture
def own_rows(balanced: Settings, tmp_path: Path) -> Settings:
    """The lab with a copy of its Parquet, to be damaged."""
    own = load_settings(output_dir=tmp_path / "output")
    shutil.copytree(balanced.parquet_dir, own.parquet_dir)
    return own


def file_of_ledger_hosts(settings: Settings) -> tuple[Path, pa.Table]:
    """A file whose first three rows or more are of this module's hosts."""
    for file in parquet_files(settings.parquet_dir):
        table = pq.read_table(file, partitioning=None)
        if table.num_rows >= 3 and set(table["hostname"].to_pylist()) <= set(HOSTS):
            return file, table
    raise AssertionError("there is no such file")


def row_key(table: pa.Table, number: int) -> str:
    row = table.slice(number, 1)
    ts = row["ts"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())
    return repr((row["hostname"][0].as_py(), ts[0].as_py(), row["cpu_id"][0].as_py()))


def test_a_lost_a_doubled_and_an_altered_row_are_found_counted_and_named(
    own_rows: Settings, labkit: Labkit, tmp_path: Path
) -> None:
    file, table = file_of_ledger_hosts(own_rows)
    lost, doubled, wrong, rest = table.slice(0, 1), table.slice(1, 1), table.slice(2, 1), table.slice(3)
    column = wrong.column_names.index("user_pct")
    wrong = wrong.set_column(column, wrong.field(column), [[wrong["user_pct"][0].as_py() + 2**-40]])
    pq.write_table(pa.concat_tables([doubled, doubled, wrong, rest]), file)
    rows = measure(own_rows).rows
    assert (rows.missing, rows.duplicates, rows.mismatched, rows.unexpected) == (1, 1, 1, 0)
    place = f"it is in {file.relative_to(own_rows.parquet_dir)}"
    assert [fault.partition("; its snapshot is at offset ")[0] for fault in rows.faults] == [
        f"rows: {row_key(doubled, 0)} is there twice; {place}",
        f"rows: {row_key(wrong, 0)} has other values than expected; {place}",
        f"rows: {row_key(lost, 0)} is missing",
    ]
    told = labkit("ledger", LABKIT_OUTPUT_DIR=str(own_rows.output_dir))
    assert told.returncode == 1
    assert told.stderr.splitlines() == [*rows.faults, DOES_NOT_BALANCE]
    assert told.stdout.rstrip().endswith("missing 1 twice 1 altered 1")


def test_a_file_that_is_twice_and_one_that_is_gone_are_counted_row_by_row(own_rows: Settings) -> None:
    file, table = file_of_ledger_hosts(own_rows)
    shutil.copy(file, file.with_name("part-again.parquet"))
    assert measure(own_rows).rows.duplicates == table.num_rows
    file.with_name("part-again.parquet").unlink()
    file.unlink()
    rows = measure(own_rows).rows
    assert (rows.missing, rows.duplicates) == (table.num_rows, 0)
    assert len(rows.faults) == min(5, table.num_rows)


def test_files_that_compact_merges_while_the_ledger_reads_them_are_counted_once(own_rows: Settings) -> None:
    before = parquet_files(own_rows.parquet_dir)
    merged = []

    def on_progress(what: str, done: int, total: int) -> None:
        if what == "Parquet files" and done == 1 and not merged:
            merged.extend(compact(own_rows.rows))

    account = measure(own_rows, on_progress)
    assert merged, "there was nothing to merge"
    assert len(parquet_files(own_rows.parquet_dir)) < len(before)
    assert account.balances, account.faults


def paced(names: list[str], stop: threading.Event) -> Iterator[Snapshot]:
    """Ten snapshots of each host a second, until `stop`; on their own clocks they are a second apart."""
    base = hosts(names, 1, seed=9, start_ms=time.time_ns() // 1_000_000)
    for number in itertools.count():
        for one in base:
            cpus = (cpu._replace(user=cpu.user + 60 * number, idle=cpu.idle + 40 * number) for cpu in one.cpus)
            yield Snapshot(one.hostname, one.timestamp + 1000 * number, tuple(cpus), btime=one.btime)
        if stop.wait(0.1):
            return


def test_on_a_pipeline_at_work_nothing_is_ever_missing_twice_or_unexpected(balanced: Settings, labkit: Labkit) -> None:
    submit(balanced, *JOBS)
    stop = threading.Event()
    source = paced([f"live{number}" for number in range(40)], stop)
    producing = threading.Thread(target=produce, args=(balanced.flow, source))
    producing.start()
    accounts: list[Ledger] = []
    try:
        begin = time.monotonic()
        while time.monotonic() < begin + 25:
            accounts.append(measure(balanced))
        told = labkit("ledger")
    finally:
        stop.set()
        producing.join()
    try:
        assert [account.faults for account in accounts] == [[]] * len(accounts)
        assert told.returncode == 0, told.stdout + told.stderr
        counts = [account.snapshots for account in accounts]
        assert counts == sorted(set(counts)), "each read more than the one before"
        assert any(account.uncommitted for account in accounts)
        assert accounts[-1].rows.found > accounts[0].rows.found
        for job in JOBS:
            drain_and_stop(balanced, job)
    finally:
        for job in JOBS:
            stop_with_savepoint(balanced, job)
    balanced_account(balanced)


def test_progress_is_told_of_everything_that_is_read_and_the_scratch_folder_is_gone(balanced: Settings) -> None:
    told: dict[str, tuple[int, int]] = {}
    scratch = balanced.state_dir / "tmp"
    before = set(scratch.glob("*"))  # a client of Flink in this process has its own in there
    account = measure(balanced, lambda what, done, total: told.update({what: (done, total)}))
    assert list(told) == ["Parquet files", "metrics", "dead letters", "snapshots", "comparing"]
    assert all(0 <= done <= total for done, total in told.values())
    assert told["snapshots"] == (account.snapshots, account.snapshots)
    assert set(scratch.glob("*")) == before


def test_a_terminal_shows_a_bar_that_goes_away_and_a_pipe_shows_the_line_alone(
    balanced: Settings, labkit: Labkit
) -> None:
    piped = labkit("ledger")
    assert (piped.returncode, piped.stderr, len(piped.stdout.splitlines())) == (0, "", 1)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", "ledger"],
        cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how a pseudo-terminal says that its other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert "━" in shown.decode(), "a bar"
    after_the_bar = re.split(rb"\x1b\[[0-9;?]*[A-Za-z]", shown)[-1].decode()
    assert "".join(after_the_bar.split()) == "".join(piped.stdout.split())


def test_without_the_registry_it_says_so_and_does_not_wait(balanced: Settings, labkit: Labkit) -> None:
    nobody = str(free_ports(1)[0])
    done = labkit("ledger", LABKIT_REGISTRY_MANAGEMENT_PORT=nobody, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"The registry does not answer at {balanced.registry_url}.")
    assert done.stdout == ""


def test_a_host_in_two_partitions_is_named_and_the_account_is_the_same_each_time(lab: Settings, labkit: Labkit) -> None:
    """What two programs with different partitioners do. Which snapshots come late, the job alone knows."""
    own = idle(load_settings(suffix="_split"))
    producer = raw_producer(own)
    for number, snapshot in enumerate(hosts(["split"], 40, seed=31)):
        producer.produce(
            own.snapshots_topic, v1(own, snapshot), b"split", partition=number % 2, timestamp=snapshot.timestamp
        )
    assert producer.flush(30) == 0
    submit(own, *JOBS)
    for job in JOBS:
        drain_and_stop(own, job)
    first, second = measure(own), measure(own)
    assert str(first) == str(second)
    assert first.metrics.expected == 39, "read by time, all of them are in order"
    (cause,) = first.causes
    assert cause.startswith("split is in partitions 0, 1: ")
    assert cause in labkit("ledger", LABKIT_SUFFIX=own.suffix).stderr
