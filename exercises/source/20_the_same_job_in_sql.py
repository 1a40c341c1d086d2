# %% [markdown]
# # Exercises 20: The same job in SQL
#
# Two exercises to notebook 20, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. It sends a few snapshots to topics that end in `_ex20`, and
# runs your SQL on the lab's cluster. Ask it as often as you like. Where you are stuck, `hint("20a")` in a cell of your
# own gives a hint, and the next time a clearer one.

# %%
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 20a Which pairs count
#
# In the notebook, the view `pairs` puts beside each snapshot the one before it of the same host, as `earlier`. Not
# every pair is an interval. Write the condition that keeps the good ones. The check runs
#
# ```
# SELECT hostname, `timestamp`, `timestamp` - earlier.`timestamp` FROM pairs WHERE …your condition…
# ```
#
# A pair counts if all of this is so:
#
# - The snapshot is newer than the one before: not the same moment again, not an older one.
# - It is newer by 30 days at most. A host that was silent for longer is a new one. Write the number of ms as it stands,
#   2592000000: `30 * 86400000` is arithmetic with INT, for which it is too large.
# - The machine was not started anew in between. `btime` is when it was started, in seconds since 1970. Clocks are set
#   right now and then, and then `btime` moves too: by one second, forward or back. That is no new start. A move of two
#   seconds or more, forward or back, is a new start.
#
# The columns are `timestamp` (ms), `btime` (s), and the same of `earlier`.


# %%
def condition():
    """What stands behind WHERE, as text."""
    # BEGIN 20a
    return """
        `timestamp` > earlier.`timestamp`
        AND `timestamp` - earlier.`timestamp` <= 2592000000
        AND ABS(btime - earlier.btime) <= 1"""
    # END 20a


# %%
check("20a", condition)

# %% [markdown] tags=["hints"]
# Hints 20a
#
# 1. Notebook 20, "The snapshot before": the view `good` there has two of the three rules.
# 2. Three conditions, with AND between them: the snapshot is newer; it is newer by 30 days at most; `btime` has moved
#    by one second at most, forward or back. The first snapshot of a host needs no rule, because a comparison with
#    NULL is not true.
# 3. The new start is `ABS(btime - earlier.btime) <= 1`. The long silence is the difference of the two times, `<=
#    2592000000`. What is not newer has a difference of 0 or less.
#
# Other answers: A difference ``BETWEEN 1 AND 2592000000`` says the first two rules at once. `btime = earlier.btime`
# would lose an interval each time that a clock is set right.

# %% [markdown]
# ## 20b The newest of each host
#
# Somebody wants a table of the hosts, always up to date: how many snapshots there are of each, and the newest time. The
# table `snapshots` is there already, with the columns `hostname` and `timestamp` (and more).
#
# `GROUP BY hostname` without a window gives rows that are replaced later. Write them to a table that can be written
# so: its connector is `upsert-kafka`, and its PRIMARY KEY (… NOT ENFORCED: Flink does not check it) becomes the key of
# the messages. Whoever reads the topic takes the last message of each key.
#
# Write the two statements, a CREATE TABLE and an INSERT INTO:
#
# - The table's columns are `hostname`, `records` (BIGINT: how many snapshots; one that came twice counts twice) and
#   `newest` (BIGINT: the greatest `timestamp`).
# - Its topic is `procstat_hosts_ex20`, and `settings.kafka_bootstrap` is the broker's address.
# - The key is the hostname as plain text (`'key.format' = 'raw'`), the value is JSON (`'value.format' = 'json'`). The
#   value may hold the hostname, too, or leave it out.


# %%
def statements(settings):
    """CREATE TABLE … and INSERT INTO …, as a list of two texts."""
    # BEGIN 20b
    return [
        f"""
        CREATE TABLE hosts (
            hostname STRING, records BIGINT, newest BIGINT, PRIMARY KEY (hostname) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'topic' = 'procstat_hosts_ex20',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'key.format' = 'raw', 'value.format' = 'json')""",
        "INSERT INTO hosts SELECT hostname, COUNT(*), MAX(`timestamp`) FROM snapshots GROUP BY hostname",
    ]
    # END 20b


# %%
check("20b", statements)

# %% [markdown] tags=["hints"]
# Hints 20b
#
# 1. Notebook 20, "Break it: a GROUP BY without an end": the result is a changelog. The text of the exercise names the
#    connector that takes one.
# 2. The table has three columns and a PRIMARY KEY; its options are connector, topic, broker, and a format each for
#    key and value. The INSERT selects hostname, how many, and the greatest time, grouped by hostname.
# 3. Behind the columns stands `PRIMARY KEY (hostname) NOT ENFORCED`; among the options `'connector' =
#    'upsert-kafka'`, `'key.format' = 'raw'` and `'value.format' = 'json'`. The SELECT counts with `COUNT(*)`, and
#    takes the `MAX` of the time.
#
# Other answers: The table may have any name, since only the topic and the columns are looked at. `COUNT(hostname)` is
# the same here, as no hostname is NULL. `LAST_VALUE` instead of `MAX` is wrong as soon as a snapshot comes late.
