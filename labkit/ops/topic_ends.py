"""How much has been written to a topic, asked again and again of one client.

Ends(settings, "procstat_metrics").total()      720_016: the records, and a marker for each transaction and partition
"""

from __future__ import annotations

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from labkit.consumer import partitions_of
from labkit.kafka_admin import admin_client
from labkit.settings import Settings

__all__ = ["Ends"]


class Ends:
    """The ends of a topic's partitions, committed or not. Raises `BadInput` where the topic is not there."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in partitions_of(settings, topic)}
        self._admin = admin_client(settings.kafka_bootstrap)

    def total(self) -> int:
        """Their sum."""
        level = IsolationLevel.READ_UNCOMMITTED
        answers = self._admin.list_offsets(self._asked, isolation_level=level, request_timeout=10)
        return sum(answer.result().offset for answer in answers.values())
