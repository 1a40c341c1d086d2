"""The lab's services: start them, see how they are, stop them. supervisord does the watching.

up(settings)      kafka, registry, jobmanager, taskmanager, until each really answers
status(settings)  [ServiceStatus("kafka", "127.0.0.1:9092", "RUNNING", pid=4711, …), …]
down(settings)    stops them all, and what a crash may have left behind
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import subprocess
import sys
import time
import uuid
import xmlrpc.client
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from supervisor.xmlrpc import SupervisorTransport

from labkit import kafka_admin
from labkit.errors import BadInput, LabkitError
from labkit.flink.home import java
from labkit.ops import install, ports
from labkit.ops.flink_rest import FlinkRest, tls
from labkit.ops.supervisor_conf import (
    SERVICES,
    children_of_supervisord,
    control_socket,
    kafka_classpath,
    write_configuration,
)
from labkit.settings import LOOPBACK, Settings

__all__ = [
    "ServiceStatus", "down", "exclusive", "is_up", "log_file", "processes", "status",
    "stop_one", "up",
]  # fmt: skip

_READY_WITHIN_S = 120
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service: `state` is supervisord's word, `healthy` is what the service itself answers."""

    name: str
    address: str
    state: str
    pid: int | None
    memory_mib: float | None
    healthy: bool
    detail: str


def is_up(settings: Settings) -> bool:
    """Whether this lab's supervisord answers."""
    try:
        with _supervisor(settings) as supervisor:
            return bool(supervisor.getState())
    except _NOT_THERE:
        return False


def up(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None] | None = None) -> bool:
    """Start what is not running and wait until every service answers; True where it started anything.

    `on_status` hears of the services' state while it waits. Raises `BadInput` for a busy port and
    `LabkitError` where a service does not come up; what this call started is stopped again.
    """
    install.require_installed(settings)
    with exclusive(settings, "lock", wait=True):
        fresh = not is_up(settings)
        if fresh:
            _stop_left_behind(settings)
            _require_free_ports(settings)
            conf = write_configuration(settings)
            _format_kafka_storage(settings)
        try:
            if fresh:
                _start_supervisord(settings, conf)
            stopped = _start_stopped(settings)
            _wait_until_ready(settings, on_status or (lambda _: None))
        except BaseException:
            if fresh:
                _down(settings)
            raise
        return bool(fresh or stopped)


def down(settings: Settings) -> bool:
    """Stop every service of this lab; False where there was nothing to stop."""
    if not settings.state_dir.exists():
        return False
    with exclusive(settings, "lock", wait=True):
        return _down(settings)


def stop_one(settings: Settings, name: str) -> None:
    """Stop one service, and leave it stopped until `up`. Raises `BadInput` where it does not run."""
    if name not in SERVICES:
        raise BadInput(f"There is no service {name!r}; there is {', '.join(SERVICES)}.")
    try:
        with _supervisor(settings) as supervisor:
            supervisor.stopProcess(name)
    except (*_NOT_THERE, xmlrpc.client.Fault):
        raise BadInput(f"{name} is not running.", "Start the services: labkit up") from None


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service, in the order of `SERVICES`, asked at once."""
    states = _states(settings)
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        return list(pool.map(lambda name: _status_of(name, states, settings), SERVICES))


def _status_of(name: str, states: dict[str, tuple[str, int | None]], settings: Settings) -> ServiceStatus:
    state, pid = states.get(name, ("STOPPED", None))
    healthy, detail = _health(name, settings) if pid else (False, "not running")
    return ServiceStatus(name, _address(name, settings), state, pid, _memory_mib(pid), healthy, detail)


def log_file(settings: Settings, service: str) -> Path:
    """The log of one service; it may not exist yet."""
    return settings.state_dir / "log" / f"{service}.log"


def processes(settings: Settings) -> list[psutil.Process]:
    """Every process of this lab's services: supervisord, the JVMs and their Python workers."""
    found = {process.pid: process for process in children_of_supervisord(str(control_socket(settings)))}
    with contextlib.suppress(*_NOT_THERE, psutil.NoSuchProcess):
        with _supervisor(settings) as supervisor:
            boss = psutil.Process(supervisor.getPID())
        found[boss.pid] = boss
    return list(found.values())


@contextlib.contextmanager
def exclusive(settings: Settings, name: str, *, wait: bool) -> Iterator[None]:
    """Hold .lab/`name` for this process alone; the kernel lets go of it however the process ends.

    Raises `BadInput` where another process holds it and `wait` is False.
    """
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The state folder {settings.state_dir} cannot be made ({error.strerror}).",
            "Set LABKIT_STATE_DIR to another folder.",
        ) from None
    with (settings.state_dir / name).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BadInput(
                f"Another `labkit {name.removesuffix('.lock')}` is at work in {settings.state_dir}.",
                "Wait until it has ended, or press Ctrl-C there.",
            ) from None
        yield


_ALIVE = {"STARTING", "RUNNING", "BACKOFF"}
_NOT_THERE = (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError)


@contextlib.contextmanager
def _supervisor(settings: Settings) -> Iterator[Any]:
    """supervisord's XML-RPC calls. Source: http://supervisord.org/api.html"""
    transport = SupervisorTransport(None, None, f"unix://{control_socket(settings)}")
    with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as proxy:
        yield proxy.supervisor


def _states(settings: Settings) -> dict[str, tuple[str, int | None]]:
    try:
        with _supervisor(settings) as supervisor:
            infos = supervisor.getAllProcessInfo()
    except _NOT_THERE:
        return {}
    return {info["name"]: (info["statename"], info["pid"] or None) for info in infos}


def _start_stopped(settings: Settings) -> list[str]:
    stopped = [name for name, (state, _) in _states(settings).items() if state not in _ALIVE]
    with _supervisor(settings) as supervisor:
        for name in stopped:
            supervisor.startProcess(name, False)
    return stopped


def _require_free_ports(settings: Settings) -> None:
    for name, port in settings.ports.items():
        if name != "jupyter_port" and not ports.is_free(port):
            raise BadInput(
                f"Port {port} ({name}) is taken by {ports.holder(port)}; nothing was started.",
                "Stop that program, or move this lab: put `port_offset = 100` into labkit.toml.",
            )


def _format_kafka_storage(settings: Settings) -> None:
    """Give the broker's folder a cluster id, once. Source: Kafka's quickstart, "Format Log Directories"."""
    if (settings.state_dir / "kafka" / "data" / "meta.properties").exists():
        return
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "x")
    tool = [
        str(java()), "-XX:TieredStopAtLevel=1", "-cp", kafka_classpath(settings),
        f"-Dlog4j2.configurationFile={settings.state_dir}/kafka/log4j2.yaml",
        "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id,
        "-c", f"{settings.state_dir}/kafka/server.properties",
    ]  # fmt: skip
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabkitError(f"Kafka's storage could not be made ready: {done.stdout[-300:]}{done.stderr[-300:]}")


def _start_supervisord(settings: Settings, conf: Path) -> None:
    # Without compiled modules every Python worker takes seconds longer to start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False,
    )  # fmt: skip
    deadline = time.monotonic() + 10
    while not is_up(settings):
        if done.returncode or time.monotonic() > deadline:
            raise LabkitError(f"supervisord did not start: {(done.stdout + done.stderr)[-300:].strip()}")
        time.sleep(_POLL_S)


def _wait_until_ready(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    ready: dict[str, ServiceStatus] = {}
    while True:
        states = _states(settings)
        rows = [ready.get(name) or _status_of(name, states, settings) for name in SERVICES]
        ready.update({row.name: row for row in rows if row.healthy})
        on_status(rows)
        if all(row.healthy for row in rows):
            return
        for row in rows:
            late = time.monotonic() > deadline and not row.healthy
            if late or row.state in ("FATAL", "EXITED", "STOPPED"):
                raise LabkitError(
                    f"{row.name} did not come up ({row.state}, {row.detail}). {_last_words(settings, row.name)}",
                    f"Its log: {log_file(settings, row.name)}",
                )
        time.sleep(_POLL_S)


def _last_words(settings: Settings, service: str) -> str:
    try:
        lines = log_file(settings, service).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    telling = [line.strip() for line in lines[-200:] if "ERROR" in line or "Exception" in line]
    return (telling or lines or [""])[-1][:300]


def _down(settings: Settings) -> bool:
    found = processes(settings)
    with contextlib.suppress(*_NOT_THERE), _supervisor(settings) as supervisor:
        # Kafka's clients all at once, then the broker: without it they would wait for it to come back.
        for name in SERVICES:
            if name != "kafka":
                with contextlib.suppress(xmlrpc.client.Fault):
                    supervisor.stopProcess(name, False)
        while any(state == "STOPPING" for state, _ in _states(settings).values()):
            time.sleep(_POLL_S)
        supervisor.shutdown()
    _wait_gone(found, within_s=30)
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
    _, alive = psutil.wait_procs(found, timeout=within_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _memory_mib(pid: int | None) -> float | None:
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return float(sum(member.memory_info().rss for member in family)) / 2**20
    except psutil.NoSuchProcess:
        return None


def _address(name: str, settings: Settings) -> str:
    return {
        "kafka": settings.kafka_bootstrap,
        "registry": f"{LOOPBACK}:{settings.registry_port}",
        "jobmanager": f"{LOOPBACK}:{settings.flink_port}",
        "taskmanager": LOOPBACK,
    }[name]


def _health(name: str, settings: Settings) -> tuple[bool, str]:
    """Whether the service does its work, and a word about it."""
    try:
        return _HEALTH[name](settings)
    except (httpx.HTTPError, LabkitError):
        return False, "does not answer yet"


def _kafka_health(settings: Settings) -> tuple[bool, str]:
    names = kafka_admin.topic_partitions(settings.kafka_bootstrap, timeout_s=2)
    wanted = kafka_admin.pipeline_topics(settings)
    there = sum(topic.name in names for topic in wanted)
    return True, f"{there} of the pipeline's {len(wanted)} topics"


def _registry_health(settings: Settings) -> tuple[bool, str]:
    management = f"http://{LOOPBACK}:{settings.registry_management_port}/health/ready"
    ready = httpx.get(management, timeout=2, verify=tls()).is_success
    subjects = httpx.get(f"{settings.registry_url}/subjects", timeout=2, verify=tls()).raise_for_status().json()
    return ready, f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'}"


def _jobmanager_health(settings: Settings) -> tuple[bool, str]:
    overview = FlinkRest(settings.flink_url).overview()
    return True, f"{overview['jobs-running']} jobs running"


def _taskmanager_health(settings: Settings) -> tuple[bool, str]:
    overview = FlinkRest(settings.flink_url).overview()
    free, total = overview["slots-available"], overview["slots-total"]
    return total >= settings.task_slots, f"{free} of {total} slots free"


_HEALTH = {
    "kafka": _kafka_health,
    "registry": _registry_health,
    "jobmanager": _jobmanager_health,
    "taskmanager": _taskmanager_health,
}
