# %% [markdown]
# # Exercises 07: Analysis
#
# Two exercises, 20 to 30 minutes. Write your answer where `raise NotSolved(…)` stands. The last cell of an exercise
# checks it, on rows that you have not seen. Where you are stuck, `hint("07a")` in a cell of your own gives a hint, and
# the next time a clearer one.
#
# No service is needed: `rows` below are made from the recording as the two jobs make them. The function is that of
# the notebook.

# %%
from dataclasses import asdict

import duckdb
import pandas as pd

from labkit.sources.recording import ReplaySource
from labkit.streams.procstat.metrics import compare
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution
from labkit.workshop.lesson import RECORDING


def rows_of(snapshots):
    """Snapshots of a host -> rows like those of `read_metrics`."""
    found, before = [], None
    for snapshot in snapshots:
        _, before, metrics = compare(before, snapshot)
        when = pd.Timestamp(snapshot.timestamp, unit="ms", tz="UTC")
        for cpu in metrics.cpu_metrics if metrics else ():
            length = metrics.time_delta_ms
            found.append({"hostname": metrics.hostname, "ts": when, "time_delta_ms": length, **asdict(cpu)})
    return pd.DataFrame(found)


rows = rows_of(ReplaySource(RECORDING))
duckdb.sql("SELECT hostname, count(*) AS rows FROM rows GROUP BY hostname").df()

# %% [markdown]
# ## 07a Who worked most, in SQL
#
# Write `query()`. It returns the text of *one* SELECT for DuckDB (a WITH before it belongs to it). The rows are in a
# table `rows`, with the columns of `read_metrics`.
#
# - **Out:** the columns `hostname`, `cpu_id` and `mean_busy`, and no other; one row for each CPU of each
#   host, the busiest of all first.
# - `mean_busy` is the mean of `total_busy_pct` over time: an interval of a minute counts sixty times as much as one
#   of a second. How long one is stands in `time_delta_ms`.
# - There may be several hosts. The line `cpu` is no CPU.
#
# For the recording the answer is this, shown here with one digit; yours is not rounded:
#
#     hostname  cpu_id  mean_busy
#     two-cpus  cpu1    21.2
#     two-cpus  cpu0    18.4
#
# (`duckdb.sql(query()).df()` in a cell of your own tries it.)


# %%
def query():
    """One SELECT: hostname, cpu_id, mean_busy."""
    # BEGIN 07a
    return """
        SELECT hostname, cpu_id, sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy
        FROM rows WHERE cpu_id <> 'cpu' GROUP BY hostname, cpu_id ORDER BY mean_busy DESC
    """
    # END 07a


# %%
check("07a", query)

# %% [markdown] tags=["hints"]
# Hints 07a
#
# 1. Notebook 07, "Break it: a pause": the query there has a plain mean and a weighted one. "Ask with SQL" shows
#    groups and their order.
# 2. Leave out the line `cpu`. Make a group of each host and CPU. Its mean is the sum of share times length, divided
#    by the sum of the lengths. Sort by it, the largest first.
# 3. `sum(total_busy_pct * time_delta_ms) / sum(time_delta_ms) AS mean_busy` is the third column. The rows are those
#    `WHERE cpu_id <> 'cpu'`. Two hosts may both have a cpu0, so both names belong into the GROUP BY.
#
# Other answers: The busy time of each row in a subquery, and the sums outside, is the same in two steps.
# `avg(total_busy_pct)` is right only while all intervals are equally long: it passes on a quiet day, and is wrong
# after the first pause.

# %% [markdown]
# ## 07b Burns, and pauses
#
# Write `burns(rows)`: the burns in the rows of one or more hosts.
#
# - **In:** a table of rows, in any order. It stays as it is.
# - **Out:** a list of tuples `(hostname, cpu_id, begin, end, kind)`, in any order. `begin` and `end` are pandas
#   Timestamps, `kind` is "user" or "system", whichever is more in the rows of the burn, all of them added
#   up: `user_pct` or `system_pct`. Added up as they are, or each times its length: either is right.
# - A burn is a stretch of 10 s or more in which a CPU's `total_busy_pct` is 40 or above in every interval. It
#   begins where its first interval *begins*. The line `cpu` is no CPU.
# - An interval of more than 3 s is a pause. Nobody knows what happened inside it, so it belongs to no burn: a burn
#   ends where a pause begins. It is the same where rows are missing: the intervals of a burn follow each other
#   without a hole.
#
# In the recording there are six. The first one is
#
#     ("two-cpus", "cpu1",
#      Timestamp("2026-11-22 17:26:45.547+0000"), Timestamp("2026-11-22 17:27:45.547+0000"), "user")


# %%
def burns(rows):
    """Rows -> [(hostname, cpu_id, begin, end, kind), …]."""
    # BEGIN 07b
    cpus = rows[(rows["cpu_id"] != "cpu") & (rows["time_delta_ms"] <= 3000)]
    cpus = cpus.sort_values(["hostname", "cpu_id", "ts"])
    cpus["begin"] = cpus["ts"] - pd.to_timedelta(cpus["time_delta_ms"], unit="ms")
    high = cpus["total_busy_pct"] >= 40
    goes_on = (high == high.shift()) & (cpus["begin"] == cpus["ts"].shift())
    cpus["stretch"] = (~goes_on).cumsum()
    found = (
        cpus[high]
        .groupby(["hostname", "cpu_id", "stretch"], as_index=False)
        .agg(begin=("begin", "min"), end=("ts", "max"), user=("user_pct", "sum"), system=("system_pct", "sum"))
    )
    found = found[found["end"] - found["begin"] >= pd.Timedelta("10s")]
    kind = found[["user", "system"]].idxmax(axis=1)
    return list(zip(found["hostname"], found["cpu_id"], found["begin"], found["end"], kind, strict=True))
    # END 07b


# %%
check("07b", burns)

# %% [markdown] tags=["hints"]
# Hints 07b
#
# 1. Notebook 07, "Find the burns" has `find_burns`, and "Break it: a pause" shows where it goes wrong. New is the
#    hole: rows that are neighbours in the table and not in time.
# 2. Throw out the line `cpu` and every interval of more than 3 s. Sort by host, CPU and time, and note where each
#    interval begins. A row goes on with the stretch of the one before it if both are high or both are not, *and* if
#    it begins where that one ended. Then group the high rows by host, CPU and stretch.
# 3. A stretch goes on where `(high == high.shift()) & (cpus["begin"] == cpus["ts"].shift())`; `cumsum` over the
#    opposite numbers the stretches. A burn is from the smallest `begin` to the largest `ts` of its group, if that is
#    10 s or more. For the kind, compare the sums of `user_pct` and `system_pct`.
#
# Other answers: A loop over the sorted rows that remembers the stretch it is in is as right, and easier to read; on
# large tables it is much slower. In SQL the same is `lag` and a running sum.
