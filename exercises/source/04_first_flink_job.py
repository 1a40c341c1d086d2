# %% [markdown]
# # Exercises 04: First Flink job
#
# Two exercises to notebook 04, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. It runs your answer on the lab's cluster, which takes some ten
# seconds, with topics and jobs that end in `_ex04`. Ask it as often as you like. Where you are stuck, `hint("04a")` in
# a cell of your own gives a hint, and the next time a clearer one.

# %%
from pyflink.common import Row, Types

from labkit.flink.environment import remote_environment
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 04a Records and bytes
#
# The job of the notebook counted records by host. Let it count bytes as well. It runs
#
# ```
# records.map(measure, …).key_by(lambda row: row[0], …).reduce(add)
# ```
#
# Write `functions()`, which returns those two:
#
# - `measure(record)` takes a row of `host` (text) and `value` (bytes, or `None` where a record has no value):
#   `record[0]` and `record[1]`. It returns a `Row` of host, 1, and the number of bytes. No value is 0 bytes.
# - `add(left, right)` takes two such rows of the same host and returns their sum. Flink may have added to either of
#   them before.
#
#       measure(("lab", b"abcde"))                     ->   Row("lab", 1, 5)
#       add(Row("lab", 2, 10), Row("lab", 3, 7))       ->   Row("lab", 5, 17)


# %%
def functions():
    """The functions measure and add."""

    # BEGIN 04a
    def measure(record):
        host, value = record
        return Row(host, 1, len(value or b""))

    def add(left, right):
        return Row(left[0], left[1] + right[1], left[2] + right[2])

    return measure, add
    # END 04a


# %%
check("04a", functions)

# %% [markdown] tags=["hints"]
# Hints 04a
#
# 1. Notebook 04, "What happens to them": `pair` and `add` there do this with two columns. Here a row has three.
# 2. `measure` gives the host, 1, and the number of bytes of the value; think of a record that has no value. `add`
#    keeps the host, and adds the second columns and the third columns of both rows: either of them may be a sum
#    already.
# 3. `len(value or b"")` is the number of bytes, also where `value` is None. In `add`, the third column is `left[2] +
#    right[2]`, and the second is made in the same way. The last line is `return measure, add`.
#
# Other answers: An `if value is None` is as good as `or`. Two lambdas would do too; but when one fails in a job, the
# trace calls it `<lambda>`, and a name says more.

# %% [markdown]
# ## 04b A job of your own
#
# Write a whole job that counts records by **partition** instead of by host. Source and sink are here already; look at
# the third column of the source.


# %%
def source(settings):
    """The snapshots: host, value and partition of each record."""
    return f"""
        CREATE TABLE snapshots (host STRING, `value` BYTES, `partition` INT METADATA VIRTUAL) WITH (
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'topic' = '{settings.snapshots_topic}', 'scan.startup.mode' = 'earliest-offset',
            'key.format' = 'raw', 'key.fields' = 'host',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


def sink(settings):
    """The topic of counts."""
    return f"""
        CREATE TABLE counts (`partition` INT, records BIGINT) WITH (
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'topic' = 'procstat_counts{settings.suffix}', 'format' = 'json',
            'sink.delivery-guarantee' = 'exactly-once',
            'sink.transactional-id-prefix' = 'counts{settings.suffix}')"""


# %% [markdown]
# `build(settings)` makes the job and returns its environment, ready to execute. It does not execute it: the check does.
#
# - The job goes to the lab's cluster, and runs with parallelism 2. As in the notebook,
#   `remote_environment(settings.cluster, name, parallelism=2, resume_from=None)` gives a pair: the environment and its
#   tables.
# - For each record one row goes to the table `counts`: its partition, and the count so far. In the topic that is
#   `{"partition": 3, "records": 17}`.
# - The counts are kept by Flink, by key, as in 04a, and not in a dictionary of your own.


# %%
def build(settings):
    """The environment of the job, ready to execute."""
    # BEGIN 04b
    env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=2, resume_from=None)
    tables.execute_sql(source(settings))
    tables.execute_sql(sink(settings))
    records = tables.to_data_stream(tables.from_path("snapshots"))
    pair = Types.ROW_NAMED(["partition", "records"], [Types.INT(), Types.LONG()])
    ones = records.map(lambda record: Row(record[2], 1), pair)
    counts = ones.key_by(lambda row: row[0], Types.INT()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
    statements = tables.create_statement_set()
    statements.add_insert("counts", tables.from_data_stream(counts))
    statements.attach_as_datastream()
    return env
    # END 04b


# %%
check("04b", build)

# %% [markdown] tags=["hints"]
# Hints 04b
#
# 1. Notebook 04, from "An environment that reaches the cluster" to "Where the results go": the same job, line by
#    line. Only the key is another.
# 2. Make the environment, with parallelism 2, and both tables in it. Turn `snapshots` into a stream. `map` makes of
#    each record its partition and a 1, `key_by` and `reduce` count. A statement set writes the stream into `counts`.
#    Return the environment; nothing is executed here.
# 3. The partition is `record[2]`, an INT. So the rows have the type `Types.ROW_NAMED(["partition", "records"],
#    [Types.INT(), Types.LONG()])`, and the key is `row[0]` with `Types.INT()`. The last line before `return env` is
#    `statements.attach_as_datastream()`: without it the job has no sink.
#
# Other answers: A `KeyedProcessFunction` with the count in its state does what `reduce` does, in more lines. `GROUP
# BY` in SQL counts too, but gives rows that are replaced later, and a table like `counts` refuses those: notebook 20
# comes to that.
