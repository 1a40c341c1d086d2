# %% [markdown]
# # Exercises 14: Poison records
#
# Two exercises to notebook 14, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 14a needs nothing but fastavro. 14b is fed by hand first, with
# hosts of its own; then it runs on the lab's cluster, which takes some ten seconds, with topics and jobs that end in
# `_ex14`. Ask it as often as you like. Where you are stuck, `hint("14a")` in a cell of your own gives a hint, and the
# next time a clearer one.

# %%
import io

import fastavro
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 14a A record or a dead letter
#
# Write `sort_out(key, value, headers, schemas, reader)`. Whatever comes, it returns a record or a dead letter, and
# raises nothing.
#
# - In: `key` and `value` of a Kafka record (bytes or None), and its `headers`, a list of (name, bytes or None).
#   `schemas` are the registered ones, `{id: schema}`; `reader` is the schema to read with. All are parsed JSON, and
#   each is of a record with name and namespace, whose fields are strings, longs and arrays of longs.
# - The value is framed as in 03: a 0, the id in four bytes with its highest byte first, and an Avro body of at least a
#   byte.
# - Out: `("record", record)`, where the value can be read as `reader` says.
# - Else: `("dead letter", reason, key, value, headers)`. Key, value and headers are as they came. `reason` is the first
#   of these that holds:
#
#       null            there is no value
#       empty           it has no bytes
#       wrong magic     its first byte is not 0
#       too short       it has fewer than six bytes
#       unknown schema  its id is not in schemas
#       other record    the schema with that id has another name, or another namespace, than reader
#       ends early      the body ends before a record of the schema with that id does
#       unreadable      it cannot be read as reader says, for whatever other reason
#       left over       it was read, and there are bytes behind it
#
# Where the bytes end too early, `fastavro.schemaless_reader` raises `EOFError`, and inside of a number `IndexError`.


# %%
def sort_out(key, value, headers, schemas, reader):
    """("record", record), or ("dead letter", reason, key, value, headers)."""

    # BEGIN 14a
    def record():
        if value is None:
            raise ValueError("null")
        if not value:
            raise ValueError("empty")
        if value[0] != 0:
            raise ValueError("wrong magic")
        if len(value) < 6:
            raise ValueError("too short")
        writer = schemas.get(int.from_bytes(value[1:5], "big"))
        if writer is None:
            raise ValueError("unknown schema")
        if any(writer[part] != reader[part] for part in ("name", "namespace")):
            raise ValueError("other record")
        body = io.BytesIO(value[5:])
        try:
            found = fastavro.schemaless_reader(body, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
        except (EOFError, IndexError):
            raise ValueError("ends early") from None
        except Exception:
            raise ValueError("unreadable") from None
        if body.read():
            raise ValueError("left over")
        return found

    try:
        return "record", record()
    except ValueError as reason:
        return "dead letter", str(reason), key, value, headers
    # END 14a


# %%
check("14a", sort_out)

# %% [markdown] tags=["hints"]
# Hints 14a
#
# 1. Notebook 14, "Each kind by hand": the five steps of a reader are the order in which you look. Each step that fails
#    ends there, with its reason.
# 2. A row of `if`s for the frame, each with a `return` of its own. Then one `try` around the reading alone, with two
#    `except`s: one for bytes that end early, one for all the rest. Behind it, look whether bytes are left. Everything
#    that comes in goes out again untouched: do not decode the key, do not make a dictionary of the headers.
# 3. `int.from_bytes(value[1:5], "big")` is the id. With `body = io.BytesIO(value[5:])`, read with
#    `fastavro.schemaless_reader(body, writer, reader)`: the schema it was written with comes first. `except (EOFError,
#    IndexError)` is "ends early", `except Exception` "unreadable", and afterwards `body.read()` is what is left over.
#
# Other answers: a list of (reason, test) that is gone through in order is as right. labkit's own codec raises an error
# of its own for each reason and catches it in one place, as the solution does with ValueError.

# %% [markdown]
# ## 14b Can that be true?
#
# What can be read need not be true. Write `doubts(slack_s)`, which returns an operator: an object of your own subclass
# of `KeyedProcessFunction`. The stream is keyed by host.
#
# - In: `Row(hostname, timestamp, btime, ticks)`: the time in ms, the time of the last boot in s, and all ticks counted
#   since then.
# - Out: `Row(hostname, timestamp, reason)` for a record that cannot be true, and nothing for another. `reason` is the
#   first of these that holds:
#
#       before boot        its time is before its own boot
#       another machine    its boot is more than slack_s seconds older than that of the last good record of its host
#       went back          its boot is that of the last good record, to within slack_s seconds; its time is newer, and
#                          its ticks are fewer
#
# - A boot that is more than `slack_s` newer is a reboot. That record is good, whatever its time and its ticks.
# - A record of the same boot (to within `slack_s`) that is not newer than the last good one is late. It gives nothing
#   and changes nothing.
# - What is in doubt changes nothing either: the next record is compared with the last good one. Every other record is
#   good, and from then on the last good one.
# - It goes on after a restart as if nothing had happened.


# %%
def doubts(slack_s):
    """An operator: Row(hostname, timestamp, btime, ticks) -> Row(hostname, timestamp, reason) of what cannot be."""

    # BEGIN 14b
    class Doubts(KeyedProcessFunction):
        def open(self, runtime_context):
            self.last = runtime_context.get_state(ValueStateDescriptor("last good", Types.PICKLED_BYTE_ARRAY()))

        def process_element(self, row, ctx):
            hostname, timestamp, btime, ticks = row
            reason = self.doubt(self.last.value(), timestamp, btime, ticks)
            if reason is None:
                self.last.update((timestamp, btime, ticks))
            elif reason != "late":
                yield Row(hostname, timestamp, reason)

        def doubt(self, last, timestamp, btime, ticks):
            if timestamp < 1000 * btime:
                return "before boot"
            if last is None or btime > last[1] + slack_s:
                return None
            if btime < last[1] - slack_s:
                return "another machine"
            if timestamp <= last[0]:
                return "late"
            return "went back" if ticks < last[2] else None

    return Doubts()
    # END 14b


# %%
check("14b", doubts)

# %% [markdown] tags=["hints"]
# Hints 14b
#
# 1. Notebook 14, "Break it: good Avro, wrong meaning": `doubt` there has two of the three rules, and the loop below it
#    keeps the last good snapshot of each host.
# 2. Keep time, boot and ticks of the last good record in state. Look at one record alone first: is its time before its
#    boot? Then beside the last good one: is the boot older, newer or the same? Only of the same boot do time and ticks
#    matter. Update the state in one place, for good records.
# 3. In this order: `timestamp < 1000 * btime` is "before boot"; no last one, or `btime > last_btime + slack_s`: good;
#    `btime < last_btime - slack_s`: "another machine"; `timestamp <= last_timestamp`: late, so neither yield nor
#    update; `ticks < last_ticks`: "went back"; everything else is good.
#
# Other answers: three states of type LONG instead of one that is pickled make smaller checkpoints. Whoever keeps the
# newest boot of all, and not that of the last good record, goes wrong where the boot creeps back by less than
# `slack_s` each time, as it does while a clock is being set.
