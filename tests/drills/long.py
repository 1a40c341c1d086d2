"""An hour of 200 hosts, ten times as fast, and what grows meanwhile: `make drill-long`, by hand (about eight minutes).

    python -m tests.drills.long                    3,600 snapshots of 200 hosts in six minutes, a checkpoint every 2 s
    python -m tests.drills.long --seconds 600      a shorter hour

A sample every five seconds: memory and file handles of every process, size of the newest checkpoint, Parquet files,
open transactions. A thing grows without bound where the last third of the run is above the middle third by more than
its slack. Prints a table, writes it to test-output/drills/long.json; exit status 0 only where every bound held, the
ledger balances, and nothing is left over.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import psutil
import typer
from rich.table import Table

from labkit.flink.rest import FlinkRest
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.lab import services
from labkit.lab.account import measure
from labkit.parquet.read import parquet_files
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.names import JOBS
from tests.drills.fleet import CPUS, HOSTS, Feed, Fleet
from tests.drills.judge import in_the_books
from tests.drills.own_lab import keep, new_folder, out, own_lab
from tests.drills.watchers import Reader, left_over, open_transactions, snapshots_read

SECONDS, SPEED = 3600, 10.0
CHECKPOINT_S = 2
_SAMPLE_S = 5.0
_TRANSACTIONS_EVERY = 6
_READ_WITHIN_S = 300.0
_WRITERS = 1


@dataclass(frozen=True)
class Bound:
    """The most that a series may reach, and how far its last third may stand above its middle third."""

    most: float
    slack: float


#: By the first word of a series. MiB of resident memory, open files, bytes of state, files.
BOUNDS = {
    "memory": Bound(most=1200, slack=40),
    "handles": Bound(most=1500, slack=30),
    "checkpoint": Bound(most=8 * 2**20, slack=2**20),
    "transactions": Bound(most=16, slack=4),
}


class Samples:
    """Series of numbers by name: "memory taskmanager" -> [231.0, …]."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._rest = settings, FlinkRest(settings.flink_url)
        self.series: dict[str, list[float]] = defaultdict(list)

    def take(self) -> None:
        """One number more for each series."""
        for name, process in self._processes():
            try:
                memory, handles = process.memory_info().rss / 2**20, process.num_fds()
            except psutil.Error:
                continue
            self.series[f"memory {name}"].append(memory)
            self.series[f"handles {name}"].append(handles)
        for job in JOBS:
            running = self._rest.running(self._settings.job_name(job))
            if running is None:
                continue
            answer = self._rest.checkpoints(running.id)
            newest = answer["latest"]["completed"]
            if newest:
                self.series[f"checkpoint {job}"].append(newest["state_size"])
            self.series[f"checkpoints of {job}"].append(answer["counts"]["completed"])
            self.series[f"failed checkpoints of {job}"].append(answer["counts"]["failed"])
        self.series["Parquet files"].append(len(parquet_files(self._settings.parquet_dir)))
        if len(self.series["Parquet files"]) % _TRANSACTIONS_EVERY == 0:  # Kafka's tool for it is a JVM each time
            self.series["transactions open"].append(len(open_transactions(self._settings)))

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for row in services.status(self._settings):
            if row.pid is None:
                continue
            process = psutil.Process(row.pid)
            yield row.name, process
            workers = [child for child in process.children(recursive=True) if "beam_boot" in " ".join(child.cmdline())]
            yield from ((f"{row.name}'s Python worker {n}", each) for n, each in enumerate(workers, 1))

    def ended(self) -> list[str]:
        """The jobs that are at work no more."""
        return [job for job in JOBS if self._rest.running(self._settings.job_name(job)) is None]

    def faults(self) -> Iterator[str]:
        """A sentence for each bound that did not hold."""
        for name, numbers in self.series.items():
            bound = BOUNDS.get(name.split()[0])
            if bound is None:
                continue
            if max(numbers) > bound.most:
                yield f"{name} reached {max(numbers):,.0f}, more than {bound.most:,.0f}"
            middle, last = thirds(numbers)[1:]
            if last - middle > bound.slack:
                yield f"{name} grew from {middle:,.0f} to {last:,.0f} between the middle third and the last"


def thirds(numbers: list[float]) -> tuple[float, float, float]:
    """The median of each third of a series."""
    step = max(1, len(numbers) // 3)
    return (
        statistics.median(numbers[:step]), statistics.median(numbers[step : 2 * step] or numbers),
        statistics.median(numbers[-step:]),
    )  # fmt: skip


def run(settings: Settings, fleet: Fleet, speed: float, watched: Samples) -> list[str]:
    """The run itself; returns what was not as it must be."""
    prepare(settings)
    submit(settings, *JOBS)
    with Reader(settings.parquet_dir) as reader:
        feed = Feed(settings, fleet, speed)
        while feed.is_sending or snapshots_read(settings) < fleet.snapshots:
            watched.take()
            if ended := watched.ended():
                feed.process.terminate()
                feed.process.wait()
                return [f"the job {job} has ended before all was read" for job in ended]
            time.sleep(_SAMPLE_S)  # the distance of the samples
        feed.wait()
        for job in JOBS:
            drain_and_stop(settings, job, within_s=_READ_WITHIN_S)
    faults = [f"reader: {fault}" for fault in reader.faults[:3]]
    ledger = measure(settings)
    out.print(f"  {ledger}", markup=False)
    return faults + in_the_books(ledger) + left_over(settings) + list(watched.faults())


def main(
    seconds: Annotated[int, typer.Option(help="Of the fleet's own time.")] = SECONDS,
    speed: Annotated[float, typer.Option(help="How many of these pass in a second.")] = SPEED,
    seed: Annotated[int, typer.Option(help="Of the fleet.")] = 7,
) -> None:
    """Run for long, and look at what grows."""
    folder = new_folder()
    begin = time.monotonic()
    with own_lab(folder, LABKIT_CHECKPOINT_INTERVAL_S=str(CHECKPOINT_S), LABKIT_SUFFIX="_long") as settings:
        watched = Samples(settings)
        fleet = Fleet(seed, seconds, expected=False)
        out.print(
            f"{seconds} s of {HOSTS} hosts with {CPUS} CPUs, {fleet.snapshots} snapshots, {speed:g} times as fast"
        )
        faults = run(settings, fleet, speed, watched)
        files = parquet_files(settings.parquet_dir)
        sizes = sorted(file.stat().st_size for file in files)
    out.print(table(watched.series))
    if sizes:
        out.print(f"{len(files)} Parquet files, {sizes[0]:,} to {sizes[-1]:,} bytes, {sum(sizes):,} in all")
    checkpoints = max(watched.series["checkpoints of parquet"], default=0)
    if len(files) > (most := _WRITERS * 2 * (checkpoints + 3)):
        faults.append(f"{len(files)} Parquet files, more than one a writer, date and checkpoint ({most:.0f})")
    keep("long.json", json.dumps({"seconds": seconds, "faults": faults, "files": sizes, "series": watched.series}))
    for fault in faults:
        out.print(f"✗ {fault}", markup=False)
    if faults:
        out.print(f"The lab of this run is in {folder}.")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    out.print(f"{'✗ failed' if faults else '✓ passed'} after {time.monotonic() - begin:.0f} s")
    raise typer.Exit(1 if faults else 0)


def table(series: dict[str, list[float]]) -> Table:
    """A row a series: samples, its three thirds, its peak, and the bound."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    result.add_column("what")
    for title in ("samples", "first third", "middle", "last", "most", "bound", "may grow by"):
        result.add_column(title, justify="right")
    for name, numbers in sorted(series.items()):
        bound = BOUNDS.get(name.split()[0])
        limits = (f"{bound.most:,.0f}", f"{bound.slack:,.0f}") if bound else ("", "")
        result.add_row(
            name, str(len(numbers)), *(f"{third:,.0f}" for third in thirds(numbers)), f"{max(numbers):,.0f}", *limits
        )
    return result


if __name__ == "__main__":
    typer.run(main)
