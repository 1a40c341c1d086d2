# %% [markdown]
# # Exercises 20: The same job in SQL
#
# Two exercises to notebook 20, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. It sends a few snapshots to topics that end in `_ex20`, and
# runs your SQL on the lab's cluster. Ask it as often as you like.

# %%
from labkit.workshop.check import NotSolved, check

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
#   right now and then, and then `btime` moves too: by one second, forward or back. That is no new start; two seconds
#   are one.
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
# - The key is the hostname as plain text (`'key.format' = 'raw'`), the value is JSON (`'value.format' = 'json'`).


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
