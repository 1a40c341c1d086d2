"""Kafka and the registry: topics, producer, consumer, offsets, Avro."""

__all__ = [
    "avro",
    "avro_schema",
    "consumer",
    "flow",
    "framing",
    "offsets",
    "producer",
    "quiet",
    "registry",
    "topic_ends",
    "topics",
]
