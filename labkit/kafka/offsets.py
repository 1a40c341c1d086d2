"""How far a job has read: what its consumer group has committed, and what lies behind that.

committed_offsets("127.0.0.1:9092", "procstat_snapshots", "enrichment")   ->   {0: 120, 1: 0, 2: 340, 3: 0}
"""

from __future__ import annotations

from functools import partial

from confluent_kafka import OFFSET_INVALID, KafkaException, TopicPartition

from labkit.errors import LabkitError
from labkit.kafka.consumer import POLL_S, Reader, partitions_of, read_topic
from labkit.kafka.topics import kafka_unavailable
from labkit.system.waiting import patience, retry

__all__ = ["commit_offsets", "committed_offsets", "furthest", "unread"]


def committed_offsets(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """{partition: offset} up to which `group` has committed; 0 where it has committed nothing."""
    partitions = [TopicPartition(topic, number) for number in partitions_of(bootstrap, topic)]
    with Reader(bootstrap, group) as consumer:
        ask = partial(consumer.committed, partitions, timeout=patience(POLL_S))
        try:  # a broker that has just started has to read first who committed what
            found = retry(ask, KafkaException, lambda _: True, POLL_S)
        except KafkaException:
            raise kafka_unavailable(bootstrap) from None
    return {part.partition: 0 if part.offset == OFFSET_INVALID else part.offset for part in found}


def furthest(committed: dict[int, int], read: dict[int, int]) -> dict[int, int]:
    """What is committed can be 10 s late; what Flink says has been read leaves out partitions with nothing new."""
    return {partition: max(offset, read.get(partition, 0)) for partition, offset in committed.items()}


def unread(bootstrap: str, topic: str, start: dict[int, int]) -> int:
    """How many committed records of `topic` lie at or after `start` ({partition: offset}, else 0).

    Counted by reading them: offsets alone also count the markers that end transactions.
    """
    return sum(1 for _ in read_topic(bootstrap, topic, start))


def commit_offsets(bootstrap: str, topic: str, group: str, offsets: dict[int, int]) -> None:
    """Commit `offsets` for `group`, which no running job may belong to."""
    with Reader(bootstrap, group) as consumer:
        positions = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
        try:
            consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as error:
            raise LabkitError(f"Kafka did not take the offsets of {group}: {error.args[0].str()}.") from None
