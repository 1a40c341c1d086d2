"""The Flink session cluster: JobManager and TaskManager, their config.yaml and logs."""

from __future__ import annotations

import json
import re
import socket

from labkit.flink.home import C1_ONLY, flink_environment, java, open_modules, service_classpath
from labkit.lab.supervisor.program import C2_LATE, Program, scratch, shared_archive, unpacks_in
from labkit.settings import LOOPBACK, Settings

__all__ = ["TMP", "config_yaml", "flink_programs", "log4j"]

#: Flink's own temporary files, below the state folder; each of the two has a folder of its own in there.
TMP = "flink/tmp"
#: MiB outside the heap of each JVM, the same in both.
_METASPACE_MIB = 192
_JOBMANAGER_HEAP_MIB = 192
_FRAMEWORK_HEAP_MIB = 96
#: Memory outside the heap that the TaskManager's JVM may take: the framework's, the tasks' and the network's.
_FRAMEWORK_OFF_HEAP_MIB, _TASK_OFF_HEAP_MIB, _NETWORK_MIB = 96, 32, 48


def flink_programs(settings: Settings) -> list[Program]:
    """JobManager and TaskManager, each a JVM of its own with the options that Flink's scripts would give it.

    The scripts cannot: they put paths into words of the shell.
    """
    heap_mib = _FRAMEWORK_HEAP_MIB + settings.task_heap_mib
    direct_mib = _FRAMEWORK_OFF_HEAP_MIB + _TASK_OFF_HEAP_MIB + _NETWORK_MIB
    jobmanager = ["-XX:+UseSerialGC", C1_ONLY, f"-Xmx{_JOBMANAGER_HEAP_MIB}m",
                  f"-Xms{_JOBMANAGER_HEAP_MIB}m"]  # fmt: skip
    taskmanager = ["-XX:+UseParallelGC", *C2_LATE, f"-Xmx{heap_mib}m", f"-Xms{heap_mib}m",
                   f"-XX:MaxDirectMemorySize={direct_mib}m"]  # fmt: skip
    return [
        _program(settings, "jobmanager", jobmanager,
                 "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"),
        _program(settings, "taskmanager", taskmanager, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"),
    ]  # fmt: skip


def _program(settings: Settings, name: str, options: list[str], main_class: str) -> Program:
    command = [
        str(java()), *options, f"-XX:MaxMetaspaceSize={_METASPACE_MIB}m", "-XX:+IgnoreUnrecognizedVMOptions",
        *open_modules(), *shared_archive(settings, name), unpacks_in(scratch(name)),
        f"-Dlog.file=log/{name}.log",  # Flink's page shows it
        # Pekko's own 10 s are too short on a busy machine; Flink's option pekko.startup-timeout does not get there.
        "-Dpekko.remote.classic.startup-timeout=600s",
        "-Dlog4j2.configurationFile=flink/conf/log4j-console.properties",
        "-cp", service_classpath(settings.install_dir), main_class, "--configDir", "flink/conf",
        # Relative, because a comma would part two folders; not in the file, which clients in other folders read, too.
        "-D", f"io.tmp.dirs={TMP}/{name}",
    ]  # fmt: skip
    own = flink_environment(settings.install_dir, settings.state_dir)
    return Program(name, command, own, scratch=(scratch(name), f"{TMP}/{name}"))


def config_yaml(settings: Settings) -> str:
    """Flat keys, sizes of every kind of memory among them: without Flink's scripts nobody works them out."""
    flink = settings.state_dir / "flink"
    return f"""\
env.java.opts.all: {" ".join(open_modules())}

jobmanager.rpc.address: {settings.flink_host}
jobmanager.rpc.port: {settings.flink_rpc_port}
jobmanager.bind-host: {settings.bind_host}
rest.address: {settings.flink_host}
rest.bind-address: {settings.bind_host}
rest.port: {settings.flink_port}
rest.bind-port: {settings.flink_port}
taskmanager.host: {_own_address(settings)}
taskmanager.bind-host: {settings.bind_host}

jobmanager.memory.heap.size: {_JOBMANAGER_HEAP_MIB}m
jobmanager.memory.jvm-metaspace.size: {_METASPACE_MIB}m
jobmanager.memory.off-heap.size: 64m
taskmanager.cpu.cores: {settings.task_slots}
taskmanager.external-resources: none
taskmanager.memory.task.heap.size: {settings.task_heap_mib}m
taskmanager.memory.framework.heap.size: {_FRAMEWORK_HEAP_MIB}m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: {_NETWORK_MIB}m
taskmanager.memory.network.max: {_NETWORK_MIB}m
taskmanager.memory.framework.off-heap.size: {_FRAMEWORK_OFF_HEAP_MIB}m
taskmanager.memory.task.off-heap.size: {_TASK_OFF_HEAP_MIB}m
taskmanager.memory.jvm-metaspace.size: {_METASPACE_MIB}m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
taskmanager.numberOfTaskSlots: {settings.task_slots}

execution.checkpointing.dir: {_text(f"file://{flink}/checkpoints")}
execution.checkpointing.savepoint-dir: {_text(f"file://{flink}/savepoints")}
web.tmpdir: {_text(f"{settings.state_dir}/{TMP}/jobmanager")}
web.upload.dir: {_text(f"{settings.state_dir}/{TMP}/jobmanager")}
web.submit.enable: false
web.access-control-allow-origin: {settings.flink_page}
restart-strategy.type: exponential-delay
restart-strategy.exponential-delay.initial-backoff: 1 s
restart-strategy.exponential-delay.max-backoff: 15 s
cluster.registration.error-delay: 500 ms
cluster.registration.max-timeout: 2 s
metrics.fetcher.update-interval: 1000
pekko.ask.timeout: 1 min
heartbeat.timeout: 15000
heartbeat.interval: 3000
"""


def _text(value: str) -> str:
    """In YAML, whatever letters it has: JSON's texts are YAML's, and these have ASCII only."""
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08X}", json.dumps(value, ensure_ascii=False))


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
