"""Starting and stopping what is measured: processes of an environment of their own, or a job on the lab's Flink."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.ways import RECORD_AT_A_TIME
from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.flink.root_cause import root_cause
from labkit.jobs import running_jobs
from labkit.jobs.stop import stop_with_savepoint
from labkit.lab import services
from labkit.lab.supervisor.processes import children_of_supervisord, control_address
from labkit.settings import REPOSITORY, Settings
from labkit.streams.names import ENRICHMENT

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = REPOSITORY / ".venv-bench"
FLINK = ("jobmanager", "taskmanager")
SQL_JOB = "side_by_side_sql"
_ENDS_WITHIN_S = 60
_SETTLES_S = 5.0


class Running(Protocol):
    """A program at work."""

    def roots(self) -> list[psutil.Process]:
        """Its processes, without those that they started."""

    def trouble(self) -> str:
        """Why it will not go on, or ""."""

    def stop(self) -> None:
        """End it, so that all that it has read is committed."""


def told(settings: Settings, scratch: Path, processes: int) -> dict[str, str]:
    """What a program has to know, {"BENCH_INPUT": …}."""
    return {
        f"BENCH_{name}": value
        for name, value in {
            "BOOTSTRAP": settings.kafka_bootstrap,
            "REGISTRY": settings.registry_url,
            "INPUT": settings.snapshots_topic,
            "OUTPUT": settings.metrics_topic,
            "DEAD_LETTERS": settings.dead_letters_topic,
            "GROUP": scratch.name,
            "STATE": str(scratch),
            "PROCESSES": str(processes),
        }.items()
    }


def last_words(log: Path) -> str:
    """The last line of what a program said, or the last cause of a trace."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] or ["it said nothing"]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or lines)[-1].replace(str(REPOSITORY), ".")[:300]  # it may come onto a page


def _ended(process: psutil.Popen) -> bool:
    return process.poll() is not None


class OwnProcesses:
    """One command or several, each a process in the environment `.venv-bench/NAME`."""

    def __init__(self, commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> None:
        self._log = Path(environment["BENCH_STATE"]) / "log"
        self._processes: list[psutil.Popen] = []
        with self._log.open("ab") as log:
            for number, words in enumerate(commands):
                own = {**os.environ, **environment, "BENCH_NUMBER": str(number), "PYTHONPATH": str(HERE / "common")}
                self._processes.append(
                    psutil.Popen(words, cwd=folder, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                )

    def roots(self) -> list[psutil.Process]:
        """The processes that were started."""
        return list(self._processes)

    def trouble(self) -> str:
        """The last line of the log, where one has ended."""
        if not any(_ended(process) for process in self._processes):
            return ""
        return f"a process has ended: {last_words(self._log)}"

    def stop(self) -> None:
        """SIGTERM to each; SIGKILL to what is still there after a minute."""
        family = [child for root in self._processes if not _ended(root) for child in root.children(recursive=True)]
        for process in self._processes:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs([*self._processes, *family], timeout=_ENDS_WITHIN_S)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=_ENDS_WITHIN_S)


class FlinkJob:
    """A job on the lab's cluster, handed over by a command: JobManager, TaskManager and its Python workers."""

    def __init__(self, settings: Settings, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._settings, self._name = settings, name
        self._rest = FlinkRest(settings.flink_url)
        self._log = Path(environment["BENCH_STATE"]) / "log"
        address = control_address(settings)
        self._roots = [root for program in FLINK for root in _first(children_of_supervisord(address, program))]
        with self._log.open("ab") as log:
            own = {**os.environ, **environment}
            self._client = psutil.Popen(
                words, cwd=REPOSITORY, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def roots(self) -> list[psutil.Process]:
        """JobManager and TaskManager; the client that submits counts in the start-up only."""
        return self._roots

    def trouble(self) -> str:
        """Where the client failed, or the job is being restarted."""
        status = self._client.poll()
        if status:
            return f"the job was not submitted: {last_words(self._log)}"
        if status is None:
            return ""
        try:
            job = next((job for job in self._rest.jobs() if job.name == self._name), None)
            if job is None:
                return f"the job was not submitted: {last_words(self._log)}"
            if not job.is_over and job.state not in ("RESTARTING", "FAILING"):
                return ""
            return f"the job is {job.state}: {root_cause(self._rest.root_exception(job.id))}"
        except LabkitError as error:
            return str(error)

    def stop(self) -> None:
        """With a savepoint, which commits; where that fails, it is cancelled."""
        with suppress(psutil.Error):
            if not _ended(self._client):
                self._client.kill()
        with suppress(LabkitError):  # a cluster that is gone has no job
            self._end()
        running_jobs.remove_suffix(self._settings)  # or the next JobManager would bring it back

    def _end(self) -> None:
        running = self._rest.running(self._name)
        if running is None:
            return
        try:
            if self._name == self._settings.job_name(ENRICHMENT):
                stop_with_savepoint(self._settings, ENRICHMENT)
            else:
                self._rest.stop_with_savepoint(running.id, f"file://{self._log.parent}/savepoints")
        except LabkitError:
            self._rest.cancel(running.id)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while self._rest.running(self._name) is not None and time.monotonic() < deadline:
            time.sleep(0.2)


def _first(family: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of `family` that none of the others started."""
    there = list(family)
    pids = {process.pid for process in there}
    return [process for process in there if process.ppid() not in pids]


def stop_flink(settings: Settings) -> None:
    """Flink's processes rest while others are measured, and each job gets fresh ones."""
    for name in FLINK:
        with suppress(LabkitError):
            services.stop_one(settings, name)


def start_flink(settings: Settings) -> None:
    """JobManager and TaskManager, answering and quiet."""
    services.up(settings)
    time.sleep(_SETTLES_S)


def plain(settings: Settings, scratch: Path, processes: int) -> Running:
    """The plain loop, so many times."""
    return _own("plain", ["loop.py"], settings, scratch, processes)


def quixstreams(settings: Settings, scratch: Path, processes: int) -> Running:
    """Members of one consumer group."""
    return _own("quixstreams", ["app.py"], settings, scratch, processes)


def bytewax(settings: Settings, scratch: Path, processes: int) -> Running:
    """A cluster of processes with one worker each, and a recovery store."""
    store = scratch / "recovery"
    store.mkdir()
    python = str(ENVIRONMENTS / "bytewax" / "bin" / "python")
    subprocess.run([python, "-m", "bytewax.recovery", str(store), str(processes)], check=True)
    first = settings.jupyter_port + 1
    addresses = ";".join(f"127.0.0.1:{first + number}" for number in range(processes))
    words = ["-m", "bytewax.run", "flow", "-r", str(store), "-s", "10", "-b", "0"]
    commands = [[python, *words, *(["-i", str(number), "-a", addresses] if processes > 1 else [])]
                for number in range(processes)]  # fmt: skip
    return OwnProcesses(commands, HERE / "bytewax", told(settings, scratch, processes))


def _own(folder: str, words: list[str], settings: Settings, scratch: Path, processes: int) -> Running:
    python = str(ENVIRONMENTS / folder / "bin" / "python")
    return OwnProcesses([[python, *words]] * processes, HERE / folder, told(settings, scratch, processes))


def vectorized(settings: Settings, scratch: Path, processes: int) -> Running:
    """`labkit submit enrichment`, from its beginning."""
    return _enrichment(["labkit.cli", "submit", ENRICHMENT], settings, scratch, processes)


def record_at_a_time(settings: Settings, scratch: Path, processes: int) -> Running:
    """The enrichment as lesson 05 builds it, from its beginning."""
    return _enrichment(["benchmarks.ways", RECORD_AT_A_TIME], settings, scratch, processes)


def _enrichment(module: Sequence[str], settings: Settings, scratch: Path, processes: int) -> Running:
    for folder in (settings.savepoints_dir, settings.checkpoints_dir):
        shutil.rmtree(folder / settings.job_name(ENRICHMENT), ignore_errors=True)
    words = [sys.executable, "-m", *module]
    environment = {
        **told(settings, scratch, processes),
        "LABKIT_SUFFIX": settings.suffix,
        "LABKIT_ENRICHMENT_PARALLELISM": str(processes),
        "LABKIT_CHECKPOINT_INTERVAL_S": str(settings.checkpoint_interval_s),
    }
    return FlinkJob(settings, settings.job_name(ENRICHMENT), words, environment)


def flink_sql(settings: Settings, scratch: Path, processes: int) -> Running:
    """The statements of job.sql."""
    environment = {
        **told(settings, scratch, processes),
        "BENCH_JOB": SQL_JOB,
        "LABKIT_CHECKPOINT_INTERVAL_S": str(settings.checkpoint_interval_s),
    }
    shutil.rmtree(settings.checkpoints_dir / SQL_JOB, ignore_errors=True)
    words = [sys.executable, "-m", "benchmarks.side_by_side.flink_sql.submit"]
    return FlinkJob(settings, SQL_JOB, words, environment)
