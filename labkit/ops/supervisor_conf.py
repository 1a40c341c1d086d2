"""What supervisord is told: one program a service, its command, environment and log.

`write_configuration(settings)` writes it, and the files of Kafka and Flink, below the state folder.
`write_container_configuration(settings, "kafka")` does so for the one service of a container.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from labkit.flink.home import flink_home, java, service_environment
from labkit.kafka_admin import MAX_MESSAGE_BYTES
from labkit.settings import LOOPBACK, Settings

__all__ = [
    "CONTAINERS", "CONTROL_PORT", "CONTROL_USER", "SERVICES", "Program", "children_of_supervisord", "control_socket",
    "heartbeat_file", "kafka_classpath", "write_configuration", "write_container_configuration",
]  # fmt: skip

#: Flink's scripts prefer these to config.yaml. A shell may have them, and a kernel that has submitted a job does.
_FROM_CONFIG_YAML = ("JVM_ARGS", "FLINK_ENV_JAVA_OPTS", "FLINK_ENV_JAVA_OPTS_JM", "FLINK_ENV_JAVA_OPTS_TM")
#: In the order in which they are shown.
SERVICES = ("kafka", "registry", "jobmanager", "taskmanager")
#: The services of the compose lab.
CONTAINERS = (*SERVICES, "producer", "jupyterlab")
CONTROL_PORT = 9001
CONTROL_USER = "labkit"
#: In a container, the broker's port for clients on the host; docker publishes it as `kafka_port`.
KAFKA_HOST_LISTENER_PORT = 39092

_MAX_SOCKET_PATH = 100  # the kernel allows 108 bytes (unix(7)); supervisord binds a longer temporary name


@dataclass(frozen=True, slots=True)
class Program:
    """One service as supervisord runs it."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def control_socket(settings: Settings) -> Path:
    """Where supervisord listens for `labkit`: in the state folder, or a short path of its own."""
    path = settings.state_dir / "supervisor.sock"
    if len(str(path)) <= _MAX_SOCKET_PATH - len(".12345678"):
        return path
    digest = hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"labkit-{os.getuid()}-{digest}.sock"


def write_configuration(settings: Settings) -> Path:
    """Write every configuration file below the state folder; returns supervisord's."""
    text = _supervisord(settings) + "".join(_program(settings, program) for program in programs(settings))
    return _write(settings, text + _submitter(f"{settings.state_dir}/log/submitter.log"))


def write_container_configuration(settings: Settings, service: str, log_name: str) -> Path:
    """Write the configuration files of a container that runs `service` alone; returns supervisord's."""
    (program,) = (program for program in [*programs(settings), *_client_programs(settings)] if program.name == service)
    text = _supervisord_of_container(settings) + _program(settings, program, log_name=log_name, autostart=True)
    if service == "jobmanager":
        text += _submitter("/dev/fd/2")
    return _write(settings, text + _console(settings, log_name))


def _write(settings: Settings, supervisord: str) -> Path:
    files = {
        "supervisord.conf": supervisord,  # the first: `labkit reset` knows a lab's folder by it
        "kafka/server.properties": _kafka(settings),
        "kafka/log4j2.yaml": _log4j2_yaml(),
        "flink/conf/config.yaml": _flink(settings),
        "flink/conf/log4j-console.properties": _log4j("console"),
        "flink/conf/log4j-cli.properties": _log4j("stderr"),
    }
    for name, text in files.items():
        path = settings.state_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (settings.state_dir / "log").mkdir(exist_ok=True)
    return settings.state_dir / "supervisord.conf"


def kafka_classpath(settings: Settings) -> str:
    """Class path of the broker and of its command-line tools."""
    return f"{settings.install_dir}/jars/kafka/*"


def programs(settings: Settings) -> list[Program]:
    """The services, with heap sizes fit for a laptop."""
    scripts = flink_home() / "bin"
    flink = {**service_environment(settings), **dict.fromkeys(_FROM_CONFIG_YAML, "")}
    kafka_java = [
        str(java()), "-Xms128m", "-Xmx384m", "-XX:+UseG1GC", *_shared_archive(settings, "kafka"),
        f"-Dlog4j2.configurationFile={settings.state_dir}/kafka/log4j2.yaml",
        "-cp", kafka_classpath(settings), "kafka.Kafka", f"{settings.state_dir}/kafka/server.properties",
    ]  # fmt: skip
    registry_java = [
        str(java()), "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        *_shared_archive(settings, "registry"),
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
        # It asks for its topics once. After a minute without the broker (Kafka's default) it would be up, and useless.
        *(f"-Dapicurio.kafkasql.{client}.default.api.timeout.ms=600000" for client in ("admin", "consumer")),
        "-Dapicurio.kafkasql.producer.max.block.ms=600000",
        "-jar", f"{settings.install_dir}/registry/quarkus-run.jar",
    ]  # fmt: skip
    registry_environment = {
        "QUARKUS_HTTP_HOST": settings.bind_host,
        "QUARKUS_HTTP_PORT": str(settings.registry_port),
        "QUARKUS_MANAGEMENT_HOST": settings.bind_host,
        "QUARKUS_MANAGEMENT_PORT": str(settings.registry_management_port),
        # A page of another origin is answered 403; unless told, those on port 8888 are let in.
        "QUARKUS_HTTP_CORS_ORIGINS": f"http://{LOOPBACK}:{settings.registry_port}",
        "APICURIO_STORAGE_KIND": "kafkasql",
        "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": settings.kafka_bootstrap,
        # At its start it polls the empty topic of snapshots twice, for this long (5 s unless told).
        "APICURIO_KAFKASQL_CONSUMER_POLL_TIMEOUT": "500",
        "QUARKUS_LOG_CONSOLE_COLOR": "false",
        "QUARKUS_LOG_LEVEL": "WARN",
    }
    return [
        Program("kafka", kafka_java),
        Program("registry", registry_java, registry_environment),
        Program("jobmanager", [str(scripts / "jobmanager.sh"), "start-foreground"], flink),
        Program(
            "taskmanager",
            [
                sys.executable,
                "-m",
                "labkit.ops.taskmanager",
                str(control_socket(settings)),
                str(scripts / "taskmanager.sh"),
            ],
            flink,
        ),
    ]


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


def _shared_archive(settings: Settings, name: str) -> list[str]:
    """Options that make a JVM keep its loaded classes in a file, and start faster the next time (JEP 350)."""
    folder = settings.install_dir / "class-archives"
    if not os.access(folder, os.W_OK):
        return []
    return ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={folder}/{name}.jsa",
            "-Xlog:cds=off", "-Xlog:cds*=off"]  # fmt: skip


def children_of_supervisord(socket: str, program: str | None = None) -> Iterator[psutil.Process]:
    """Every process that came from the supervisord at `socket` (from its `program`), orphans too.

    supervisord gives its address and the program's name to its children by their environment.
    """
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] is None or process.info["uids"].real != os.getuid():
            continue
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("SUPERVISOR_SERVER_URL") == f"unix://{socket}" and (
            program in (None, environment.get("SUPERVISOR_PROCESS_NAME"))
        ):
            yield process


_RPC_INTERFACES = """\
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:labkit]
supervisor.rpcinterface_factory = labkit.ops.supervisor_rpc:make
"""


def _supervisord(settings: Settings) -> str:
    state = settings.state_dir
    return f"""\
[supervisord]
logfile={state}/log/supervisord.log
pidfile={state}/supervisord.pid
childlogdir={state}/log
directory={state}
strip_ansi=true

[unix_http_server]
file={control_socket(settings)}
chmod=0700

{_RPC_INTERFACES}"""


def _supervisord_of_container(settings: Settings) -> str:
    """In the foreground, on the compose network; the password stays in the environment."""
    state = settings.state_dir
    login = f"username={CONTROL_USER}\npassword=%(ENV_LABKIT_CONTROL_PASSWORD)s"
    return f"""\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
loglevel=warn
pidfile={state}/supervisord.pid
directory={state}
strip_ansi=true
umask=002

[unix_http_server]
file={control_socket(settings)}
chmod=0700
{login}

[inet_http_server]
port={settings.bind_host}:{CONTROL_PORT}
{login}

{_RPC_INTERFACES}"""


def _program(settings: Settings, program: Program, log_name: str | None = None, *, autostart: bool = False) -> str:
    command = " ".join(f'"{word}"' for word in program.command)
    environment = ",".join(f'{name}="{value}"' for name, value in program.environment.items())
    return f"""
[program:{program.name}]
command={command}
environment={environment}
autostart={str(autostart).lower()}
autorestart=true
startsecs=2
startretries=5
stopwaitsecs=20
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={settings.state_dir}/log/{log_name or program.name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""


def _submitter(log: str) -> str:
    """Hears of every start of the JobManager, and brings back the jobs that were at work."""
    return f"""
[eventlistener:submitter]
command="{sys.executable}" -m labkit.ops.submitter
events=PROCESS_STATE_RUNNING
stderr_logfile={log}
stderr_logfile_maxbytes={0 if log.startswith("/dev/") else "1MB"}
stderr_logfile_backups=0
stopasgroup=true
killasgroup=true
"""


def _console(settings: Settings, log_name: str) -> str:
    """Copies the log to the container's own output, where `docker compose logs` looks."""
    return f"""
[program:console]
command=tail -q -n 0 -F "{settings.state_dir}/log/{log_name}.log"
priority=1
autorestart=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
stderr_logfile=/dev/null
"""


def _kafka(settings: Settings) -> str:
    listeners = [f"PLAINTEXT://{settings.bind_host}:{settings.kafka_port}"]
    advertised = [f"PLAINTEXT://{settings.kafka_bootstrap}"]
    if settings.in_containers:  # clients on the host are sent to the port that docker publishes
        listeners.append(f"HOST://{settings.bind_host}:{KAFKA_HOST_LISTENER_PORT}")
        advertised.append(f"HOST://{LOOPBACK}:{settings.kafka_port}")
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{settings.kafka_controller_port}
listeners={",".join(listeners)},CONTROLLER://{LOOPBACK}:{settings.kafka_controller_port}
advertised.listeners={",".join(advertised)}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={settings.state_dir}/kafka/data
auto.create.topics.enable=false
num.partitions={settings.partitions}
offsets.topic.replication.factor=1
# Kafka looks for old records 30 s after its start and then every five minutes; a lesson shows it and should not wait.
log.initial.task.delay.ms=5000
log.retention.check.interval.ms=5000
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.max.timeout.ms={settings.transaction_timeout_s * 1000}
message.max.bytes={MAX_MESSAGE_BYTES}
# A host whose clock is more than an hour ahead is refused otherwise, and the enrichment job tries for ever to write it.
log.message.timestamp.after.max.ms={2**63 - 1}
replica.fetch.max.bytes={MAX_MESSAGE_BYTES}
group.initial.rebalance.delay.ms=0
"""


def _own_address(settings: Settings) -> str:
    """Where other containers reach this one; on one machine the loopback."""
    return socket.gethostbyname(socket.gethostname()) if settings.in_containers else LOOPBACK


def _log4j2_yaml() -> str:
    return """\
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "%d %-5p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: STDOUT
"""


def _flink(settings: Settings) -> str:
    """Flat keys; the wheel's own env.java.opts.all line is kept, Java 21 needs it."""
    wheel = (flink_home() / "conf" / "config.yaml").read_text()
    (opens,) = (line.split("all:", 1)[1].strip() for line in wheel.splitlines() if "add-exports" in line)
    flink = settings.state_dir / "flink"
    return f"""\
env.java.opts.all: {opens}
env.java.opts.jobmanager: -XX:+UseSerialGC -XX:TieredStopAtLevel=1 {" ".join(_shared_archive(settings, "jobmanager"))}
env.java.opts.taskmanager: -XX:+UseParallelGC {" ".join(_shared_archive(settings, "taskmanager"))}

jobmanager.rpc.address: {settings.flink_host}
jobmanager.rpc.port: {settings.flink_rpc_port}
jobmanager.bind-host: {settings.bind_host}
rest.address: {settings.flink_host}
rest.bind-address: {settings.bind_host}
rest.port: {settings.flink_port}
rest.bind-port: {settings.flink_port}
taskmanager.host: {_own_address(settings)}
taskmanager.bind-host: {settings.bind_host}

jobmanager.memory.heap.size: 192m
jobmanager.memory.jvm-metaspace.size: 192m
jobmanager.memory.off-heap.size: 64m
taskmanager.memory.task.heap.size: {settings.task_heap_mib}m
taskmanager.memory.framework.heap.size: 96m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 48m
taskmanager.memory.network.max: 48m
taskmanager.memory.framework.off-heap.size: 96m
taskmanager.memory.task.off-heap.size: 32m
taskmanager.memory.jvm-metaspace.size: 192m
taskmanager.numberOfTaskSlots: {settings.task_slots}

execution.checkpointing.dir: file://{flink}/checkpoints
execution.checkpointing.savepoint-dir: file://{flink}/savepoints
io.tmp.dirs: {flink}/tmp
web.tmpdir: {flink}/tmp
web.upload.dir: {flink}/tmp
web.submit.enable: false
web.access-control-allow-origin: {settings.flink_page}
restart-strategy.type: exponential-delay
restart-strategy.exponential-delay.initial-backoff: 1 s
restart-strategy.exponential-delay.max-backoff: 15 s
cluster.registration.error-delay: 500 ms
cluster.registration.max-timeout: 2 s
metrics.fetcher.update-interval: 1000
heartbeat.timeout: 15000
heartbeat.interval: 3000
"""


def _log4j(target: str) -> str:
    """Console only: supervisord rotates the files."""
    stream = "SYSTEM_ERR" if target == "stderr" else "SYSTEM_OUT"
    level = "ERROR" if target == "stderr" else "INFO"
    return f"""\
rootLogger.level = {level}
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.target = {stream}
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss,SSS}} %-5p %-60c %x - %m%n
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""
