"""Snapshots to Kafka: register the schema, frame each snapshot, send it keyed by its host.

    Snapshot(hostname="lab", timestamp=1764…, …)  ->  procstat_snapshots, key b"lab", value 00 0000000 1 …

acks=all and idempotence: a retried batch is neither lost, doubled nor reordered (KIP-98).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from labkit.errors import LabkitError
from labkit.kafka.avro import SnapshotCodec, read_schema
from labkit.kafka.flow import Flow
from labkit.kafka.quiet import quiet
from labkit.kafka.registry import Registry, retry_until_available
from labkit.kafka.topics import MAX_MESSAGE_BYTES, topic_partitions
from labkit.streams.names import stream_option
from labkit.system.waiting import patience

__all__ = ["Counts", "SnapshotProducer", "hand_over", "produce", "producer_config", "register_snapshot_schema"]

_FLUSH_S = 25.0
_WAIT_S = 1.0


@dataclass(slots=True)
class Counts:
    """How many snapshots were handed to the client, and how many the broker has acknowledged."""

    sent: int = 0
    acknowledged: int = 0


def register_snapshot_schema(flow: Flow) -> int:
    """Register this version's schema; returns its id. See `Registry.register` for its errors."""
    return Registry.of(flow).register(flow.subject, read_schema(flow.schema_dir, flow.stream))


def producer_config(bootstrap: str, more: dict[str, Any]) -> dict[str, Any]:
    """What every producer of snapshots is told, and `more`: each record once, and a host always in its partition."""
    return {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # as Java does, so that Flink and kcat agree
        "message.max.bytes": MAX_MESSAGE_BYTES,
        **more,
    }


def hand_over(producer: Producer, topic: str, **record: Any) -> None:
    """Hand one record (key=…, value=…, timestamp=…, on_delivery=…) to the client; waits where its queue is full."""
    while True:
        try:
            producer.produce(topic, **record)
            return
        except BufferError:
            producer.poll(0.1)


class Stopped(LabkitError):
    """The person ended it while it was waiting."""


class SnapshotProducer:
    """Sends snapshots; `say` hears one sentence when the broker or the registry goes away or comes back."""

    def __init__(
        self,
        flow: Flow,
        say: Callable[[str], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> None:
        self.counts = Counts()
        self._flow = flow
        self._say = say
        self._stop = stop or threading.Event()
        self._told = ""
        self._broker_away = False
        self._wait_for_broker()
        self._schema_id = retry_until_available(lambda: register_snapshot_schema(flow), self._wait)
        schema = read_schema(flow.schema_dir, flow.stream)
        self._codec = SnapshotCodec(flow.stream, schema, lambda _: schema)
        config = {
            "message.timeout.ms": 0,  # a broker that is away is waited for, however long
            "linger.ms": 5,
            "error_cb": self._on_error,
        }
        self._producer = Producer(producer_config(flow.kafka_bootstrap, config), logger=quiet())

    def send(self, snapshot: Any) -> None:
        """Hand one snapshot to the client; waits where its queue is full."""
        value = self._codec.encode(snapshot, self._schema_id)
        hand_over(
            self._producer,
            self._flow.snapshots_topic,
            key=snapshot.hostname.encode(),
            value=value,
            timestamp=snapshot.timestamp,
            on_delivery=self._on_delivery,
        )
        self.counts.sent += 1
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything.

        Once it is to stop, it waits 25 s (`patience`) at most, and then raises `LabkitError`.
        """
        while self._producer.flush(_WAIT_S) and not self._stop.is_set():
            pass
        within_s = patience(_FLUSH_S)
        if left := self._producer.flush(within_s):  # at once where nothing is left
            away = f"; it does not answer at {self._flow.kafka_bootstrap}" if self._broker_away else ""
            raise LabkitError(f"{left} snapshots were not acknowledged by Kafka within {within_s:.0f} s{away}.")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._say(f"A snapshot was not taken: {error.str()}.")
            return
        self.counts.acknowledged += 1
        if self._broker_away:
            self._broker_away = False
            self._say("Kafka is back.")

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._broker_away:
            self._broker_away = True
            self._say(f"Kafka does not answer at {self._flow.kafka_bootstrap}; snapshots wait for it.")

    def _wait_for_broker(self) -> None:
        while True:
            try:
                if self._flow.snapshots_topic in topic_partitions(self._flow.kafka_bootstrap, 5):
                    return
                reason = LabkitError(
                    f"Topic {self._flow.snapshots_topic} is not there.",
                    f"To make it: labkit topics{stream_option(self._flow.stream.name)}",
                )
            except LabkitError as away:
                reason = away
            self._wait(reason)

    def _wait(self, reason: LabkitError) -> None:
        """Say once why, and wait a second. Raises `Stopped` where the person has had enough."""
        if self._told != reason.what:
            self._told = reason.what
            self._say(f"{reason.what} Waiting for it. ({reason.todo})")
        if self._stop.wait(_WAIT_S):
            raise Stopped("Stopped before anything was sent.")


def produce(
    flow: Flow,
    source: Iterable[Any],
    on_sent: Callable[[Any, Counts], None] = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Counts:
    """Send everything that `source` gives, then flush; `on_sent` hears of each snapshot.

    A broker or registry that is not there is waited for, until `stop` is set.
    """
    try:
        producer = SnapshotProducer(flow, say, stop)
    except Stopped:
        return Counts()
    try:
        for snapshot in source:
            producer.send(snapshot)
            on_sent(snapshot, producer.counts)
    finally:
        producer.flush()
    return producer.counts
