"""A topic that an exercise's check makes for itself.

with new_topic(settings, "asked-", partitions=4) as topic:
    answer(settings.kafka_bootstrap, topic, …)      asked-5e1b0c9d.a_ex02, which is gone afterwards
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.jobs.reset import delete_topics
from labkit.kafka.topics import MAX_MESSAGE_BYTES, Topic, create_topics
from labkit.settings import Settings

__all__ = ["new_name", "new_topic"]


def new_name(settings: Settings, begins: str) -> str:
    """A name with the settings' suffix that was never there, with every separator that Kafka allows."""
    return f"{begins}{uuid.uuid4().hex[:8]}.a{settings.suffix}"


@contextmanager
def new_topic(
    settings: Settings, begins: str, partitions: int, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> Iterator[str]:
    """A new topic, whose name begins so, until the block ends."""
    name = new_name(settings, begins)
    create_topics(settings.kafka_bootstrap, [Topic(name, partitions, max_message_bytes)])
    try:
        yield name
    finally:
        delete_topics(settings, [name])
