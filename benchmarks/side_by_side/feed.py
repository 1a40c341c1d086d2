"""The topic that every program reads: snapshots of a simulated fleet, made once.

    Feed(20_000)  ->  200 hosts × 100 s, 9 CPU lines a snapshot, and one second more

The last second is sent and not counted. A program that waits for a later snapshot before it writes (a window does) gets
one, and nobody gains by it.
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.jobs.reset import delete_topics
from labkit.kafka.producer import produce
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.settings import Settings
from labkit.sources.scenario import Scenario
from labkit.sources.simulator import FleetSource, host_name
from labkit.streams.procstat.metrics import compare
from labkit.streams.procstat.snapshot import Snapshot

HOSTS, CPUS, SEED = 200, 8, 7
START_MS = 1_764_000_000_000
#: Of every so many hosts one is compared record by record; of the others the records are counted.
ONE_OF = 10


class Feed:
    """`snapshots` snapshots, whole seconds of all hosts, and what must come out of them."""

    def __init__(self, snapshots: int) -> None:
        self.seconds = max(2, snapshots // HOSTS)
        self.snapshots = HOSTS * self.seconds
        #: The records that are counted; the first snapshot of a host gives none.
        self.records_of_a_host = self.seconds - 1
        self.records = HOSTS * self.records_of_a_host
        self.hosts = [host_name(number, HOSTS) for number in range(HOSTS)]
        self.compared = set(self.hosts[::ONE_OF])
        #: Time of the first snapshot that is not counted.
        self.end_ms = START_MS + 1000 * self.seconds

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(FleetSource(HOSTS, CPUS, SEED, Scenario(), interval_s=1.0, start_ms=START_MS, seconds=self.seconds))

    def send(self, settings: Settings) -> dict[tuple[str, int], dict[str, object]]:
        """Make the topic anew; returns the records that must come of the compared hosts, by (hostname, timestamp)."""
        delete_topics(settings, [settings.snapshots_topic])
        create_topics(settings.kafka_bootstrap, pipeline_topics(settings.flow)[:1])
        expected: dict[tuple[str, int], dict[str, object]] = {}
        last: dict[str, Snapshot] = {}

        def passing() -> Iterator[Snapshot]:
            for now in self:
                if now.hostname in self.compared and now.timestamp < self.end_ms:
                    _, last[now.hostname], metrics = compare(last.get(now.hostname), now)
                    if metrics is not None:
                        record = metrics.as_record()
                        expected[now.hostname, now.timestamp] = {**record, "cpu_metrics": list(record["cpu_metrics"])}
                yield now

        produce(settings.flow, passing())
        return expected
