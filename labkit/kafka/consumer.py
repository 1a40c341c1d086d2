"""Reading topics back: everything up to now.

    for record in read_topic("127.0.0.1:9092", "procstat_metrics"): record.key(), record.value(), record.offset()

Always read_committed: what an open or aborted transaction wrote is not there (KIP-98).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from labkit.errors import BadInput, LabkitError
from labkit.kafka.quiet import quiet
from labkit.kafka.topics import kafka_unavailable, topic_partitions
from labkit.system.waiting import patience, retry

__all__ = ["POLL_S", "Offsets", "Reader", "partitions_of", "read_topic"]

POLL_S = 10.0
#: Records of a partition that are kept while those of another are waited for.
_AHEAD = 4000

Offsets = dict[int, int]  # partition: offset
OnEnd = Callable[[Offsets], None]


def read_topic(
    bootstrap: str,
    topic: str,
    start: Offsets | None = None,
    *,
    whole: bool = False,
    on_end: OnEnd = lambda _: None,
    by_time: bool = False,
) -> Iterator[Message]:
    """Every committed record of `topic` from `start` ({partition: offset}, else 0) to its end as of now.

    In the order of each partition; `by_time` says which partition goes first, too: the one whose next record is the
    oldest. So the order is the same each time. `on_end` hears that end, {partition: offset}. With `whole`, raises
    `BadInput` where the log no longer starts at offset 0.
    """
    with Reader(bootstrap) as consumer:
        # The end is fixed now: while a producer is at work, an end-of-partition event may never come.
        end = {number: _end(consumer, topic, number, whole=whole) for number in partitions_of(bootstrap, topic)}
        on_end(end)
        begin = start or {}
        left = {number for number in end if begin.get(number, 0) < end[number]}
        consumer.assign([TopicPartition(topic, number, begin.get(number, 0)) for number in sorted(left)])
        records = _until(consumer, bootstrap, topic, end, left)
        yield from _by_time(consumer, topic, records, left) if by_time else records


def _until(consumer: Consumer, bootstrap: str, topic: str, end: Offsets, left: set[int]) -> Iterator[Message]:
    """What comes of the partitions in `left`; one that is at its end is taken out of it."""
    within_s = patience(POLL_S)  # not for each record: it looks at the load
    while left:
        record = consumer.poll(within_s)
        if record is None:
            raise kafka_unavailable(bootstrap)
        error, number = record.error(), record.partition()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise LabkitError(f"Kafka could not be read: {error.str()}.")
        is_wanted = number in left and error is None and record.offset() < end[number]
        if number in left and (error is not None or record.offset() >= end[number] - 1):
            left.discard(number)
            consumer.pause([TopicPartition(topic, number)])
        if is_wanted:
            yield record


def _by_time(consumer: Consumer, topic: str, records: Iterator[Message], left: set[int]) -> Iterator[Message]:
    """The same records, by time as far as the order of each partition leaves it open."""
    waiting: dict[int, deque[Message]] = {number: deque() for number in sorted(left)}
    heads: list[tuple[int, int]] = []  # (time of its next record, partition) of each that has one
    starving, paused = set(left), set[int]()
    while True:
        while starving & left and (record := next(records, None)) is not None:
            number = record.partition()
            if not waiting[number]:
                heappush(heads, (record.timestamp()[1], number))
                starving.discard(number)
            waiting[number].append(record)
            if len(waiting[number]) >= _AHEAD and number in left - paused:
                paused.add(number)
                consumer.pause([TopicPartition(topic, number)])
        if not heads:
            return
        _, number = heappop(heads)
        queue = waiting[number]
        yield queue.popleft()
        if queue:
            heappush(heads, (queue[0].timestamp()[1], number))
        else:
            starving.add(number)
        if number in paused and len(queue) < _AHEAD // 2:
            paused.discard(number)
            if number in left:
                consumer.resume([TopicPartition(topic, number)])


class Reader:
    """A consumer of committed records that is closed however the block ends."""

    def __init__(self, bootstrap: str, group: str = "labkit-reader") -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            },
            logger=quiet(),
        )

    def __enter__(self) -> Consumer:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def partitions_of(bootstrap: str, topic: str) -> range:
    """The numbers of a topic's partitions. Raises `BadInput` where it is not there."""
    there = topic_partitions(bootstrap)
    if topic not in there:
        raise BadInput(f"Topic {topic} is not there.", "To make it: labkit topics")
    return range(there[topic])


def _end(consumer: Consumer, topic: str, partition: int, *, whole: bool) -> int:
    low, high = _watermarks(consumer, TopicPartition(topic, partition))
    if whole and low > 0:
        raise BadInput(
            f"Topic {topic} no longer starts at offset 0 (partition {partition} starts at {low}); "
            "what was deleted cannot be counted.",
            "Begin anew: labkit reset",
        )
    return high


def _watermarks(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """First offset and end. A topic that was made just now is asked again: its broker is told a little later."""

    def asked() -> tuple[int, int]:
        return cast(tuple[int, int], consumer.get_watermark_offsets(place, timeout=patience(POLL_S)))

    return retry(asked, KafkaException, _has_a_new_leader, POLL_S, poll_s=0.05)


def _has_a_new_leader(error: KafkaException) -> bool:
    return bool(error.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION)
