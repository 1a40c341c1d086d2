"""The live view on real services: what no checkpoint has committed yet, and only what one has, when asked for that."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from labkit.jobs.stop import stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.consumer import read_topic
from labkit.kafka.producer import produce
from labkit.kafka.topics import admin_client
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.streams.procstat.metrics import Metrics
from labkit.watch.poll import follow, show
from tests.support.commands import at_work
from tests.support.feeds import hosts
from tests.support.labs import Labkit
from tests.support.pipelines import idle
from tests.support.waiting import wait_for

#: Far more than it takes on a busy machine; a bound for a test that would hang otherwise.
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def enriching(lab: Settings) -> Iterator[Settings]:
    """The lab with its enrichment job at work, which makes no checkpoint by itself as long as these tests last."""
    idle(lab)
    submit(load_settings(checkpoint_interval_s=3600), ENRICHMENT)
    yield lab
    stop_with_savepoint(lab, ENRICHMENT)


class Watcher(threading.Thread):
    """`follow` in a thread: what it shows of `host` comes through a queue."""

    def __init__(self, settings: Settings, host: str, *, committed: bool = False) -> None:
        super().__init__(daemon=True)
        self.shown: queue.Queue[Metrics] = queue.Queue()
        self.ready = threading.Event()
        self.stop = threading.Event()
        self.troubles: list[str] = []
        self._follow = follow(settings.flow, self.stop, committed=committed, host=host)

    def run(self) -> None:
        for news in self._follow:
            self.ready.set()
            self.troubles.append(news.trouble)
            for metrics in news.metrics:
                self.shown.put(metrics)

    def next(self, within_s: float = WITHIN_S) -> Metrics:
        return self.shown.get(timeout=within_s)


@pytest.fixture
def watchers() -> Iterator[list[Watcher]]:
    """Those that a test starts; they are ended with it."""
    started: list[Watcher] = []
    yield started
    for watcher in started:
        watcher.stop.set()
    for watcher in started:
        watcher.join(WITHIN_S)


def begin(watchers: list[Watcher], *new: Watcher) -> None:
    for watcher in new:
        watchers.append(watcher)
        watcher.start()
    for watcher in new:
        assert watcher.ready.wait(WITHIN_S)


def committed_intervals(settings: Settings, host: str) -> int:
    return sum(record.key() == host.encode() for record in read_topic(settings.kafka_bootstrap, settings.metrics_topic))


def test_a_snapshot_shows_before_any_checkpoint_commits_it_and_committed_only_after(
    enriching: Settings, watchers: list[Watcher]
) -> None:
    uncommitted = Watcher(enriching, "watched")
    committed = Watcher(enriching, "watched", committed=True)
    begin(watchers, uncommitted, committed)
    feed = hosts(["watched", "other"], 3, seed=21)
    produce(enriching.flow, feed)
    seen = [uncommitted.next(), uncommitted.next()]
    assert [metrics.timestamp for metrics in seen] == [feed[2].timestamp, feed[4].timestamp]
    assert [cpu.cpu_id for cpu in seen[0].cpu_metrics] == ["cpu", "cpu0", "cpu1", "cpu2"]
    assert committed_intervals(enriching, "watched") == 0
    assert committed.shown.empty()
    stop_with_savepoint(enriching, ENRICHMENT)  # a savepoint commits as a checkpoint does
    assert [committed.next(), committed.next()] == seen
    assert uncommitted.shown.empty(), "it is shown once"
    submit(load_settings(checkpoint_interval_s=3600), ENRICHMENT)


def test_it_belongs_to_no_group_and_the_job_loses_nothing_to_it(enriching: Settings, watchers: list[Watcher]) -> None:
    both = Watcher(enriching, "shared"), Watcher(enriching, "shared")
    begin(watchers, *both)
    produce(enriching.flow, hosts(["shared"], 2, seed=22))
    assert both[0].next() == both[1].next()
    admin = admin_client(
        enriching.kafka_bootstrap
    )  # while it lives it answers: a future of one that is gone never comes
    groups = admin.list_consumer_groups().result(WITHIN_S).valid
    assert not any("watch" in group.group_id for group in groups)


def test_a_burst_is_shown_to_the_last_interval(enriching: Settings, watchers: list[Watcher]) -> None:
    watcher = Watcher(enriching, "burst")
    begin(watchers, watcher)
    feed = hosts(["burst"], 2500, seed=26, cpus=1)
    produce(enriching.flow, feed)
    assert [watcher.next().timestamp for _ in feed[1:]] == [snapshot.timestamp for snapshot in feed[1:]]


def test_it_goes_on_when_the_broker_was_killed_and_is_back(enriching: Settings, watchers: list[Watcher]) -> None:
    watcher = Watcher(enriching, "restarted")
    begin(watchers, watcher)
    feed = hosts(["restarted"], 4, seed=23)
    produce(enriching.flow, feed[:2])
    assert watcher.next().timestamp == feed[1].timestamp
    pid = next(row.pid for row in services.status(enriching) if row.name == "kafka")
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: any("Kafka does not answer" in trouble for trouble in watcher.troubles))
    services.up(enriching)
    produce(enriching.flow, feed[2:])
    assert feed[3].timestamp in {watcher.next().timestamp, watcher.next().timestamp}
    wait_for(lambda: watcher.troubles[-1] == "")


def test_where_nobody_watches_it_prints_a_line_for_each_interval_and_ctrl_c_ends_it(enriching: Settings) -> None:
    with at_work("watch", "--host", "piped") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "read uncommitted" in process.stderr.readline()
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or []], daemon=True).start()
        feed = iter(hosts(["piped"], 120, seed=24))
        produce(enriching.flow, [next(feed)])
        while lines.empty():  # until it stands at the end of the topic
            produce(enriching.flow, [next(feed)])
            time.sleep(0.5)
        first = lines.get()
        assert " piped busy " in first
        assert "(cpu0 " in first
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        assert process.returncode == 0


def test_seconds_end_it(enriching: Settings, labkit: Labkit) -> None:
    done = labkit("watch", "--seconds", "1", "--committed")
    assert (done.returncode, done.stdout) == (0, "")
    assert "read committed: an interval shows once a checkpoint has committed it" in done.stderr


def test_a_notebook_has_one_output_that_is_drawn_anew(enriching: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[dict[str, str]] = []
    displayed = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            outputs.append(data)

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        displayed.append(data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    sender = threading.Thread(target=send_slowly, args=(enriching,), daemon=True)
    sender.start()
    show(enriching.flow, seconds=8, host="notebook")
    sender.join(WITHIN_S)
    assert len(displayed) == 1
    assert "Waiting for the next interval of notebook" in displayed[0]["text/plain"]
    assert "notebook  busy " in outputs[-1]["text/plain"]
    assert len(outputs) <= 8 / 0.5


def send_slowly(settings: Settings) -> None:
    for snapshot in hosts(["notebook"], 12, seed=25):
        produce(settings.flow, [snapshot])
        time.sleep(0.5)
