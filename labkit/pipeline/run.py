"""The main job, `labkit run`: everything up, live data through the whole pipeline, an ordered stop, the ledger.

services → topics and schema → both jobs → live snapshots → producer flushed → enrichment has read
to the end, stop with savepoint → Parquet job has read to the end, stop with savepoint → ledger → services down
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import BadInput, LabkitError
from labkit.flink.environment import Submitted
from labkit.flink.gateway import close_client
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.jobs.failure import watched
from labkit.jobs.origin import require_same
from labkit.jobs.stop import drain_and_stop, stop_or_cancel
from labkit.jobs.submit import require_absent, submit
from labkit.kafka.producer import Counts, SnapshotProducer, Stopped, register_snapshot_schema
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import run_state, services
from labkit.lab.account import measure
from labkit.lab.code import take_new_code
from labkit.ledger.ledger import Ledger
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
from labkit.sources.live import Snapshots, read_text, ticks
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.registry import STREAMS
from labkit.system.disk_space import OUTPUT_MIB, STATE_MIB, require_room
from labkit.system.locks import exclusive

__all__ = ["prepare", "run"]

_STOPS = {ENRICHMENT: Step.STOP_ENRICHMENT, PARQUET: Step.STOP_PARQUET}


def prepare(settings: Settings) -> tuple[list[str], int]:
    """Topics and schema, as `make setup` does: (topics that were created, schema id)."""
    created = create_topics(settings.kafka_bootstrap, pipeline_topics(settings.flow))
    return created, register_snapshot_schema(settings.flow)


def run(
    settings: Settings, seconds: float, stop: threading.Event | None = None, streams: Sequence[str] = ()
) -> Generator[Event, None, None]:
    """Run the whole pipeline on live data for `seconds` s, or until `stop` is set, then stop it in order.

    `streams` flow side by side; where none is named, that of the settings.

    It runs while it is looped over. In a notebook, which is a loop like any other:

        for event in run(load_settings(), seconds=20):
            print(event)

    A loop that is broken off, an error in it, and the kernel's stop button or Ctrl-C end the run: its jobs are stopped,
    and what it started is taken down again. Who keeps the generator in a variable closes it (`contextlib.closing`).
    What a run that was killed left at work this one takes over: those jobs are stopped, and these go on from there.
    Raises `BadInput` where a run is at work or a job of a person's is there.
    """
    labs = [settings.for_stream(stream) for stream in dict.fromkeys(streams)] or [settings]
    with exclusive(settings.state_dir, "run.lock", wait=False):
        for lab in labs:
            read_text(lab.hostname, lab.flow.stream)  # says at once where there is none
        require_room(settings.state_dir, STATE_MIB)
        _require_writable(settings.output_dir)
        left = run_state.left_behind(settings)
        started = left is not None and left.services and services.is_up(settings)
        this = _Run(settings, labs, seconds, stop or threading.Event(), left, started)
        yield from followed_by(this.way(), this.end())


@dataclass(slots=True)
class _Run:
    """A run at work; `started` and `submitted`: whether services and jobs are its own to end.

    `labs` has the settings of each stream that flows.
    """

    settings: Settings
    labs: list[Settings]
    seconds: float
    stop: threading.Event
    left: run_state.RunState | None
    started: bool
    submitted: bool = False
    since_ms: int = 0

    @property
    def jobs(self) -> list[str]:
        """The jobs of all its streams, by Flink's names."""
        return [lab.job_name(job) for lab in self.labs for job in JOBS]

    def way(self) -> Iterator[Event]:
        """From the services to the ledger."""
        before = self.started or not services.is_up(self.settings)
        run_state.write(self.settings, services=before, jobs=self.left.jobs if self.left else ())
        yield from self._services()
        if self.left is not None:
            whose = f", left at work by a run (pid {self.left.pid}) that was killed"
            for stream in STREAMS:
                lab = self.settings.for_stream(stream)
                mine = [job for job in JOBS if lab.job_name(job) in self.left.jobs]
                yield from unbroken(_stop_jobs(lab, mine, whose))
        run_state.write(self.settings, services=self.started)
        for lab in self.labs:
            require_absent(lab, *JOBS)
            for job in JOBS:  # before a topic that is gone is made anew
                require_same(lab, job, schemas=False)
        take_new_code(self.settings)
        yield (step := _Timed(Step.TOPICS_AND_SCHEMA)).began
        made = [prepare(lab) for lab in self.labs]
        ids = ", ".join(str(schema_id) for _, schema_id in made)
        yield step.done(f"{sum(len(created) for created, _ in made)} topics created, schema id {ids}")
        run_state.write(self.settings, services=self.started, jobs=self.jobs)
        yield from followed_by(self._jobs(), self._stop_what_is_at_work())
        run_state.write(self.settings, services=self.started)
        for lab in self.labs:
            yield (step := _Timed(Step.LEDGER)).began
            ledger = measure(lab)
            yield step.done(f"{_of(lab)}{_how(ledger)}")
            yield LedgerDrawn(ledger, lab.stream)

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
            fresh = services.up(
                self.settings, lambda rows: tell(ServicesSeen(tuple(rows))), lambda what: tell(Said(what))
            )
            self.started = self.started or fresh  # here: where nobody listens any more, nobody hears what is returned
            return fresh

        yield (step := _Timed(Step.SERVICES)).began
        fresh = yield from told(start)
        yield step.done("ready" if fresh else "were up already")

    def _jobs(self) -> Iterator[Event]:
        self.submitted = True
        yield (step := _Timed(Step.SUBMIT_JOBS)).began
        taken = [job for lab in self.labs for job in submit(lab, *JOBS)]
        yield step.done(", ".join(f"{job.name} {_origin(job)}" for job in taken))
        for job in taken:
            if job.set_aside is not None:
                yield Said(f"the rows of an earlier lab are in {job.set_aside} now")
        yield (step := _Timed(Step.LIVE)).began
        with ExitStack() as watching:
            for lab in self.labs:
                watching.enter_context(watched(lab, JOBS, self.stop))
            counts = yield from self._send()
        sent = sum(count.acknowledged for count in counts)
        yield step.done(f"{sent} snapshots of {self.settings.hostname} acknowledged by Kafka")
        yield MemorySeen({row.name: row.memory_mib or 0.0 for row in services.status(self.settings)})
        for name in JOBS:
            for lab in self.labs:
                yield (step := _Timed(_STOPS[name])).began
                savepoint = drain_and_stop(lab, name)
                yield step.done(f"{_of(lab)}has read everything, {savepoint.name}")
        self.submitted = False
        for lab, count in zip(self.labs, counts, strict=True):
            yield RowsReady(self.since_ms, count.acknowledged, lab.stream)

    def _send(self) -> Generator[Event, None, list[Counts]]:
        """Every snapshot until the time is over or `stop` is set, then flush; `Said` where Kafka goes away.

        Returns what was sent of each stream.
        """
        said: deque[str] = deque()
        begin = time.monotonic()
        try:
            producers = [SnapshotProducer(lab.flow, said.append, self.stop) for lab in self.labs]
        except Stopped:
            return [Counts() for _ in self.labs]
        counts = [producer.counts for producer in producers]
        readers = [Snapshots(lab.flow.stream, said.append) for lab in self.labs]
        try:
            for _ in ticks(self.settings.interval_s, self.stop, self.seconds):
                for lab, reader, producer in zip(self.labs, readers, producers, strict=True):
                    snapshot = reader.of(read_text(lab.hostname, lab.flow.stream))
                    if snapshot is not None:
                        producer.send(snapshot)
                        self.since_ms = self.since_ms or snapshot.timestamp + 1
                yield from _taken(said)
                elapsed_s = time.monotonic() - begin
                files = sum(len(parquet_files(lab.parquet_dir)) for lab in self.labs)
                sent, acknowledged = sum(one.sent for one in counts), sum(one.acknowledged for one in counts)
                yield SnapshotSent(sent, acknowledged, files, elapsed_s, max(0.0, self.seconds - elapsed_s))
        finally:
            for producer in producers:
                producer.flush()
        for reader in readers:
            reader.say_counts()
        yield from _taken(said)
        return counts

    def _stop_what_is_at_work(self) -> Iterator[Event]:
        """What this run submitted does not outlive it."""
        if self.submitted:
            close_client()  # broken off while it submits, it would hand over a job that nobody waits for
            with suppress(LabkitError):
                for lab in self.labs:
                    yield from _stop_jobs(lab, JOBS)


def _stop_jobs(settings: Settings, names: Sequence[str], whose: str = "") -> Iterator[Event]:
    """Stop those of `names` that are at work, so that `submit` goes on from there.

    With a savepoint; a job that can give none (it is still starting, or starts again) is cancelled, and goes on
    from its last checkpoint.
    """
    rest = FlinkRest(settings.flink_url)
    for name in names:
        if rest.running(settings.job_name(name)) is not None:
            yield Said(f"stopping {settings.job_name(name)}{whose}")
            running_jobs.remove(settings, name)
            stop_or_cancel(settings, name)


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


def _of(lab: Settings) -> str:
    """Whose step it is, where that is not plain."""
    return "" if lab.stream == PROCSTAT.name else f"{lab.stream} "


def _how(ledger: Ledger) -> str:
    """What the ledger says, in three words."""
    if not ledger.balances:
        return "DOES NOT BALANCE"
    return f"balances, {ledger.uncommitted} in flight" if ledger.uncommitted else "balances"


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
