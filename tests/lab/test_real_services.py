"""The services: up twice is once, only 127.0.0.1 listens, what dies comes back, what is in the way is named."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from find_libpython import find_libpython

from labkit.errors import BadInput
from labkit.kafka.registry import Registry
from labkit.lab import services
from labkit.lab.containers import health
from labkit.lab.supervisor.configuration import programs
from labkit.settings import REPOSITORY, Settings
from labkit.system import ports
from labkit.system.waiting import patience
from tests.support.labs import Labkit, free_ports, set_proxy
from tests.support.sockets import listening
from tests.support.waiting import wait_for


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    return set_proxy(monkeypatch)


def pids(settings: Settings) -> dict[str, int | None]:
    return {row.name: row.pid for row in services.status(settings)}


def test_every_service_is_healthy_and_up_twice_is_once(lab: Settings) -> None:
    before = pids(lab)
    assert services.up(lab) is False
    assert pids(lab) == before
    assert [(row.name, row.state, row.healthy) for row in services.status(lab)] == [
        (name, "RUNNING", True) for name in services.SERVICES
    ]


def test_only_127_0_0_1_listens(lab: Settings) -> None:
    sockets = listening({process.pid for process in services.processes(lab)})
    wanted = {port for name, port in lab.ports.items() if name != "jupyter_port"}
    assert wanted <= {port for _, _, port in sockets}
    assert {address.removeprefix("::ffff:") for _, address, _ in sockets} == {"127.0.0.1"}


def test_all_services_idle_stay_under_2_gb(lab: Settings) -> None:
    assert sum(row.memory_mib or 0 for row in services.status(lab)) < 2048


def container_check(service: str, settings: Settings) -> tuple[int, str]:
    """The health check of a container of the compose lab, against the services of this machine."""
    ports_ = {f"LABKIT_{name.upper()}": str(port) for name, port in settings.ports.items()}
    done = subprocess.run(
        [sys.executable, "-S", REPOSITORY / "labkit" / "lab" / "containers" / "health.py", service],
        env={**os.environ, **ports_, "LABKIT_KAFKA_HOST": "127.0.0.1", "LABKIT_FLINK_HOST": "127.0.0.1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("service", ["kafka", "registry", "jobmanager"])
def test_the_containers_health_checks_tell_a_service_from_a_closed_port(
    lab: Settings, service: str, second_lab: Settings
) -> None:
    assert container_check(service, lab) == (0, "healthy")
    status, said = container_check(service, second_lab)
    assert status == 1
    assert "refused" in said


def test_a_broker_that_is_asked_for_a_topic_says_whether_it_is_there(lab: Settings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_KAFKA_PORT", str(lab.kafka_port))
        brokers, errors = health.metadata("127.0.0.1", ["__consumer_offsets_not", "nor-this"])
    assert brokers == 1
    assert errors == {"__consumer_offsets_not": health.UNKNOWN_TOPIC, "nor-this": health.UNKNOWN_TOPIC}


def test_status_shows_each_service_with_address_pid_and_memory(lab: Settings, labkit: Labkit) -> None:
    shown = labkit("status")
    assert shown.returncode == 0
    for name, pid in pids(lab).items():
        (line,) = [line for line in shown.stdout.splitlines() if line.startswith(name)]
        assert str(pid) in line
        assert "healthy" in line
        assert "MiB" in line
    assert lab.kafka_bootstrap in shown.stdout


def test_a_proxy_for_downloads_is_not_in_the_way(lab: Settings, labkit: Labkit, proxy: str) -> None:
    assert all(row.healthy for row in services.status(lab))
    assert labkit("status").returncode == 0
    assert labkit("doctor").returncode == 0
    registry = Registry.of(lab.flow)
    assert registry.register("test-proxy-value", {"type": "string"}) > 0
    assert registry.schema(999_999) is None


def test_doctor_finds_nothing_wrong(lab: Settings, labkit: Labkit) -> None:
    examined = labkit("doctor")
    assert (examined.returncode, examined.stderr) == (0, ""), examined.stdout
    where = "inside the TaskManager" if find_libpython() else "in processes"
    assert f"the enrichment runs {where}" in " ".join(examined.stdout.split())


def test_logs_show_what_a_service_wrote(lab: Settings, labkit: Labkit) -> None:
    shown = labkit("logs", "kafka", "--lines", "2000")
    assert shown.returncode == 0
    assert "Kafka Server started" in shown.stdout


@pytest.mark.parametrize("name", ["registry", "taskmanager"])
def test_a_killed_service_is_restarted_and_what_it_had_unpacked_does_not_pile_up(lab: Settings, name: str) -> None:
    before = pids(lab)[name]
    assert before
    folders = [lab.state_dir / folder for each in programs(lab) if each.name == name for folder in each.scratch]
    unpacked = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert unpacked
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pids(lab)[name] not in (before, None))
    services.up(lab)  # waits until it answers again
    assert all(row.healthy for row in services.status(lab))
    # The JobManager knows the killed TaskManager for a while: up may be content before the new one has begun.
    wait_for(lambda: [file for file in unpacked if file.exists()] == [])


def test_a_stopped_service_stays_stopped_until_up_and_status_says_so(lab: Settings, labkit: Labkit) -> None:
    services.stop_one(lab, "registry")
    shown = labkit("status")
    assert shown.returncode == 1
    assert "✗ stopped" in shown.stdout
    assert services.up(lab) is True
    wait_for(lambda: all(row.healthy for row in services.status(lab)))


def test_a_busy_port_is_named_with_its_holder_before_anything_starts(second_lab: Settings) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", second_lab.flink_port))
        busy.listen()
        with pytest.raises(BadInput, match=rf"Port {second_lab.flink_port} .*pid {os.getpid()}.*nothing was started"):
            services.up(second_lab)
    assert services.processes(second_lab) == []
    assert all(ports.is_free(port) for port in second_lab.ports.values())


@pytest.mark.usefixtures("proxy")
def test_what_a_killed_supervisor_leaves_behind_blocks_nothing(
    lab: Settings, second_lab: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a kernel that has submitted a job, or a shell with options for another Flink: they are not for these.
    monkeypatch.setenv("JVM_ARGS", "-XX:+UseSerialGC")
    monkeypatch.setenv("FLINK_ENV_JAVA_OPTS_TM", "-XX:+UseG1GC")
    services.up(second_lab)
    try:
        (taskmanager,) = [
            p for p in services.processes(second_lab) if any("TaskManagerRunner" in w for w in p.cmdline())
        ]
        assert [word for word in taskmanager.cmdline() if word.endswith("GC")] == ["-XX:+UseParallelGC"]
        given = taskmanager.environ()
        assert given["NO_PROXY"] == "127.0.0.1,localhost"
        assert not given.keys() & {"HTTP_PROXY", "JVM_ARGS", "FLINK_ENV_JAVA_OPTS_TM"}
        (boss,) = [p for p in services.processes(second_lab) if "supervisor.supervisord" in p.cmdline()]
        boss.kill()
        boss.wait(patience(10))
        orphans = services.processes(second_lab)
        assert len(orphans) >= len(services.SERVICES)
        (second_lab.state_dir / "supervisord.pid").write_text(str(os.getpid()))  # a stale pid, of somebody else
        services.up(second_lab)
        assert not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans)
        assert all(row.healthy for row in services.status(second_lab))
    finally:
        services.down(second_lab)
    assert services.processes(second_lab) == []
    assert services.down(second_lab) is False
    assert all(row.healthy for row in services.status(lab)), "two labs run side by side"


def test_status_says_where_the_services_are_once_the_settings_name_other_ports(lab: Settings, labkit: Labkit) -> None:
    port = str(free_ports(1)[0])
    done = labkit("status", LABKIT_KAFKA_PORT=port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"The services of this lab are up on other ports: kafka_port is {lab.kafka_port}, the settings say {port}."
    )
