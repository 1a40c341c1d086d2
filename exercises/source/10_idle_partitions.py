# %% [markdown]
# # Exercises 10: Idle partitions
#
# Two exercises to notebook 10, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 10a needs nothing but Python. 10b writes to topics of its own;
# then a job on the lab's cluster goes by its heartbeats, which takes some ten seconds, with topics and jobs that end in
# `_ex10`. Ask it as often as you like. Where you are stuck, `hint("10a")` in a cell of your own gives a hint, and the
# next time a clearer one.

# %%
from confluent_kafka import Producer

from labkit.kafka.consumer import read_topic
from labkit.kafka.topics import topic_partitions
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 10a What time is it?
#
# Write `clock(events, partitions, bound, idle)`: the watermark behind a source of several partitions, after each event.
#
# - In: `events` is a list of `(now, partition, timestamp)`. At `now` (ms since the start of the job, which never goes
#   back) a record with that event time came from that partition. `(now, None, None)`: nothing came, but somebody looked
#   at the clock. There are `partitions` partitions: 0, 1, 2 and so on. `bound` and `idle` are in ms.
#   All are whole numbers; `idle` is at least 1 where it is not `None`, and none of the others is below 0.
# - The watermark of a partition is its newest timestamp less `bound`. Before its first record it has none.
# - A partition is idle when nothing has come from it for `idle` ms or longer: since its last record, whatever timestamp
#   that had, or since the start (0) where none has come yet. Its next record makes it active again. Where `idle` is
#   `None`, no partition is ever idle.
# - The watermark behind the source is the smallest of those of the active partitions. There is none while one of them
#   has none. It never goes back. Where all partitions are idle it stays as it is.
# - It is worked out at each event, and at no other moment.
# - Out: a list with the watermark after each event, `None` where there is none yet.
#
# With two partitions, a bound of 5 and no idleness:
#
#     clock([(0, 0, 100), (1, 1, 90), (2, 1, 97), (3, 1, 95)], 2, 5, None)   ->   [None, 85, 92, 92]


# %%
def clock(events, partitions, bound, idle):
    """The watermark behind a source of several partitions, after each event."""

    # BEGIN 10a
    newest, heard = {}, dict.fromkeys(range(partitions), 0)
    watermark, found = None, []
    for now, partition, timestamp in events:
        if partition is not None:
            newest[partition] = max(newest.get(partition, timestamp), timestamp)
            heard[partition] = now
        active = [one for one in heard if idle is None or now - heard[one] < idle]
        if active and all(one in newest for one in active):
            smallest = min(newest[one] for one in active) - bound
            watermark = smallest if watermark is None else max(watermark, smallest)
        found.append(watermark)
    return found
    # END 10a


# %%
check("10a", clock)

# %% [markdown] tags=["hints"]
# Hints 10a
#
# 1. Notebook 10, "One watermark of several": `clock` there is the smallest of the partitions' watermarks. "Idleness"
#    says which of them count, and "Break it: a clock that is ahead" what it means that it never goes back.
# 2. Keep two things for each partition: its newest timestamp, and when something came from it last (0 at the start, for
#    all of them). At each event bring them up to date, then ask which partitions are active, then whether each of those
#    has a watermark, and only then take the smallest.
# 3. Active is `idle is None or now - heard[partition] < idle`. Where the list of the active ones is empty, or one of
#    them has no newest timestamp, the watermark stays as it was; else it is the larger of what it was and the smallest
#    of `newest[partition] - bound`.
#
# Other answers: a class that keeps the partitions, with a method for an event, is as good. Whoever gives a partition
# without a record a watermark of minus infinity needs no question whether it has one, but has to make `None` of it.

# %% [markdown]
# ## 10b Heartbeats
#
# Write `beat(bootstrap, topic, at)`: send a heartbeat to each partition whose time stands still.
#
# - A heartbeat is a record without key and without value. Its time is `at` (ms, greater than 0).
# - One goes into each partition whose newest record is older than `at`, and into each that has no record. The newest is
#   the one with the latest time, which need not be the last one. Heartbeats from before are records like all others.
# - Into no other partition one goes. So who asks twice for the same `at` sends nothing the second time.
# - When it returns, Kafka has acknowledged all of them, however long that takes.
# - Out: a list of the partitions to which it sent one, the smallest number first.
#
# `bootstrap` is the broker's address, and `topic` a name. `read_topic(bootstrap, topic)` gives each record with its
# `partition()` and its time, `timestamp()[1]`. `topic_partitions(bootstrap)` is a dictionary: how many partitions each
# topic has.


# %%
def beat(bootstrap, topic, at):
    """Send a heartbeat of the time `at` to each partition that is behind; a list of these partitions."""

    # BEGIN 10b
    newest = dict.fromkeys(range(topic_partitions(bootstrap)[topic]))
    for record in read_topic(bootstrap, topic):
        before, now = newest[record.partition()], record.timestamp()[1]
        newest[record.partition()] = now if before is None else max(before, now)
    behind = [partition for partition, last in newest.items() if last is None or last < at]
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for partition in behind:
        producer.produce(topic, partition=partition, timestamp=at)
    producer.flush()
    return behind
    # END 10b


# %%
check("10b", beat)

# %% [markdown] tags=["hints"]
# Hints 10b
#
# 1. Notebook 10, "A heartbeat": `beat` there sends one, to a partition and without a key. "One watermark of several"
#    has a loop over a topic that keeps a time for each partition.
# 2. First find the newest time of each partition: begin with all numbers that the topic has, so that an empty partition
#    is among them. Then send one to each partition that has none or an older one. Wait until Kafka has them.
# 3. `producer.produce(topic, partition=partition, timestamp=at)` for each partition where the newest is missing or
#    `< at`, then `producer.flush()` without a limit, then the list.
#
# Other answers: with many records it is dear to read a topic from its start. Kafka can be asked for the offset of a
# partition's newest timestamp (`OffsetSpec.max_timestamp()`), and then for that record alone.
