"""Kafka and the registry: topics, producer, consumer, offsets, Avro."""

__all__ = ["avro", "consumer", "flow", "offsets", "producer", "quiet", "registry", "topic_ends", "topics"]
