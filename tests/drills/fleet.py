"""The load of a drill: two hundred simulated hosts, sent as fast as they can be, and what must come out of them.

The same seed gives the same snapshots, so that what an undisturbed run would have written can be worked out without
running it: by `labkit.streams.procstat.metrics.compare` here, as the job does there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pyarrow.dataset as ds

from labkit.kafka.consumer import read_topic
from labkit.parquet.read import parquet_files
from labkit.settings import REPOSITORY, Settings
from labkit.sources.scenario import Scenario
from labkit.sources.simulator import FleetSource
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS, Metrics, compare
from labkit.streams.procstat.snapshot import Snapshot

HOSTS, CPUS = 200, 4
START = datetime(2026, 1, 1, 23, 58, tzinfo=UTC)  # over midnight: two folders of dates
_KEYS = ["hostname", "ts", "cpu_id"]
_COLUMNS = ["hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS]

Key = tuple[str, int]


@dataclass(frozen=True)
class Difference:
    """Of the expected keys: how many were found, are missing, or were found more than once or with other values."""

    expected: int
    found: int
    missing: int
    duplicates: int
    other: int

    @property
    def exact(self) -> bool:
        return not (self.missing or self.duplicates or self.other)


class Fleet:
    """`seconds` of the fleet of `seed`, and, unless `expected` is False, its expected results (in memory)."""

    def __init__(self, seed: int, seconds: int, *, expected: bool = True) -> None:
        self.seed, self.seconds = seed, seconds
        self.snapshots = HOSTS * (seconds + 1)
        self._metrics: dict[Key, bytes] = {}
        if expected:
            self._work_out()

    def _work_out(self) -> None:
        rows: dict[str, list[object]] = {name: [] for name in _COLUMNS}
        last: dict[str, Snapshot] = {}
        start_ms = int(START.timestamp() * 1000)
        source = FleetSource(
            HOSTS, CPUS, self.seed, Scenario(), interval_s=1.0, start_ms=start_ms, seconds=self.seconds
        )
        for now in source:
            _, last[now.hostname], metrics = compare(last.get(now.hostname), now)
            if metrics is not None:
                self._metrics[metrics.hostname, metrics.timestamp] = _digest(orjson.dumps(metrics.as_record()))
                _add_rows(rows, metrics)
        self._rows = _table(pa.table({**rows, "ts": pa.array(rows["ts"], pa.timestamp("ms"))}))

    @property
    def intervals(self) -> int:
        return len(self._metrics)

    @property
    def rows(self) -> int:
        return len(self._rows)

    def metrics_of(self, settings: Settings) -> Difference:
        """What is committed in the metrics topic, beside what must be."""
        found: Counter[Key] = Counter()
        other = 0
        for record in read_topic(settings.kafka_bootstrap, settings.metrics_topic):
            value = record.value()
            metrics = orjson.loads(value)
            key = metrics["hostname"], metrics["timestamp"]
            found[key] += 1
            other += self._metrics.get(key) != _digest(value)
        twice = sum(count - 1 for count in found.values())
        missing = sum(key not in found for key in self._metrics)
        return Difference(len(self._metrics), found.total(), missing, twice, other)

    def rows_of(self, settings: Settings) -> Difference:
        """What the Parquet files hold, beside what they must."""
        files = [str(file) for file in parquet_files(settings.parquet_dir)]
        found = _table(ds.dataset(files, format="parquet").to_table(columns=_COLUMNS))
        expected = self._rows
        if found.equals(expected):
            return Difference(len(expected), len(found), 0, 0, 0)
        keys, wanted = (Counter(zip(*(table[name].to_pylist() for name in _KEYS), strict=True))
                        for table in (found, expected))  # fmt: skip
        missing = sum(key not in keys for key in wanted)
        twice = sum(count - 1 for count in keys.values())
        other = int(not (missing or twice)) or sum(key not in wanted for key in keys)
        return Difference(len(expected), len(found), missing, twice, other)


class Feed:
    """`labkit produce` with the fleet, in a process of its own: it can be killed, and begins again from the start.

    What it sends a second time is not newer than what was there, so it counts as rejected.
    """

    def __init__(self, settings: Settings, fleet: Fleet, speed: float | None = None) -> None:
        self._settings, self._fleet = settings, fleet
        self._speed = "max" if speed is None else f"{speed:g}"
        self.start()

    def start(self) -> None:
        words = [
            "produce", "--fleet", str(HOSTS), "--cpus", str(CPUS), "--seed", str(self._fleet.seed),
            "--seconds", str(self._fleet.seconds), "--start", START.strftime("%Y-%m-%dT%H:%M:%S"),
            "--speed", self._speed,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labkit.cli", *words], cwd=REPOSITORY, text=True,
            env={**os.environ, "LABKIT_SUFFIX": self._settings.suffix},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said: list[str] = []
        threading.Thread(target=_listen, args=[self.process, self.said], daemon=True).start()

    @property
    def is_sending(self) -> bool:
        return self.process.poll() is None

    def wait(self, within_s: float = 300) -> None:
        """Until everything is acknowledged."""
        status = self.process.wait(within_s)
        assert status == 0, f"the producer ended with {status}: {self.said[-5:]}"


def _listen(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.strip())


def _add_rows(rows: dict[str, list[object]], metrics: Metrics) -> None:
    for cpu in metrics.cpu_metrics:
        rows["hostname"].append(metrics.hostname)
        rows["ts"].append(metrics.timestamp)
        rows["time_delta_ms"].append(metrics.time_delta_ms)
        rows["cpu_id"].append(cpu.cpu_id)
        for name in UTILIZATION_COLUMNS:
            rows[name].append(getattr(cpu, name))


def _table(table: pa.Table) -> pa.Table:
    ts = table["ts"].cast(pa.timestamp("ms"))
    table = table.select(_COLUMNS).set_column(_COLUMNS.index("ts"), "ts", ts)
    return table.sort_by([(name, "ascending") for name in _KEYS]).combine_chunks()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
