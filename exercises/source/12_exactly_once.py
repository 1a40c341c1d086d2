# %% [markdown]
# # Exercises 12: Exactly once
#
# Two exercises, 30 to 40 minutes. Write your answer in place of the line that raises `NotSolved`, run the cell, then
# run the check below it. A check looks at what your code does, never at how you wrote it. 12b needs the services, and
# makes topics and a group that end in `_ex12`.

# %%
from collections import Counter

from labkit.workshop.check import NotSolved, check

# %% [markdown]
# ## 12a The heart of the ledger
#
# Write `account(expected, found)`. Both are lists of keys: what had to come out, each key once, and what came out, in
# any order. A key is `("web-1", 1795368345000)`, host and ms.
#
# It returns a dict with three numbers:
#
# - `"missing"`: expected keys that were never found.
# - `"twice"`: records too many of a key. One that came three times counts as 2.
# - `"unexpected"`: keys that were found, however often, and not expected.
#
# So it always holds: `len(found) == len(expected) - missing + twice + unexpected`. The lists stay as they are.


# %%
def account(expected, found):
    """Keys that had to come out, keys that came out -> {"missing": …, "twice": …, "unexpected": …}"""
    # BEGIN 12a
    times = Counter(found)
    wanted = set(expected)
    return {
        "missing": len(wanted - times.keys()),
        "twice": sum(count - 1 for count in times.values()),
        "unexpected": len(times.keys() - wanted),
    }
    # END 12a


# %%
check("12a", account)

# %% [markdown]
# ## 12b Read, change, write: exactly once
#
# Flink's Kafka sink uses Kafka's transactions. So can you, without Flink. Write a relay that reads one topic, changes
# each value, and writes it to another topic, exactly once, however often it is killed.
#
# This function is finished. It gives the next records, from where the consumer stands:


# %%
def next_batch(consumer):
    """Up to ten records; [] at the end of the topic."""
    batch = []
    while len(batch) < 10:
        record = consumer.poll(10)
        if record is None or record.error():
            break
        batch.append(record)
    return batch


# %% [markdown]
# Write `relay(consumer, producer, topic)`.
#
# - `producer` has a `transactional.id`, and `init_transactions()` was called: what a process before it with the same id
#   left open is aborted now.
# - `consumer` stands where its group has committed in the source topic, or at the topic's start. The topic has one
#   partition. Nothing is committed by itself.
# - Each record becomes one record of `topic`, with the same key, and the value in capital letters: `b"cpu0"` becomes
#   `b"CPU0"`.
# - It handles batch after batch, and returns when there is none left. A batch that it has handled is committed before
#   the next one is read: its records, and that they have been read.
# - When it was killed, another process calls it again, with a consumer and a producer as above.
#
# The methods that you need are the producer's `begin_transaction()`, `produce()`,
# `send_offsets_to_transaction(positions, group)` and `commit_transaction()`. The positions are
# `consumer.position(consumer.assignment())`, the group is `consumer.consumer_group_metadata()`.
#
# The check runs it in a process of its own and kills that with SIGKILL right after each kind of call. What counts is
# what a reader with `read_committed` finds. It takes some twenty seconds.


# %%
def relay(consumer, producer, topic):
    """Every record of the consumer's topic, in capital letters, to `topic`, exactly once."""
    # BEGIN 12b
    while batch := next_batch(consumer):
        producer.begin_transaction()
        for record in batch:
            producer.produce(topic, key=record.key(), value=record.value().upper())
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
        producer.commit_transaction()
    # END 12b


# %%
check("12b", relay)
