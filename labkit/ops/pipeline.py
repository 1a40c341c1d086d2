"""The main job, `labkit run`: everything up, live data through the whole pipeline, an ordered stop, the account.

services → topics and schema → both jobs → live /proc/stat → producer flushed → enrichment has read
to the end, stop with savepoint → Parquet job has read to the end, stop with savepoint → plot, ledger
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from labkit import kafka_admin
from labkit.errors import BadInput, LabkitError
from labkit.flink.names import JOBS
from labkit.flink.session import Submitted
from labkit.ops import jobs, services
from labkit.ops.ledger import Ledger, measure
from labkit.procfs import Snapshot
from labkit.producer import Counts, produce, register_snapshot_schema
from labkit.settings import Settings
from labkit.sources import live_snapshots, read_snapshot

__all__ = ["Progress", "Run", "prepare", "run"]


class Progress:
    """What a run tells while it is at work. The command line draws it; here nothing is said."""

    def step(self, text: str) -> None:
        """A step begins."""

    def done(self, text: str, seconds: float) -> None:
        """The step is over; `text` says what came of it."""

    def services(self, rows: list[services.ServiceStatus]) -> None:
        """How the services are, while they start."""

    def live(self, sent: int, acknowledged: int, elapsed_s: float) -> None:
        """A snapshot was sent."""

    def say(self, text: str) -> None:
        """Something a person should know."""


@dataclass(slots=True)
class Run:
    """What a run did: seconds of each step, the ledger, memory of each service while the jobs ran.

    Intervals that end at `since_ms` (ms since the epoch) or later lie wholly within this run.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    ledger: Ledger | None = None
    since_ms: int = 0
    snapshots: int = 0
    memory_mib: dict[str, float] = field(default_factory=dict)


def prepare(settings: Settings) -> tuple[list[str], int]:
    """Topics and schema, as `make setup` does: (topics that were created, schema id)."""
    created = kafka_admin.create_topics(settings, kafka_admin.pipeline_topics(settings))
    return created, register_snapshot_schema(settings)


def run(
    settings: Settings,
    seconds: float,
    stop: threading.Event,
    progress: Progress,
    report: Callable[[Run], None],
) -> Run:
    """Run the whole pipeline on live data for `seconds` s (or until `stop` is set), then stop it in order.

    `report` is called once the Parquet is complete, before the ledger. What this call started it
    takes down again, however it ends. Raises `BadInput` where a run is at work or a job is there.
    """
    result = Run()
    with services.exclusive(settings, "run.lock", wait=False):
        read_snapshot(settings.hostname)  # says at once where there is no /proc/stat
        _require_writable(settings.output_dir)
        started = False
        try:
            with _step(result, progress, "services") as told:
                started = services.up(settings, lambda rows: progress.services(list(rows)))
                told("ready" if started else "were up already")
            jobs.require_absent(settings, *JOBS)
            with _step(result, progress, "topics and schema") as told:
                created, schema_id = prepare(settings)
                told(f"{len(created)} topics created, schema id {schema_id}")
            _pipeline(settings, seconds, stop, progress, result)
            with _step(result, progress, "plot"):
                report(result)
            with _step(result, progress, "ledger") as told:
                result.ledger = measure(settings)
                told("balances" if result.ledger.balances else "DOES NOT BALANCE")
        finally:
            if started:
                with _step(result, progress, "services down"):
                    services.down(settings)
    return result


def _pipeline(settings: Settings, seconds: float, stop: threading.Event, progress: Progress, result: Run) -> None:
    submitted: list[str] = []
    try:
        with _step(result, progress, "submit jobs") as told:
            taken = jobs.submit(settings, *JOBS)
            submitted += JOBS
            told(", ".join(f"{job.name} {_origin(job)}" for job in taken))
            for job in taken:
                if job.set_aside is not None:
                    progress.say(f"the rows of an earlier lab are in {job.set_aside} now")
        with _step(result, progress, "live") as told:
            begin = time.monotonic()

            def on_sent(snapshot: Snapshot, counts: Counts) -> None:
                result.since_ms = result.since_ms or snapshot.timestamp + 1
                progress.live(counts.sent, counts.acknowledged, time.monotonic() - begin)

            source = live_snapshots(settings.hostname, settings.interval_s, stop, limit_s=seconds)
            counts = produce(settings, source, on_sent, progress.say, stop)
            result.snapshots = counts.acknowledged
            told(f"{counts.acknowledged} snapshots of {settings.hostname} acknowledged by Kafka")
        result.memory_mib = {row.name: row.memory_mib or 0.0 for row in services.status(settings)}
        for name in JOBS:
            with _step(result, progress, f"stop {name}") as told:
                savepoint = jobs.finish(settings, name)
                submitted.remove(name)
                told(f"has read everything, {savepoint.name}")
    except BaseException:
        for name in submitted:  # what this run submitted does not outlive it
            progress.say(f"stopping {name}")
            with suppress(LabkitError):
                jobs.stop_with_savepoint(settings, name)
        raise


def _origin(job: Submitted) -> str:
    return f"goes on from {job.resumed_from.name}" if job.resumed_from else "begins at the start"


@contextmanager
def _step(result: Run, progress: Progress, name: str) -> Iterator[Callable[[str], None]]:
    words: list[str] = []
    begin = time.monotonic()
    progress.step(name)
    yield words.append
    result.seconds[name] = time.monotonic() - begin
    progress.done(f"{name}: {words[0]}" if words else name, result.seconds[name])


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".labkit-{threading.get_native_id()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(
            f"{folder} is not writable ({error.strerror}); nothing was started.",
            f"Type: chmod u+rwx {folder}, or point LABKIT_OUTPUT_DIR elsewhere.",
        ) from None
