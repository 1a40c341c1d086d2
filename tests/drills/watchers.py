"""What is looked at during a drill and after it: the folder of Parquet files, processes, transactions."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

import psutil
import pyarrow.parquet as pq

from labkit.errors import LabkitError
from labkit.flink.home import C1_ONLY, java
from labkit.flink.rest import FlinkRest
from labkit.kafka.offsets import committed_offsets, furthest
from labkit.lab import services
from labkit.lab.supervisor.kafka import kafka_classpath
from labkit.parquet.read import parquet_files
from labkit.settings import Settings
from labkit.streams.names import ENRICHMENT

_GONE_WITHIN_S = 20.0


class Reader:
    """Opens the folder all the time, as anybody may: every file whole, and never fewer rows than before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.looks = 0
        self.faults: list[str] = []

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self._look()
            except Exception as error:  # whatever a reader meets is a fault of the folder
                self.faults.append(f"{type(error).__name__}: {error}")

    def _look(self) -> None:
        files = parquet_files(self._folder)
        gone = self._rows.keys() - set(files)
        if gone:
            self.faults.append(f"{len(gone)} files with {sum(self._rows.pop(file) for file in gone)} rows went away")
        for file in files:
            if file not in self._rows:
                self._rows[file] = len(pq.ParquetFile(file).read())
        self.looks += 1


def orphans(settings: Settings) -> list[str]:
    """Processes of the lab that no supervisord watches over any more, after they had time to go."""
    deadline = time.monotonic() + _GONE_WITHIN_S
    while True:
        marked = services.processes(settings)
        (boss,) = [process for process in marked if "supervisor.supervisord" in " ".join(_words(process))]
        watched = {boss.pid, *(child.pid for child in boss.children(recursive=True))}
        left = [process for process in marked if process.pid not in watched and process.is_running()]
        if not left or time.monotonic() > deadline:
            return [f"{process.pid} {' '.join(_words(process))[:80]}" for process in left]
        time.sleep(0.2)


def left_over(settings: Settings) -> list[str]:
    """A sentence for each process and each transaction that should have ended."""
    return [
        *(f"orphan: {process}" for process in orphans(settings)),
        *(f"transaction left open: {name}" for name in open_transactions(settings)),
    ]


def snapshots_read(settings: Settings) -> int:
    """How many snapshots the enrichment has read; 0 where it is not at work, or Flink does not answer."""
    rest, name, topic = FlinkRest(settings.flink_url), settings.job_name(ENRICHMENT), settings.snapshots_topic
    try:
        job = rest.running(name)
        if job is None:
            return 0
        # A job that came back to a topic it had read to the end has read nothing since.
        return sum(
            furthest(
                committed_offsets(settings.kafka_bootstrap, topic, name), rest.read_offsets(job.id, topic)
            ).values()
        )
    except LabkitError:
        return 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def open_transactions(settings: Settings) -> list[str]:
    """The transactions that are neither committed nor aborted, as Kafka's own tool lists them."""
    words = [
        str(java()), "-Xmx128m", C1_ONLY, "-cp", kafka_classpath(settings),
        "org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", settings.kafka_bootstrap, "list",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    (head,) = [line.split() for line in lines if line.startswith("TransactionalId")]
    rows = [dict(zip(head, line.split(), strict=True)) for line in lines if settings.suffix in line]
    assert rows, f"no transaction of {settings.suffix} was ever made: {done.stdout[-300:]}"
    return [row["TransactionalId"] for row in rows if row["TransactionState"] in ("Ongoing", "PrepareCommit",
            "PrepareAbort")]  # fmt: skip
