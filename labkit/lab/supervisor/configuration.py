"""What supervisord is told: one program a service, its command, environment and log.

`write_configuration(settings)` writes it, and the files of Kafka and Flink, below the state folder. supervisord and its
programs are started in the state folder, and every path in these files that can be is relative to it: so none has a
letter that its reader takes for something else.
`write_container_configuration(settings, "kafka")` does so for the one service of a container.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from labkit.lab.supervisor.environment import scratch_dir
from labkit.lab.supervisor.flink import TMP, config_yaml, flink_programs, log4j
from labkit.lab.supervisor.kafka import kafka_program, log4j2_yaml, server_properties
from labkit.lab.supervisor.launch import PROGRAMS
from labkit.lab.supervisor.processes import control_socket
from labkit.lab.supervisor.program import Program
from labkit.lab.supervisor.registry import registry_program
from labkit.settings import Settings

__all__ = [
    "CONTAINERS", "CONTROL_PORT", "CONTROL_USER", "SERVICES", "heartbeat_file", "programs", "write_configuration",
    "write_container_configuration",
]  # fmt: skip

#: In the order in which they are shown.
SERVICES = ("kafka", "registry", "jobmanager", "taskmanager")
#: The services of the compose lab.
CONTAINERS = (*SERVICES, "producer", "jupyterlab")
CONTROL_PORT = 9001
#: supervisord finds it by PATH, which begins with the folder of this Python (`environment.for_services`).
_PYTHON = Path(sys.executable).name
CONTROL_USER = "labkit"


def write_configuration(settings: Settings) -> Path:
    """Write every configuration file below the state folder; returns supervisord's."""
    wanted = programs(settings)
    text = _supervisord(settings) + "".join(_program(program.name) for program in wanted)
    return _write(settings, text + _submitter("log/submitter.log"), wanted)


def write_container_configuration(settings: Settings, service: str, log_name: str) -> Path:
    """Write the configuration files of a container that runs `service` alone; returns supervisord's."""
    wanted = [program for program in [*programs(settings), *_client_programs(settings)] if program.name == service]
    text = _supervisord_of_container(settings) + _program(service, log_name=log_name, autostart=True)
    if service == "jobmanager":
        text += _submitter("/dev/fd/2")
    return _write(settings, text + _console(log_name), wanted)


def _write(settings: Settings, supervisord: str, wanted: list[Program]) -> Path:
    commands = {program.name: asdict(program) for program in wanted}
    files = {
        "supervisord.conf": supervisord,  # the first: `labkit reset` knows a lab's folder by it
        PROGRAMS: json.dumps(commands, indent=1),
        "kafka/server.properties": server_properties(settings),
        "kafka/log4j2.yaml": log4j2_yaml(),
        "flink/conf/config.yaml": config_yaml(settings),
        "flink/conf/log4j-console.properties": log4j("console"),
        "flink/conf/log4j-cli.properties": log4j("stderr"),
    }
    for name, text in files.items():
        path = settings.state_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for folder in ("log", TMP):
        (settings.state_dir / folder).mkdir(exist_ok=True)
    scratch_dir(settings).mkdir(exist_ok=True)
    return settings.state_dir.resolve() / "supervisord.conf"


def programs(settings: Settings) -> list[Program]:
    """The services, in the order of `SERVICES`."""
    return [kafka_program(settings), registry_program(settings), *flink_programs(settings)]


def _client_programs(settings: Settings) -> list[Program]:
    """What runs in a container and not among the local services: the producer, and JupyterLab."""
    return [
        Program(
            "producer",
            [sys.executable, "-m", "labkit.cli", "produce", "--heartbeat", str(heartbeat_file(settings))],
        ),
        Program("jupyterlab", [sys.executable, "-m", "labkit.workshop.serve"]),
    ]


def heartbeat_file(settings: Settings) -> Path:
    """A container's producer touches it when Kafka has acknowledged a snapshot; its health check looks at it."""
    return settings.state_dir / "producer-heartbeat"


_RPC_INTERFACES = """\
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:labkit]
supervisor.rpcinterface_factory = labkit.lab.supervisor.rpc:make
"""


def _supervisord(settings: Settings) -> str:
    return f"""\
[supervisord]
logfile=log/supervisord.log
pidfile=supervisord.pid
childlogdir=log
strip_ansi=true

[unix_http_server]
file={_socket(settings)}
chmod=0700

{_RPC_INTERFACES}"""


def _supervisord_of_container(settings: Settings) -> str:
    """In the foreground, on the compose network; the password stays in the environment."""
    login = f"username={CONTROL_USER}\npassword=%(ENV_LABKIT_CONTROL_PASSWORD)s"
    return f"""\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
loglevel=warn
pidfile=supervisord.pid
strip_ansi=true
umask=002

[unix_http_server]
file={_socket(settings)}
chmod=0700
{login}

[inet_http_server]
port={settings.bind_host}:{CONTROL_PORT}
{login}

{_RPC_INTERFACES}"""


def _socket(settings: Settings) -> str:
    """As supervisord's file names it: in this folder, or the short one in /tmp, with no letter of anybody's in it."""
    path = control_socket(settings)
    return path.name if path.parent == settings.state_dir.resolve() else str(path)


def _program(name: str, log_name: str | None = None, *, autostart: bool = False) -> str:
    return f"""
[program:{name}]
command={_PYTHON} -m labkit.lab.supervisor.launch {name}
autostart={str(autostart).lower()}
autorestart=true
startsecs=2
startretries=5
stopwaitsecs=30
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=log/{log_name or name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""


def _submitter(log: str) -> str:
    """Hears of every start of the JobManager, and brings back the jobs that were at work."""
    return f"""
[eventlistener:submitter]
command={_PYTHON} -m labkit.jobs.recovery
events=PROCESS_STATE_RUNNING
stderr_logfile={log}
stderr_logfile_maxbytes={0 if log.startswith("/dev/") else "1MB"}
stderr_logfile_backups=0
stopasgroup=true
killasgroup=true
"""


def _console(log_name: str) -> str:
    """Copies the log to the container's own output, where `docker compose logs` looks."""
    return f"""
[program:console]
command=tail -q -n 0 -F log/{log_name}.log
priority=1
autorestart=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
stderr_logfile=/dev/null
"""
