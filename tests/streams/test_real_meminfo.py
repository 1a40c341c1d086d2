"""The second stream, whole: live, recorded, replayed, simulated, damaged, repaired, counted, merged, drawn."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from confluent_kafka import Producer

from labkit.dead_letters.letters import letters
from labkit.jobs.submit import submit
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.lab.account import measure
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.sources.clock import Clock
from labkit.sources.simulated import SimulatedHosts
from labkit.streams.meminfo import MEMINFO
from labkit.streams.names import JOBS
from tests.support.labs import Labkit
from tests.support.pipelines import finish

HOSTS, SECONDS, SEED, START_MS = 5, 20, 3, 1_764_000_000_000
OF_MEMORY = {"LABKIT_STREAM": "meminfo"}


@pytest.fixture(scope="module")
def memory(lab: Settings) -> Settings:
    """The lab's settings for /proc/meminfo, with topics and schema there."""
    own = lab.for_stream("meminfo")
    prepare(own)
    return own


def simulated() -> SimulatedHosts:
    return SimulatedHosts(MEMINFO, HOSTS, SEED, START_MS, Clock(1.0, SECONDS - 1, None, threading.Event()))


def test_its_topics_jobs_and_rows_are_its_own(lab: Settings, memory: Settings) -> None:
    assert (memory.snapshots_topic, memory.metrics_topic) == ("meminfo_snapshots", "meminfo_metrics")
    assert [memory.job_name(job) for job in JOBS] == ["enrichment-meminfo", "parquet-meminfo"]
    assert memory.parquet_dir.name == "meminfo_metrics"
    assert [lab.job_name(job) for job in JOBS] == ["enrichment", "parquet"]


def test_simulated_hosts_flow_through_kafka_and_flink_and_the_ledger_balances(memory: Settings) -> None:
    before = measure(memory)
    submit(memory, *JOBS)
    sent = produce(memory.flow, simulated())
    assert sent.acknowledged == HOSTS * SECONDS
    account = finish(memory)
    assert account.snapshots - before.snapshots == HOSTS * SECONDS
    assert account.metrics.found - before.metrics.found == HOSTS * (SECONDS - 1)
    assert account.rows.found == account.metrics.found
    expected = {}
    state: dict[str, int] = {}
    for snapshot in simulated():
        _, state[snapshot.hostname], result = MEMINFO.compare(state.get(snapshot.hostname), snapshot)
        if result is not None:
            expected[result.hostname, result.timestamp] = result.used_pct
    found = [json.loads(record.value()) for record in read_topic(memory.kafka_bootstrap, memory.metrics_topic)]
    assert {
        (one["hostname"], one["timestamp"]): one["used_pct"] for one in found if one["hostname"] in state
    } == expected


def test_it_is_recorded_replayed_and_a_replay_again_is_rejected(
    memory: Settings, labkit: Labkit, tmp_path: Path
) -> None:
    file = tmp_path / "memory.gz"
    recorded = labkit("record", str(file), "--stream", "meminfo", "--seconds", "1", "--interval", "0.25")
    assert recorded.returncode == 0, recorded.stderr
    for _ in range(2):
        replayed = labkit("produce", "--replay", str(file), "--stream", "meminfo")
        assert "5 of 5 snapshots acknowledged" in replayed.stdout, replayed.stderr
    other = labkit("produce", "--replay", str(file))
    assert (other.returncode, len(other.stderr.splitlines())) == (2, 1)
    assert "/proc/stat" in other.stderr
    submit(memory, *JOBS)
    assert finish(memory).verdicts.total() > 0


def test_a_damaged_record_is_a_dead_letter_that_is_repaired_and_sent_again(memory: Settings, labkit: Labkit) -> None:
    known = sum(1 for _ in letters(memory.flow))
    (whole,) = [record.value() for record in read_topic(memory.kafka_bootstrap, memory.snapshots_topic)][-1:]
    producer = Producer({"bootstrap.servers": memory.kafka_bootstrap})
    producer.produce(memory.snapshots_topic, key=b"testhost", value=whole + b"xy")
    producer.produce(memory.snapshots_topic, key=b"testhost", value=b"no snapshot")
    assert producer.flush(30) == 0
    submit(memory, *JOBS)
    finish(memory)
    new = list(letters(memory.flow))[known:]
    assert sorted(dict(one.headers)["kind"] for one in new) == ["left-over", "wrong-magic"]
    repaired = labkit("dead-letters", "--repair", "--stream", "meminfo")
    assert "1 sent" in repaired.stdout, repaired.stderr
    submit(memory, *JOBS)
    finish(memory)


def test_its_rows_are_merged_shown_and_drawn(memory: Settings, labkit: Labkit) -> None:
    rows = measure(memory).rows.found
    merged = labkit("compact", "--stream", "meminfo")
    assert merged.returncode == 0, merged.stderr
    assert measure(memory).rows.found == rows
    drawn = labkit("plot", "--stream", "meminfo", "--host", "host-001")
    assert drawn.returncode == 0, drawn.stderr
    assert "mean used" in drawn.stdout
    assert (memory.plots_dir / "meminfo.png").stat().st_size > 10_000
    counted = labkit("ledger", **OF_MEMORY)
    assert counted.returncode == 0, counted.stderr


def test_what_a_command_cannot_do_for_it_is_one_sentence(memory: Settings, labkit: Labkit) -> None:
    refused = labkit(
        "produce", "--stream", "meminfo", "--fleet", "3", "--cpus", "4", "--seconds", "1", "--speed", "max"
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--cpus and --scenario are for simulated hosts of procstat" in refused.stderr
    unknown = labkit("ledger", "--stream", "diskstats")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "there is procstat, meminfo" in unknown.stderr
