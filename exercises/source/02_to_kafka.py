# %% [markdown]
# # Exercises 02: To Kafka
#
# Two exercises to notebook 02, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. Ask it as often as you like. The first cell makes topics and
# groups that end in `_ex02`; nothing else is touched. Where you are stuck, `hint("02a")` in a cell of your own gives a
# hint, and the next time a clearer one.

# %%
import json
from dataclasses import asdict, replace

from confluent_kafka import Consumer, Producer

from labkit.kafka.consumer import read_topic
from labkit.kafka.topics import Topic, create_topics
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution
from labkit.workshop.lesson import begin, snapshots

settings = begin("02", suffix="_ex02")

# %% [markdown]
# ## 02a Send readings so that they keep their order
#
# Write `send_all(bootstrap, topic, readings)`. `readings` are snapshots, of several hosts. Each becomes one record:
#
# - value: what `as_json` makes of the snapshot (it is given),
# - key: the host's name,
# - timestamp: the snapshot's, so in ms,
# - partition: where Java's clients would put that key.
#
# When it returns, every record has been answered, however long that takes: acknowledged or refused. It returns how many
# Kafka has acknowledged. (The broker may refuse one, for instance because it is too large. That is no reason to stop.
# Leave the client's own limits as they are: how large a record may be, `message.max.bytes`, and how long it is tried,
# `message.timeout.ms` and `request.timeout.ms`.)
# `bootstrap` is the broker's address, `"127.0.0.1:9092"`, and `topic` a name. With `"log_level": 0` among its settings,
# a client keeps its red log lines to itself.
#
#     send_all("127.0.0.1:9092", "some_topic", readings)   ->   601


# %%
def as_json(snapshot):
    """A snapshot -> JSON text as bytes."""
    cpus = [cpu._asdict() for cpu in snapshot.cpus]
    return json.dumps({**asdict(snapshot), "cpus": cpus}, separators=(",", ":")).encode()


# %%
def send_all(bootstrap, topic, readings):
    """Send every reading to `topic`; how many Kafka has acknowledged."""
    # BEGIN 02a
    acknowledged = []

    def report(error, message):
        if error is None:
            acknowledged.append(message.offset())

    reliable = {"enable.idempotence": True, "partitioner": "murmur2_random", "log_level": 0}
    producer = Producer({"bootstrap.servers": bootstrap, **reliable})
    for reading in readings:
        producer.produce(
            topic,
            value=as_json(reading),
            key=reading.hostname,
            timestamp=reading.timestamp,
            on_delivery=report,
        )
        producer.poll(0)
    producer.flush()
    return len(acknowledged)
    # END 02a


# %% [markdown]
# To try it: twenty readings, as two hosts, and what is in the topic then. This cell is for you; change it as you
# like.

# %%
few = list(snapshots(settings))[:20]
create_topics(settings.kafka_bootstrap, [Topic("try_02a_ex02", 4)])
try:
    send_all(settings.kafka_bootstrap, "try_02a_ex02", [replace(few[n], hostname=f"db-{n % 2}") for n in range(20)])
    for record in list(read_topic(settings.kafka_bootstrap, "try_02a_ex02"))[:4]:
        print(record.partition(), record.offset(), record.key(), record.timestamp()[1], record.value()[:40])
except NotSolved as error:
    print(error)

# %%
check("02a", send_all)

# %% [markdown] tags=["hints"]
# Hints 02a
#
# 1. Notebook 02, "Keys": the producer there has the settings that you need, and its loop sends such records. "One
#    record" says when a record is safe: when its delivery report has no error.
# 2. Make one producer, with the partitioner of Java's clients. For each reading call `produce` with value, key,
#    timestamp and a function as `on_delivery`, then `poll(0)`, so that reports come in meanwhile. That function
#    counts the reports that have no error. Before you return, wait until everything is answered.
# 3. `on_delivery` is called with `(error, message)`: count where `error is None`, and let nothing be raised for the
#    others. The partitioner is `"murmur2_random"`. `producer.flush()` waits until all are answered; only then is the
#    number complete.
#
# Other answers: A number with `nonlocal` does as well as a list. `flush` after each record is right too, but waits
# for the broker every time. With more than 100,000 readings `produce` may raise `BufferError`, because the client's
# memory is full: then `poll`, and try that record again.

# %% [markdown]
# ## 02b Skip nothing
#
# Write `handle_all(bootstrap, topic, group, count, handle)`: read records of `topic` as a member of `group`, and call
# `handle(record)` for each, where `record` is confluent_kafka's message. `handle` may raise an error. Then
# `handle_all` lets the error out, and the next call for the same group begins with the record that failed: *no record
# is ever skipped*. A record whose `handle` came back without an error should not be handed out again.
#
# - A group that is new begins at the start of the topic.
# - It returns how many records were handled: as soon as there were `count` of them, or when nothing has come for
#   5 seconds since the last record (or since the call, where none comes). Where `handle` takes long, they may begin
#   before it or after it. `count` is 0 or more; with 0 no record is handed out.
# - However it ends, its consumer has left the group: the next call must not wait for a member that is gone.
#
# Example: the topic has 10 records, and `handle` raises at the fourth.
#
#     handle_all(bootstrap, "some_topic", "some_group", 10, handle)   raises handle's error; three records are done
#     handle_all(bootstrap, "some_topic", "some_group", 7, print)     ->   7, with the fourth among them


# %%
def handle_all(bootstrap, topic, group, count, handle):
    """Hand up to `count` records of `topic` to `handle`, as `group`; how many were handled."""
    # BEGIN 02b
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
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
    # END 02b


# %%
check("02b", handle_all)

# %% [markdown] tags=["hints"]
# Hints 02b
#
# 1. Notebook 02, "Read it back": reading changes nothing, committing does. Which order never skips a record: commit
#    first, then work; or work first, then commit?
# 2. Make a consumer of the group that begins at the start and commits nothing by itself. In a loop: poll, call
#    `handle`, then commit this one record and wait for the answer. Stop after `count` records, or when `poll(5)`
#    gives None. However the loop ends, close the consumer; the error of `handle` goes its way.
# 3. The settings are those of `member` in the notebook; `"enable.auto.commit": False` is the one that matters. In the
#    loop `handle(record)` comes first, and `consumer.commit(record, asynchronous=False)` right behind it. Around the
#    loop stand `try:` and `finally: consumer.close()`, with no `except`.
#
# Other answers: You may also commit once, in the `finally`, the place after the last handled record of each
# partition. That is much faster; but after a SIGKILL, which runs no `finally`, all the records of that call come
# again.
