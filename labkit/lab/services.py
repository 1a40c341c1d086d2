"""The lab's services: start them, see how they are, stop them. supervisord does the watching.

up(settings)      kafka, registry, jobmanager, taskmanager, until each really answers
down(settings)    stops them all, and what a crash may have left behind
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import uuid
import xmlrpc.client
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
from supervisor.xmlrpc import Faults

from labkit.errors import BadInput, LabkitError
from labkit.flink.home import C1_ONLY, java
from labkit.flink.jvm import SCRATCH
from labkit.flink.rest import FlinkRest
from labkit.jobs import running_jobs
from labkit.lab import ownership, run_state
from labkit.lab.start import room
from labkit.lab.start.supervisord import wait_for_supervisord
from labkit.lab.status import ServiceStatus, log_file, log_files, status, status_of
from labkit.lab.supervisor.configuration import SERVICES, write_configuration
from labkit.lab.supervisor.control import NOT_THERE, each, is_up, services_of, supervisor
from labkit.lab.supervisor.control import processes as controlled
from labkit.lab.supervisor.environment import for_services
from labkit.lab.supervisor.kafka import kafka_classpath
from labkit.lab.supervisor.processes import children_of_supervisord, control_address
from labkit.lab.supervisor.program import unpacks_in
from labkit.settings import Settings
from labkit.setup import install
from labkit.system import disk_space, limits, ports
from labkit.system.locks import exclusive, holder
from labkit.system.waiting import NotInTime, patience, wait_until

__all__ = [
    "ServiceStatus", "at_work", "down", "format_kafka_storage", "is_up", "log_file", "log_files", "no_run", "processes",
    "restart", "services_of", "status", "stop_one", "up",
]  # fmt: skip

_LOCK = "lock"
_READY_WITHIN_S = 300
#: The registry begins with the broker's help. Where that goes wrong once, it stays up and never answers.
_REGISTRY_WITHIN_S = 90
_STOPPED_WITHIN_S = 90
_POLL_S = 0.2


def up(
    settings: Settings,
    on_status: Callable[[Sequence[ServiceStatus]], None] | None = None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> bool:
    """Start what is not running and wait until every service answers; True where it started anything.

    `on_status` hears of the services' state while it waits, `on_wait` of another command that has to end first, in one
    sentence. Raises `BadInput` for a busy port and
    `LabkitError` where a service does not come up; what this call started is stopped again.
    """
    install.require_installed(settings.install_dir)
    with _alone(settings, on_wait):
        if settings.in_containers:
            return bool(_start_all(settings, on_status))
        _let_a_broken_off_down_end(settings)
        if is_up(settings):
            ownership.require_same_ports(settings, *_service_ports(settings))
            return bool(_start_all(settings, on_status))
        _stop_left_behind(settings)
        if run_state.left_behind(settings):
            run_state.clear(settings)  # the machine went down with it, or its services were stopped
        with ports.claimed(_service_ports(settings)):
            _require_free_ports(settings)
            disk_space.require_room(settings.state_dir, disk_space.STATE_MIB)
            room.require(settings)
            conf = write_configuration(settings)
            ownership.write_ports(settings, _service_ports(settings))
            format_kafka_storage(settings)
            running_jobs.clear(settings)
            try:
                _start_supervisord(settings, conf)
                _start_all(settings, on_status)
            except BaseException:
                _down(settings)
                raise
        return True


def at_work(settings: Settings) -> str | None:
    """A sentence on the command that starts or stops the services right now; None where there is none."""
    pid = holder(settings.state_dir, _LOCK)
    return None if pid is None else _busy(pid)


def _alone(settings: Settings, on_wait: Callable[[str], None] = lambda _: None) -> AbstractContextManager[None]:
    """No other command starts or stops services meanwhile."""
    return exclusive(
        settings.state_dir, _LOCK, wait=True, on_wait=lambda pid: on_wait(f"{_busy(pid)} Waiting until it has ended.")
    )


def _busy(pid: str) -> str:
    return f"Another command{f' (pid {pid})' if pid else ''} is starting or stopping the services."


def _start_all(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None] | None) -> list[str]:
    """Start what is stopped, and wait until all answer; returns what had been stopped."""
    stopped = _start_stopped(settings)
    _wait_until_ready(settings, on_status or (lambda _: None))
    return stopped


def _let_a_broken_off_down_end(settings: Settings) -> None:
    """A `down` that was killed may have told services, or supervisord itself, to stop: that is waited for."""
    try:
        wait_until(
            lambda: not _is_stopping(settings), "The services have stopped", _STOPPED_WITHIN_S,
            seen=lambda: "an earlier labkit down has told them to, and they are at it",
        )  # fmt: skip
    except NotInTime:
        _down(settings)


def _is_stopping(settings: Settings) -> bool:
    if any(process.state == "STOPPING" for found in controlled(settings).values() for process in found):
        return True
    try:
        with supervisor(control_address(settings)) as proxy:
            proxy.supervisor.getState()
    except xmlrpc.client.Fault as fault:
        return bool(fault.faultCode == Faults.SHUTDOWN_STATE)
    except NOT_THERE:
        pass
    return False


def down(settings: Settings, on_wait: Callable[[str], None] = lambda _: None) -> bool:
    """Stop every service of this lab; False where there was nothing to stop. `on_wait` is told as `up`'s is."""
    if not settings.state_dir.exists():
        return False
    with _alone(settings, on_wait):
        stopped = _down(settings)
        run_state.clear(settings)
        return stopped


def stop_one(settings: Settings, name: str) -> None:
    """Stop one service, and leave it stopped until `up`. Raises `BadInput` where it does not run."""
    if name not in services_of(settings):
        raise BadInput(f"There is no service {name!r}; there is {', '.join(services_of(settings))}.")
    if not _stop(settings, [name]):
        raise BadInput(f"{name} is not running.", "Start the services: labkit up")


def restart(settings: Settings, name: str) -> None:
    """Stop one service, and start it again; returns when it answers. Raises `LabkitError` where it does not."""
    with _alone(settings):
        known = FlinkRest(settings.flink_url).taskmanagers() if name == "taskmanager" else set()
        _stop(settings, [name])
        _start_all(settings, None)
        if name == "taskmanager":  # the JobManager counts the slots of the old one until it has missed it
            wait_until(
                lambda: FlinkRest(settings.flink_url).taskmanagers() - known,
                "The TaskManager is back", _READY_WITHIN_S,
                seen=lambda: "Flink knows only the one before", todo="Look at: labkit logs taskmanager",
            )  # fmt: skip


def processes(settings: Settings) -> list[psutil.Process]:
    """Every process of this machine's services: supervisord, the JVMs and their Python workers."""
    found = {process.pid: process for process in children_of_supervisord(control_address(settings))}
    found.update({process.pid: process for process in _supervisords(settings)})
    return list(found.values())


def _supervisords(settings: Settings) -> list[psutil.Process]:
    """This lab's, by its command line: one that is ending, or hangs, gives no answer."""
    words = ["supervisor.supervisord", "-c", str(settings.state_dir.resolve() / "supervisord.conf")]
    rows = psutil.process_iter(["uids", "cmdline"])
    return [row for row in rows if row.info["uids"] and row.info["uids"].real == os.getuid()
            and (row.info["cmdline"] or [])[-3:] == words]  # fmt: skip


@contextlib.contextmanager
def no_run(settings: Settings) -> Iterator[None]:
    """Keep a `labkit run` from beginning. Raises `BadInput` where one is at work; makes no state folder."""
    held = (
        exclusive(settings.state_dir, "run.lock", wait=False)
        if settings.state_dir.exists()
        else contextlib.nullcontext()
    )
    with held:
        yield


_ALIVE = {"STARTING", "RUNNING", "BACKOFF"}


def _start_stopped(settings: Settings) -> list[str]:
    found = controlled(settings)
    missing = [name for name in found if not found[name]]
    if missing and settings.in_containers:
        raise LabkitError(
            f"The container of {missing[0]} does not answer.", "On the host, type: docker compose up -d --wait"
        )
    stopped = [name for name in found if any(process.state not in _ALIVE for process in found[name])]
    for name in stopped:
        for address in each(settings, name):
            with supervisor(address) as proxy, contextlib.suppress(xmlrpc.client.Fault):
                proxy.supervisor.startProcess(name, False)
    return stopped


def _stop(settings: Settings, names: Sequence[str]) -> list[str]:
    """Stop these services, all at once, and wait until they are; returns those that had been running."""
    stopped = []
    for name in names:
        for address in each(settings, name):
            with contextlib.suppress(xmlrpc.client.Fault, *NOT_THERE), supervisor(address) as proxy:
                proxy.supervisor.stopProcess(name, False)
                stopped.append(name)

    def stopping() -> list[str]:
        found = controlled(settings)
        return [name for name in names if any(process.state == "STOPPING" for process in found[name])]

    wait_until(
        lambda: not stopping(), "The services have stopped", _STOPPED_WITHIN_S,
        seen=lambda: f"{', '.join(stopping())} are stopping still",
    )  # fmt: skip
    return list(dict.fromkeys(stopped))


def _service_ports(settings: Settings) -> dict[str, int]:
    return {name: port for name, port in settings.ports.items() if name != "jupyter_port"}


def _require_free_ports(settings: Settings) -> None:
    for name, port in _service_ports(settings).items():
        if not ports.is_free(port):
            raise BadInput(
                f"Port {port} ({name}) is taken by {ports.holder(port)}; nothing was started.",
                "Stop that program, or move this lab: put `port_offset = 100` into labkit.toml.",
            )


def format_kafka_storage(settings: Settings) -> None:
    """Give the broker's folder a cluster id, once. Source: Kafka's quickstart, "Format Log Directories"."""
    if (settings.state_dir / "kafka" / "data" / "meta.properties").exists():
        return
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "x")
    tool = [
        str(java()), C1_ONLY, "-cp", kafka_classpath(settings),
        unpacks_in(SCRATCH), "-Dlog4j2.configurationFile=kafka/log4j2.yaml",
        "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id, "-c", "kafka/server.properties",
    ]  # fmt: skip
    done = subprocess.run(
        tool, cwd=settings.state_dir, env=for_services(settings), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabkitError(f"Kafka's storage could not be made ready: {done.stdout[-300:]}{done.stderr[-300:]}")


def _start_supervisord(settings: Settings, conf: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(conf)],
        cwd=settings.state_dir, env=for_services(settings), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, start_new_session=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("For help, use ")]
        why = " ".join(" ".join(said).split())[:600] or f"exit status {done.returncode}, and it said nothing"
        raise LabkitError(f"supervisord did not start: {why}.", f"Its log: {log_file(settings, 'supervisord')}")
    wait_for_supervisord(settings, lambda: bool(_supervisords(settings)))
    for process in _supervisords(settings):
        limits.raise_open_files(process.pid)


def _wait_until_ready(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None]) -> None:
    waited_since, begun_again = float("inf"), 0
    ready: dict[str, ServiceStatus] = {}
    rows: list[ServiceStatus] = []

    def are_ready() -> bool:
        nonlocal waited_since, begun_again, rows
        found = controlled(settings)
        rows = [ready.get(name) or status_of(name, found[name], settings) for name in found]
        ready.update({row.name: row for row in rows if row.healthy})
        on_status(rows)
        if "kafka" in ready and "registry" not in ready and not settings.in_containers:
            waited_since = min(waited_since, time.monotonic())
            # Each time for twice as long: where it was only slow, a new start would be so again.
            if time.monotonic() - waited_since > patience(_REGISTRY_WITHIN_S * 2**begun_again):
                waited_since, begun_again = float("inf"), begun_again + 1
                _stop(settings, ["registry"])
                _start_stopped(settings)
                return False
        for row in rows:
            if not row.healthy and row.state in ("FATAL", "EXITED", "STOPPED"):
                raise LabkitError(f"{_not_up(settings, row)}.", f"Its log: {log_file(settings, row.name)}")
        return all(row.healthy for row in rows)

    wait_until(
        are_ready, "Every service answers", _READY_WITHIN_S, _POLL_S,
        seen=lambda: "; ".join(_not_up(settings, row) for row in rows if not row.healthy),
        todo=f"Their logs: {log_file(settings, 'kafka').parent}",
    )  # fmt: skip


def _not_up(settings: Settings, row: ServiceStatus) -> str:
    words = _last_words(settings, row.name)
    return f"{row.name} did not come up ({row.state}, {row.detail}){f': {words}' if words else ''}"


def _last_words(settings: Settings, service: str) -> str:
    try:
        lines = log_file(settings, service).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    said = [line.strip() for line in lines[-2000:] if not line.lstrip().startswith("at ")]
    telling = [line for line in said if "ERROR" in line or "Exception" in line]
    return (telling or lines or [""])[-1][:300]


def _down(settings: Settings) -> bool:
    # Kafka's clients all at once, then the broker: without it they would wait for it to come back.
    if settings.in_containers:  # JupyterLab stays: this may be a cell of its own
        clients = [name for name in services_of(settings) if name not in ("kafka", "jupyterlab")]
        return bool(_stop(settings, clients) + _stop(settings, ["kafka"]))
    found = processes(settings)
    _stop(settings, [name for name in SERVICES if name != "kafka"])
    with (
        contextlib.suppress(xmlrpc.client.Fault, *NOT_THERE),  # a Fault: it is ending already
        supervisor(control_address(settings)) as proxy,
    ):
        proxy.supervisor.shutdown()
    _wait_gone(found, within_s=60)
    _stop_left_behind(settings)
    return bool(found)


def _stop_left_behind(settings: Settings) -> None:
    """A supervisord that was killed leaves its services; stop those that carry this lab's mark."""
    left = processes(settings)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _wait_gone(left, within_s=15)


def _wait_gone(found: list[psutil.Process], within_s: float) -> None:
    _, alive = psutil.wait_procs(found, timeout=patience(within_s))
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=patience(5))
