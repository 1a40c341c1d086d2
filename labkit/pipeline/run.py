"""The main job, `labkit run`: everything up, live data through the whole pipeline, an ordered stop, the ledger.

services → topics and schema → both jobs → live /proc/stat → producer flushed → enrichment has read
to the end, stop with savepoint → Parquet job has read to the end, stop with savepoint → ledger → services down
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.gateway import close_client
from labkit.flink.names import ENRICHMENT, JOBS, PARQUET
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import require_absent, submit
from labkit.kafka.producer import Counts, SnapshotProducer, Stopped, register_snapshot_schema
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import run_state, services
from labkit.lab.code import take_new_code
from labkit.ledger.ledger import measure
from labkit.parquet.read import parquet_files
from labkit.pipeline.events import (
    Event,
    LedgerDrawn,
    MemorySeen,
    RowsReady,
    Said,
    ServicesSeen,
    SnapshotSent,
    Step,
    StepBegan,
    StepDone,
)
from labkit.pipeline.generators import followed_by, told, unbroken
from labkit.settings import Settings
from labkit.sources.live import live_snapshots, read_snapshot
from labkit.system.disk_space import OUTPUT_MIB, STATE_MIB, require_room
from labkit.system.locks import exclusive
from labkit.system.waiting import wait_until

__all__ = ["prepare", "run"]

_STOPS = {ENRICHMENT: Step.STOP_ENRICHMENT, PARQUET: Step.STOP_PARQUET}


def prepare(settings: Settings) -> tuple[list[str], int]:
    """Topics and schema, as `make setup` does: (topics that were created, schema id)."""
    created = create_topics(settings, pipeline_topics(settings))
    return created, register_snapshot_schema(settings)


def run(settings: Settings, seconds: float, stop: threading.Event | None = None) -> Generator[Event, None, None]:
    """Run the whole pipeline on live data for `seconds` s, or until `stop` is set, then stop it in order.

    It runs while it is looped over. In a notebook, which is a loop like any other:

        for event in run(load_settings(), seconds=20):
            print(event)

    A loop that is broken off, an error in it, and the kernel's stop button or Ctrl-C end the run: its jobs are stopped,
    and what it started is taken down again. Who keeps the generator in a variable closes it (`contextlib.closing`).
    What a run that was killed left at work this one takes over: those jobs are stopped, and these go on from there.
    Raises `BadInput` where a run is at work or a job of a person's is there.
    """
    with exclusive(settings.state_dir, "run.lock", wait=False):
        read_snapshot(settings.hostname)  # says at once where there is no /proc/stat
        require_room(settings.state_dir, STATE_MIB)
        _require_writable(settings.output_dir)
        left = run_state.left_behind(settings)
        started = left is not None and left.services and services.is_up(settings)
        this = _Run(settings, seconds, stop or threading.Event(), left, started)
        yield from followed_by(this.way(), this.end())


@dataclass(slots=True)
class _Run:
    """A run at work; `started` and `submitted`: whether services and jobs are its own to end."""

    settings: Settings
    seconds: float
    stop: threading.Event
    left: run_state.RunState | None
    started: bool
    submitted: bool = False
    since_ms: int = 0

    def way(self) -> Iterator[Event]:
        """From the services to the ledger."""
        before = self.started or not services.is_up(self.settings)
        run_state.write(self.settings, services=before, jobs=self.left.jobs if self.left else ())
        yield from self._services()
        if self.left is not None:
            whose = f", left at work by a run (pid {self.left.pid}) that was killed"
            yield from unbroken(_stop_jobs(self.settings, self.left.jobs, whose))
        run_state.write(self.settings, services=self.started)
        require_absent(self.settings, *JOBS)
        take_new_code(self.settings)
        yield (step := _Timed(Step.TOPICS_AND_SCHEMA)).began
        created, schema_id = prepare(self.settings)
        yield step.done(f"{len(created)} topics created, schema id {schema_id}")
        run_state.write(self.settings, services=self.started, jobs=JOBS)
        yield from followed_by(self._jobs(), self._stop_what_is_at_work())
        run_state.write(self.settings, services=self.started)
        yield (step := _Timed(Step.LEDGER)).began
        ledger = measure(self.settings)
        yield step.done("balances" if ledger.balances else "DOES NOT BALANCE")
        yield LedgerDrawn(ledger)

    def end(self) -> Iterator[Event]:
        """However the way ended: what this run started is taken down."""
        try:
            if self.started:
                yield (step := _Timed(Step.SERVICES_DOWN)).began
                services.down(self.settings)
                yield step.done()
        finally:
            run_state.clear(self.settings)

    def _services(self) -> Iterator[Event]:
        def start(tell: Callable[[Event], None]) -> bool:
            fresh = services.up(self.settings, lambda rows: tell(ServicesSeen(tuple(rows))))
            self.started = self.started or fresh  # here: where nobody listens any more, nobody hears what is returned
            return fresh

        yield (step := _Timed(Step.SERVICES)).began
        fresh = yield from told(start)
        yield step.done("ready" if fresh else "were up already")

    def _jobs(self) -> Iterator[Event]:
        self.submitted = True
        yield (step := _Timed(Step.SUBMIT_JOBS)).began
        taken = submit(self.settings, *JOBS)
        yield step.done(", ".join(f"{job.name} {_origin(job)}" for job in taken))
        for job in taken:
            if job.set_aside is not None:
                yield Said(f"the rows of an earlier lab are in {job.set_aside} now")
        yield (step := _Timed(Step.LIVE)).began
        counts = yield from self._send()
        yield step.done(f"{counts.acknowledged} snapshots of {self.settings.hostname} acknowledged by Kafka")
        yield MemorySeen({row.name: row.memory_mib or 0.0 for row in services.status(self.settings)})
        for name in JOBS:
            yield (step := _Timed(_STOPS[name])).began
            savepoint = drain_and_stop(self.settings, name)
            yield step.done(f"has read everything, {savepoint.name}")
        self.submitted = False
        yield RowsReady(self.since_ms, counts.acknowledged)

    def _send(self) -> Generator[Event, None, Counts]:
        """Every snapshot until the time is over or `stop` is set, then flush; `Said` where Kafka goes away."""
        said: deque[str] = deque()
        begin = time.monotonic()
        try:
            producer = SnapshotProducer(self.settings, said.append, self.stop)
        except Stopped:
            return Counts()
        try:
            for snapshot in live_snapshots(
                self.settings.hostname, self.settings.interval_s, self.stop, limit_s=self.seconds
            ):
                producer.send(snapshot)
                self.since_ms = self.since_ms or snapshot.timestamp + 1
                yield from _taken(said)
                counts, elapsed_s = producer.counts, time.monotonic() - begin
                files = len(parquet_files(self.settings.parquet_dir))
                left_s = max(0.0, self.seconds - elapsed_s)
                yield SnapshotSent(counts.sent, counts.acknowledged, files, elapsed_s, left_s)
        finally:
            producer.flush()
        yield from _taken(said)
        return producer.counts

    def _stop_what_is_at_work(self) -> Iterator[Event]:
        """What this run submitted does not outlive it."""
        if self.submitted:
            close_client()  # broken off while it submits, it would hand over a job that nobody waits for
            with suppress(LabkitError):
                yield from _stop_jobs(self.settings, JOBS)


def _stop_jobs(settings: Settings, names: Sequence[str], whose: str = "") -> Iterator[Event]:
    """Stop those of `names` that are at work, so that `submit` goes on from there.

    With a savepoint; a job that can give none (it is still starting, or starts again) is cancelled, and goes on
    from its last checkpoint.
    """
    rest = FlinkRest(settings.flink_url)
    for name in names:
        job = rest.running(settings.job_name(name))
        if job is None:
            continue
        yield Said(f"stopping {name}{whose}")
        running_jobs.remove(settings, name)
        try:
            stop_with_savepoint(settings, name)
        except LabkitError:
            with suppress(LabkitError):  # it is over by now
                rest.cancel(job.id)
        _wait_until_over(rest, settings.job_name(name))


def _wait_until_over(rest: FlinkRest, job: str) -> None:
    wait_until(lambda: rest.running(job) is None, f"The job {job} is over")


@dataclass(frozen=True, slots=True)
class _Timed:
    """A step's two events, and the time between them."""

    step: Step
    begin_s: float = field(default_factory=time.monotonic)

    @property
    def began(self) -> StepBegan:
        return StepBegan(self.step)

    def done(self, what: str = "") -> StepDone:
        return StepDone(self.step, what, time.monotonic() - self.begin_s)


def _taken(said: deque[str]) -> Iterator[Event]:
    while said:
        yield Said(said.popleft())


def _origin(job: Submitted) -> str:
    return f"goes on from {job.resumed_from.name}" if job.resumed_from else "begins at the start"


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
