"""The lab's services: start them, see how they are, stop them. supervisord does the watching.

up(settings)      kafka, registry, jobmanager, taskmanager, until each really answers
status(settings)  [ServiceStatus("kafka", "127.0.0.1:9092", "RUNNING", pid=4711, …), …]
down(settings)    stops them all, and what a crash may have left behind
"""

from __future__ import annotations

import contextlib
import fcntl
import json
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

import httpx
import psutil
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from supervisor.xmlrpc import Faults

from labkit import kafka_admin
from labkit.errors import BadInput, LabkitError
from labkit.flink.home import java
from labkit.ops import at_work, install, ports, room, unfinished
from labkit.ops.control import NOT_THERE, Process, each, is_up, services_of, supervisor
from labkit.ops.control import processes as controlled
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
    "ServiceStatus", "down", "exclusive", "format_kafka_storage", "is_up", "log_file", "log_files",
    "processes", "require_own", "require_own_topics", "services_of", "status", "stop_one", "up",
]  # fmt: skip

_READY_WITHIN_S = 300
#: The registry begins with the broker's help. Where that goes wrong once, it stays up and never answers.
_REGISTRY_WITHIN_S = 90
_STOPPED_WITHIN_S = 60
#: In the state folder: the ports with which the services were started.
_PORTS_FILE = "ports.json"
_POLL_S = 0.2
_STALE_S = 10


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


def up(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None] | None = None) -> bool:
    """Start what is not running and wait until every service answers; True where it started anything.

    `on_status` hears of the services' state while it waits. Raises `BadInput` for a busy port and
    `LabkitError` where a service does not come up; what this call started is stopped again.
    """
    install.require_installed(settings)
    with exclusive(settings, "lock", wait=True):
        if settings.in_containers:
            return bool(_start_all(settings, on_status))
        _let_a_broken_off_down_end(settings)
        if is_up(settings):
            _require_same_ports(settings, *_service_ports(settings))
            return bool(_start_all(settings, on_status))
        _stop_left_behind(settings)
        if unfinished.left_behind(settings):
            unfinished.clear(settings)  # the machine went down with it, or its services were stopped
        with ports.claimed(_service_ports(settings)):
            _require_free_ports(settings)
            room.require_room(settings.state_dir, room.STATE_MIB)
            conf = write_configuration(settings)
            (settings.state_dir / _PORTS_FILE).write_text(json.dumps(_service_ports(settings)))
            format_kafka_storage(settings)
            at_work.forget_all(settings)
            try:
                _start_supervisord(settings, conf)
                _start_all(settings, on_status)
            except BaseException:
                _down(settings)
                raise
        return True


def _start_all(settings: Settings, on_status: Callable[[Sequence[ServiceStatus]], None] | None) -> list[str]:
    """Start what is stopped, and wait until all answer; returns what had been stopped."""
    stopped = _start_stopped(settings)
    _wait_until_ready(settings, on_status or (lambda _: None))
    return stopped


def _let_a_broken_off_down_end(settings: Settings) -> None:
    """A `down` that was killed may have told services, or supervisord itself, to stop: that is waited for."""
    deadline = time.monotonic() + _STOPPED_WITHIN_S
    while _is_stopping(settings):
        if time.monotonic() > deadline:
            _down(settings)
        time.sleep(_POLL_S)


def _is_stopping(settings: Settings) -> bool:
    if any(process.state == "STOPPING" for found in controlled(settings).values() for process in found):
        return True
    try:
        with supervisor(f"unix://{control_socket(settings)}") as proxy:
            proxy.supervisor.getState()
    except xmlrpc.client.Fault as fault:
        return bool(fault.faultCode == Faults.SHUTDOWN_STATE)
    except NOT_THERE:
        pass
    return False


def down(settings: Settings) -> bool:
    """Stop every service of this lab; False where there was nothing to stop."""
    if not settings.state_dir.exists():
        return False
    with exclusive(settings, "lock", wait=True):
        stopped = _down(settings)
        unfinished.clear(settings)
        return stopped


def stop_one(settings: Settings, name: str) -> None:
    """Stop one service, and leave it stopped until `up`. Raises `BadInput` where it does not run."""
    if name not in services_of(settings):
        raise BadInput(f"There is no service {name!r}; there is {', '.join(services_of(settings))}.")
    if not _stop(settings, [name]):
        raise BadInput(f"{name} is not running.", "Start the services: labkit up")


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service, in the order of `services_of`, asked at once."""
    found = controlled(settings)
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda name: _status_of(name, found[name], settings), found))


def _status_of(name: str, found: list[Process], settings: Settings) -> ServiceStatus:
    state = _state(found)
    running = any(process.pid for process in found)
    healthy, detail = _health(name, settings, len(found)) if running else (False, "not running")
    if len(found) > 1:
        detail += f", {len(found)} containers"
    memory = sum(process.memory_mib for process in found) if running else None
    pid = found[0].pid if len(found) == 1 else None
    return ServiceStatus(name, _address(name, settings), state, pid, memory, healthy, detail)


def _state(found: list[Process]) -> str:
    """supervisord's word; of several processes, that of the worst."""
    return next((process.state for process in found if process.state != "RUNNING"), "RUNNING") if found else "STOPPED"


def log_file(settings: Settings, service: str) -> Path:
    """The log of one service; it may not exist yet."""
    return settings.state_dir / "log" / f"{service}.log"


def log_files(settings: Settings, service: str) -> list[Path]:
    """The logs of a service that are there: one, or one a container."""
    file = log_file(settings, service)
    return [one for one in [file, *sorted(file.parent.glob(f"{service}-*.log"))] if one.exists()]


def processes(settings: Settings) -> list[psutil.Process]:
    """Every process of this machine's services: supervisord, the JVMs and their Python workers."""
    found = {process.pid: process for process in children_of_supervisord(str(control_socket(settings)))}
    found.update({process.pid: process for process in _supervisords(settings)})
    return list(found.values())


def _supervisords(settings: Settings) -> list[psutil.Process]:
    """This lab's, by its command line: one that is ending, or hangs, gives no answer."""
    words = ["supervisor.supervisord", "-c", str(settings.state_dir / "supervisord.conf")]
    rows = psutil.process_iter(["uids", "cmdline"])
    return [row for row in rows if row.info["uids"] and row.info["uids"].real == os.getuid()
            and (row.info["cmdline"] or [])[-3:] == words]  # fmt: skip


@contextlib.contextmanager
def exclusive(settings: Settings, name: str, *, wait: bool) -> Iterator[None]:
    """Hold .lab/`name` for this process alone; the kernel lets go of it however the process ends.

    Raises `BadInput` where another process holds it and `wait` is False. The file stays; what is in it, the pid of
    the process that held it last, is only told to people.
    """
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (settings.state_dir / name).open("ab+", buffering=0)
    except OSError as error:
        raise BadInput(
            f"The state folder {settings.state_dir} cannot be {'written' if settings.state_dir.exists() else 'made'} "
            f"({error.strerror}).",
            "Set LABKIT_STATE_DIR to another folder.",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            pid = file.read().decode(errors="replace").strip()
            raise BadInput(
                f"Another `labkit {name.removesuffix('.lock')}`{f' (pid {pid})' if pid else ''} is at work "
                f"in {settings.state_dir}; nothing was changed.",
                "Wait until it has ended, or press Ctrl-C there" + (f" (no terminal: kill {pid})." if pid else "."),
            ) from None
        with contextlib.suppress(OSError):  # a full disk is found out later, and named
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield


@contextlib.contextmanager
def no_run(settings: Settings) -> Iterator[None]:
    """Keep a `labkit run` from beginning. Raises `BadInput` where one is at work; makes no state folder."""
    held = exclusive(settings, "run.lock", wait=False) if settings.state_dir.exists() else contextlib.nullcontext()
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
    while any(process.state == "STOPPING" for name in names for process in controlled(settings)[name]):
        time.sleep(_POLL_S)
    return list(dict.fromkeys(stopped))


def _service_ports(settings: Settings) -> dict[str, int]:
    return {name: port for name, port in settings.ports.items() if name != "jupyter_port"}


def require_own(settings: Settings) -> None:
    """Raise `BadInput` where this lab's services are not up, and another program answers in the JobManager's place.

    Two labs on the same ports would stop each other's jobs, and keep the savepoints where the other does not look.
    """
    if settings.in_containers or settings.flink_host != LOOPBACK:
        return
    if is_up(settings):
        _require_same_ports(settings, "flink_port")
    elif not ports.is_free(settings.flink_port):
        raise BadInput(
            f"The services of this lab are not up; port {settings.flink_port} (flink_port) is taken by "
            f"{ports.holder(settings.flink_port)}. Nothing was changed.",
            "Stop that program and type labkit up, or move this lab: put `port_offset = 100` into labkit.toml.",
        )


def require_own_topics(settings: Settings) -> None:
    """Raise `BadInput` where this lab's services are not up, and another lab's Kafka answers in its place.

    A Kafka that is no lab's may be meant.
    """
    if settings.in_containers or settings.kafka_host != LOOPBACK:
        return
    if is_up(settings):
        _require_same_ports(settings, "kafka_port")
        return
    other = ports.lab_of(settings.kafka_port)
    if other is not None and other != settings.state_dir:
        raise BadInput(
            f"The services of this lab are not up; Kafka on port {settings.kafka_port} is that of the lab in {other}. "
            "Nothing was read or sent.",
            "Work in that lab's folder; or put `port_offset = 100` into labkit.toml and type labkit up.",
        )


def _require_same_ports(settings: Settings, *names: str) -> None:
    """The services stay where they were started, whatever the settings say by now."""
    file = settings.state_dir / _PORTS_FILE
    started = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        port = settings.ports[name]
        if started.get(name, port) != port:
            raise BadInput(
                f"The services of this lab are up on other ports: {name} is {started[name]}, the settings say {port}.",
                "Take the setting back; or type labkit down, and labkit up.",
            )


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
    begin_again = float("inf")
    ready: dict[str, ServiceStatus] = {}
    while True:
        found = controlled(settings)
        rows = [ready.get(name) or _status_of(name, found[name], settings) for name in found]
        ready.update({row.name: row for row in rows if row.healthy})
        on_status(rows)
        if all(row.healthy for row in rows):
            return
        if "kafka" in ready and "registry" not in ready and not settings.in_containers:
            begin_again = min(begin_again, time.monotonic() + _REGISTRY_WITHIN_S)
            if time.monotonic() > begin_again:
                begin_again = float("inf")
                _stop(settings, ["registry"])
                _start_stopped(settings)
                continue
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
        supervisor(f"unix://{control_socket(settings)}") as proxy,
    ):
        proxy.supervisor.shutdown()
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


def _address(name: str, settings: Settings) -> str:
    return {
        "kafka": settings.kafka_bootstrap,
        "registry": f"{settings.registry_host}:{settings.registry_port}",
        "jobmanager": f"{settings.flink_host}:{settings.flink_port}",
        "taskmanager": "taskmanager" if settings.in_containers else LOOPBACK,
        "jupyterlab": f"jupyterlab:{settings.jupyter_port}",
    }.get(name, name)


def _health(name: str, settings: Settings, containers: int) -> tuple[bool, str]:
    """Whether the service does its work, and a word about it."""
    try:
        return _taskmanager_health(settings, containers) if name == "taskmanager" else _HEALTH[name](settings)
    except (httpx.HTTPError, LabkitError):
        return False, "does not answer yet"


def _kafka_health(settings: Settings) -> tuple[bool, str]:
    names = kafka_admin.topic_partitions(settings.kafka_bootstrap, timeout_s=2)
    wanted = kafka_admin.pipeline_topics(settings)
    there = sum(topic.name in names for topic in wanted)
    return True, f"{there} of the pipeline's {len(wanted)} topics"


def _registry_health(settings: Settings) -> tuple[bool, str]:
    management = f"http://{settings.registry_host}:{settings.registry_management_port}/health/ready"
    ready = httpx.get(management, timeout=2, verify=tls()).is_success
    subjects = httpx.get(f"{settings.registry_url}/subjects", timeout=2, verify=tls()).raise_for_status().json()
    return ready, f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'}"


def _jobmanager_health(settings: Settings) -> tuple[bool, str]:
    jobs = [job for job in FlinkRest(settings.flink_url).jobs() if not job.is_over]
    running = sum(job.state == "RUNNING" for job in jobs)
    others = "".join(f", {job.name} {job.state}" for job in jobs if job.state != "RUNNING")
    return True, f"{running} jobs running{others}"


def _jupyterlab_health(settings: Settings) -> tuple[bool, str]:
    url = f"http://jupyterlab:{settings.jupyter_port}/api"
    version = httpx.get(url, timeout=2, verify=tls()).raise_for_status().json()["version"]
    return True, f"Jupyter Server {version}"


def _producer_health(settings: Settings) -> tuple[bool, str]:
    """Healthy where a snapshot came lately, and where the topic for them has not been made yet."""
    # It sends to the pipeline, also where these are the settings of a lesson.
    topic = settings.snapshots_topic.removesuffix(settings.suffix)
    partitions = kafka_admin.topic_partitions(settings.kafka_bootstrap, timeout_s=2).get(topic)
    if partitions is None:
        return True, f"waits for topic {topic}: make setup"
    newest_ms = _newest_timestamp(settings, topic, partitions)
    if newest_ms < 0:
        return False, "no snapshot yet"
    age_s = time.time() - newest_ms / 1000
    return age_s < max(_STALE_S, 3 * settings.interval_s), f"newest snapshot {age_s:.0f} s old"


def _newest_timestamp(settings: Settings, topic: str, partitions: int) -> int:
    """The newest snapshot's time (ms since the epoch), -1 where there is none."""
    admin = kafka_admin.admin_client(settings.kafka_bootstrap)
    ends = {TopicPartition(topic, n): OffsetSpec.max_timestamp() for n in range(partitions)}
    try:
        asked = admin.list_offsets(ends, request_timeout=4)
        return max(int(future.result().timestamp) for future in asked.values())
    except KafkaException:
        raise kafka_admin.kafka_away(settings.kafka_bootstrap) from None


def _taskmanager_health(settings: Settings, containers: int) -> tuple[bool, str]:
    overview = FlinkRest(settings.flink_url).overview()
    free, total = overview["slots-available"], overview["slots-total"]
    return total >= containers * settings.task_slots, f"{free} of {total} slots free"


_HEALTH = {
    "kafka": _kafka_health,
    "registry": _registry_health,
    "jobmanager": _jobmanager_health,
    "producer": _producer_health,
    "jupyterlab": _jupyterlab_health,
}
