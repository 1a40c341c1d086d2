"""Wrong answers to the exercises of lesson 12: what is wrong, the code, and what the check has to say about it."""

from __future__ import annotations

from tests.support.answers import but

_ACCOUNT = """
times = Counter(found)
wanted = set(expected)
return {
    "missing": len(wanted - times.keys()),
    "twice": sum(count - 1 for count in times.values()),
    "unexpected": len(times.keys() - wanted),
}
"""

_RELAY = """
while batch := next_batch(consumer):
    producer.begin_transaction()
    for record in batch:
        producer.produce(topic, key=record.key(), value=record.value().upper())
    positions = consumer.position(consumer.assignment())
    producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
    producer.commit_transaction()
"""
_SEND = "    producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())\n"
_COMMIT = "    producer.commit_transaction()\n"
_OFFSETS = "    consumer.commit(offsets=positions, asynchronous=False)\n"


WRONG = {
    "12a": [
        (
            "a key that came three times counts once",
            but(_ACCOUNT, "sum(count - 1 for count in times.values())", "sum(count > 1 for count in times.values())"),
            "came three times.*twice is 2, and it said 1.*three of a key are two",
            "one record too many",
        ),
        (
            "every record of a key that came twice",
            but(_ACCOUNT, "count - 1 for count in times.values()", "count for count in times.values() if count > 1"),
            "came twice.*twice is 1, and it said 2.*first record of a key is not one too many",
            "difference of two lengths",
        ),
        (
            "missing is a difference of two lengths",
            but(_ACCOUNT, "len(wanted - times.keys())", "max(0, len(expected) - len(found))"),
            "another that came twice.*missing is 1, and it said 0.*difference of two lengths does not see",
            "order says nothing",
        ),
        (
            "twice is a difference of two lengths",
            but(_ACCOUNT, "sum(count - 1 for count in times.values())", "max(0, len(found) - len(expected))"),
            "twice is 1, and it said 0.*difference of two lengths does not see",
            "three of a key are two",
        ),
        (
            "every record too many is unexpected",
            but(_ACCOUNT, "len(times.keys() - wanted)", "len(found) - len(wanted & times.keys())"),
            "came twice.*unexpected is 0, and it said 1.*is not unexpected, however often",
            "The key is host and time",
        ),
        (
            "an unexpected key counts as often as it came",
            but(_ACCOUNT, "len(times.keys() - wanted)", "sum(key not in wanted for key in found)"),
            "nobody expected, twice.*unexpected is 1, and it said 2.*the key counts once",
            "is not unexpected, however often",
        ),
        (
            "an unexpected key that came twice is left out of twice",
            but(_ACCOUNT, "count - 1 for count in times.values()",
                 "count - 1 for key, count in times.items() if key in wanted"),
            "nobody expected, twice.*twice is 1, and it said 0.*one unexpected key, and one record too many",
            "three of a key are two",
        ),
        (
            "only the time is compared",
            but(_ACCOUNT, "Counter(found)", "Counter(key[1] for key in found)")
            .replace("set(expected)", "{key[1] for key in expected}"),
            "share their times.*missing is 1, and it said 0.*host and time, both",
            "difference of two lengths",
        ),
        (
            "the order has to be the same",
            but(_ACCOUNT, "len(wanted - times.keys())", "sum(one != other for one, other in zip(expected, found))"),
            "in another order.*order says nothing",
            "host and time, both",
        ),
        (
            "the keys instead of how many",
            but(_ACCOUNT, "len(wanted - times.keys())", "wanted - times.keys()"),
            r"everything once.*missing is set\(\).*how many",
            "order says nothing|asked once more",
        ),
        (
            "another name",
            but(_ACCOUNT, '"twice"', '"duplicates"'),
            "its dict has the names missing, duplicates, unexpected.*Wanted are the three",
            "it said",
        ),
        (
            "what was found is taken away from what was given",
            """
missing = expected
twice = unexpected = 0
for key in found:
    if key in missing:
        missing.remove(key)
return {"missing": len(missing), "twice": twice, "unexpected": unexpected}
""",
            r"changed what it was given \(expected\).*work on a copy",
            "missing is",
        ),
        ("no return", "times = Counter(found)", "it returned None.*return at the end", "Wanted is a dict"),
    ],
    "12b": [
        (
            "the position is committed after the transaction",
            but(_RELAY, _SEND + _COMMIT, _COMMIT + _OFFSETS),
            "right after commit_transaction.*10 records are there twice, the first of them b'.*into the transaction",
            "before the records were",
        ),
        (
            "the position is committed before the transaction",
            but(_RELAY, _SEND, _OFFSETS),
            "right after commit,.*are missing, the first of them b'.*and before them",
            "after the records",
        ),
        (
            "no position is kept",
            but(_RELAY, _SEND, ""),
            "stands at offset 0; 27 is the next.*send_offsets_to_transaction",
            "plus 1|before the last batch",
        ),
        (
            "no transaction is committed",
            but(_RELAY, _COMMIT, "    producer.flush()\n"),
            r"raised KafkaException: .*relay, line \d+ of its cell.*was not committed yet",
            "no transaction was open",
        ),
        (
            "no transaction is begun",
            but(_RELAY, "    producer.begin_transaction()\n", ""),
            r"raised KafkaException: .*in relay, line \d+ of its cell.*no transaction was open",
            "was not committed yet",
        ),
        (
            "one transaction is begun for all batches",
            "producer.begin_transaction()\n" + but(_RELAY, "    producer.begin_transaction()\n", "").lstrip("\n"),
            "raised KafkaException: .*begin_transaction comes first, for each batch anew",
            "was not committed yet",
        ),
        (
            "one transaction for everything",
            "producer.begin_transaction()\n"
            + but(_RELAY, "    producer.begin_transaction()\n", "").replace(_SEND + _COMMIT, "").lstrip("\n")
            + _SEND.replace("    ", "", 1) + _COMMIT.replace("    ", "", 1),
            "put 27 of them, several batches, into one transaction.*before the next one is read",
            "raised",
        ),
        (
            "the last transaction stays open",
            """
producer.begin_transaction()
while batch := next_batch(consumer):
    for record in batch:
        producer.produce(topic, key=record.key(), value=record.value().upper())
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    if len(batch) < 10:
        break
    producer.commit_transaction()
    producer.begin_transaction()
""",
            "last transaction was still open: in it were 7 records and positions.*when commit_transaction has returned",
            "raised",
        ),
        (
            "only one batch",
            but(_RELAY, "while batch := next_batch(consumer):", "for batch in [next_batch(consumer)]:"),
            "10 of 27 records.*handled one batch",
            "fewer than ten",
        ),
        (
            "only whole batches",
            but(_RELAY, "while batch := next_batch(consumer):", "while len(batch := next_batch(consumer)) == 10:"),
            "20 of 27 records.*fewer than ten records: it counts",
            "handled one batch",
        ),
        (
            "a batch that is not whole is taken for the last",
            _RELAY + "    if len(batch) < 10:\n        break\n",
            "given the first 4 of them as a batch. It returned when these 4 had come out.*the end is \\[\\]",
            "of 27 records|handled one batch",
        ),
        (
            "a list that is not whole is taken for the last",
            but(_RELAY, "while batch := next_batch(consumer):\n",
                "while True:\n    batch = [one for one in consumer.consume(10, timeout=5) if not one.error()]\n"
                "    if not batch:\n        return\n") + "    if len(batch) < 10:\n        return\n",
            "given the first 4 of them as a batch. It returned when these 4 had come out.*the end is \\[\\]",
            "of 27 records|handled one batch",
        ),
        (
            "no key becomes an empty one",
            but(_RELAY, "key=record.key()", 'key=record.key() or b""'),
            r"The record b'INTR_5.X' has the key b''; in the source it had None.*None is none",
            "stays as it is",
        ),
        (
            "an empty key becomes none",
            but(_RELAY, "key=record.key()", "key=record.key() or None"),
            r"The record b'SOFTIRQ-4' has the key None; in the source it had b''.*stays as it is",
            "None is none",
        ),
        (
            "the value as it came",
            but(_RELAY, ".upper()", ""),
            "In the target is b'cpu0'; b'CPU0' is a right one.*capital",
            "str",
        ),
        (
            "bytes as text with quotes",
            but(_RELAY, "record.value().upper()", "str(record.value()).upper()"),
            r"In the target is b\"B'CPU0'\".*str\(\) of bytes",
            "whole value",
        ),
        (
            "no key",
            but(_RELAY, "key=record.key(), ", ""),
            "has the key None; in the source it had b'web_1.lab-2'.*key=record.key",
            "In the target is",
        ),
        (
            "the last offset instead of the next",
            but(_RELAY, "consumer.position(consumer.assignment())",
                 "[TopicPartition(batch[-1].topic(), batch[-1].partition(), batch[-1].offset())]")
            .replace("while", "from confluent_kafka import TopicPartition\nwhile", 1),
            "stands at offset 26; 27 is the next.*plus 1",
            "belongs to the transaction",
        ),
        (
            "it goes on at the end",
            but(_RELAY, "while batch := next_batch(consumer):",
                 "while True:\n    batch = next_batch(consumer)\n    if not batch:\n        continue"),
            "asked on and on for records, in .*, line \\d+ of its cell.*It returns when there is nothing left",
            "still at work",
        ),
        (
            "thrown away",
            but(_RELAY, "producer.commit_transaction()", "producer.abort_transaction()"),
            "read_committed reader finds none.*abort_transaction throws away",
            "counts when commit_transaction",
        ),
    ],
}  # fmt: skip

RIGHT = {
    "12a": [
        (
            "with lists",
            """
once = []
twice = 0
for key in found:
    if key in once:
        twice += 1
    else:
        once.append(key)
return {
    "unexpected": len([key for key in once if key not in expected]),
    "missing": len([key for key in expected if key not in once]),
    "twice": twice,
}
""",
        ),
        (
            "from the sum that always holds",
            """
missing, unexpected = len(set(expected) - set(found)), len(set(found).difference(expected))
return dict(missing=missing, unexpected=unexpected, twice=len(found) - len(expected) + missing - unexpected)
""",
        ),
        (
            "numbers of numpy, in a Counter",
            """
import numpy

account = Counter()
account["missing"] = numpy.int64(len(set(expected) - set(found)))
account["twice"] = numpy.sum([count - 1 for count in Counter(found).values()], dtype=int)
account["unexpected"] = numpy.int64(len(set(found) - set(expected)))
return account
""",
        ),
    ],
    "12b": [
        (
            "each record by itself, with its own position",
            """
from confluent_kafka import TopicPartition

group = consumer.consumer_group_metadata()
while True:
    batch = next_batch(consumer)
    if not batch:
        return
    for record in batch:
        producer.begin_transaction()
        producer.produce(topic, record.value().decode().upper(), record.key())
        producer.send_offsets_to_transaction(
            [TopicPartition(record.topic(), record.partition(), record.offset() + 1)], group)
        producer.commit_transaction()
""",
        ),
        (
            "consume, and an abort where something fails",
            """
while records := [one for one in consumer.consume(10, timeout=5) if not one.error()]:
    producer.begin_transaction()
    try:
        for record in records:
            producer.produce(topic=topic, key=record.key(), value=record.value().upper())
        producer.flush()
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
    except Exception:
        producer.abort_transaction()
        raise
""",
        ),
        (
            "consume, with its words named",
            """
from confluent_kafka import TopicPartition

while records := [one for one in consumer.consume(num_messages=10, timeout=5) if not one.error()]:
    producer.begin_transaction()
    for record in records:
        producer.produce(topic, key=record.key(), value=record.value().upper())
    last = records[-1]
    producer.send_offsets_to_transaction(
        [TopicPartition(last.topic(), last.partition(), last.offset() + 1)], consumer.consumer_group_metadata())
    producer.commit_transaction()
""",
        ),
        (
            "a poll for each record, ten in a transaction",
            """
rest, is_open = 0, False
while (record := consumer.poll(10)) is not None and not record.error():
    if not is_open:
        producer.begin_transaction()
        is_open = True
    producer.produce(topic, key=record.key(), value=record.value().upper())
    rest += 1
    if rest % 10 == 0:
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
        producer.commit_transaction()
        is_open = False
if is_open:
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    producer.commit_transaction()
""",
        ),
        (
            "a class, positions first",
            """
class Relay:
    def once(self):
        batch = next_batch(consumer)
        if batch:
            producer.begin_transaction()
            producer.send_offsets_to_transaction(
                consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
            [producer.produce(topic, key=one.key(), value=one.value().upper()) for one in batch]
            producer.commit_transaction()
        return bool(batch)

it = Relay()
while it.once():
    pass
consumer.close()
""",
        ),
    ],
}
