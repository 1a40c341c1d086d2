"""Reading topics back: everything up to now, and how much a job has not read yet.

    for record in read_topic(settings, "procstat_metrics"): record.key(), record.value(), record.offset()

Always read_committed: what an open or aborted transaction wrote is not there (KIP-98).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from labkit.errors import BadInput, LabkitError
from labkit.kafka_admin import kafka_away, topic_partitions
from labkit.settings import Settings

__all__ = ["commit_offsets", "committed_offsets", "read_topic", "unread"]

_quiet = logging.getLogger("labkit.librdkafka")
_POLL_S = 10.0


def read_topic(
    settings: Settings, topic: str, start: dict[int, int] | None = None, *, whole: bool = False
) -> Iterator[Message]:
    """Every committed record of `topic` from `start` ({partition: offset}, else 0) to its end as of now.

    With `whole`, raises `BadInput` where the log no longer starts at offset 0.
    """
    with _Reader(settings) as consumer:
        # The end is fixed now: while a producer is at work, an end-of-partition event may never come.
        end = {number: _end(consumer, topic, number, whole=whole) for number in _partitions(settings, topic)}
        begin = start or {}
        left = {number for number in end if begin.get(number, 0) < end[number]}
        consumer.assign([TopicPartition(topic, number, begin.get(number, 0)) for number in sorted(left)])
        while left:
            record = consumer.poll(_POLL_S)
            if record is None:
                raise kafka_away(settings.kafka_bootstrap)
            error = record.error()
            number = record.partition()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise LabkitError(f"Kafka could not be read: {error.str()}.")
            if error is None and number in left and record.offset() < end[number]:
                yield record
            if number in left and (error is not None or record.offset() >= end[number] - 1):
                left.discard(number)
                consumer.pause([TopicPartition(topic, number)])


def committed_offsets(settings: Settings, topic: str, group: str) -> dict[int, int]:
    """{partition: offset} up to which `group` has committed; 0 where it has committed nothing."""
    partitions = [TopicPartition(topic, number) for number in _partitions(settings, topic)]
    with _Reader(settings, group) as consumer:
        try:
            found = consumer.committed(partitions, timeout=_POLL_S)
        except KafkaException:
            raise kafka_away(settings.kafka_bootstrap) from None
    return {part.partition: 0 if part.offset == OFFSET_INVALID else part.offset for part in found}


def unread(settings: Settings, topic: str, start: dict[int, int]) -> int:
    """How many committed records of `topic` lie at or after `start` ({partition: offset}, else 0).

    Counted by reading them: offsets alone also count the markers that end transactions.
    """
    return sum(1 for _ in read_topic(settings, topic, start))


def commit_offsets(settings: Settings, topic: str, group: str, offsets: dict[int, int]) -> None:
    """Commit `offsets` for `group`, which no running job may belong to."""
    with _Reader(settings, group) as consumer:
        positions = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
        try:
            consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as error:
            raise LabkitError(f"Kafka did not take the offsets of {group}: {error.args[0].str()}.") from None


class _Reader:
    """A consumer that is closed however the block ends."""

    def __init__(self, settings: Settings, group: str = "labkit-reader") -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            },
            logger=_quiet,
        )

    def __enter__(self) -> Consumer:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def _partitions(settings: Settings, topic: str) -> range:
    there = topic_partitions(settings.kafka_bootstrap)
    if topic not in there:
        raise BadInput(f"Topic {topic} is not there.", "To make it: make setup")
    return range(there[topic])


def _end(consumer: Consumer, topic: str, partition: int, *, whole: bool) -> int:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_POLL_S)
    if whole and low > 0:
        raise BadInput(
            f"Topic {topic} no longer starts at offset 0 (partition {partition} starts at {low}); "
            "what was deleted cannot be counted.",
            "Begin anew: labkit reset",
        )
    return int(high)
