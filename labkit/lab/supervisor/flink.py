"""The Flink session cluster: JobManager and TaskManager, their config.yaml and logs."""

from __future__ import annotations

import socket
import sys

from labkit.flink.home import flink_home, service_environment
from labkit.lab.supervisor.processes import control_socket
from labkit.lab.supervisor.program import Program, shared_archive
from labkit.settings import LOOPBACK, Settings

__all__ = ["config_yaml", "flink_programs", "log4j"]

#: Flink's scripts prefer these to config.yaml. A shell may have them, and a kernel that has submitted a job does.
_FROM_CONFIG_YAML = ("JVM_ARGS", "FLINK_ENV_JAVA_OPTS", "FLINK_ENV_JAVA_OPTS_JM", "FLINK_ENV_JAVA_OPTS_TM")


def flink_programs(settings: Settings) -> list[Program]:
    """JobManager and TaskManager."""
    scripts = flink_home() / "bin"
    environment = {
        **service_environment(settings.install_dir, settings.state_dir),
        **dict.fromkeys(_FROM_CONFIG_YAML, ""),
    }
    own_start = [sys.executable, "-m", "labkit.lab.supervisor.taskmanager", str(control_socket(settings))]
    return [
        Program("jobmanager", [str(scripts / "jobmanager.sh"), "start-foreground"], environment),
        Program("taskmanager", [*own_start, str(scripts / "taskmanager.sh")], environment),
    ]


def config_yaml(settings: Settings) -> str:
    """Flat keys; the wheel's own env.java.opts.all line is kept, Java 21 needs it."""
    wheel = (flink_home() / "conf" / "config.yaml").read_text()
    (opens,) = (line.split("all:", 1)[1].strip() for line in wheel.splitlines() if "add-exports" in line)
    flink = settings.state_dir / "flink"
    return f"""\
env.java.opts.all: {opens}
env.java.opts.jobmanager: -XX:+UseSerialGC -XX:TieredStopAtLevel=1 {" ".join(shared_archive(settings, "jobmanager"))}
env.java.opts.taskmanager: -XX:+UseParallelGC {" ".join(shared_archive(settings, "taskmanager"))}

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


def log4j(target: str) -> str:
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


def _own_address(settings: Settings) -> str:
    """Where other containers reach this one; on one machine the loopback."""
    return socket.gethostbyname(socket.gethostname()) if settings.in_containers else LOOPBACK
