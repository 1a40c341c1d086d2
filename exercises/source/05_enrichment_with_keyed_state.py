# %% [markdown]
# # Exercises 05: Enrichment with keyed state
#
# Two exercises to notebook 05, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. It feeds your operator by hand first, with hosts of its own.
# Then it runs it on the lab's cluster, which takes some ten seconds, with topics and jobs that end in `_ex05`. Ask it
# as often as you like. Where you are stuck, `hint("05a")` in a cell of your own gives a hint, and the next time a
# clearer one.

# %%
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

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
#   but with the last good one: the newest so far. (No machine starts anew here: `ctxt` never falls.)
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

# %% [markdown] tags=["hints"]
# Hints 05a
#
# 1. Notebook 05, "The same in Flink, step by step": `Percent` there keeps the last snapshot of each host in state.
#    Yours keeps the same, and makes another number of it.
# 2. In `open`, get a state for the last snapshot. In `process_element`, read it. A snapshot that is not newer ends
#    there: nothing is yielded, and nothing is updated. Otherwise update the state; and where there was a snapshot
#    before, yield the difference of `ctxt` divided by the seconds in between.
# 3. The order matters: first `before = self.last.value()`, then `if before is not None and now.timestamp <=
#    before.timestamp: return`, then `self.last.update(now)`, and last the row, where `before` is not None. Times are
#    in ms: divide their difference by 1000.
#
# Other answers: Only `(timestamp, ctxt)` in the state, instead of the whole snapshot, is as right and makes
# checkpoints smaller. Two states, one for each number, are right too; each is read and written by itself.

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
# - One alarm for each stretch, however long it is. After an interval below 90 % a new stretch may begin. In a row means
#   one after the other in the stream, however long each is.
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

# %% [markdown] tags=["hints"]
# Hints 05b
#
# 1. Notebook 05, "Break it: the wrong key" shows what a key decides, and "Break it: an attribute instead of state"
#    where a count has to live. An alarm needs both: whose intervals are counted, and how many there were.
# 2. Keep one number in state for each CPU of each host: how many intervals in a row were busy. 90 % or more adds one;
#    less puts it back to 0. The alarm belongs to the moment at which the number becomes five. The key is a text with
#    both names, and between them something that is in no name.
# 3. `count = (self.busy_for.value() or 0) + 1` where `busy >= 90`, else 0. Update the state in either case, and yield
#    only `if count == 5`: at six and more the alarm has sounded already. Names have no blanks, so a blank may stand
#    between host and CPU in the key.
#
# Other answers: `json.dumps([hostname, cpu_id])` is a key for names of any kind. Whoever keeps the last five shares
# instead of a count needs a second thing in state: whether the alarm has sounded in this stretch.
