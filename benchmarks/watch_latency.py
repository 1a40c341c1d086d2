"""How soon `labkit watch` shows a snapshot, and how fast many snapshots go through meanwhile.

    labkit up && python -m benchmarks.watch_latency
    python -m benchmarks.watch_latency --way record-at-a-time --bundle-ms 1000

Delay: snapshots of one host with 9 CPU lines, one a second, through producer, Kafka and the enrichment job. Each is
timed from the moment it is taken to the moment the picture with it is drawn (uncommitted), and to the moment its
record is there for a reader (uncommitted, committed). Throughput: 20,000 snapshots of 20 hosts as fast as they can
be sent, from the first one sent to the last of their metrics read.

The lab is the one that is up; topics and job are of this program's own (_latency), and are removed in the end. The
bundle time is how long PyFlink collects records for Python. Only the job that takes a record at a time goes by it.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import threading
import time
from collections.abc import Iterator

from rich.console import Console

from benchmarks.ways import RECORD_AT_A_TIME, VECTORIZED, WAYS
from labkit.flink import environment
from labkit.flink.gateway import close_client
from labkit.kafka.producer import produce
from labkit.lab import services
from labkit.pipeline.run import prepare
from labkit.settings import Settings, load_settings
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot
from labkit.watch.poll import follow, frames
from labkit.workshop.lesson import clear

CPUS = 8
WITHIN_S = 120


def snapshots(hosts: list[str], count: int) -> Iterator[Snapshot]:
    """`count` snapshots of each of `hosts`, in turn, taken now: 9 CPU lines whose counters grow by 100 ticks."""
    rng = random.Random(0)
    lines = [[rng.randrange(10**6) for _ in CPU_COLUMNS] for _ in range(CPUS)]
    stamp = 0
    for _ in range(count):
        for line in lines:
            for column in range(8):
                line[column] += 100 if column == 3 else rng.randrange(10)
        total = [sum(line[column] for line in lines) for column in range(len(CPU_COLUMNS))]
        cpus = (CpuTimes("cpu", *total), *(CpuTimes(f"cpu{number}", *line) for number, line in enumerate(lines)))
        stamp = max(stamp + 1, time.time_ns() // 1_000_000)
        for host in hosts:
            yield Snapshot(host, stamp, cpus, btime=1_763_000_000)


class Reader(threading.Thread):
    """Notes when each interval of `host` came: {timestamp in ms: time.time()}."""

    def __init__(self, settings: Settings, host: str, *, committed: bool = False, drawn: bool = False) -> None:
        super().__init__(daemon=True)
        self.came: dict[int, float] = {}
        self.ready, self.stop = threading.Event(), threading.Event()
        self._settings, self._host, self._committed, self._drawn = settings, host, committed, drawn

    def run(self) -> None:
        """Until `stop` is set."""
        if self._drawn:
            console = Console(file=io.StringIO(), width=120, height=40, force_terminal=True, color_system="truecolor")
            for frame in frames(self._settings.flow, self.stop, host=self._host):
                self.ready.set()
                console.print(frame)
                for heard in frame.hosts:
                    self.came.setdefault(heard.metrics.timestamp, time.time())
        else:
            for news in follow(self._settings.flow, self.stop, committed=self._committed, host=self._host):
                self.ready.set()
                for metrics in news.metrics:
                    self.came.setdefault(metrics.timestamp, time.time())


def measure_delay(settings: Settings, count: int) -> None:
    """Print the delays of `count` snapshots, one a second."""
    host = f"delay-{time.time_ns()}"
    readers = {
        "uncommitted, drawn": Reader(settings, host, drawn=True),
        "uncommitted, read": Reader(settings, host),
        "committed, read": Reader(settings, host, committed=True),
    }
    for reader in readers.values():
        reader.start()
    for reader in readers.values():
        reader.ready.wait()
    sent: list[int] = []

    def one_a_second() -> Iterator[Snapshot]:
        begin = time.monotonic()
        for number, snapshot in enumerate(snapshots_at_their_time(begin, host, count + 1)):
            if number:  # the first one of a host gives no metrics
                sent.append(snapshot.timestamp)
            yield snapshot

    produce(settings.flow, one_a_second())
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and len(readers["committed, read"].came) < count:
        time.sleep(0.1)
    for reader in readers.values():
        reader.stop.set()
    for name, reader in readers.items():
        # where two intervals came between two pictures, the newer one is drawn, and stands for both
        shown = [min((at for stamp, at in reader.came.items() if stamp >= wanted), default=None) for wanted in sent]
        delays = sorted(at - stamp / 1000 for at, stamp in zip(shown, sent, strict=True) if at is not None)
        print(
            f"{name:20} {len(delays)} of {count}: p50 {percentile(delays, 50):.2f} s, "
            f"p95 {percentile(delays, 95):.2f} s, max {delays[-1]:.2f} s"
        )


def snapshots_at_their_time(begin: float, host: str, count: int) -> Iterator[Snapshot]:
    """One a second, each taken when it is due."""
    feed = snapshots([host], count)
    for number in range(count):
        time.sleep(max(0.0, begin + number - time.monotonic()))
        yield next(feed)


def percentile(numbers: list[float], percent: int) -> float:
    """The smallest number that so many per cent are not above; `numbers` are sorted."""
    return numbers[max(0, -(-len(numbers) * percent // 100) - 1)]


def measure_throughput(settings: Settings, count: int) -> float:
    """Seconds from the first of `count` snapshots sent to the last of their metrics read, uncommitted."""
    hosts = [f"bulk-{time.time_ns()}-{number}" for number in range(20)]
    feed = list(snapshots(hosts, count // len(hosts)))
    ready, left = threading.Event(), len(feed) - len(hosts)
    stop, done = threading.Event(), threading.Event()

    def read() -> None:
        nonlocal left
        for news in follow(settings.flow, stop, seconds=WITHIN_S):
            ready.set()
            left -= sum(metrics.hostname in names for metrics in news.metrics)
            if left <= 0:
                break
        done.set()

    names = set(hosts)
    threading.Thread(target=read, daemon=True).start()
    ready.wait()
    begin, cpu_s = time.monotonic(), services_cpu_s(settings)
    produce(settings.flow, feed)
    sent_s = time.monotonic() - begin
    done.wait()
    took_s = time.monotonic() - begin
    cpu_s = services_cpu_s(settings) - cpu_s
    print(
        f"throughput           {len(feed)} snapshots in {took_s:.1f} s (sent in {sent_s:.1f} s), {left} missing, "
        f"{cpu_s:.1f} CPU seconds of the services"
    )
    return took_s


def services_cpu_s(settings: Settings) -> float:
    """CPU seconds of all services so far: what other programs on the machine do changes them less than the time."""
    return sum(sum(process.cpu_times()[:2]) for process in services.processes(settings))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, default=VECTORIZED)
    parser.add_argument("--bundle-ms", type=int, default=environment.BUNDLE_MS)
    parser.add_argument("--snapshots", type=int, default=60)
    parser.add_argument("--bulk", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3, help="how often throughput is measured")
    given = parser.parse_args()
    settings = load_settings(suffix="_latency")
    environment.BUNDLE_MS = given.bundle_ms
    clear(settings)
    try:
        prepare(settings)
        WAYS[given.way](settings)
        bundled = f", bundle time {given.bundle_ms} ms" if given.way == RECORD_AT_A_TIME else ""
        print(f"{given.way}{bundled}, checkpoint every {settings.checkpoint_interval_s:g} s")
        measure_throughput(settings, 2_000)  # to warm up
        measure_delay(settings, given.snapshots)
        times = [measure_throughput(settings, given.bulk) for _ in range(given.repeat)]
        print(f"throughput, median   {statistics.median(times):.1f} s")
    finally:
        close_client()
        clear(settings)


if __name__ == "__main__":
    main()
