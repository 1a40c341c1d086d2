"""The drills: which fault, when, under the load of a fleet.

Each is a function of a `Bench` that does harm and returns when everything is back; what came of it is judged by
`tests.drills.judge` the same way for all.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labkit.chaos import faults as chaos
from labkit.kafka.topic_ends import Ends
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import services
from labkit.settings import Settings
from labkit.system.waiting import wait_until
from tests.drills.fleet import Feed, Fleet
from tests.drills.watchers import snapshots_read

_REACHED_WITHIN_S = 240.0
AWAY_S = 60.0


@dataclass
class Bench:
    """One drill at work: its settings, the producer, and how long each fault took to be over."""

    settings: Settings
    fleet: Fleet
    feed: Feed
    chance: random.Random
    say: Callable[[str], None]
    recovered_s: list[float] = field(default_factory=list)

    def wait_until_read(self, share: float) -> None:
        """Until the enrichment has read that share of the snapshots."""
        read = 0

        def are_read() -> bool:
            nonlocal read
            read = snapshots_read(self.settings)
            return read >= share * self.fleet.snapshots

        what = f"{share:.0%} of {self.fleet.snapshots} snapshots are read"
        wait_until(are_read, what, _REACHED_WITHIN_S, seen=lambda: f"{read} are")
        self.say(f"{read} of {self.fleet.snapshots} snapshots are read")

    def over(self, fault: chaos.Fault) -> None:
        """Write down what a fault said of itself."""
        self.say(str(fault))
        if fault.back_s is not None:
            self.recovered_s.append(fault.back_s)


def taskmanager(bench: Bench, shares: tuple[float, ...] = (0.1, 0.35, 0.6)) -> None:
    """kill -9 of the TaskManager, three times."""
    for share in shares:
        bench.wait_until_read(share * bench.chance.uniform(0.8, 1.2))
        bench.over(chaos.kill(bench.settings, "taskmanager"))


def jobmanager(bench: Bench) -> None:
    """kill -9 of the JobManager, which forgets its jobs; the lab submits them again."""
    bench.wait_until_read(bench.chance.uniform(0.2, 0.5))
    bench.over(chaos.kill(bench.settings, "jobmanager"))


def kafka(bench: Bench) -> None:
    """kill -9 of the broker."""
    bench.wait_until_read(bench.chance.uniform(0.1, 0.3))
    bench.over(chaos.kill(bench.settings, "kafka"))


def registry(bench: Bench, away_s: float = AWAY_S) -> None:
    """The registry is away for a minute; meanwhile a producer starts, and workers that know no schema yet."""
    bench.wait_until_read(bench.chance.uniform(0.1, 0.3))
    begin = time.monotonic()
    with _stopped(bench.settings, "registry"):
        bench.over(chaos.kill(bench.settings, "taskmanager"))
        late = Feed(bench.settings, bench.fleet)
        while not any("registry does not answer" in line for line in late.said):
            assert late.is_sending, f"the producer did not wait for the registry: {late.said}"
            time.sleep(0.1)
        time.sleep(max(0.0, begin + away_s - time.monotonic()))  # the outage itself
        assert late.is_sending, "the producer has ended without a registry"
        assert not any("sent" in line for line in late.said), f"something was sent unframed: {late.said}"
    bench.say(f"registry was away for {time.monotonic() - begin:.0f} s")
    late.wait()


@contextmanager
def _stopped(settings: Settings, service: str) -> Iterator[None]:
    """`service` is stopped while the block runs, and up again after it."""
    services.stop_one(settings, service)
    try:
        yield
    finally:
        services.up(settings)


def producer(bench: Bench) -> None:
    """kill -9 of the producer in the middle of its work, then it begins again: what it sends twice is rejected."""
    _freeze_while_sending(bench)
    bench.over(chaos.kill(bench.settings, "producer"))
    bench.feed.process.wait(30)
    bench.feed.start()


def _freeze_while_sending(bench: Bench, tries: int = 5) -> None:
    """Stop it (SIGSTOP) when its first records are there: all of them take it a second or two."""
    ends = Ends(bench.settings.kafka_bootstrap, bench.settings.snapshots_topic)
    for _ in range(tries):
        bench.feed.wait()
        before = ends.total()
        bench.feed.start()
        while bench.feed.is_sending and ends.total() == before:
            time.sleep(0.01)
        bench.feed.process.send_signal(signal.SIGSTOP)
        if bench.feed.is_sending:
            return
    raise AssertionError(f"the producer had sent everything before it could be stopped, {tries} times")


def full_disk(bench: Bench) -> None:
    """No room is left where the Parquet files are."""
    bench.wait_until_read(bench.chance.uniform(0.1, 0.3))
    fault = chaos.full_disk(bench.settings, 5.0, say=bench.say)
    assert "No space left on device" in fault.told
    bench.over(fault)


def everything(bench: Bench) -> None:
    """All of these in one run, the full disk first, the others in a seeded random order."""
    faults: list[Callable[[Bench], None]] = [
        lambda b: b.over(chaos.kill(b.settings, "taskmanager")),
        lambda b: b.over(chaos.kill(b.settings, "jobmanager")),
        lambda b: b.over(chaos.kill(b.settings, "kafka")),
        lambda b: registry(b, away_s=15.0),
        producer,
        *([full_disk_now] if os.geteuid() == 0 else []),
    ]
    bench.chance.shuffle(faults)
    # A full disk needs rows that come, and all have come when the next fault is over.
    faults.sort(key=lambda fault: fault is not full_disk_now)
    for number, fault in enumerate(faults):
        bench.wait_until_read(0.08 * (number + 1))
        fault(bench)


def full_disk_now(bench: Bench) -> None:
    """The disk is full at this moment, whatever else went on before."""
    bench.over(chaos.full_disk(bench.settings, 2.0, say=bench.say))


DRILLS: dict[str, Callable[[Bench], None]] = {
    "taskmanager": taskmanager,
    "jobmanager": jobmanager,
    "kafka": kafka,
    "registry": registry,
    "producer": producer,
    "full-disk": full_disk,
    "everything": everything,
}


def ready(settings: Settings) -> None:
    """Services up, topics there."""
    services.up(settings)
    create_topics(settings.kafka_bootstrap, pipeline_topics(settings.flow))
