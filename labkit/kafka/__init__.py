"""Kafka and the registry: topics, producer, consumer, offsets, Avro."""

__all__ = ["avro", "consumer", "offsets", "producer", "registry", "topic_ends", "topics"]
