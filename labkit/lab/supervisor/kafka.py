"""The broker: one KRaft node, its command and its files."""

from __future__ import annotations

from labkit.flink.home import C1_ONLY, java
from labkit.kafka.topics import MAX_MESSAGE_BYTES
from labkit.lab.supervisor.program import Program, scratch, shared_archive, unpacks_in
from labkit.settings import LOOPBACK, Settings

__all__ = ["kafka_classpath", "kafka_program", "log4j2_yaml", "server_properties"]

#: In a container, the broker's port for clients on the host; docker publishes it as `kafka_port`.
KAFKA_HOST_LISTENER_PORT = 39092


def kafka_program(settings: Settings) -> Program:
    """The broker, with a heap fit for a laptop."""
    command = [
        str(java()), "-Xms128m", "-Xmx384m", "-XX:+UseG1GC", C1_ONLY, *shared_archive(settings, "kafka"),
        unpacks_in(scratch("kafka")), "-Dlog4j2.configurationFile=kafka/log4j2.yaml",
        "-cp", kafka_classpath(settings), "kafka.Kafka", "kafka/server.properties",
    ]  # fmt: skip
    return Program("kafka", command, scratch=(scratch("kafka"),))


def kafka_classpath(settings: Settings) -> str:
    """Class path of the broker and of its command-line tools."""
    return f"{settings.install_dir}/jars/kafka/*"


def server_properties(settings: Settings) -> str:
    """Its server.properties."""
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
log.dirs=kafka/data
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


def log4j2_yaml() -> str:
    """Its log settings: console only, supervisord rotates the files."""
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
