# %% [markdown]
# # Exercises 21: Two streams
#
# Two exercises to notebook 21, 40 to 50 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 21a is fed by hand first, with rows and watermarks of its own;
# then both run on the lab's cluster, which takes some ten seconds, with topics and jobs that end in `_ex21`. Ask it as
# often as you like. Where you are stuck, `hint("21a")` in a cell of your own gives a hint, and the next time a clearer
# one.

# %%
from pyflink.common import Row, Types
from pyflink.datastream import KeyedCoProcessFunction
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 21a Who meets whom, and who nobody
#
# Write `join(before, after)`, which returns an operator: an object of your own subclass of `KeyedCoProcessFunction`.
# Both streams are keyed by host.
#
# - In: `Row(hostname)`. A row of CPU comes to `process_element1`, a row of memory to `process_element2`. Its event time
#   is `ctx.timestamp()`, in ms.
# - Both belong together where memory is at most `before` ms older than CPU, and at most `after` ms newer. Neither of
#   the two numbers is below 0.
# - Out: `Row(hostname, cpu_at, memory_at)` for each pair, once, as soon as both are there. Either may come first, and a
#   row may be in several pairs.
# - Out: `Row(hostname, cpu_at, None)` for a row of CPU that is in no pair, once, as soon as none can come for it any
#   more: when the watermark has come to `cpu_at + after`. Of a row of memory that is in no pair nothing is told.
# - A row that comes a second time (the same stream, host and time) changes nothing.
# - The state keeps no row that nothing can come for any more.
# - No row comes late: its time is always later than the watermark.
# - It goes on after a restart as if nothing had happened.


# %%
def join(before, after):
    """An operator: rows of CPU and of memory -> Row(hostname, cpu_at, memory_at), or None in place of memory_at."""

    # BEGIN 21a
    class Join(KeyedCoProcessFunction):
        def open(self, runtime_context):
            # Each time that is kept, and whether it is in a pair.
            kept = [MapStateDescriptor(side, Types.LONG(), Types.BOOLEAN()) for side in ("cpu", "memory")]
            self.cpu, self.memory = map(runtime_context.get_map_state, kept)

        def process_element1(self, row, ctx):
            cpu_at = ctx.timestamp()
            if not self.cpu.contains(cpu_at):
                met = [at for at in self.memory if cpu_at - before <= at <= cpu_at + after]
                self.cpu.put(cpu_at, bool(met))
                ctx.timer_service().register_event_time_timer(cpu_at + after)
                yield from [Row(row[0], cpu_at, at) for at in met]

        def process_element2(self, row, ctx):
            memory_at = ctx.timestamp()
            if not self.memory.contains(memory_at):
                self.memory.put(memory_at, True)
                ctx.timer_service().register_event_time_timer(memory_at + before)
                for cpu_at in [at for at in self.cpu if at - before <= memory_at <= at + after]:
                    self.cpu.put(cpu_at, True)
                    yield Row(row[0], cpu_at, memory_at)

        def on_timer(self, timestamp, ctx):
            if self.cpu.get(timestamp - after) is False:
                yield Row(ctx.get_current_key(), timestamp - after, None)
            self.cpu.remove(timestamp - after)
            self.memory.remove(timestamp - before)

    return Join()
    # END 21a


# %%
check("21a", join)

# %% [markdown] tags=["hints"]
# Hints 21a
#
# 1. Notebook 21, "By hand, in Flink": `Pairs` there keeps both sides, looks at the other one, and clears by a timer.
#    It has one bound for both, tells of no row that is alone, and takes a row that came twice for two.
# 2. Keep for each row of CPU whether it is in a pair, so `on_timer` knows which to tell of. A row whose time is there
#    already came before. The two sides go at different times: a row of CPU at `cpu_at + after`, a row of memory at
#    `memory_at + before`.
# 3. In `process_element2`: go through the times of CPU with `at - before <= memory_at <= at + after`, put True for
#    each, and yield the pair. In `on_timer` a time is that of a row of CPU (`timestamp - after`) or of memory
#    (`timestamp - before`), or both: yield where `self.cpu.get(timestamp - after) is False`, and remove both.
#
# Other answers: two value states with a pickled dictionary each will do; `update` them, and clear them where they are
# empty. Lists work too, but have to be searched for a row that came before.

# %% [markdown]
# ## 21b The name of that time
#
# The names of hosts stand in the compacted topic `procstat_names_ex21`: the key is the host as plain text, the value is
# JSON, `{"name": "checkout"}`. Kafka's time of a record is that from which on the name holds, up to the next one of
# the same host. The topic has one partition. They stand in it in the order of their times, and the last of them is
# newer than all rows of CPU, by half an hour.
#
# The table `cpu` is there already, with the columns `hostname`, `timestamp` (BIGINT, ms) and `ts` (the same as a time,
# with a watermark).
#
# Write two statements:
#
# - A CREATE TABLE over the topic of names. Name and columns of the table are up to you; `settings.kafka_bootstrap` is
#   the broker's address.
# - A SELECT that gives each row of `cpu` once, with three columns: `hostname`, `timestamp`, and the name that the host
#   had at that time. A name holds from the very ms of its record on. Who had none then has NULL.
#
# The check writes what the SELECT gives to a topic, to which rows can be added, and from which none can be taken back.


# %%
def statements(settings):
    """CREATE TABLE … and SELECT …, as a list of two texts."""
    # BEGIN 21b
    return [
        f"""
        CREATE TABLE names (host STRING, name STRING, since TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
            PRIMARY KEY (host) NOT ENFORCED, WATERMARK FOR since AS since)
        WITH ('connector' = 'upsert-kafka', 'topic' = 'procstat_names_ex21',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'key.format' = 'raw', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY')""",
        """
        SELECT cpu.hostname, cpu.`timestamp`, names.name
        FROM cpu LEFT JOIN names FOR SYSTEM_TIME AS OF cpu.ts ON cpu.hostname = names.host""",
    ]
    # END 21b


# %%
check("21b", statements)

# %% [markdown] tags=["hints"]
# Hints 21b
#
# 1. Notebook 21, "The name of that time": the table there has a key, a time and a watermark. The SELECT there is a
#    temporal join.
# 2. The connector is `upsert-kafka`, with a PRIMARY KEY. The column of time is `METADATA FROM 'timestamp'`, with a
#    WATERMARK on it. The SELECT joins with `FOR SYSTEM_TIME AS OF` the time of the row of CPU, and it is a LEFT JOIN.
# 3. The columns are `host STRING, name STRING, since TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'`, then `PRIMARY KEY
#    (host) NOT ENFORCED, WATERMARK FOR since AS since`. Among the options are `'key.format' = 'raw'`, `'value.format' =
#    'json'` and `'value.fields-include' = 'EXCEPT_KEY'`, since the host is not in the value. Behind FROM stands `cpu
#    LEFT JOIN names FOR SYSTEM_TIME AS OF cpu.ts ON cpu.hostname = names.host`.
#
# Other answers: the watermark of the names may be some seconds behind; rows then wait for as much longer. A join on the
# newest name is another thing: its rows would be replaced whenever a name changes.
