"""docker-compose.yml, Dockerfile and .env as files: closed ports, limits, health, no secrets. smoke.sh runs them."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from labkit.lab.containers import health
from labkit.lab.supervisor.configuration import CONTAINERS, CONTROL_PORT, programs
from labkit.lab.supervisor.kafka import KAFKA_HOST_LISTENER_PORT
from labkit.settings import REPOSITORY, Settings, load_settings

FILE = REPOSITORY / "docker-compose.yml"
TEXT = FILE.read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: The name of a container's service -> what labkit calls it.
RUNS = {name: service["command"][0] for name, service in SERVICES.items()}


def filled(value: str, environment: dict[str, str] | None = None) -> str:
    """A value as compose fills it in: ${NAME:-default}, ${NAME:?what is wrong}."""

    def of(match: re.Match[str]) -> str:
        name, kind, words = match.groups()
        return (environment or {}).get(name) or (words if kind == ":-" else f"<{name}>")

    return re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", of, value)


def mebibytes(limit: str) -> int:
    return int(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]


def test_the_six_services_run_from_one_image_that_is_never_pulled() -> None:
    assert set(SERVICES) == {"kafka", "schema-registry", "producer", "jobmanager", "taskmanager", "jupyterlab"}
    assert sorted(RUNS.values()) == sorted(CONTAINERS)
    assert {filled(service["image"]) for service in SERVICES.values()} == {"streaming-lab"}
    assert {service["pull_policy"] for service in SERVICES.values()} == {"never"}
    assert not any("build" in service for service in SERVICES.values())


def test_only_127_0_0_1_is_published_and_never_the_control_port() -> None:
    published = {name: [filled(port) for port in service.get("ports", [])] for name, service in SERVICES.items()}
    assert published == {
        "kafka": [f"127.0.0.1:9092:{KAFKA_HOST_LISTENER_PORT}"],
        "schema-registry": ["127.0.0.1:8081:8081", "127.0.0.1:8083:8083"],
        "producer": [],
        "jobmanager": ["127.0.0.1:8082:8082"],
        "taskmanager": [],
        "jupyterlab": ["127.0.0.1:8888:8888"],
    }
    assert not any(str(CONTROL_PORT) in port for ports in published.values() for port in ports)
    assert not any("network_mode" in service for service in SERVICES.values())


def test_a_port_that_is_set_moves_on_both_sides_so_that_a_page_has_one_address() -> None:
    ways = {"schema-registry": ["REGISTRY", "REGISTRY_MANAGEMENT"], "jobmanager": ["FLINK"], "jupyterlab": ["JUPYTER"]}
    for name, variables in ways.items():
        for port, variable in zip(SERVICES[name]["ports"], variables, strict=True):
            assert filled(port, {f"LABKIT_{variable}_PORT": "12345"}) == "127.0.0.1:12345:12345"
            assert f"LABKIT_{variable}_PORT" in SERVICES[name]["environment"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_a_health_check_of_its_own_a_limit_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    *_, script, what = service["healthcheck"]["test"]
    assert (REPOSITORY / script).exists()
    assert what == RUNS[name]
    assert what in health.CHECKS
    assert mebibytes(service["mem_limit"]) >= 256
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_root_or_reaches_the_docker_socket(name: str) -> None:
    service = SERVICES[name]
    assert filled(service["user"]) == "1000:1000"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_heaps_fit_into_their_containers(tmp_path: Path) -> None:
    limits = {RUNS[name]: mebibytes(service["mem_limit"]) for name, service in SERVICES.items()}
    for program in programs(load_settings(state_dir=tmp_path)):
        for heap in re.findall(r"-Xmx(\d+)m", " ".join(program.command)):
            assert int(heap) <= 0.75 * limits[program.name]


def test_what_has_to_last_is_in_volumes_and_output_is_the_hosts_folder() -> None:
    mounts = {name: dict(filled(volume).split(":", 1) for volume in service["volumes"])
              for name, service in SERVICES.items()}  # fmt: skip
    assert mounts["kafka"]["kafka-data"] == "/lab/.lab/kafka/data"
    for name in ("jobmanager", "taskmanager", "jupyterlab"):
        assert mounts[name]["./output"] == "/lab/output"
        for state in ("checkpoints", "savepoints"):
            assert mounts[name][state] == f"/lab/.lab/flink/{state}"
    assert mounts["jupyterlab"]["./notebooks"] == "/lab/notebooks:ro"
    assert mounts["jupyterlab"]["./exercises"] == "/lab/exercises:ro"
    assert mounts["jupyterlab"]["./work"] == "/lab/work"
    named = {source for mount in mounts.values() for source in mount if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])


def test_every_folder_that_a_volume_lands_on_is_in_the_image_so_that_it_is_not_roots() -> None:
    made = re.search(r"mkdir -p (.+?) \\\n", (REPOSITORY / "Dockerfile").read_text())
    assert made
    folders = {f"/lab/{folder}" for folder in made[1].split()}
    targets = {filled(volume).split(":")[1] for service in SERVICES.values() for volume in service["volumes"]}
    assert targets <= folders


@pytest.mark.parametrize("name", SERVICES)
def test_the_environment_is_settings_that_labkit_knows(name: str) -> None:
    given = {variable: filled(value) for variable, value in SERVICES[name]["environment"].items()}
    known = {f"LABKIT_{field.upper()}" for field in Settings.model_fields} | {
        "LABKIT_CONTROL_PASSWORD",
        "JUPYTER_TOKEN",
    }
    assert set(given) <= known
    assert ("JUPYTER_TOKEN" in given) == (name == "jupyterlab")
    hosts = {given[f"LABKIT_{service}_HOST"] for service in ("KAFKA", "REGISTRY", "FLINK")}
    assert hosts <= set(SERVICES)


def test_without_make_all_compose_says_what_to_type() -> None:
    for name in ("LABKIT_CONTROL_PASSWORD", "JUPYTER_TOKEN", "LABKIT_HOSTNAME"):
        assert re.search(rf"\$\{{{name}:\?is not set\. Type make all\}}", TEXT)


def test_the_dockerfile_needs_no_buildkit_and_ends_as_an_ordinary_user() -> None:
    text = (REPOSITORY / "Dockerfile").read_text()
    assert not re.search(r"^# *syntax=|--mount=|--chmod|--link|<<", text, re.M)
    assert re.findall(r"^FROM (\S+)", text, re.M) == ["python:3.11-slim-bookworm"] * 2
    final = text.rsplit("FROM", 1)[1]
    assert re.findall(r"^USER (\S+)", final, re.M) == ["lab"]
    assert "gcc" not in final
    assert "apt-get" not in final


def test_the_image_gets_nothing_but_what_it_is_made_from() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert allowed == {"requirements.txt", "jars.lock", "pyproject.toml", "LICENSE", "labkit", "schemas"}


def prepare(folder: Path) -> dict[str, str]:
    words = (folder / name for name in ("env", "output", "work"))
    subprocess.run([REPOSITORY / "docker" / "prepare.sh", *words], check=True)
    lines = (folder / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_prepare_writes_secrets_that_only_the_owner_reads_once(tmp_path: Path) -> None:
    first = prepare(tmp_path)
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600
    for name in ("JUPYTER_TOKEN", "LABKIT_CONTROL_PASSWORD"):
        assert re.fullmatch(r"[\w-]{32}", first[name])
    assert first["JUPYTER_TOKEN"] != first["LABKIT_CONTROL_PASSWORD"]
    assert prepare(tmp_path) == first
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=REPOSITORY, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_containers_run_as_whoever_prepared_them_but_never_as_root(tmp_path: Path) -> None:
    given = prepare(tmp_path)
    uid = int(given["LAB_UID"])
    assert uid == (os.getuid() or 1000)
    assert (tmp_path / "output" / "cpu_metrics").stat().st_uid == uid


@pytest.mark.parametrize(
    ("environment", "words"),
    [({"CI": ""}, "with CI=true only"), ({"CI": "true"}, "give the command to run")],
)
def test_the_engine_for_ci_is_started_nowhere_else(environment: dict[str, str], words: str) -> None:
    command = [REPOSITORY / "tests" / "compose" / "with_engine.sh", *([] if environment["CI"] else ["true"])]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert words in sentence


def needed_by(module: str, found: set[Path]) -> set[Path]:
    """The files of labkit that importing `module` reads, the packages' own included."""
    for file in (REPOSITORY / f"{module.replace('.', '/')}.py", REPOSITORY / module.replace(".", "/") / "__init__.py"):
        if file.exists() and file not in found:
            found.add(file)
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labkit"):
                    parts = str(node.module).split(".")
                    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
                    for name in [*names, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                        needed_by(name, found)
    return found


def test_the_image_is_given_every_module_that_set_up_imports() -> None:
    """By folders: a list of single files would be a second list of what set-up is made of."""
    stage = (REPOSITORY / "Dockerfile").read_text().split("\nFROM ")[1]
    words = [word for line in re.findall(r"^COPY (labkit.+)$", stage, re.M) for word in line.split()[:-1]]
    copied = {file for word in words for path in REPOSITORY.glob(word) for file in [path, *path.rglob("*.py")]}
    needed = needed_by("labkit.setup.install", set())
    assert REPOSITORY / "labkit" / "system" / "disk_space.py" in needed
    assert sorted(file.relative_to(REPOSITORY) for file in needed - copied) == []
