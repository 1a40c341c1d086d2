"""What supervisord, Kafka and Flink are told: read by supervisord's own parser, looked through for addresses."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import socket
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from supervisor.options import ServerOptions

from labkit.lab import jupyter, services
from labkit.lab.supervisor.configuration import (
    CONTAINERS,
    SERVICES,
    programs,
    write_configuration,
    write_container_configuration,
)
from labkit.lab.supervisor.processes import control_socket
from labkit.settings import Settings, load_settings


def written(settings: Settings) -> dict[str, str]:
    """Every configuration file, by its name below the state folder."""
    folder = write_configuration(settings).parent
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def understood(conf: Path) -> ServerOptions:
    """The configuration as supervisord reads it, which is started in the state folder."""
    options = ServerOptions()
    with contextlib.chdir(conf.parent):
        options.realize(["-c", str(conf)])
    return options


#: Whatever a shell, an ini file, a properties file, YAML or an address gives a meaning to.
NAMES = ("lab", "Übung 1", 'it\'s "a" $HOME 100% %(here)s', "#1; 日本, x=y", "-e `date` & | ~ * ? ! ^")


def test_every_address_in_every_file_is_the_loopback(tmp_path: Path) -> None:
    texts = written(load_settings(state_dir=tmp_path))
    assert len(texts) == 7
    for name, text in texts.items():
        assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)) <= {"127.0.0.1"}, name
        assert not re.search(r"localhost|\[::|//:\d|host=\*", text), name


def test_everything_that_listens_is_told_where(tmp_path: Path) -> None:
    texts = written(load_settings(state_dir=tmp_path))
    listeners = re.findall(r"^(?:advertised\.)?listeners=(.+)$", texts["kafka/server.properties"], re.M)
    assert all(re.fullmatch(r"\w+://127\.0\.0\.1:\d+", one) for line in listeners for one in line.split(","))
    for key in ("jobmanager.bind-host", "taskmanager.bind-host", "rest.bind-address"):
        assert f"\n{key}: 127.0.0.1\n" in texts["flink/conf/config.yaml"]
    registry = json.loads(texts["programs.json"])["registry"]["environment"]
    for name in ("QUARKUS_HTTP_HOST", "QUARKUS_MANAGEMENT_HOST"):
        assert registry[name] == "127.0.0.1"
    assert "[unix_http_server]" in texts["supervisord.conf"]
    assert "inet_http_server" not in texts["supervisord.conf"]


@pytest.mark.parametrize("name", NAMES)
def test_supervisord_understands_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path / name, install_dir=tmp_path / f"share-{name}")
    try:
        options = understood(write_configuration(settings))
    except SystemExit:
        pytest.fail("supervisord refuses the configuration")
    assert options.logfile == f"{settings.state_dir}/log/supervisord.log"
    assert options.pidfile == f"{settings.state_dir}/supervisord.pid"
    configs = {config.name: config for group in options.process_group_configs for config in group.process_configs}
    assert set(configs) == {*SERVICES, "submitter"}
    told = json.loads((settings.state_dir / "programs.json").read_text())
    for program in programs(settings):
        config = configs[program.name]
        assert shlex.split(config.command)[1:] == ["-m", "labkit.lab.supervisor.launch", program.name]
        assert told[program.name] == {**asdict(program), "scratch": list(program.scratch)}
        assert config.stdout_logfile == f"log/{program.name}.log"


def test_folders_of_temporary_files_are_one_services_own() -> None:
    folders = [folder for program in programs(load_settings()) for folder in program.scratch]
    assert len(set(folders)) == len(folders) == 6  # a JVM's each, and Flink's own of two
    assert all(folder.startswith(("jvm-tmp/", "flink/tmp/")) for folder in folders)
    for program in programs(load_settings()):
        assert f"-Djava.io.tmpdir={program.scratch[0]}" in program.command


def test_a_service_begins_with_empty_folders_whatever_a_killed_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "jvm-tmp" / "one" / "deep" / "library.so"
    left.parent.mkdir(parents=True)
    left.touch()
    kept = tmp_path / "jvm-tmp" / "two"
    kept.touch()
    says = ["/bin/sh", "-c", 'ls jvm-tmp/one flink/tmp/one; echo "$TMPDIR"']
    program = {"command": says, "environment": {}, "scratch": ["jvm-tmp/one", "flink/tmp/one"]}
    (tmp_path / "programs.json").write_text(json.dumps({"one": program}))
    # No supervisord is there to be asked who is left behind.
    monkeypatch.setenv("SUPERVISOR_SERVER_URL", f"unix://{tmp_path}/nobody")
    done = subprocess.run(
        [sys.executable, "-m", "labkit.lab.supervisor.launch", "one"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"flink/tmp/one:\n\njvm-tmp/one:\n{tmp_path}/jvm-tmp/one\n"
    assert kept.exists()


def test_the_control_socket_is_short_enough_to_bind_however_long_the_folder_is(tmp_path: Path) -> None:
    long = [load_settings(state_dir=tmp_path / ("x" * 100) / name) for name in ("one", "two")]
    short = load_settings(state_dir="/lab")
    assert control_socket(short) == Path("/lab/supervisor.sock")
    assert control_socket(long[0]) != control_socket(long[1])
    for settings in long:
        assert f"\nfile={control_socket(settings)}\n" in written(settings)["supervisord.conf"]
        with socket.socket(socket.AF_UNIX) as probe:
            bound = Path(f"{control_socket(settings)}.12345678")  # the name that supervisord binds first
            probe.bind(str(bound))
            bound.unlink()


def test_no_file_holds_a_secret_and_only_the_owner_reads_the_token(tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path / "state")
    token = jupyter.token(settings)
    file = settings.state_dir / "jupyter-token"
    assert jupyter.token(settings) == token == file.read_text()
    assert len(token) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.state_dir.stat().st_mode) == 0o700
    for name, text in written(settings).items():
        if name != file.name:
            assert token not in text
            assert not re.search(r"(password|secret|token)\w*\s*[=:]", text, re.I), name


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a container of the compose lab."""
    monkeypatch.setenv("LABKIT_CONTROL_PASSWORD", "never-in-a-file")
    hosts = {"kafka_host": "kafka", "registry_host": "schema-registry", "flink_host": "jobmanager"}
    return load_settings(deployment="compose", state_dir=tmp_path, **hosts)


@pytest.mark.parametrize("service", CONTAINERS)
def test_a_container_runs_one_service_in_the_foreground_and_asks_for_a_password(
    service: str, container: Settings
) -> None:
    conf = write_container_configuration(container, service, f"{service}-2")
    options = understood(conf)
    assert options.nodaemon
    configs = {config.name: config for group in options.process_group_configs for config in group.process_configs}
    assert set(configs) == {service, "console", *(["submitter"] if service == "jobmanager" else [])}
    assert all(config.autostart for config in configs.values())
    assert configs[service].stdout_logfile == f"log/{service}-2.log"
    assert f"log/{service}-2.log" in configs["console"].command
    assert {server["password"] for server in options.server_configs} == {"never-in-a-file"}
    inet = [server for server in options.server_configs if server["family"] == socket.AF_INET]
    assert [(server["host"], server["port"]) for server in inet] == [("0.0.0.0", 9001)]
    for file in container.state_dir.rglob("*"):
        assert not file.is_file() or "never-in-a-file" not in file.read_text()


def test_in_containers_the_broker_is_found_from_both_sides(container: Settings) -> None:
    write_container_configuration(container, "kafka", "kafka")
    text = (container.state_dir / "kafka" / "server.properties").read_text()
    port, controller = container.kafka_port, container.kafka_controller_port
    assert f"advertised.listeners=PLAINTEXT://kafka:{port},HOST://127.0.0.1:{port}\n" in text
    inside = f"PLAINTEXT://0.0.0.0:{port},HOST://0.0.0.0:39092,CONTROLLER://127.0.0.1:{controller}"
    assert f"\nlisteners={inside}\n" in text


def test_the_registry_waits_for_a_broker_that_is_late(settings: Settings) -> None:
    """With Kafka's own minute it gave up for good: up, and without its topics. Seen with the broker frozen for 75 s."""
    (registry,) = (program for program in programs(settings) if program.name == "registry")
    waits_ms = [word.split("=")[1] for word in registry.command if "timeout.ms" in word or "max.block.ms" in word]
    assert len(waits_ms) == 3
    assert all(int(wait_ms) / 1000 > services._READY_WITHIN_S for wait_ms in waits_ms)


@pytest.mark.parametrize("name", NAMES)
def test_flink_and_kafka_read_the_folders_as_they_are_called(name: str, tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path / name)
    texts = written(settings)
    flink = yaml.safe_load(texts["flink/conf/config.yaml"])
    assert flink["execution.checkpointing.dir"] == f"file://{settings.checkpoints_dir}"
    assert flink["web.upload.dir"] == f"{settings.state_dir}/flink/tmp/jobmanager"
    for file, text in texts.items():  # whatever locale its reader has
        assert text.isascii(), file
    assert "\nlog.dirs=kafka/data\n" in texts["kafka/server.properties"]
