"""Topics: what there is, and the three that the pipeline needs.

    procstat_snapshots  4 partitions  retention.ms=-1  max.message.bytes=4194304

Replayed records carry old timestamps, and the broker deletes by the record's own timestamp, so
nothing may expire here. Source: Kafka's topic configuration, retention.ms.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from labkit.errors import BadInput, LabkitError
from labkit.kafka.flow import Flow
from labkit.kafka.quiet import quiet
from labkit.system.waiting import patience

__all__ = [
    "DISCOVERY_S", "MAX_DEAD_LETTER_BYTES", "MAX_MESSAGE_BYTES", "Identity", "Topic", "admin_client", "create_topics",
    "identity", "kafka_unavailable", "pipeline_topics", "topic_partitions",
]  # fmt: skip

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: A dead letter is a record as it came, and headers that say why: one of the largest size has to fit too.
MAX_DEAD_LETTER_BYTES = MAX_MESSAGE_BYTES + 64 * 1024


#: Who reads a topic asks this often whether it has new partitions. It costs one metadata request a reader.
DISCOVERY_S = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """Which Kafka, and which topics there: {name: id}. A topic that is made anew has another id (KIP-516)."""

    cluster: str
    topics: dict[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the pipeline needs it: with that many partitions at least."""

    name: str
    partitions: int
    max_message_bytes: int = MAX_MESSAGE_BYTES

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic."""
        return {"retention.ms": "-1", "max.message.bytes": str(self.max_message_bytes)}


def pipeline_topics(flow: Flow) -> list[Topic]:
    """The three topics of a stream."""
    return [
        Topic(flow.snapshots_topic, flow.partitions),
        Topic(flow.metrics_topic, flow.partitions),
        Topic(flow.dead_letters_topic, 1, MAX_DEAD_LETTER_BYTES),
    ]


def topic_partitions(bootstrap: str, timeout_s: float = 10) -> dict[str, int]:
    """{topic: number of partitions}, asked of the broker; raises `LabkitError` where it does not answer."""
    host, port = bootstrap.rsplit(":", 1)
    timeout_s = patience(timeout_s)
    try:
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
        metadata = admin_client(bootstrap).list_topics(timeout=timeout_s)
    except (OSError, KafkaException):
        raise kafka_unavailable(bootstrap) from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def identity(bootstrap: str, names: list[str], timeout_s: float = 10) -> Identity:
    """The cluster's id, and those of the topics in `names` that are there. Raises `LabkitError` without an answer."""
    host, port = bootstrap.rsplit(":", 1)
    topics: dict[str, str] = {}
    try:
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
        admin = admin_client(bootstrap)
        cluster = admin.describe_cluster(request_timeout=timeout_s)
        for name, asked in admin.describe_topics(TopicCollection(names), request_timeout=timeout_s).items():
            try:
                topics[name] = str(asked.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return Identity(str(cluster.result().cluster_id), topics)
    except (OSError, KafkaException):
        raise kafka_unavailable(bootstrap) from None


def kafka_unavailable(bootstrap: str) -> LabkitError:
    """The error of a broker that does not answer."""
    return LabkitError(f"Kafka does not answer at {bootstrap}.", "Start the services: labkit up")


def create_topics(bootstrap: str, topics: list[Topic]) -> list[str]:
    """Create those of `topics` that are not there; returns their names.

    More partitions than asked for are fine. Raises `BadInput` where one has fewer, before any is created.
    """
    there = topic_partitions(bootstrap)
    for topic in topics:
        if there.get(topic.name, topic.partitions) < topic.partitions:
            raise BadInput(
                f"Topic {topic.name} has {there[topic.name]} partitions, the settings ask for at least "
                f"{topic.partitions}; nothing was changed.",
                f"Set partitions = {there[topic.name]} in labkit.toml, or begin anew with labkit reset.",
            )
    new = [
        NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=1, config=topic.config)
        for topic in topics
        if topic.name not in there
    ]
    if new:
        admin = admin_client(bootstrap)
        for name, outcome in admin.create_topics(new).items():
            try:
                outcome.result()
            except KafkaException as error:
                raise LabkitError(f"Topic {name} could not be created: {error.args[0].str()}.") from None
    return [topic.topic for topic in new]


def admin_client(bootstrap: str) -> AdminClient:
    """Kafka's own administration client. It has to outlive the futures that it gives."""
    return AdminClient({"bootstrap.servers": bootstrap, "socket.timeout.ms": int(patience(10) * 1000)}, logger=quiet())
