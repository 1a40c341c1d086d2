"""Typical wrong answers to the exercises of lesson 02: (what is wrong, the answer, the verdict it should get)."""

from __future__ import annotations

WRONG = {
    "02a": [
        (
            "no flush",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 1000})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp)
return len(readings)
""",
            r"\d+ of 30 records were in the topic when .* flush waits",
        ),
        (
            "no key",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(topic, as_json(reading), timestamp=reading.timestamp)
producer.flush()
return len(readings)
""",
            r"A record of \S+ has no key",
        ),
        (
            "a key for each record",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for number, reading in enumerate(readings):
    producer.produce(topic, as_json(reading), f"{reading.hostname}-{number}", timestamp=reading.timestamp)
producer.flush()
return len(readings)
""",
            r"A record of \S+ has the key '\S+-\d+'.*has to stay in order: the host",
        ),
        (
            "the client's own partitioner",
            """
producer = Producer({"bootstrap.servers": bootstrap})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp)
producer.flush()
return len(readings)
""",
            r"is in partition \d; Java's clients put that key into partition \d",
        ),
        (
            "the time of sending",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname)
producer.flush()
return len(readings)
""",
            r"has the time \d+; its reading is of 17950",
        ),
        (
            "what flush returns",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp)
return producer.flush()
""",
            r"returned 0; Kafka has acknowledged 30",
        ),
        (
            "counts what it sent",
            """
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp)
producer.flush()
return len(readings)
""",
            r"The broker refused one reading.* returned 7; 6 are there.*count those, in on_delivery",
        ),
        (
            "counts every report, the bad ones too",
            """
reports = []
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(
        topic, as_json(reading), reading.hostname, timestamp=reading.timestamp, on_delivery=lambda *_: reports.append(1)
    )
producer.flush()
return len(reports)
""",
            r"The broker refused one reading.* returned 7; 6 are there",
        ),
        (
            "raises at a refused record",
            """
reports = []

def report(error, message):
    assert error is None, error
    reports.append(message)

producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp, on_delivery=report)
producer.flush()
return len(reports)
""",
            r"Your function raised AssertionError.*Count the reports that have no error",
        ),
        (
            "stops at a refused record",
            """
reports = []
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
for reading in readings:
    producer.produce(
        topic,
        as_json(reading),
        reading.hostname,
        timestamp=reading.timestamp,
        on_delivery=lambda error, _: reports.append(error),
    )
    producer.flush()
    if reports[-1] is not None:
        break
return sum(error is None for error in reports)
""",
            r"The broker refused one reading.* Of the 6 others 3 are there.*send them all",
        ),
    ],
    "02b": [
        (
            "left to auto-commit",
            """
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"1 of 30 records were never handled, among them the one that failed .*auto.commit",
        ),
        (
            "commits first",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        consumer.commit(record, asynchronous=False)
        handle(record)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"never handled, among them the one that failed",
        ),
        (
            "never commits",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"6 of the 6 records .* are not committed: the next call is given them again",
        ),
        (
            "stays a member after an error",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
while handled < count and (record := consumer.poll(5)) is not None:
    handle(record)
    consumer.commit(record, asynchronous=False)
    handled += 1
consumer.close()
return handled
""",
            r"still a member of its group\. .*try, finally",
        ),
        (
            "swallows the error",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        try:
            handle(record)
        except Exception as error:
            print(error)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"went on as if nothing had happened",
        ),
    ],
}
