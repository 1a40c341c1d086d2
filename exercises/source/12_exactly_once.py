# %% [markdown]
# # Exercises 12: Exactly once
#
# Two exercises, 30 to 40 minutes. Write your answer in place of the line that raises `NotSolved`, run the cell, then
# run the check below it. A check looks at what your code does, never at how you wrote it. 12b needs the services, and
# makes topics and a group that end in `_ex12`. Where you are stuck, `hint("12a")` in a cell of your own gives a hint,
# and the next time a clearer one.

# %%
from collections import Counter

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 12a The heart of the ledger
#
# Write `account(expected, found)`. Both are lists of keys: what had to come out, each key once, and what came out, in
# any order. A key is `("web-1", 1795368345000)`, host and ms.
#
# It returns a dict with three numbers:
#
# - `"missing"`: expected keys that were never found.
# - `"twice"`: records too many of a key, expected or not. One that came three times counts as 2.
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

# %% [markdown] tags=["hints"]
# Hints 12a
#
# 1. Notebook 12, "Three promises" says what missing and twice are, and "The same topic, read twice" counts copies
#    with a `Counter`.
# 2. Count how often each key was found. Missing are the expected keys that were not found, unexpected the found ones
#    that were not expected: both count keys. Twice counts records: of each key that was found, expected or not, all
#    but one.
# 3. With `times = Counter(found)` twice is `sum(count - 1 for count in times.values())`. The other two are
#    differences of sets, one in each direction: `wanted - times.keys()` and `times.keys() - wanted`. How many are in
#    each?
#
# Other answers: `len(found) - len(set(found))` is twice as well. Where the keys do not fit into memory, both lists
# are sorted and read side by side.

# %% [markdown]
# ## 12b Read, change, write: exactly once
#
# Flink's Kafka sink uses Kafka's transactions. So can you, without Flink. Write a relay that reads one topic, changes
# each value, and writes it to another topic, exactly once, however often it is killed.
#
# This function is finished. It gives the next records, from where the consumer stands:


# %%
def next_batch(consumer):
    """Up to ten records, also fewer where the broker is slow; [] at the end of the topic, and only there."""
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
#   `b"CPU0"`. Every record has a value, of ASCII. One without a key has none in `topic`, either.
# - It handles batch after batch, and returns when there is none left. A batch with fewer than ten records need not be
#   the last one. A batch that it has handled is committed before the next one is read: its records, and that they have
#   been read.
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

# %% [markdown] tags=["hints"]
# Hints 12b
#
# 1. Notebook 12, "Three promises", the row `exactly-once`: what was written counts when the transaction is committed.
#    Here what was *read* belongs into the same transaction.
# 2. As long as `next_batch` gives records: begin a transaction, produce each record of the batch, send the positions
#    to the transaction, commit it. A batch is a transaction, with the four calls in this order. The consumer itself
#    commits nothing.
# 3. Between the last `produce` and `commit_transaction()` stands `producer.send_offsets_to_transaction(positions,
#    consumer.consumer_group_metadata())`. The positions are asked for after the batch was read. Before the first
#    `produce` of each batch stands `begin_transaction()`.
#
# Other answers: A transaction for each record is right, and slow: each commit waits for the broker. Positions made by
# hand, the last offset plus 1 of each partition, are as good as `position`.
