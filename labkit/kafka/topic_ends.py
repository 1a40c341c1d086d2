"""How much has been written to a topic, asked again and again of one client.

Ends("127.0.0.1:9092", "procstat_metrics").total()      720_016: records, and a marker for each transaction
"""

from __future__ import annotations

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from labkit.kafka.consumer import partitions_of
from labkit.kafka.topics import admin_client
from labkit.system.waiting import patience, retry

__all__ = ["Ends"]

#: A partition has just got a leader, and this client still goes by what was there before.
_LEADER_IS_NEW = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH)
_NEW_FOR_S = 10.0


class Ends:
    """The ends of a topic's partitions, committed or not. Raises `BadInput` where the topic is not there."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in partitions_of(bootstrap, topic)}
        self._admin = admin_client(bootstrap)

    def total(self) -> int:
        """Their sum."""
        return retry(self._total, KafkaException, _is_of_a_new_leader, _NEW_FOR_S)

    def _total(self) -> int:
        level = IsolationLevel.READ_UNCOMMITTED
        answers = self._admin.list_offsets(self._asked, isolation_level=level, request_timeout=patience(10))
        return sum(answer.result().offset for answer in answers.values())


def _is_of_a_new_leader(error: KafkaException) -> bool:
    return error.args[0].code() in _LEADER_IS_NEW
