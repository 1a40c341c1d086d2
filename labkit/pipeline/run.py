"""The main job, `labkit run`: everything up, live data through the whole pipeline, an ordered stop, the account.

services → topics and schema → both jobs → live /proc/stat → producer flushed → enrichment has read
to the end, stop with savepoint → Parquet job has read to the end, stop with savepoint → plot, ledger
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.gateway import close_client
from labkit.flink.names import JOBS
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.jobs.failure import watched
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import require_absent, submit
from labkit.kafka.producer import Counts, produce, register_snapshot_schema
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import run_state, services
from labkit.lab.code import take_new_code
from labkit.ledger.ledger import Ledger, measure
from labkit.settings import Settings
from labkit.sources.live import live_snapshots, read_snapshot
from labkit.streams.procstat.snapshot import Snapshot
from labkit.system.disk_space import OUTPUT_MIB, STATE_MIB, require_room
from labkit.system.locks import exclusive

__all__ = ["Progress", "Run", "prepare", "run"]

_OVER_WITHIN_S = 60
_POLL_S = 0.1


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
    created = create_topics(settings, pipeline_topics(settings))
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
    takes down again, however it ends. What a run that was killed left at work it takes over: its jobs are
    stopped, and these go on from there. Raises `BadInput` where a run is at work or a job of a person's is there.
    """
    result = Run()
    with exclusive(settings.state_dir, "run.lock", wait=False):
        read_snapshot(settings.hostname)  # says at once where there is no /proc/stat
        require_room(settings.state_dir, STATE_MIB)
        _require_writable(settings.output_dir)
        left = run_state.left_behind(settings)
        started = left is not None and left.services and services.is_up(settings)
        try:
            run_state.write(settings, services=started or not services.is_up(settings), jobs=left.jobs if left else ())
            with _step(result, progress, "services") as told:
                fresh = services.up(settings, lambda rows: progress.services(list(rows)))
                started = started or fresh
                told("ready" if fresh else "were up already")
            if left is not None:
                _stop_jobs(settings, left.jobs, progress, f", left at work by a run (pid {left.pid}) that was killed")
            run_state.write(settings, services=started)
            require_absent(settings, *JOBS)
            take_new_code(settings)
            with _step(result, progress, "topics and schema") as told:
                created, schema_id = prepare(settings)
                told(f"{len(created)} topics created, schema id {schema_id}")
            run_state.write(settings, services=started, jobs=JOBS)
            _pipeline(settings, seconds, stop, progress, result)
            run_state.write(settings, services=started)
            with _step(result, progress, "plot"):
                report(result)
            with _step(result, progress, "ledger") as told:
                result.ledger = measure(settings)
                told("balances" if result.ledger.balances else "DOES NOT BALANCE")
        finally:
            if started:
                with _step(result, progress, "services down"):
                    services.down(settings)
            run_state.clear(settings)
    return result


def _pipeline(settings: Settings, seconds: float, stop: threading.Event, progress: Progress, result: Run) -> None:
    try:
        with _step(result, progress, "submit jobs") as told:
            taken = submit(settings, *JOBS)
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
            with watched(settings, JOBS, stop):
                counts = produce(settings, source, on_sent, progress.say, stop)
            result.snapshots = counts.acknowledged
            told(f"{counts.acknowledged} snapshots of {settings.hostname} acknowledged by Kafka")
        result.memory_mib = {row.name: row.memory_mib or 0.0 for row in services.status(settings)}
        for name in JOBS:
            with _step(result, progress, f"stop {name}") as told:
                savepoint = drain_and_stop(settings, name)
                told(f"has read everything, {savepoint.name}")
    except BaseException:
        close_client()  # broken off while it submits, it would hand over a job that nobody waits for
        with suppress(LabkitError):  # what this run submitted does not outlive it
            _stop_jobs(settings, JOBS, progress)
        raise


def _stop_jobs(settings: Settings, names: Sequence[str], progress: Progress, whose: str = "") -> None:
    """Stop those of `names` that are at work, so that `submit` goes on from there.

    With a savepoint; a job that can give none (it is still starting, or starts again) is cancelled, and goes on
    from its last checkpoint.
    """
    rest = FlinkRest(settings.flink_url)
    for name in names:
        job = rest.running(settings.job_name(name))
        if job is None:
            continue
        progress.say(f"stopping {name}{whose}")
        running_jobs.remove(settings, name)
        try:
            stop_with_savepoint(settings, name)
        except LabkitError:
            with suppress(LabkitError):  # it is over by now
                rest.cancel(job.id)
        deadline = time.monotonic() + _OVER_WITHIN_S
        while rest.running(settings.job_name(name)) is not None:
            if time.monotonic() > deadline:
                raise LabkitError(f"The job {name} did not end within {_OVER_WITHIN_S} s.", "Type: labkit down")
            time.sleep(_POLL_S)


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
    require_room(folder, OUTPUT_MIB)
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
