"""A plain loop: confluent-kafka reads and writes, fastavro decodes, a dict keeps the last snapshot of each host.

At least once: what was read is committed after what came of it was acknowledged. The dict is lost with the process, so
after a restart the first snapshot of each host gives nothing. Of several processes, each takes its share of partitions.
"""

import signal
import time

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from procstat import MAX_DEAD_LETTER_BYTES, Decoder, Unreadable, compare, setting

COMMIT_S = 10.0
stopped = False


def stop(*_: object) -> None:
    """SIGTERM ends the loop, not the process."""
    global stopped
    stopped = True


def main() -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, stop)
    number, processes = int(setting("number")), int(setting("processes"))
    consumer = Consumer(
        {
            "bootstrap.servers": setting("bootstrap"),
            "group.id": setting("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    there = consumer.list_topics(setting("input")).topics[setting("input")].partitions
    mine = [TopicPartition(setting("input"), partition) for partition in there if partition % processes == number]
    consumer.assign(mine)
    producer = Producer(
        {
            "bootstrap.servers": setting("bootstrap"),
            "enable.idempotence": True,
            "linger.ms": 20,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "message.max.bytes": MAX_DEAD_LETTER_BYTES,
        }
    )
    decoder, last, output, dead = Decoder(setting("registry")), {}, setting("output"), setting("dead_letters")
    due = time.monotonic() + COMMIT_S
    while not stopped:
        for message in consumer.consume(500, 0.2):
            if message.error():
                raise SystemExit(str(message.error()))
            try:
                now = decoder.decode(message.value())
            except Unreadable as reason:
                producer.produce(dead, message.value(), message.key(), headers={"reason": str(reason)})
                continue
            last[now[0]], metrics = compare(last.get(now[0]), now)
            if metrics is not None:
                producer.produce(output, orjson.dumps(metrics), now[0])
        producer.poll(0)
        if time.monotonic() >= due:
            commit(consumer, producer)
            due = time.monotonic() + COMMIT_S
    commit(consumer, producer)
    consumer.close()


def commit(consumer: Consumer, producer: Producer) -> None:
    """First what came out, then what was read."""
    producer.flush()
    read = [place for place in consumer.position(consumer.assignment()) if place.offset >= 0]
    if read:
        consumer.commit(offsets=read, asynchronous=False)


if __name__ == "__main__":
    main()
