"""The start of a lesson, always the same: what an earlier try left is gone, and what the lesson builds on is there.

    settings = begin("05")      topics procstat_snapshots_nb05 …, jobs …_nb05, rows in output/cpu_metrics_nb05

A notebook's first cell and `labkit goto 05` call the same function, so Run All twice is Run All once.
The main pipeline's topics, jobs and rows are never touched.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from labkit.errors import BadInput, LabkitError
from labkit.flink.rest import FlinkRest, Job
from labkit.jobs import running_jobs
from labkit.jobs.reset import delete_groups, delete_topics
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.kafka.topics import admin_client, topic_partitions
from labkit.lab import run_state, services
from labkit.lab.code import take_new_code
from labkit.pipeline.run import prepare
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.sources.clock import Clock
from labkit.sources.live import live_snapshots
from labkit.sources.recording import ReplaySource
from labkit.sources.simulated import SimulatedHosts
from labkit.streams.names import ENRICHMENT, PARQUET
from labkit.streams.procstat.stream import PROCSTAT
from labkit.system import own_http
from labkit.system.waiting import patience, wait_until
from labkit.workshop.course.contents import Lesson, Start, lesson

__all__ = ["RECORDING", "begin", "clear", "snapshots", "tidy"]

#: What everybody gets the same numbers from: ten minutes of a machine with two CPUs, and its burns.
RECORDING = REPOSITORY / "labkit" / "recordings" / "two_cpus.gz"
SOURCES = ("replay", "live")
LIVE_S = 60.0
_GONE_WITHIN_S = 30.0


#: A simulated host where there is no recording: as many seconds, and a time that never changes.
_SEED, _SECONDS, _START_MS = 7, 600, 1_764_000_000_000


def snapshots(settings: Settings, source: str = "replay", seconds: float = LIVE_S) -> Iterable[Any]:
    """The lesson's data: "replay" is the recording, "live" this machine for `seconds`, once a second.

    A stream without a recording has a simulated host instead, as long as the recording and the same for everybody.
    Raises `BadInput` for another word.
    """
    stream = settings.flow.stream
    if source == "replay":
        if stream is PROCSTAT:
            return ReplaySource(RECORDING)
        return SimulatedHosts(stream, 1, _SEED, _START_MS, Clock(1.0, _SECONDS, None, threading.Event()))
    if source == "live":
        return live_snapshots(settings.hostname, 1.0, threading.Event(), limit_s=seconds, stream=stream)
    raise _unknown(source)


def begin(
    no: str,
    source: str = "replay",
    say: Callable[[str], None] = print,
    suffix: str = "",
    start: Start | None = None,
    **values: object,
) -> Settings:
    """Bring everything to the start of lesson `no`; returns the settings of its own topics, jobs and rows.

    `values` are further settings (checkpoint_interval_s=5, stream="meminfo"). `suffix` and `start` stand in for the
    lesson's own (an
    exercise has a suffix too, and may need less than the lesson). Services that are not up are started. Raises
    `LabkitError` where that does not work.
    """
    chosen = lesson(no) if start is None else replace(lesson(no), start=start)
    if source not in SOURCES:
        raise _unknown(source)
    settings = load_settings(suffix=suffix or chosen.suffix, **values)
    if chosen.start == Start.NOTHING:
        return settings
    if not all(row.healthy for row in services.status(settings)):
        say("Starting the services (half a minute) …")
        services.up(settings)
    run_state.hand_over(settings, services=True)
    clear(settings)
    if source == "live" and chosen.start >= Start.SNAPSHOTS:
        say(f"Taking {LIVE_S:.0f} s of this machine …")
    if chosen.start >= Start.METRICS:
        say("The pipeline of the lessons before runs first …")
    _bring_to(settings, chosen.start, source)
    say(f"{chosen.no} {chosen.title}: {_what_is_there(settings, chosen)}")
    return settings


def _unknown(source: str) -> BadInput:
    return BadInput(f"The source is one of {', '.join(SOURCES)}, not {source!r}.")


def _bring_to(settings: Settings, start: Start, source: str) -> None:
    if start >= Start.TOPICS:
        prepare(settings)
    if start >= Start.SNAPSHOTS:
        produce(settings.flow, snapshots(settings, source))
    wanted = [job for job, needed in ((ENRICHMENT, Start.METRICS), (PARQUET, Start.ROWS)) if start >= needed]
    if wanted:
        take_new_code(settings)
        submit(settings, *wanted)
    for job in wanted:
        drain_and_stop(settings, job)


def clear(settings: Settings) -> None:
    """Remove the jobs, topics, subjects, groups, saved state and rows of a suffix. Raises `BadInput` without one."""
    if not settings.suffix:
        raise BadInput("Only what belongs to a lesson is cleared; for the main pipeline there is labkit reset.")
    tidy(settings)
    topics = [name for name in topic_partitions(settings.kafka_bootstrap) if name.endswith(settings.suffix)]
    delete_topics(settings, topics)
    for topic in {*topics, settings.snapshots_topic}:
        _forget_subject(settings, f"{topic}-value")
    if groups := _groups(settings):
        delete_groups(settings, groups)
    for folder in _own_folders(settings):
        shutil.rmtree(folder, ignore_errors=True)


def _groups(settings: Settings) -> list[str]:
    """The jobs' consumer groups whose names end with the suffix: of _nb12, that of enrichment_none_nb12 too."""
    admin = admin_client(settings.kafka_bootstrap)
    names = [group.group_id for group in admin.list_consumer_groups(request_timeout=patience(10)).result().valid]
    return [name for name in names if name.startswith((ENRICHMENT, PARQUET)) and name.endswith(settings.suffix)]


def _forget_subject(settings: Settings, subject: str) -> None:
    """Remove a subject for good; it may be absent. Confluent's API wants a soft deletion first."""
    for words in ("", "?permanent=true"):
        try:
            answer = own_http.request("DELETE", f"{settings.registry_url}/subjects/{subject}{words}")
        except httpx2.HTTPError:
            raise LabkitError("The registry does not answer.", "Start the services: labkit up") from None
        if answer.is_server_error:
            raise LabkitError(f"The registry answered {answer.status_code} when {subject} was to be removed.")


def tidy(settings: Settings) -> None:
    """End the jobs of a suffix, and wait until they have gone: what every notebook does last."""
    running_jobs.remove_suffix(settings)
    rest = FlinkRest(settings.flink_url)

    def at_work() -> list[Job]:
        return [job for job in rest.jobs() if job.name.endswith(settings.suffix) and not job.is_over]

    for job in at_work():
        with suppress(LabkitError):  # it ended in between
            rest.cancel(job.id)
    wait_until(
        lambda: not at_work(), "The lesson's jobs have ended", _GONE_WITHIN_S, todo="Type: labkit down",
        seen=lambda: ", ".join(f"{job.name} is {job.state}" for job in at_work()),
    )  # fmt: skip


def _own_folders(settings: Settings) -> Iterable[Path]:
    yield settings.parquet_dir
    for folder in (settings.savepoints_dir, settings.checkpoints_dir):
        yield from folder.glob(f"*{settings.suffix}")


def _what_is_there(settings: Settings, chosen: Lesson) -> str:
    there = {
        Start.SERVICES: "the services are up",
        Start.TOPICS: "topics and schema are there",
        Start.SNAPSHOTS: f"snapshots are in {settings.snapshots_topic}",
        Start.METRICS: f"metrics are in {settings.metrics_topic}",
        Start.ROWS: f"rows are in {settings.parquet_dir.name}",
    }
    return there[chosen.start] + "."
