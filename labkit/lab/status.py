"""How each service is: what supervisord says of its process, and what the service itself answers.

status(settings)   [ServiceStatus("kafka", "127.0.0.1:9092", "RUNNING", pid=4711, …), …]
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.jobs.failure import why_failing
from labkit.kafka.topics import admin_client, kafka_unavailable, pipeline_topics, topic_partitions
from labkit.lab.supervisor.control import Process
from labkit.lab.supervisor.control import processes as controlled
from labkit.settings import LOOPBACK, Settings
from labkit.streams.registry import STREAMS
from labkit.system import own_http
from labkit.system.waiting import patience

__all__ = ["ServiceStatus", "log_file", "log_files", "status", "status_of"]

_STALE_S = 10
_ANSWER_S = 2


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


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service, in the order of `services_of`, asked at once."""
    found = controlled(settings)
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda name: status_of(name, found[name], settings), found))


def status_of(name: str, found: list[Process], settings: Settings) -> ServiceStatus:
    """One service, with what supervisord says of its processes (one, or one a container)."""
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
    except (httpx2.HTTPError, LabkitError):
        return False, "does not answer yet"


def _kafka_health(settings: Settings) -> tuple[bool, str]:
    names = topic_partitions(settings.kafka_bootstrap, timeout_s=2)
    # Of a stream that nobody has made topics for, none is wanted.
    flows = [settings.for_stream(stream).flow for stream in STREAMS]
    wanted = [
        topic for flow in flows if flow.stream.name == settings.stream or flow.snapshots_topic in names
        for topic in pipeline_topics(flow)
    ]  # fmt: skip
    there = sum(topic.name in names for topic in wanted)
    fewer = "".join(
        f"; {topic.name} has {names[topic.name]} partitions, the settings ask for at least {topic.partitions}"
        for topic in wanted if names.get(topic.name, topic.partitions) < topic.partitions
    )  # fmt: skip
    return True, f"{there} of the pipeline's {len(wanted)} topics{fewer}"


def _registry_health(settings: Settings) -> tuple[bool, str]:
    ready = own_http.request("GET", settings.registry_ready_url, _ANSWER_S).is_success
    subjects = own_http.request("GET", f"{settings.registry_url}/subjects", _ANSWER_S).raise_for_status().json()
    return ready, f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'}"


def _jobmanager_health(settings: Settings) -> tuple[bool, str]:
    rest = FlinkRest(settings.flink_url)
    states = {job.name: "fails" if why_failing(rest, job) else job.state for job in rest.jobs() if not job.is_over}
    running = sum(state == "RUNNING" for state in states.values())
    others = "".join(f", {name} {state}" for name, state in states.items() if state != "RUNNING")
    return True, f"{running} job{'' if running == 1 else 's'} running{others}"


def _jupyterlab_health(settings: Settings) -> tuple[bool, str]:
    url = f"http://jupyterlab:{settings.jupyter_port}/api"
    version = own_http.request("GET", url, _ANSWER_S).raise_for_status().json()["version"]
    return True, f"Jupyter Server {version}"


def _producer_health(settings: Settings) -> tuple[bool, str]:
    """Healthy where a snapshot came lately, and where the topic for them has not been made yet."""
    # It sends to the pipeline, also where these are the settings of a lesson.
    topic = settings.snapshots_topic.removesuffix(settings.suffix)
    partitions = topic_partitions(settings.kafka_bootstrap, timeout_s=2).get(topic)
    if partitions is None:
        return True, f"waits for topic {topic}: make setup"
    newest_ms = _newest_timestamp(settings, topic, partitions)
    if newest_ms < 0:
        return False, "no snapshot yet"
    age_s = time.time() - newest_ms / 1000
    return age_s < max(_STALE_S, 3 * settings.interval_s), f"newest snapshot {age_s:.0f} s old"


def _newest_timestamp(settings: Settings, topic: str, partitions: int) -> int:
    """The newest snapshot's time (ms since the epoch), -1 where there is none."""
    admin = admin_client(settings.kafka_bootstrap)
    ends = {TopicPartition(topic, n): OffsetSpec.max_timestamp() for n in range(partitions)}
    try:
        asked = admin.list_offsets(ends, request_timeout=patience(4))
        return max(int(future.result().timestamp) for future in asked.values())
    except KafkaException:
        raise kafka_unavailable(settings.kafka_bootstrap) from None


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
