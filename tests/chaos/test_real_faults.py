"""Faults on purpose: what is killed comes back with its jobs, only this lab is touched, nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.chaos import faults as chaos
from labkit.chaos.small_disk import filled
from labkit.errors import BadInput
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.kafka.topic_ends import Ends
from labkit.lab import producers, services
from labkit.lab.account import measure
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.workshop.lesson import clear
from tests.support.commands import at_work, hear
from tests.support.feeds import START_MS, hosts
from tests.support.labs import Labkit
from tests.support.pipelines import balanced_account, idle
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def harmed(lab: Settings) -> Iterator[Settings]:
    """A pipeline of its own, both jobs at work on what is already in its topic."""
    idle(lab)
    settings = load_settings(suffix="_chaos")
    clear(settings)
    idle(settings)
    produce(settings.flow, hosts(["one", "two"], 50, seed=21))
    submit(settings, *JOBS)
    yield settings
    clear(settings)


def feed(settings: Settings, part: int) -> None:
    """Fifty more snapshots of the two hosts, later than all before."""
    produce(settings.flow, hosts(["one", "two"], 50, seed=21 + part, start_ms=START_MS + part * 100_000))


def test_a_killed_jobmanager_comes_back_with_its_jobs_which_go_on_from_their_checkpoints(
    harmed: Settings, labkit: Labkit
) -> None:
    rest = FlinkRest(harmed.flink_url)
    before = {name: rest.running(harmed.job_name(name)) for name in JOBS}
    done = labkit("chaos", "kill", "jobmanager", LABKIT_SUFFIX=harmed.suffix)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "jobmanager (pid " in done.stdout
    assert "was killed with SIGKILL" in done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()][::2] == ["before", "after"]
    for name in JOBS:
        now, then = rest.running(harmed.job_name(name)), before[name]
        assert now is not None
        assert then is not None
        assert now.id != then.id, "a new JobManager has new jobs"
        log = (harmed.state_dir / "log" / "submitter.log").read_text()
        assert f"submitted {harmed.job_name(name)}: job id {now.id}, goes on from" in log
    feed(harmed, 1)


def test_a_full_disk_stops_the_parquet_job_with_a_clear_word_and_loses_nothing(harmed: Settings) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk has to be mounted, and only root may do that")
    feed(harmed, 2)
    said: list[str] = []
    words = ["produce", "--fleet", "20", "--seconds", "3000", "--speed", "60"]
    with at_work(*words, environment={"LABKIT_SUFFIX": harmed.suffix}, stdout=subprocess.DEVNULL) as sender:
        fault = chaos.full_disk(harmed, 1.0, say=said.append)
        sender.terminate()
        assert sender.wait(60) == 0
    assert fault.told == "IOException: No space left on device"
    assert not harmed.parquet_dir.is_mount()
    assert measure(harmed).balances


def test_a_full_disk_that_is_broken_off_leaves_the_old_disk_the_job_at_work_and_nothing_lost(harmed: Settings) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk has to be mounted, and only root may do that")
    words = ["chaos", "full-disk", "--seconds", "300"]
    with at_work(*words, environment={"LABKIT_SUFFIX": harmed.suffix}) as broken_off:
        hear(broken_off, "has no room left")
        feed(harmed, 3)
        hear(broken_off, "No space left on device")
        broken_off.send_signal(signal.SIGINT)
        _, said = broken_off.communicate(timeout=120)
        assert (broken_off.returncode, said) == (130, "Stopped.\n")
    assert not harmed.parquet_dir.is_mount()
    assert FlinkRest(harmed.flink_url).running(harmed.job_name(PARQUET)) is not None
    assert measure(harmed).balances


@pytest.fixture
def other_lab(harmed: Settings, tmp_path: Path) -> dict[str, str]:
    """Environment of a lab in another folder, on the same ports and with the same names."""
    return {"LABKIT_SUFFIX": harmed.suffix, "LABKIT_STATE_DIR": str(tmp_path / "state"),
            "LABKIT_OUTPUT_DIR": str(tmp_path / "output")}  # fmt: skip


def test_another_lab_on_the_same_ports_does_not_touch_these_jobs(
    harmed: Settings, labkit: Labkit, other_lab: dict[str, str]
) -> None:
    rest = FlinkRest(harmed.flink_url)
    before = rest.jobs()
    for command in (
        ("chaos", "full-disk"),
        ("chaos", "kill", "taskmanager"),
        ("stop", "parquet"),
        ("submit", "parquet"),
    ):
        done = labkit(*command, **other_lab)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert re.search(r"taskmanager is not running|taken by .* of the lab in .*Nothing was changed", done.stderr), (
            done
        )
    assert rest.jobs() == before


def test_another_lab_on_the_same_ports_neither_reads_nor_feeds_these_topics(
    harmed: Settings, labkit: Labkit, other_lab: dict[str, str]
) -> None:
    ends = Ends(harmed.kafka_bootstrap, harmed.snapshots_topic)
    before = ends.total()
    for command in (
        ("produce", "--seconds", "2"),
        ("ledger",),
        ("topics",),
        ("register-schema",),
        ("dead-letters",),
        ("watch", "--seconds", "1"),
    ):
        done = labkit(*command, **other_lab)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert f"is that of the lab in {harmed.state_dir}. Nothing was read or sent." in done.stderr, done
    assert ends.total() == before


def test_a_killed_taskmanager_is_back_when_a_new_one_is_there_not_while_the_list_has_the_dead_one(
    harmed: Settings,
) -> None:
    """Without a job at work nothing else tells them apart."""
    for name in JOBS:
        drain_and_stop(harmed, name)
    rest = FlinkRest(harmed.flink_url)
    before = rest.taskmanagers()
    fault = chaos.kill(harmed, "taskmanager")
    assert fault.jobs == ()
    assert rest.taskmanagers() - before != set()
    submit(harmed, *JOBS)


def test_a_disk_that_is_no_small_one_is_never_filled(harmed: Settings) -> None:
    with pytest.raises(BadInput, match="no small disk"), filled(harmed.state_dir):
        pass
    assert not (harmed.state_dir / ".ballast").exists()


def test_a_frozen_broker_is_waited_for(harmed: Settings) -> None:
    before = [row.pid for row in services.status(harmed) if row.name == "kafka"]
    fault = chaos.pause(harmed, "kafka", 2.0)
    assert fault.what == "frozen for 2 s"
    assert [row.pid for row in services.status(harmed) if row.name == "kafka"] == before
    feed(harmed, 4)


def test_a_producer_is_known_while_it_sends_and_killing_it_touches_no_other(harmed: Settings) -> None:
    words = ["produce", "--interval", "0.2"]
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with other, at_work(*words, environment={"LABKIT_SUFFIX": harmed.suffix}) as mine:
        hear(mine, "cpu lines")
        assert [process.pid for process in producers.running(harmed)] == [mine.pid]
        fault = chaos.kill(harmed, "producer")
        assert fault.pids == (mine.pid,)
        assert "nobody restarts it" in str(fault)
        assert mine.wait(10) == -9
        assert producers.running(harmed) == []
        assert other.poll() is None
        other.communicate(b"\n")
    with pytest.raises(BadInput, match="producer is not running"):
        chaos.kill(harmed, "producer")


def test_a_job_that_was_stopped_on_purpose_does_not_come_back(harmed: Settings) -> None:
    for name in JOBS:
        drain_and_stop(harmed, name)
    assert running_jobs.listed(harmed) == []
    balanced_account(harmed)
    fault = chaos.kill(harmed, "jobmanager")
    assert fault.jobs == ()
    wait_for(lambda: FlinkRest(harmed.flink_url).overview()["slots-available"])
    assert FlinkRest(harmed.flink_url).running(harmed.job_name(ENRICHMENT)) is None
