"""The whole pipeline on real services: records, rows, dead letters, resuming, and the account of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet
import pytest
from confluent_kafka import Producer

from labkit.flink.rest import FlinkRest
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce, register_snapshot_schema
from labkit.lab import run_state, services
from labkit.lab.account import measure
from labkit.parquet.read import parquet_files
from labkit.pipeline.events import LedgerDrawn, RowsReady, SnapshotSent, Step, StepBegan, StepDone
from labkit.pipeline.run import run
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.rules import Verdict
from labkit.system.waiting import patience
from tests.support.commands import at_work, hear
from tests.support.feeds import hosts, shares_by_pandas
from tests.support.labs import Labkit, environment_of
from tests.support.pipelines import both_jobs_of, finish, has_checkpoint_since, idle, rows_of, workers
from tests.support.records import corrupt_values
from tests.support.topics import ends, sent_since
from tests.support.waiting import wait_for

#: One tick is lost here and there to rounding of doubles only.
SUM_BOUND = 1e-9


@pytest.fixture(scope="module")
def empty(lab: Settings) -> Settings:
    """The lab, with topics and schema there and no job at work."""
    return idle(lab)


@pytest.fixture
def both_jobs(empty: Settings) -> Iterator[Settings]:
    """Both jobs at work; a test that passes has ended them with `finish`."""
    with both_jobs_of(empty) as lab:
        yield lab


def test_run_takes_live_data_from_proc_stat_to_parquet_plot_and_a_balanced_ledger(
    empty: Settings, labkit: Labkit
) -> None:
    before = ends(empty)
    done = labkit("run", "--seconds", "6", "--interval", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    fed = sent_since(empty, before)
    assert len(fed) >= 12
    expected = shares_by_pandas(fed)
    found = rows_of(empty, {"testhost"}, fed[0].timestamp)
    # a CPU for which no tick passed in half a second is left out on both sides
    pd.testing.assert_frame_equal(found[found["ts"] > fed[0].timestamp].reset_index(drop=True), expected)
    lines = done.stdout.splitlines()
    ledger = next(number for number, line in enumerate(lines) if "metrics expected" in line)
    assert lines[ledger - 1].startswith("✓ ledger: balances")
    assert lines[ledger + 1].startswith("host"), "the table and the picture come after the ledger"
    assert lines[-1].startswith("picture: ")
    assert (empty.plots_dir / "cpu_usage.png").read_bytes().startswith(b"\x89PNG")
    assert "busiest CPU: cpu" in done.stdout
    assert all(row.healthy for row in services.status(empty)), "services that were up before stay up"
    assert not any(FlinkRest(empty.flink_url).running(job) for job in JOBS), "jobs that it submitted do not stay"


def test_a_second_run_adds_to_the_first_and_its_pause_is_one_true_interval(empty: Settings, labkit: Labkit) -> None:
    first = rows_of(empty, {"testhost"})
    before = ends(empty)
    done = labkit("run", "--seconds", "3", "--interval", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    fed = sent_since(empty, before)
    both = rows_of(empty, {"testhost"})
    pd.testing.assert_frame_equal(both.head(len(first)), first)
    pause = both[both["ts"] == fed[0].timestamp]
    assert set(pause["time_delta_ms"]) == {fed[0].timestamp - int(first["ts"].max())}
    assert "goes on from savepoint-" in done.stdout


def test_a_plot_that_fails_leaves_the_ledger_printed(empty: Settings, labkit: Labkit) -> None:
    shutil.rmtree(empty.plots_dir)
    empty.plots_dir.touch()
    done = labkit("run", "--seconds", "2", "--interval", "0.5")
    empty.plots_dir.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "missing 0 twice 0 │ rows expected" in done.stdout
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("The plot could not be drawn: ")
    assert str(empty.plots_dir) in sentence
    assert run_state.read(empty) is None


def test_a_run_is_a_chain_of_events_whoever_draws_them(empty: Settings) -> None:
    before = ends(empty)
    events = list(run(empty, seconds=2))
    fed = sent_since(empty, before)
    steps = [event.step for event in events if isinstance(event, StepBegan)]
    assert steps == [step for step in Step if step != Step.SERVICES_DOWN], "services that were up before stay up"
    assert [event.step for event in events if isinstance(event, StepDone)] == steps
    sent = [event for event in events if isinstance(event, SnapshotSent)]
    assert [event.sent for event in sent] == list(range(1, len(fed) + 1))
    assert [event for event in events if isinstance(event, RowsReady)] == [
        RowsReady(since_ms=fed[0].timestamp + 1, snapshots=len(fed), stream="procstat")
    ]
    assert isinstance(last := events[-1], LedgerDrawn)
    assert last.ledger.balances


def test_a_loop_that_is_broken_off_in_the_live_part_leaves_no_job_and_keeps_no_other_run_away(empty: Settings) -> None:
    for event in run(empty, seconds=600):
        if isinstance(event, SnapshotSent):
            assert all(FlinkRest(empty.flink_url).running(job) for job in JOBS)
            break
    assert not any(FlinkRest(empty.flink_url).running(job) for job in JOBS)
    assert all(row.healthy for row in services.status(empty)), "services that were up before stay up"
    assert run_state.read(empty) is None
    with services.no_run(empty):
        pass


def test_parquet_opens_with_pandas_duckdb_and_pyarrow_and_every_row_sums_to_100(empty: Settings) -> None:
    folder = str(empty.parquet_dir)
    by_pandas = pd.read_parquet(folder)
    by_duckdb = duckdb.sql(f"SELECT count(*) FROM read_parquet('{folder}/*/*.parquet')").fetchall()[0][0]
    assert len(by_pandas) == by_duckdb == pyarrow.dataset.dataset(folder, partitioning="hive").count_rows() > 0
    eight = [name for name in UTILIZATION_COLUMNS if name != "total_busy_pct"]
    assert ((by_pandas[eight].sum(axis=1) - 100).abs() <= SUM_BOUND).all()
    assert by_pandas[list(UTILIZATION_COLUMNS)].to_numpy().min() >= 0
    assert by_pandas[list(UTILIZATION_COLUMNS)].to_numpy().max() <= 100
    files = parquet_files(empty.parquet_dir)
    assert all(file.suffix == ".parquet" and file.parent.name.startswith("date=") for file in files)
    columns = pyarrow.parquet.read_schema(files[0]).names
    assert columns == ["hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS]


def test_streamed_result_equals_pandas_whatever_the_partitions_and_the_date_is_the_snapshots(
    both_jobs: Settings,
) -> None:
    midnight = 1_764_028_800_000  # 2025-11-25T00:00:00Z
    feed = hosts([f"host{number}" for number in range(8)], 30, seed=7, start_ms=midnight - 15_000)
    produce(both_jobs.flow, feed)
    account = finish(both_jobs)
    names = {snapshot.hostname for snapshot in feed}
    pd.testing.assert_frame_equal(rows_of(both_jobs, names), shares_by_pandas(feed))
    assert account.verdicts[Verdict.FIRST] >= 8
    for day, count in (("2025-11-24", 14), ("2025-11-25", 15)):
        part = pd.read_parquet(both_jobs.parquet_dir / f"date={day}")
        assert len(part[part["hostname"].isin(names)]) == 8 * 4 * count


def test_late_repeated_rebooted_and_reset_snapshots_follow_the_rules_through_flink(both_jobs: Settings) -> None:
    one, two, three, four = hosts(["edge"], 4, seed=3)
    rebooted = Snapshot("edge", one.timestamp - 5000, two.cpus, btime=two.btime + 100)
    after = Snapshot("edge", one.timestamp - 4000, three.cpus, btime=two.btime + 100)
    reset = tuple(cpu._replace(idle=cpu.idle - 300) if cpu.id == "cpu1" else cpu for cpu in four.cpus)
    last = Snapshot("edge", one.timestamp - 3000, reset, btime=two.btime + 101)
    produce(both_jobs.flow, [one, two, two, one, three, rebooted, after, last])
    account = finish(both_jobs)
    rows = rows_of(both_jobs, {"edge"})
    assert account.verdicts[Verdict.REJECTED] == 2
    assert account.verdicts[Verdict.REBOOT] == 1
    got = rows.groupby("ts")["cpu_id"].apply(list).to_dict()
    everyone = ["cpu", "cpu0", "cpu1", "cpu2"]
    assert got[two.timestamp] == got[three.timestamp] == got[after.timestamp] == everyone
    assert got[last.timestamp] in (["cpu", "cpu0", "cpu2"], everyone)
    assert len(got) == 4


def test_what_cannot_be_read_goes_to_the_dead_letters_with_its_reason_and_stops_nothing(both_jobs: Settings) -> None:
    valid = hosts(["poisoned"], 3, seed=11)
    bad = corrupt_values(both_jobs, valid[0])
    produce(both_jobs.flow, valid[:1])
    raw = Producer({"bootstrap.servers": both_jobs.kafka_bootstrap, "partitioner": "murmur2_random",
                    "message.max.bytes": 4_000_000})  # fmt: skip
    for value in bad.values():
        raw.produce(both_jobs.snapshots_topic, key=b"poisoned", value=value)
    raw.flush()
    produce(both_jobs.flow, valid[1:])
    account = finish(both_jobs)
    letters = list(read_topic(both_jobs.kafka_bootstrap, both_jobs.dead_letters_topic))
    reasons = [dict(letter.headers())["reason"].decode() for letter in letters]
    assert account.dead_letters.expected == len(letters) == len(bad)
    for (words, value), reason, letter in zip(bad.items(), reasons, letters, strict=True):
        assert words in reason
        assert (letter.value() or b"") == value, words
        assert letter.key() == b"poisoned"
        assert dict(letter.headers())["topic"] == both_jobs.snapshots_topic.encode()
    pd.testing.assert_frame_equal(rows_of(both_jobs, {"poisoned"}), shares_by_pandas(valid))


def test_a_host_whose_clock_is_days_ahead_has_its_metrics_and_stops_nobody(both_jobs: Settings) -> None:
    ahead = hosts(["ahead"], 3, seed=12, start_ms=(int(time.time()) + 3 * 86_400) * 1000)
    schema = read_schema(both_jobs.schema_dir, PROCSTAT)
    codec, schema_id = SnapshotCodec(PROCSTAT, schema, lambda _: schema), register_snapshot_schema(both_jobs.flow)
    raw = Producer({"bootstrap.servers": both_jobs.kafka_bootstrap, "partitioner": "murmur2_random"})
    for snapshot in ahead[:2]:  # a stranger's producer: Kafka's own time for the record
        raw.produce(both_jobs.snapshots_topic, key=b"ahead", value=codec.encode(snapshot, schema_id))
    raw.flush()
    counts = produce(both_jobs.flow, ahead[2:])
    assert counts.acknowledged == counts.sent == 1
    finish(both_jobs)
    pd.testing.assert_frame_equal(rows_of(both_jobs, {"ahead"}), shares_by_pandas(ahead))


def test_a_job_that_is_there_already_is_not_submitted_twice(both_jobs: Settings, labkit: Labkit) -> None:
    for words in (["submit", ENRICHMENT], ["run", "--seconds", "1"]):
        refused = labkit(*words)
        assert refused.returncode == 2
        assert refused.stderr.startswith("The job enrichment is there already")
        assert len(refused.stderr.splitlines()) == 1
    names = [job.name for job in FlinkRest(both_jobs.flink_url).jobs() if not job.is_over]
    assert sorted(names) == sorted(JOBS)
    finish(both_jobs)


def test_a_taskmanager_killed_under_load_loses_nothing_and_doubles_nothing(both_jobs: Settings) -> None:
    kill_a_taskmanager_under_load(both_jobs)


def kill_a_taskmanager_under_load(both_jobs: Settings) -> None:
    """Kill it between two halves of a feed; then all is as if it had lived."""
    feed = hosts([f"kill{number}" for number in range(20)], 100, seed=5)
    produce(both_jobs.flow, feed[: len(feed) // 2])
    before = workers(both_jobs)
    (taskmanager,) = [row.pid for row in services.status(both_jobs) if row.name == "taskmanager"]
    assert taskmanager
    os.kill(taskmanager, signal.SIGKILL)
    killed = time.time()
    produce(both_jobs.flow, feed[len(feed) // 2 :])
    wait_for(lambda: all(has_checkpoint_since(killed, both_jobs, job) for job in JOBS), 120)
    now = workers(both_jobs)
    assert not now & before, "Python workers outlived their TaskManager"
    assert len(now) == len(before), "as many as before: one a task, or none where Python runs inside the JVM"
    finish(both_jobs)
    names = {snapshot.hostname for snapshot in feed}
    pd.testing.assert_frame_equal(rows_of(both_jobs, names), shares_by_pandas(feed))


@contextmanager
def run_up_to(words: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`labkit run`, at work, once it has said these words."""
    with at_work("run", "--seconds", "600", environment=environment) as process:
        hear(process, words)
        yield process


def test_ctrl_c_in_a_run_is_acknowledged_and_ends_in_order_with_a_balanced_ledger(empty: Settings) -> None:
    with run_up_to("submit jobs") as process:
        assert process.stderr is not None
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert "Stopping (SIGINT)" in process.stderr.readline()
        acknowledged_s = time.monotonic() - begin
        out, err = process.communicate(timeout=patience(120))
    assert process.returncode == 0, out + err
    assert acknowledged_s < 1
    assert not any(FlinkRest(empty.flink_url).running(job) for job in JOBS)
    assert services.processes(empty)


def test_ctrl_c_before_the_jobs_run_ends_at_once_and_leaves_no_job(empty: Settings) -> None:
    with run_up_to("topics and schema") as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=patience(30))
    assert process.returncode == 130, out + err
    assert "Stopping at once" in err
    wait_for(lambda: not any(FlinkRest(empty.flink_url).running(job) for job in JOBS))
    assert all(row.healthy for row in services.status(empty)), "services that were up before stay up"


def test_ctrl_c_while_the_services_start_takes_down_what_was_started(second_lab: Settings) -> None:
    with run_up_to("ready after", environment_of(second_lab)) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=patience(90))
    assert process.returncode == 130, out + err
    assert "Stopping at once" in err
    assert services.processes(second_lab) == []
    assert run_state.read(second_lab) is None


@pytest.fixture
def damaged(empty: Settings) -> Iterator[Settings]:
    """The lab's Parquet, to be damaged and put back."""
    kept = empty.output_dir / "kept"
    shutil.copytree(empty.parquet_dir, kept)
    yield empty
    shutil.rmtree(empty.parquet_dir)
    kept.rename(empty.parquet_dir)


def test_the_ledger_finds_what_is_missing_twice_unexpected_and_altered(damaged: Settings, labkit: Labkit) -> None:
    assert labkit("ledger").returncode == 0
    file = parquet_files(damaged.parquet_dir)[0]
    table = pyarrow.parquet.read_table(file, partitioning=None)
    rows = table.num_rows
    first = table.column("total_busy_pct")[0].as_py()
    for change, word, count in (
        (table.slice(1), "missing", 1),
        (pyarrow.concat_tables([table, table]), "twice", rows),
        (
            table.set_column(0, "hostname", [[f"not-{host}" for host in table.column(0).to_pylist()]]),
            "unexpected",
            rows,
        ),
        (table.set_column(12, "total_busy_pct", [[first + 1, *table.column(12).to_pylist()[1:]]]), "altered", 1),
    ):
        pyarrow.parquet.write_table(change, file)
        told = labkit("ledger")
        assert told.returncode == 1
        assert f"{word} {count}" in told.stdout.split("rows expected")[1]
        assert "rows: (" in told.stderr
        assert "does not balance" in told.stderr
    file.unlink()
    assert measure(damaged).rows.missing == rows


def test_submit_fresh_asks_and_begins_anew_without_doubling(empty: Settings, labkit: Labkit) -> None:
    before = measure(empty)
    asked = labkit("submit", ENRICHMENT, "--fresh")
    assert asked.returncode == 2
    assert "topic procstat_metrics" in asked.stderr
    assert measure(empty).rows.found == before.rows.found
    assert "begins at the start" in labkit("submit", ENRICHMENT, "--fresh", "--yes").stdout
    assert "begins at the start" in labkit("submit", PARQUET).stdout
    again = finish(empty)
    assert (again.metrics.found, again.rows.found) == (before.metrics.found, before.rows.found)


def test_state_that_cannot_be_read_is_one_sentence(empty: Settings, labkit: Labkit) -> None:
    newest = max((empty.savepoints_dir / PARQUET).iterdir(), key=lambda path: path.stat().st_mtime)
    (newest / "_metadata").write_bytes(b"this is no savepoint")
    refused = labkit("submit", PARQUET)
    shutil.rmtree(newest)
    assert refused.returncode == 1
    assert f"The job parquet did not start from {newest}: IOException: Unexpected magic number" in refused.stderr
    assert "--fresh" not in refused.stderr, "only where Flink says that the state is another job's"
    assert len(refused.stderr.splitlines()) == 1
    assert FlinkRest(empty.flink_url).running(PARQUET) is None
