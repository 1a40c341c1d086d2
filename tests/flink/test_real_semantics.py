"""Invariants 1 to 9 through Kafka and Flink: every case that a kernel, a clock or a network can make, whatever the
number of partitions and the parallelism; and the shipped recordings, row for row."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

import orjson
import pandas as pd
import pytest
from confluent_kafka import Producer

from labkit.flink.enrichment import SHARDS, shard_of
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.producer import produce
from labkit.lab.account import measure
from labkit.parquet.read import read_metrics
from labkit.pipeline.run import prepare
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.sources.recording import ReplaySource
from labkit.streams.names import ENRICHMENT, JOBS
from labkit.streams.procstat.metrics import Metrics, compare
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot, parse_stat
from labkit.streams.rules import Verdict
from tests.support.feeds import hosts, in_order, shares_by_pandas
from tests.support.pipelines import balanced_account
from tests.support.waiting import wait_for

FIXTURES = sorted((REPOSITORY / "tests" / "fixtures" / "proc_stat").glob("*.txt"))
RECORDINGS = sorted((REPOSITORY / "labkit" / "recordings").glob("*.gz"))
SECOND = dict(zip(CPU_COLUMNS, (30, 1, 9, 50, 4, 1, 2, 3, 5, 1), strict=True))  # 100 ticks; guests are inside


def later(snapshot: Snapshot, seconds: int = 1, **changes: int) -> Snapshot:
    """The same host `seconds` later, each CPU `SECOND` further; `changes` are added to cpu0's counters."""
    cpus = [cpu._replace(**{name: getattr(cpu, name) + seconds * ticks for name, ticks in SECOND.items()})
            for cpu in snapshot.cpus]  # fmt: skip
    cpus = [cpu._replace(**{name: max(0, getattr(cpu, name) + ticks) for name, ticks in changes.items()})
            if cpu.id == "cpu0" else cpu for cpu in cpus]  # fmt: skip
    return Snapshot(snapshot.hostname, snapshot.timestamp + 1000 * seconds, tuple(cpus), btime=snapshot.btime)


def moved(snapshot: Snapshot, *, ms: int = 0, btime: int = 0, without: str = "") -> Snapshot:
    cpus = tuple(cpu for cpu in snapshot.cpus if cpu.id != without)
    return Snapshot(snapshot.hostname, snapshot.timestamp + ms, cpus, btime=snapshot.btime + btime)


def cases() -> dict[str, list[Snapshot]]:
    """A host for each case, and its snapshots in the order in which they are sent."""

    def first(name: str) -> Snapshot:
        cpus = [CpuTimes(cpu, *range(1000, 11_000, 1000)) for cpu in ("cpu", "cpu0", "cpu1")]
        return Snapshot(name, 1_764_000_000_000, tuple(cpus), btime=1_763_000_000)

    found: dict[str, list[Snapshot]] = {}
    for file in FIXTURES:  # kernels with 4 to 10 columns
        one = parse_stat(file.read_text(), f"kernel-{file.stem}", 1_764_000_000_000)
        found[one.hostname] = [one, later(one), later(one, 2)]
    for name in ("iowait", "steal", "nice", "softirq"):
        one = first(f"{name}-steps-back")
        found[one.hostname] = [one, later(one, **{name: -500}), later(one, 2, **{name: -500})]
    one = first("iowait-falls-and-comes-back")
    found[one.hostname] = [one, *(later(one, second, iowait=-fall) for second, fall in enumerate((54, 22, 0), 1))]
    for fall in (250, 350):  # 50 of them are made up for by the second that passed
        one = first(f"idle-falls-by-{fall - 50}")
        found[one.hostname] = [one, later(one, idle=-fall), later(one, 2, idle=-fall)]
    one = first("cpu-goes-away-and-comes-back")
    found[one.hostname] = [one, moved(later(one), without="cpu1"), later(one, 2), later(one, 3)]
    one = first("reboot-with-an-older-time")
    after = moved(one, ms=-60_000, btime=500)
    found[one.hostname] = [one, later(one), after, later(after), later(after, 2)]
    one = first("btime-moves-by-a-second")
    found[one.hostname] = [one, moved(later(one), btime=1), moved(later(one, 2), btime=-1)]
    one = first("clock-set-back")
    found[one.hostname] = [one, later(one, 10), moved(later(one, 11), ms=-5_000), later(one, 12)]
    one = first("repeated-and-out-of-order")
    found[one.hostname] = [one, later(one, 2), later(one, 2), later(one, 1), one, later(one, 3)]
    one = first("no-tick-passes-on-cpu0")
    found[one.hostname] = [one, later(one, **{name: -ticks for name, ticks in SECOND.items()}), later(one, 2)]
    one = first("guest-time-alone-grows")
    found[one.hostname] = [one, later(one, guest=70, guest_nice=7), later(one, 2, guest=700)]
    one = first("a-pause-of-a-day")
    found[one.hostname] = [one, later(one), later(one, 86_400)]
    return found


def in_order_of_time(found: dict[str, list[Snapshot]]) -> list[Snapshot]:
    """All hosts side by side: the first snapshot of each, the second of each, …"""
    return [snapshot for row in zip_longest(*found.values()) for snapshot in row if snapshot is not None]


def expected_of(snapshots: list[Snapshot]) -> list[Metrics]:
    """What the pure rules say of one host's snapshots, in this order."""
    kept, results = None, []
    for now in snapshots:
        _, kept, metrics = compare(kept, now)
        if metrics is not None:
            results.append(metrics)
    return results


def own_lab(lab: Settings, folder: Path, name: str, **values: object) -> Settings:
    """Topics, output and job state of its own, on the services that are up."""
    settings = load_settings(suffix=f"_{name.lower()}", output_dir=folder / "output", **values)
    prepare(settings)
    return settings


def through_the_pipeline(settings: Settings, snapshots: Iterator[Snapshot] | list[Snapshot]) -> pd.DataFrame:
    """Send them through both jobs, stop those, and check the account; returns all rows."""
    submit(settings, *JOBS)
    try:
        produce(settings.flow, snapshots)
    finally:
        for job in JOBS:
            drain_and_stop(settings, job)
    balanced_account(settings)
    return in_order(read_metrics(settings.parquet_dir))


def rows_of(results: list[Metrics]) -> pd.DataFrame:
    records = [
        {"hostname": result.hostname, "ts": result.timestamp, "time_delta_ms": result.time_delta_ms, **cpu}
        for result in results
        for cpu in result.as_record()["cpu_metrics"]
    ]
    return in_order(pd.DataFrame(records))


def spoil(settings: Settings) -> None:
    """One record that is no snapshot, in each partition."""
    raw = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    for partition in range(settings.partitions):
        raw.produce(settings.snapshots_topic, key=b"spoilt", value=b"no snapshot", partition=partition)
    assert raw.flush(30) == 0


@pytest.mark.parametrize(
    ("partitions", "parallelism"),
    [(1, 1), (1, 3), (4, 1), (4, 3)],
)
def test_every_case_is_the_same_through_kafka_and_flink_across_a_stop_and_around_what_cannot_be_read(
    lab: Settings, tmp_path: Path, partitions: int, parallelism: int
) -> None:
    settings = own_lab(
        lab, tmp_path, f"sem{partitions}{parallelism}", partitions=partitions, enrichment_parallelism=parallelism
    )
    found = cases()
    sent = in_order_of_time(found)
    half = len(sent) // 2
    through_the_pipeline(settings, sent[:half])
    spoil(settings)
    rows = through_the_pipeline(settings, sent[half:])
    letters = list(read_topic(settings.kafka_bootstrap, settings.dead_letters_topic))
    assert [letter.value() for letter in letters] == [b"no snapshot"] * partitions
    assert {int(dict(letter.headers())["partition"]) for letter in letters} == set(range(partitions))
    expected = {host: expected_of(snapshots) for host, snapshots in found.items()}
    streamed: dict[str, list[dict[str, object]]] = {host: [] for host in found}
    for record in read_topic(settings.kafka_bootstrap, settings.metrics_topic):
        value = orjson.loads(record.value())
        streamed[record.key().decode()].append(value)
    for host, results in expected.items():
        assert streamed[host] == [orjson.loads(orjson.dumps(result.as_record())) for result in results], host
    pd.testing.assert_frame_equal(rows, rows_of([result for results in expected.values() for result in results]))


def test_the_cases_are_what_their_names_say() -> None:
    """What comes of each case, written down by hand: the CPUs of each interval."""
    all_three = ["cpu", "cpu0", "cpu1"]
    by_hand = {
        "iowait-steps-back": [all_three] * 2,
        "iowait-falls-and-comes-back": [all_three] * 3,
        "idle-falls-by-200": [all_three] * 2,
        "idle-falls-by-300": [["cpu", "cpu1"], all_three],
        "cpu-goes-away-and-comes-back": [["cpu", "cpu0"], ["cpu", "cpu0"], all_three],
        "reboot-with-an-older-time": [all_three] * 3,
        "btime-moves-by-a-second": [all_three],
        "clock-set-back": [all_three] * 2,
        "repeated-and-out-of-order": [all_three] * 2,
        "no-tick-passes-on-cpu0": [["cpu", "cpu1"], all_three],
        "guest-time-alone-grows": [all_three] * 2,
        "a-pause-of-a-day": [all_three] * 2,
    }
    found = {host: expected_of(snapshots) for host, snapshots in cases().items()}
    for host, intervals in by_hand.items():
        assert [[cpu.cpu_id for cpu in result.cpu_metrics] for result in found[host]] == intervals, host
    guests = {cpu.user_pct for result in found["guest-time-alone-grows"] for cpu in result.cpu_metrics}
    assert guests == {30.0}
    waits = [result.cpu_metrics[1].iowait_pct for result in found["iowait-falls-and-comes-back"]]
    assert waits == [0.0, 0.0, 100 * 12 / 108]  # read as 5000, 4950, 4986, 5012; the others make 96 a second
    assert [result.time_delta_ms for result in found["clock-set-back"]] == [10_000, 2_000]
    assert [result.time_delta_ms for result in found["a-pause-of-a-day"]] == [1_000, 86_399_000]
    lines = {len(file.read_text().splitlines()[0].split()) - 1 for file in FIXTURES}
    assert lines >= {4, 5, 7, 8, 9, 10}


def test_the_shipped_recordings_give_the_same_rows_on_every_run(lab: Settings, tmp_path: Path) -> None:
    assert len(RECORDINGS) == 3
    frames = []
    for run in ("first", "second"):
        settings = own_lab(lab, tmp_path / run, f"recordings_{run}", enrichment_parallelism=2)
        frames.append(
            through_the_pipeline(settings, (snapshot for file in RECORDINGS for snapshot in ReplaySource(file)))
        )
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
    for file in RECORDINGS:
        about = json.loads(file.with_suffix(".json").read_text())
        rows = frames[0][frames[0]["hostname"] == about["hostname"]].reset_index(drop=True)
        if not about.get("offline"):
            pd.testing.assert_frame_equal(rows, shares_by_pandas(ReplaySource(file)))
        assert rows["ts"].nunique() == about["readings"] - 1
        for burn in about["burns"]:
            inside = rows[(rows["ts"] >= burn["from_ms"] + 3000) & (rows["ts"] <= burn["until_ms"] - 2000)]
            mean = inside[inside["cpu_id"] == burn["cpu_id"]][f"{burn['kind']}_pct"].mean()
            assert abs(mean - 100 * burn["share"]) < 15, (file.name, burn, mean)


def test_replaying_a_recording_again_is_rejected_and_changes_nothing(lab: Settings, tmp_path: Path) -> None:
    settings = own_lab(lab, tmp_path, "again")
    smallest = min(RECORDINGS, key=lambda file: file.stat().st_size)
    snapshots = list(ReplaySource(smallest))
    rows = through_the_pipeline(settings, [*snapshots, *snapshots])
    account = measure(settings)
    assert account.verdicts[Verdict.REJECTED] == len(snapshots)
    assert rows["ts"].nunique() == len(snapshots) - 1


def one_of_each_shard() -> list[str]:
    """A shard forgets when it next hears of a host."""
    names = {shard_of(name): name for name in (f"here-{number}" for number in range(200))}
    assert len(names) == SHARDS
    return list(names.values())


def test_the_state_of_hosts_that_vanished_is_dropped(lab: Settings, tmp_path: Path) -> None:
    sizes = {}
    for name, keep_s in (("kept", 3600), ("dropped", 1)):
        settings = own_lab(lab, tmp_path / name, f"ttl_{name}", host_state_s=keep_s)
        submit(settings, ENRICHMENT)
        produce(settings.flow, hosts([f"gone-{number}" for number in range(300)], 1, seed=1, cpus=32))
        # A host is dropped some time after the job has written its state; what it has committed, it has written.
        read = partial(committed_offsets, lab.kafka_bootstrap, settings.snapshots_topic, settings.job_name(ENRICHMENT))
        wait_for(lambda read=read: sum(read().values()) == 300)
        vanished = time.time()
        wait_for(lambda vanished=vanished: time.time() > vanished + 2)
        produce(settings.flow, hosts(one_of_each_shard(), 1, seed=2))
        savepoint = drain_and_stop(settings, ENRICHMENT)
        sizes[name] = sum(file.stat().st_size for file in savepoint.iterdir())
    assert sizes["kept"] > 300 * 1000
    assert sizes["dropped"] < sizes["kept"] / 5
