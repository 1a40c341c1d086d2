"""Wrong answers to the exercises of lesson 12: what is wrong, the code, and what the check has to say about it."""

from __future__ import annotations

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


def _but(answer: str, right: str, wrong: str) -> str:
    """The right answer with one thing changed."""
    assert right in answer, right
    return answer.replace(right, wrong)


WRONG = {
    "12a": [
        (
            "a key that came three times counts once",
            _but(_ACCOUNT, "sum(count - 1 for count in times.values())", "sum(count > 1 for count in times.values())"),
            "three times, it said.*two too many",
        ),
        (
            "missing is a difference of two lengths",
            _but(_ACCOUNT, "len(wanted - times.keys())", "max(0, len(expected) - len(found))"),
            "a difference of two lengths does not see it",
        ),
        (
            "every record too many is unexpected",
            _but(_ACCOUNT, "len(times.keys() - wanted)", "len(found) - len(wanted & times.keys())"),
            "came twice, it said .*One record too many",
        ),
        (
            "only the time is compared",
            _but(_ACCOUNT, "Counter(found)", "Counter(key[1] for key in found)")
            .replace("set(expected)", "{key[1] for key in expected}"),
            "share their times.*host and time, both",
        ),
        (
            "the order has to be the same",
            _but(_ACCOUNT, "len(wanted - times.keys())", "sum(one != other for one, other in zip(expected, found))"),
            "in another order.*order says nothing",
        ),
    ],
    "12b": [
        (
            "the position is committed after the transaction",
            _but(_RELAY, _SEND + _COMMIT, _COMMIT + _OFFSETS),
            "right after commit_transaction.*twice.*in the transaction",
        ),
        (
            "the position is committed before the transaction",
            _but(_RELAY, _SEND, _OFFSETS),
            "right after commit,.*are missing.*before the records are",
        ),
        ("no position is kept", _but(_RELAY, _SEND, ""), "stands at offset 0.*send_offsets_to_transaction"),
        ("no transaction is committed", _but(_RELAY, _COMMIT, "    producer.flush()\n"), "raised.*in this order"),
        ("no transaction is begun", _but(_RELAY, "    producer.begin_transaction()\n", ""), "raised.*in this order"),
        ("only one batch", _but(_RELAY, "while batch := next_batch(consumer):", "for batch in [next_batch(consumer)]:"),
         "10 of 30 records.*until next_batch"),
        ("the value as it came", _but(_RELAY, ".upper()", ""), "In the target is b'cpu0'.*capital"),
    ],
}  # fmt: skip
