"""Answers to the exercises of 02 that people give, and what the check has to say to them, and must not."""

from __future__ import annotations

from tests.support.answers import but

#: Sends each reading, and counts what was acknowledged.
_SEND = """
acked = []
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
for reading in readings:
    producer.produce(
        topic,
        as_json(reading),
        reading.hostname,
        timestamp=reading.timestamp,
        on_delivery=lambda error, _: acked.append(1) if error is None else None,
    )
producer.flush()
return len(acked)
"""

WRONG = {
    "02a": [
        (
            "no flush",
            but(
                but(_SEND, '"log_level": 0', '"linger.ms": 1000'),
                "producer.flush()\nreturn len(acked)",
                "return len(readings)",
            ),
            r"\d+ of 30 records were in the topic when .* returned 30.*flush waits",
            r"Use topic|Missing are",
        ),
        (
            "nobody is asked for an answer",
            but(_SEND, "bootstrap, ", 'bootstrap, "acks": 0, '),
            r"with acks=0 none is|refused one of 7 readings.* returned 7; 6 are there|took 11 s to acknowledge|"
            r"refused one of 7 readings.* [0-5] are there; your function returned 7\. Count the delivery reports",
            r"Use topic|Missing are",
        ),
        (
            "flush for five seconds at most",
            but(_SEND, "flush()", "flush(5)"),
            r"took 11 s to acknowledge.* came back after 5\.\d s and returned 0; \d of 5 records.*waits for all",
            r"Use topic|Missing are|Count the delivery",
        ),
        (
            "no key",
            but(_SEND, "        reading.hostname,\n", ""),
            r"A record of \S+ has no key",
            r"goes anywhere|partitioner",
        ),
        (
            "a key for each record",
            but(_SEND, "reading.hostname", 'f"{reading.hostname}-{reading.timestamp}"'),
            r"A record of \S+ has the key '\S+-\d+'.*6 records have 6 keys.*has to stay in order: the host",
            r"All hosts|partitioner",
        ),
        (
            "the key as JSON",
            but(_SEND, "reading.hostname", "json.dumps(reading.hostname)"),
            r"has the key \S+; it is the host's name",
            r"goes anywhere|All hosts",
        ),
        (
            "the topic is the key of all",
            but(_SEND, "reading.hostname", "topic"),
            r"All hosts have that key.*one partition",
            r"goes anywhere",
        ),
        (
            "the partitioner that the client has",
            but(_SEND, '"partitioner": "murmur2_random", ', ""),
            r"web-1 is in partition 0 of 4; Java's clients put that key into partition 1.*takes by itself",
            r"order is lost",
        ),
        (
            "a partition by hand",
            """
acked = []
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
for reading in readings:
    producer.produce(
        topic,
        as_json(reading),
        reading.hostname,
        partition=len(acked) % 4,
        timestamp=reading.timestamp,
        on_delivery=lambda error, _: acked.append(1) if error is None else None,
    )
    producer.flush()
producer.flush()
return len(acked)
""",
            r"in partition [\d, ]+ of 4; Java's.*have to be in one partition",
            r"takes by itself",
        ),
        (
            "the time of sending",
            but(_SEND, "        timestamp=reading.timestamp,\n", ""),
            r"has the time \d+; its reading is of 17950.*That is now",
            r"seconds",
        ),
        (
            "the time in seconds",
            but(_SEND, "reading.timestamp", "reading.timestamp // 1000"),
            r"has the time 1795000000; its reading is of 1795000000123 \(ms\).*Those are seconds",
            r"takes the time of sending|cut off",
        ),
        (
            "what flush returns",
            but(_SEND, "producer.flush()\nreturn len(acked)", "return producer.flush()"),
            r"returned 0; Kafka has acknowledged 30.*on_delivery",
            r"Is there a return",
        ),
        (
            "an address of its own",
            but(_SEND, "bootstrap,", "settings.kafka_bootstrap,"),
            r"given the address 127\.0\.0\.1:\d+, and has never gone there.*Use bootstrap",
            r"flush",
        ),
        (
            "a topic of its own",
            but(_SEND, " topic,", ' "try_02a_ex02",'),
            r"0 of 30 records were in the topic.*They are in try_02a_ex02.*Use topic",
            r"flush waits",
        ),
        (
            "counts what it sent",
            but(_SEND, "len(acked)", "len(readings)"),
            r"refused one of 7 readings.* returned 7; 6 are there.*on_delivery",
            r"keep the rest",
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
            r"refused one of 7.*Your function raised AssertionError.*no reason to stop",
            r"keep the rest",
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
            r"refused one of 7.* Of the 6 others 3 are there.*send them all",
            r"flush waits",
        ),
    ],
    "02b": [
        (
            "one commit at the end, of the last record",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled, last = 0, None
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        last = record
        handled += 1
finally:
    if last is not None:
        consumer.commit(message=last, asynchronous=False)
    consumer.close()
return handled
""",
            r"records behind: in partition \d, which had the last of them, it is not.*for its partition alone",
            r"asynchronous|auto\.commit",
        ),
        (
            "left to auto-commit",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest"}
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
            r"the next call skips the one that failed.*committed after handle had failed\. enable\.auto\.commit",
            r"before its handle|commit\(\) without",
        ),
        (
            "commits first",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
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
            r"the next call skips the one that failed.*committed before its handle came back",
            r"auto\.commit|commit\(\) without",
        ),
        (
            "a batch is committed as a whole",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (records := consumer.consume(count - handled, 5)):
        for record in records:
            handle(record)
            consumer.commit(asynchronous=False)
            handled += 1
finally:
    consumer.close()
return handled
""",
            r"raised KafkaException.*No offset stored.*nothing left to commit\. commit\(\) without a record",
            r"auto\.commit|Let the",
        ),
        (
            "a batch is committed, then handled",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (records := consumer.consume(count - handled, 5)):
        consumer.commit(asynchronous=False)
        for record in records:
            handle(record)
            handled += 1
finally:
    consumer.close()
return handled
""",
            r"the next call skips.*commit\(\) without a record commits all",
            r"auto\.commit|came back: commit",
        ),
        (
            "never commits",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
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
            r"6 of the 6 records .* are not committed: the next call is given them again.*has to be committed",
            r"offset \+ 1",
        ),
        (
            "commits at the end, where all went well",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        handled += 1
    if handled:
        consumer.commit(asynchronous=False)
finally:
    consumer.close()
return handled
""",
            r"6 of the 6 records .* are not committed.*When handle raises, what was done before",
            r"offset \+ 1|auto\.commit",
        ),
        (
            "the offset of the record itself",
            """
from confluent_kafka import TopicPartition

own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(offsets=[TopicPartition(topic, record.partition(), record.offset())], asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"of the 6 records .* are not committed.*offset \+ 1",
            r"When handle raises",
        ),
        (
            "stays a member after an error",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
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
            r"After the error of handle your consumer was still a member of its group.*try, finally",
            r"auto\.commit|45 s",
        ),
        (
            "a member of a fixed name",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group, "group.instance.id": "mine"}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"After the error of handle the group still had a member, with the group\.instance\.id 'mine'.*stays when",
            r"try, finally|Close it",
        ),
        (
            "swallows the error",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
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
            r"seventh record; \d+ records more were handed out.*Let the error out",
            r"reset|as if nothing",
        ),
        (
            "returns at an error",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        try:
            handle(record)
        except Exception:
            return handled
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"seventh record; nothing more was handed out, and your function came back .* with 6.*Let the error out",
            r"reset",
        ),
        (
            "begins at the end",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"handle was called 0 times; there were 30 records.*auto\.offset\.reset",
            r"Let the error out",
        ),
        (
            "a short first poll",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(0.01)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"handle was called 0 times; .* with 0.*moment for its partitions",
            r"auto\.offset|Let the error out",
        ),
        (
            "partitions by hand",
            """
from confluent_kafka import TopicPartition

own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
places = [TopicPartition(topic, number) for number in range(4)]
consumer.assign(consumer.committed(places))
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"had no member.*subscribe makes",
            r"auto\.offset|Let the error out",
        ),
        (
            "the value is handed out",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record.value())
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"handle was given b'\d*'.*to be given the record",
            r"AttributeError|Let the error out",
        ),
        (
            "a group of its own",
            """
own = {"bootstrap.servers": bootstrap, "group.id": "mine_ex02"}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"had no member; mine_ex02 had.*Use group",
            r"Let the error out|auto\.offset|assign",
        ),
        (
            "one record too many",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled <= count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"handle was called 5 times|count was 24.*came back",
            r"Let the error",
        ),
        (
            "5 s in all",
            """
import time

own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    until = time.monotonic() + 5
    while handled < count and time.monotonic() < until:
        record = consumer.poll(0.1)
        if record is not None:
            handle(record)
            consumer.commit(record, asynchronous=False)
            handled += 1
finally:
    consumer.close()
return handled
""",
            r"26 were handled, and your function came back [34]\.\d s after the last one.*5 s in all",
            r"consume",
        ),
        (
            "a loop that never ends where nothing comes",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count:
        record = consumer.poll(1)
        if record is None:
            continue
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
finally:
    consumer.close()
return handled
""",
            r"did not come back within.*where nothing comes any more",
            r"reset",
        ),
    ],
}

#: Right ones that do not look like the solution.
RIGHT = {
    "02a": [
        (
            "a class, a count by host, async reports",
            """
class Sender:
    def __init__(self):
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "partitioner": "murmur2", "linger.ms": 20, "acks": "all", "log_level": 0}
        )
        self.count = 0

    def report(self, error, message):
        self.count += not error

    def send(self, reading):
        self.producer.produce(
            topic, key=reading.hostname.encode(), value=as_json(reading), timestamp=reading.timestamp,
            callback=self.report,
        )
        self.producer.poll(0)

sender = Sender()
for reading in readings:
    sender.send(reading)
while sender.producer.flush(0.5):
    pass
return sender.count
""",
        ),
        (
            "one by one, each is waited for",
            """
acked = set()
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
for number, reading in enumerate(readings):
    def note(error, _, number=number):
        if not error:
            acked.add(number)
    producer.produce(topic, as_json(reading), reading.hostname, -1, note, note, reading.timestamp)
    producer.flush()
return len(acked)
""",
        ),
        (
            "failures are taken away from the sum",
            """
failed = []
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "partitioner": "murmur2_random",
        "log_level": 0,
        "on_delivery": lambda error, _: error and failed.append(error),
        "enable.idempotence": True,
    }
)
for reading in readings:
    producer.produce(topic, as_json(reading), reading.hostname, timestamp=reading.timestamp)
producer.flush(-1)
return len(readings) - len(failed)
""",
        ),
        (
            "the partition worked out by hand",
            """
def murmur2(data):
    m, h = 0x5BD1E995, (0x9747B28C ^ len(data)) & 0xFFFFFFFF
    for i in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & 0xFFFFFFFF
        h = (h * m & 0xFFFFFFFF) ^ ((k ^ k >> 24) * m & 0xFFFFFFFF)
    rest = data[len(data) - len(data) % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return (h ^ h >> 15) & 0x7FFFFFFF

acked = []
producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
count = len(producer.list_topics(topic).topics[topic].partitions)
for reading in readings:
    key = reading.hostname.encode()
    producer.produce(topic, as_json(reading), key, murmur2(key) % count, timestamp=reading.timestamp,
                     on_delivery=lambda e, m: acked.append(m) if e is None else None)
while len(producer):
    producer.poll(1)
return len(acked)
""",
        ),
    ],
    "02b": [
        (
            "consume, a record at a time is committed",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count:
        records = consumer.consume(min(10, count - handled), timeout=5)
        if not records:
            break
        for record in records:
            handle(record)
            consumer.commit(message=record, asynchronous=False)
            handled += 1
finally:
    consumer.close()
return handled
""",
        ),
        (
            "stored offsets, which close commits",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.offset.store": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled = 0
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.store_offsets(record)
        handled += 1
finally:
    consumer.close()
return handled
""",
        ),
        (
            "asynchronous commits, and one that is waited for",
            """
own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled, last = 0, None
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        consumer.commit(record)
        last = record
        handled += 1
finally:
    if last is not None:
        consumer.commit(last, asynchronous=False)
    consumer.close()
return handled
""",
        ),
        (
            "a clock of its own, a with for the closing",
            """
import time
from contextlib import closing

with closing(
    Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group,
         "auto.offset.reset": "smallest", "enable.auto.commit": "false"}
    )
) as consumer:
    consumer.subscribe([topic])
    handled, last = 0, time.monotonic()
    while handled != count:
        record = consumer.poll(0.2)
        if record is None or record.error():
            if time.monotonic() - last >= 5:
                break
            continue
        last = time.monotonic()
        handle(record)
        consumer.commit(record, asynchronous=False)
        handled += 1
    return handled
""",
        ),
        (
            "all offsets once, however it ends",
            """
from confluent_kafka import TopicPartition

own = {"bootstrap.servers": bootstrap, "group.id": group}
own |= {"auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer = Consumer(own)
consumer.subscribe([topic])
handled, places = 0, {}
try:
    while handled < count and (record := consumer.poll(5)) is not None:
        handle(record)
        places[record.partition()] = TopicPartition(topic, record.partition(), record.offset() + 1)
        handled += 1
finally:
    if places:
        consumer.commit(offsets=list(places.values()), asynchronous=False)
    consumer.close()
return handled
""",
        ),
    ],
}
