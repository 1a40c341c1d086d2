"""Faults on purpose: kill a service, freeze it, fill the disk; and what came of it.

    kill(settings, "taskmanager")
    ->  Fault("taskmanager", "killed with SIGKILL", pids=(4711,), back_s=14.2, jobs=("enrichment", "parquet"), …)

Signals go to the supervisord that started the service, which sends them to its own child: never to a process that
is not this lab's, and in containers as on one machine. "Back" means that the service answers again, and that each
job that was at work has all its tasks running. What was lost or doubled, the ledger says.
"""

from __future__ import annotations

import os
import signal
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from labkit.chaos.small_disk import filled, require_root, small_disk
from labkit.errors import BadInput, LabkitError
from labkit.flink.rest import FlinkRest
from labkit.flink.root_cause import root_cause
from labkit.jobs import running_jobs
from labkit.jobs.stop import stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.lab import producers, services
from labkit.lab.account import measure
from labkit.lab.ownership import require_own
from labkit.lab.supervisor import control
from labkit.ledger.report import Ledger
from labkit.settings import Settings
from labkit.streams.names import PARQUET
from labkit.system.waiting import wait_until

__all__ = [
    "ROOM_MIB", "TARGETS", "Fault", "account", "full_disk", "kill", "pause", "require_possible",
]  # fmt: skip

#: What can be killed or frozen.
TARGETS = ("taskmanager", "jobmanager", "kafka", "registry", "producer")
#: How large a small disk is, beside what is in it already.
ROOM_MIB = 16
_BACK_WITHIN_S = 240.0
_NOTICED_WITHIN_S = 120.0
_NO_SPACE = "No space left on device"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done, to which processes, when; and how it ended.

    `back_s` is the time from the fault until service and jobs were at work again, None for what nobody restarts.
    """

    target: str
    what: str
    pids: tuple[int, ...]
    at: datetime
    back_s: float | None
    jobs: tuple[str, ...] = ()
    told: str = ""

    def __str__(self) -> str:
        pids = f" (pid {', '.join(map(str, self.pids))})" if self.pids else ""
        text = f"{self.target}{pids} was {self.what} at {self.at:%H:%M:%S} UTC"
        told = f'; the job said: "{self.told}"' if self.told else ""
        if self.back_s is None:
            return f"{text}{told}; nobody restarts it."
        others = f", and so {'is' if len(self.jobs) == 1 else 'are'} {', '.join(self.jobs)}" if self.jobs else ""
        return f"{text}{told}; it was back after {self.back_s:.1f} s{others}."


def account(settings: Settings) -> Ledger | None:
    """The ledger, or None where there are no topics to count yet. A broker that has just come back is waited for."""
    trouble = ""

    def counted() -> Ledger | None:
        nonlocal trouble
        try:
            return measure(settings)
        except BadInput:
            raise
        except LabkitError as error:
            trouble = error.what.rstrip(".")
            return None

    try:
        return wait_until(counted, "The topics can be counted", seen=lambda: trouble)
    except BadInput:
        return None


def require_possible(settings: Settings, target: str | None) -> None:
    """Raise `BadInput` where `target` does not run, or, for a full disk (None), where none can be had."""
    if target is not None:
        _Before(settings, target)
        return
    require_root()
    _Before(settings, "taskmanager")
    if FlinkRest(settings.flink_url).running(settings.job_name(PARQUET)) is None:
        raise BadInput(
            "The Parquet job is not at work; nobody would notice a full disk.", "Type: labkit submit parquet"
        )


def kill(settings: Settings, target: str) -> Fault:
    """Kill `target` with SIGKILL, and wait until it is back. Raises `BadInput` where it does not run.

    Of a service with several containers, every one.
    """
    before = _Before(settings, target)
    _signal(settings, target, signal.SIGKILL)
    if target == "producer" and not settings.in_containers:
        return before.fault("killed with SIGKILL", back_s=None)
    return before.fault("killed with SIGKILL", before.wait_until_back(restarted=True))


def pause(settings: Settings, target: str, seconds: float) -> Fault:
    """Freeze `target` for `seconds` (SIGSTOP, SIGCONT), and wait until it is back. Raises `BadInput` as `kill`."""
    before = _Before(settings, target)
    with _frozen(settings, target):
        time.sleep(seconds)  # the fault itself, not a wait for something
    return before.fault(f"frozen for {seconds:g} s", before.wait_until_back(restarted=False))


def full_disk(settings: Settings, seconds: float, room_mib: int = ROOM_MIB, say: Say = lambda _: None) -> Fault:
    """Put the Parquet files on a small disk of their own, fill it for `seconds`, make room again, put them back.

    The Parquet job has to be at work, and rows on their way to it: it notices when it writes. Needs the right to
    mount, which root has outside containers. Raises `BadInput` where that is missing, `LabkitError` where the job
    does not notice within two minutes.
    """
    require_possible(settings, None)
    rest = FlinkRest(settings.flink_url)
    require_own(settings)
    stop_with_savepoint(settings, PARQUET)
    try:
        with small_disk(settings.parquet_dir, room_mib):
            submit(settings, PARQUET)
            before = _Before(settings, "disk")
            try:
                fault = _fill(settings, rest, before, seconds, say)
            finally:
                _stop_parquet(settings, rest, before)
    finally:
        submit(settings, PARQUET)
    return fault


def _stop_parquet(settings: Settings, rest: FlinkRest, before: _Before) -> None:
    """Nobody may write when the small disk goes: a job that is still restarting is waited for, or else cancelled."""
    with suppress(LabkitError):
        before.wait_until_back(restarted=False)
    try:
        stop_with_savepoint(settings, PARQUET)
    except LabkitError:
        running_jobs.remove(settings, PARQUET)

        state = ""

        def is_over() -> bool:
            nonlocal state
            job = rest.running(settings.job_name(PARQUET))
            if job is not None:
                state = job.state
                rest.cancel(job.id)
            return job is None

        wait_until(is_over, "The Parquet job has ended, cancelled", _BACK_WITHIN_S, seen=lambda: f"it is {state}")


def _fill(settings: Settings, rest: FlinkRest, before: _Before, seconds: float, say: Say) -> Fault:
    with filled(settings.parquet_dir):
        say(f"{settings.parquet_dir} has no room left; waiting for the Parquet job to notice")
        told = _noticed(settings, rest)
        say(f"the Parquet job: {told}")
        time.sleep(seconds)  # the fault itself
    return before.fault(f"full for {seconds:g} s", before.wait_until_back(restarted=False), told)


def _noticed(settings: Settings, rest: FlinkRest) -> str:
    def met() -> str:
        job = rest.running(settings.job_name(PARQUET))
        trace = rest.root_exception(job.id) if job else ""
        return (
            str(root_cause(trace)) if _NO_SPACE in trace else ""
        )  # the job is a new one: what it met, it met just now

    return wait_until(
        met, "The Parquet job has noticed the full disk", _NOTICED_WITHIN_S,
        seen=lambda: "no row came to it", todo="Let a producer send at the same time: labkit produce",
    )  # fmt: skip


class _Before:
    """How things are before a fault: which processes the target is, which jobs are at work."""

    def __init__(self, settings: Settings, target: str) -> None:
        self._settings, self._target = settings, target
        self._pids = _pids(settings, target) if target in TARGETS else ()
        if target in TARGETS and not self._pids:
            todo = "Start one: labkit produce" if target == "producer" else "Start the services: labkit up"
            raise BadInput(f"{target} is not running.", todo)
        self._taskmanagers: set[str] = set()
        self._jobs: tuple[str, ...] = ()
        with suppress(LabkitError):
            rest = FlinkRest(settings.flink_url)
            self._jobs = tuple(job.name for job in rest.jobs() if not job.is_over)
            self._taskmanagers = rest.taskmanagers()
        self._at = datetime.now(UTC)
        self._begin = time.monotonic()

    def fault(self, what: str, back_s: float | None, told: str = "") -> Fault:
        return Fault(self._target, what, self._pids, self._at, back_s, self._jobs, told)

    def wait_until_back(self, *, restarted: bool) -> float:
        """Seconds from the fault until target and jobs are at work; with `restarted`, as new processes."""
        lacks = ""

        def is_back() -> bool:
            nonlocal lacks
            lacks = self._lacks(restarted=restarted)
            return not lacks

        wait_until(
            is_back, f"{self._target} and the jobs are back", _BACK_WITHIN_S,
            seen=lambda: lacks, todo="Look at: labkit status, labkit doctor",
        )  # fmt: skip
        return time.monotonic() - self._begin

    def _lacks(self, *, restarted: bool) -> str:
        """What is not as it was before, or ""."""
        if self._target in TARGETS:
            now = _pids(self._settings, self._target)
            if len(now) < len(self._pids) or (restarted and set(now) & set(self._pids)):
                return f"{self._target} has not been started again"
            rows = {row.name: row for row in services.status(self._settings)}
            if self._target in rows and not rows[self._target].healthy:
                return f"{self._target} {rows[self._target].detail}"
        # A job that lost its tasks or its JobManager came to RUNNING a second time; Flink says RUNNING of before for a
        # while. Without the broker or the registry a job may as well go on as it was.
        again = restarted and self._target in ("taskmanager", "jobmanager")
        since_ms = self._at.timestamp() * 1000 if again else 0
        rest = FlinkRest(self._settings.flink_url)
        try:
            if restarted and self._target == "taskmanager":
                # A dead one and its slots stay in the JobManager's list until its heartbeat is missed.
                registered = rest.taskmanagers() - self._taskmanagers
                if len(registered) < len(self._pids):
                    return "the JobManager does not know it yet"
            waiting = [name for name in self._jobs if not rest.runs_since(name, since_ms)]
            return f"not all tasks run of {', '.join(waiting)}" if waiting else ""
        except LabkitError as error:
            return error.what.rstrip(".")


def _pids(settings: Settings, target: str) -> tuple[int, ...]:
    if target == "producer" and not settings.in_containers:
        return tuple(process.pid for process in producers.running(settings))
    found = control.processes(settings)[target]
    return tuple(process.pid for process in found if process.pid is not None)


def _signal(settings: Settings, target: str, number: signal.Signals) -> None:
    if target == "producer" and not settings.in_containers:
        for process in producers.running(settings):
            os.kill(process.pid, number)
        return
    for address in control.each(settings, target):
        with suppress(xmlrpc.client.Fault), control.supervisor(address) as proxy:
            proxy.supervisor.signalProcess(target, number.name.removeprefix("SIG"))


@contextmanager
def _frozen(settings: Settings, target: str) -> Iterator[None]:
    try:
        _signal(settings, target, signal.SIGSTOP)
        yield
    finally:
        _signal(settings, target, signal.SIGCONT)
