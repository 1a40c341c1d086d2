"""The ledger's comparing part, old way (dictionaries in memory) beside new way (DuckDB on disk).

    python -m benchmarks.ledger 50000           snapshots of 9 CPU lines each

Each way runs in a process of its own, on the same intervals and the same Parquet files; what is
measured is its seconds, those of its CPU, and its largest resident set. Kafka is left out.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from labkit.ledger.ledger import expect, find_metrics
from labkit.ledger.report import TableReport
from labkit.ledger.row_files import RowFiles
from labkit.ledger.store import METRICS, ReconciliationStore
from labkit.parquet.read import parquet_files
from labkit.settings import REPOSITORY
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS, Metrics, compare
from labkit.streams.procstat.snapshot import CpuTimes, Snapshot
from labkit.streams.procstat.stream import PROCSTAT

HOSTS = 10
CPUS = 8
START_MS = 1_764_000_000_000
_FILE_ROWS = 10_000
_ROW_COLUMNS = ("hostname", "ts", "time_delta_ms", "cpu_id", *UTILIZATION_COLUMNS)


def snapshots(count: int) -> Iterator[Snapshot]:
    """So many snapshots, a second apart, of ten hosts in turn; nine CPU lines each."""
    rng = random.Random(1)
    counters = [[[rng.randrange(10**6) for _ in range(10)] for _ in range(CPUS + 1)] for _ in range(HOSTS)]
    for number in range(count):
        host = number % HOSTS
        for line in counters[host]:
            for column in range(8):
                line[column] += rng.getrandbits(5)
        cpus = tuple(CpuTimes("cpu" if cpu == 0 else f"cpu{cpu - 1}", *line) for cpu, line in enumerate(counters[host]))
        yield Snapshot(f"host{host}", START_MS + number // HOSTS * 1000, cpus, btime=1)


def intervals(count: int) -> Iterator[Metrics]:
    """What has to come out of `snapshots`."""
    last: dict[str, Snapshot] = {}
    for now in snapshots(count):
        _, last[now.hostname], metrics = compare(last.get(now.hostname), now)
        if metrics is not None:
            yield metrics


def with_faults(expected: Iterable[Metrics], every: int) -> Iterator[Metrics]:
    """Of every so many one is lost, one doubled and one altered; none where `every` is 0."""
    for number, metrics in enumerate(expected):
        place = number % every if every else -1
        if place == 0:
            continue
        if place == 2:
            first, *others = metrics.cpu_metrics
            metrics = replace(metrics, cpu_metrics=(replace(first, total_busy_pct=-1.0), *others))
        yield metrics
        if place == 1:
            yield metrics


def write_rows(folder: Path, found: Iterable[Metrics]) -> None:
    """The rows of `found` as Parquet files of 10,000 rows."""
    (folder / "date=2025-11-24").mkdir(parents=True)
    rows: list[tuple[Any, ...]] = []
    number = 0

    def flush() -> None:
        table = pa.table(dict(zip(_ROW_COLUMNS, zip(*rows, strict=True), strict=True)))
        times = table["ts"].cast(pa.timestamp("ms", tz="UTC"))
        pq.write_table(table.set_column(1, "ts", times), folder / "date=2025-11-24" / f"part-{number:05d}.parquet")
        rows.clear()

    for metrics in found:
        for cpu in metrics.cpu_metrics:
            shares = (getattr(cpu, name) for name in UTILIZATION_COLUMNS)
            rows.append((metrics.hostname, metrics.timestamp, metrics.time_delta_ms, cpu.cpu_id, *shares))
        if len(rows) >= _FILE_ROWS:
            flush()
            number += 1
    if rows:
        flush()


def new_way(rows: Path, count: int, every: int, scratch: Path) -> tuple[TableReport, TableReport]:
    """As `labkit ledger` does it now."""
    with ReconciliationStore(scratch, PROCSTAT.shape) as store:
        store.set_committed({0: count}, {0: 2 * count})
        RowFiles(rows, store).catch_up()
        for offset, metrics in enumerate(with_faults(intervals(count), every)):
            find_metrics(store, "metrics", orjson.dumps(metrics), (0, offset))
        for offset, metrics in enumerate(intervals(count)):
            expect(store, PROCSTAT.shape, metrics, (0, offset))
        return store.balance(METRICS), store.balance(store.rows)


def old_way(rows: Path, count: int, every: int, _: Path) -> tuple[TableReport, TableReport]:
    """As `labkit ledger` did it before: keys and values in dictionaries."""
    expected_metrics: dict[Hashable, Any] = {}
    expected_rows: dict[Hashable, Any] = {}
    positions: dict[Hashable, tuple[int, int]] = {}
    for offset, metrics in enumerate(intervals(count)):
        record = metrics.as_record()
        key = (record["hostname"], record["timestamp"])
        expected_metrics[key] = orjson.dumps(record)
        positions[key] = (0, offset)
        for cpu in record["cpu_metrics"]:
            expected_rows[(*key, cpu["cpu_id"])] = (
                record["time_delta_ms"],
                *(cpu[name] for name in UTILIZATION_COLUMNS),
            )

    found: list[tuple[Hashable, Any, tuple[int, int]]] = []
    for offset, metrics in enumerate(with_faults(intervals(count), every)):
        read = orjson.loads(orjson.dumps(metrics))
        found.append(((read["hostname"], read["timestamp"]), orjson.dumps(read), (0, offset)))

    def found_rows() -> Iterator[tuple[Hashable, Any]]:
        columns = ["hostname", "ts", "cpu_id", "time_delta_ms", *UTILIZATION_COLUMNS]
        for file in parquet_files(rows):
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(columns=columns):
                    times = batch.column("ts").cast("int64").to_pylist()
                    others = [batch.column(name).to_pylist() for name in columns if name != "ts"]
                    for timestamp, host, cpu, *values in zip(times, *others, strict=True):
                        yield (host, timestamp, cpu), tuple(values)

    return (
        _by_dictionaries("metrics", expected_metrics, ((key, value) for key, value, _ in found)),
        _by_dictionaries("rows", expected_rows, found_rows()),
    )


def _by_dictionaries(what: str, expected: Mapping[Hashable, Any], found: Iterable[tuple[Hashable, Any]]) -> TableReport:
    count = twice = unexpected = altered = 0
    seen: set[Hashable] = set()
    for key, value in found:
        count += 1
        if key in seen:
            twice += 1
        elif key not in expected:
            unexpected += 1
        elif value != expected[key]:
            altered += 1
        seen.add(key)
    missing = sum(key not in seen for key in expected)
    return TableReport(what, len(expected), count, missing, twice, unexpected, altered)


WAYS: dict[str, Callable[[Path, int, int, Path], tuple[TableReport, TableReport]]] = {"old": old_way, "new": new_way}


def _peak_mib() -> int:
    """The most memory this program has had (VmHWM, proc_pid_status(5)); ru_maxrss has its parent's too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


def measured(way: str, rows: Path, count: int, every: int) -> dict[str, Any]:
    """Seconds, peak memory in MiB before and after, and the balances of one way, in this process."""
    peak_before = _peak_mib()
    with tempfile.TemporaryDirectory() as scratch:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        balances = WAYS[way](rows, count, every, Path(scratch))
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        disk = sum(file.stat().st_size for file in Path(scratch).rglob("*") if file.is_file()) >> 20
    peak = _peak_mib()
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "before_mib": peak_before,
        "peak_mib": peak,
        "disk_mib": disk,
        "balances": [str(balance) for balance in balances],
    }


def alone(way: str, rows: Path, count: int, every: int = 0) -> dict[str, Any]:
    """`measured` in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.ledger", way, str(rows), str(count), str(every)]
    done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = orjson.loads(done.stdout)
    return result


def main() -> None:
    """Measure both ways and print a line each."""
    if sys.argv[1:2] and sys.argv[1] in WAYS:
        way, rows, count, every = sys.argv[1:]
        sys.stdout.buffer.write(orjson.dumps(measured(way, Path(rows), int(count), int(every))))
        return
    count = int(sys.argv[1]) if sys.argv[1:] else 50_000
    begin = time.process_time()
    made = sum(1 for _ in intervals(count)) + sum(1 for _ in intervals(count))
    print(f"{count} snapshots of {CPUS + 1} CPU lines; making the {made} intervals, which is in both: "
          f"{time.process_time() - begin:.1f} s of CPU")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), intervals(count))
        for way in WAYS:
            told = alone(way, Path(folder), count)
            print(f"{way}: {told['seconds']:.1f} s ({told['cpu_seconds']:.1f} s of CPU), peak {told['peak_mib']} MiB "
                  f"({told['before_mib']} before it began), {told['disk_mib']} MiB on disk")  # fmt: skip
            print("     " + " │ ".join(told["balances"]))


if __name__ == "__main__":
    main()
