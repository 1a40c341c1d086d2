# %% [markdown]
# # Exercises 05: Enrichment with keyed state
#
# Two exercises to notebook 05, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. It feeds your operator by hand first, with hosts of its own.
# Then it runs it on the lab's cluster, which takes some ten seconds, with topics and jobs that end in `_ex05`. Ask it
# as often as you like.

# %%
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

from labkit.workshop.check import NotSolved, check

# %% [markdown]
# ## 05a Context switches
#
# `ctxt` in a snapshot counts the context switches since boot. Make a rate of it: switches per second.
#
# Write `switches()`, which returns an operator: an object of your own subclass of `KeyedProcessFunction`. The stream is
# keyed by host.
#
# - In: `(hostname, snapshot)`. A snapshot has `timestamp` (ms) and `ctxt`.
# - Out: `Row(hostname, timestamp, rate)`, with the timestamp of the newer snapshot. 300 switches in 2,000 ms are a rate
#   of `150.0`.
# - The first snapshot of a host gives nothing.
# - A snapshot that is not newer than the last good one of its host gives nothing. The next one is not compared with it,
#   but with the last good one.
# - It goes on after a restart as if nothing had happened.


# %%
def switches():
    """An operator: (hostname, snapshot) -> context switches per second."""

    # BEGIN 05a
    class Switches(KeyedProcessFunction):
        def open(self, runtime_context):
            self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

        def process_element(self, pair, ctx):
            host, now = pair
            before = self.last.value()
            if before is not None and now.timestamp <= before.timestamp:
                return
            self.last.update(now)
            if before is not None:
                seconds = (now.timestamp - before.timestamp) / 1000
                yield Row(host, now.timestamp, (now.ctxt - before.ctxt) / seconds)

    return Switches()
    # END 05a


# %%
check("05a", switches)

# %% [markdown]
# ## 05b An alarm
#
# Find burns while they happen. An alarm goes off when one CPU of one host has been busy for **90 % or more** in **five
# intervals in a row**.
#
# Write `alarm()`, which returns two things: a function that gives the key of a row, as text, and an operator.
#
# - In: `Row(hostname, timestamp, cpu_id, busy)`, one for each CPU and interval, in the order of time.
# - Both names may be any text without blanks (elsewhere a CPU is called `0`). No two CPUs may share a key.
# - Out: `Row(hostname, cpu_id, timestamp)`, with the timestamp of the fifth interval.
# - One alarm for each stretch, however long it is. After an interval below 90 % a new stretch may begin.
# - It goes on after a restart as if nothing had happened.


# %%
def alarm():
    """(A function that gives a row's key, an operator that sounds the alarm.)"""

    # BEGIN 05b
    class Alarm(KeyedProcessFunction):
        def open(self, runtime_context):
            self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

        def process_element(self, row, ctx):
            hostname, timestamp, cpu_id, busy = row
            count = (self.busy_for.value() or 0) + 1 if busy >= 90 else 0
            self.busy_for.update(count)
            if count == 5:
                yield Row(hostname, cpu_id, timestamp)

    return (lambda row: f"{row[0]} {row[2]}"), Alarm()
    # END 05b


# %%
check("05b", alarm)
