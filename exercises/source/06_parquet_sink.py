# %% [markdown]
# # Exercises 06: Parquet sink
#
# Two exercises, 30 to 40 minutes. Write your answer in place of the line that raises `NotSolved`, run the cell, then
# run the check below it. A check looks at what your code does, never at how you wrote it. Try as often as you like.
# Where you are stuck, `hint("06a")` in a cell of your own gives a hint, and the next time a clearer one.

# %%
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from labkit.settings import load_settings
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %load_ext labkit.workshop.explain

# %% [markdown]
# ## 06a A sink in two phases
#
# Build the heart of Flink's file sink. It has two phases. `prepare` runs while a checkpoint is made: it writes the
# rows into *hidden* files and closes them. `commit` runs when the checkpoint is complete: it renames them. This is
# `commit`; it is finished:


# %%
def commit(files):
    """Show hidden files: .part-7f.parquet -> part-7f.parquet"""
    for file in files:
        file.rename(file.with_name(file.name.removeprefix(".")))


# %% [markdown]
# Write `prepare(rows, folder)`.
#
# - `rows` is a list of dicts like the one below, in any order; it stays as it is. `timestamp` is in milliseconds since
#   1970, UTC.
# - It writes Parquet files with the columns `hostname`, `ts`, `cpu_id` and `total_busy_pct`, and no other. `ts` is a
#   timestamp with the time zone UTC, exact to the millisecond, whatever its unit.
# - Rows of different UTC dates go to different folders: `folder/date=2026-11-22/`. One file a date. The folders may
#   not exist yet.
# - File names look like `.part-….parquet`. The next checkpoint must not overwrite what this one wrote.
# - It returns the list of files, as `Path`s. For no rows that is `[]`.
#
#     {"hostname": "lab", "timestamp": 1795368405547, "cpu_id": "cpu0", "total_busy_pct": 12.5}
#
# `pd.DataFrame(rows)`, `pd.to_datetime(…, unit="ms", utc=True)` and `to_parquet` do most of the work.


# %%
def prepare(rows, folder):
    """Rows -> hidden, finished Parquet files, one for each UTC date; returns their paths."""
    # BEGIN 06a
    table = pd.DataFrame(rows, columns=["hostname", "timestamp", "cpu_id", "total_busy_pct"])
    table["ts"] = pd.to_datetime(table.pop("timestamp"), unit="ms", utc=True)
    files = []
    for date, of_date in table.groupby(table["ts"].dt.strftime("%Y-%m-%d")):
        file = folder / f"date={date}" / f".part-{uuid.uuid4()}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        of_date.to_parquet(file, index=False)
        files.append(file)
    return files
    # END 06a


# %% [markdown]
# Try it: two rows, a second before midnight and a second after. You should see the names of two hidden files. Then
# comes a table of both rows. pandas passes over hidden files: before `commit` it would find no row.

# %%
midnight = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)
two = [{"hostname": "lab", "timestamp": midnight + ms, "cpu_id": "cpu", "total_busy_pct": 1.0} for ms in (-1000, 1000)]
with tempfile.TemporaryDirectory() as name:
    try:
        hidden = prepare(two, Path(name))
        print(*(file.relative_to(name) for file in hidden), sep="\n")
        commit(hidden)
        print(pd.read_parquet(name))
    except NotSolved as error:
        print(error)

# %%
check("06a", prepare)

# %% [markdown] tags=["hints"]
# Hints 06a
#
# 1. Notebook 06, "A sink by hand, in SQL": look at what the files there are called while they are written, and at
#    which date a row's folder has.
# 2. Make a DataFrame of the rows, and of `timestamp` a column `ts` in UTC. Group by the date of `ts`. For each date
#    make the folder, and write the group into one file whose name begins with a dot and was never there before.
#    Collect the paths and return them.
# 3. `table.groupby(table["ts"].dt.strftime("%Y-%m-%d"))` gives each date with its rows, and `uuid.uuid4()` a new name
#    each time. `table.pop("timestamp")` takes the old column away, `index=False` keeps pandas' row numbers out of the
#    file. With `columns=[…]` in `pd.DataFrame`, no rows are no special case.
#
# Other answers: A dict of lists by date and pyarrow's `pq.write_table` do it without pandas. `datetime.fromtimestamp`
# has to be told `UTC`: without it the date is that of the clock on the wall, and the same rows land in other folders
# on another machine.

# %% [markdown]
# ## 06b One row a message
#
# Somebody wants a small table: how busy was the whole machine? Write the three SQL statements of a Flink job that reads
# the metrics topic and writes Parquet files with these columns, and no other:
#
# | column | type | |
# |---|---|---|
# | `hostname` | text | |
# | `ts` | timestamp in UTC, stored as `INT64` | the message's `timestamp` |
# | `total_busy_pct` | double | of the line `cpu`, all CPUs together |
#
# - One row for each message, and only for messages that were **committed**.
# - In folders `date=2026-11-22`, the UTC date of `ts`. (`date` is the folder's name, and not in the file.)
# - From the start of the topic.
#
# A message looks like this, with one entry in `cpu_metrics` for each CPU line, in any order; the line `cpu` is always
# among them:
#
#     {"hostname": "lab", "timestamp": 1795368406547, "time_delta_ms": 1000,
#      "cpu_metrics": [{"cpu_id": "cpu", "total_busy_pct": 12.5, …}, {"cpu_id": "cpu0", …}, …]}
#
# `statements(settings, folder)` returns a list of three texts: `CREATE TABLE` for the topic `settings.metrics_topic` at
# `settings.kafka_bootstrap`, `CREATE TABLE` for `folder` (a `Path`), and the `INSERT`. The check runs them on the
# cluster, with a checkpoint every second and in the time zone UTC. For a `ts` as asked, the folder's table needs two
# more options:
#
#     'parquet.utc-timezone' = 'true', 'parquet.write.int64.timestamp' = 'true'
#
# You may leave out what you do not need, in the table and in the array's `ROW<…>`: the JSON format passes over it.


# %%
def statements(settings, folder):
    """CREATE TABLE of the topic, CREATE TABLE of the folder, INSERT between them."""
    # BEGIN 06b
    topic = f"""CREATE TABLE metrics (
        hostname STRING, `timestamp` BIGINT, cpu_metrics ARRAY<ROW<cpu_id STRING, total_busy_pct DOUBLE>>
    ) WITH ('connector' = 'kafka', 'topic' = '{settings.metrics_topic}', 'format' = 'json',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset')"""
    files = f"""CREATE TABLE files (
        hostname STRING, ts TIMESTAMP_LTZ(3), total_busy_pct DOUBLE, `date` STRING
    ) PARTITIONED BY (`date`) WITH ('connector' = 'filesystem', 'path' = 'file://{folder}', 'format' = 'parquet',
        'parquet.utc-timezone' = 'true', 'parquet.write.int64.timestamp' = 'true')"""
    insert = """INSERT INTO files
        SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp`, 3), total_busy_pct,
               DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')
        FROM metrics CROSS JOIN UNNEST(cpu_metrics) AS cpu (cpu_id, total_busy_pct)
        WHERE cpu_id = 'cpu'"""
    return [topic, files, insert]
    # END 06b


# %% [markdown]
# Read your statements once more, as Flink will get them. Then check: it takes about ten seconds.

# %%
try:
    print(*statements(load_settings(suffix="_ex06"), Path("/tmp/somewhere")), sep="\n\n")
except NotSolved as error:
    print(error)

# %%
check("06b", statements)

# %% [markdown] tags=["hints"]
# Hints 06b
#
# 1. Notebook 06, "A sink by hand, in SQL" has all three statements. "Break it: results that never were" and "Mend it:
#    labkit's sink" say what is not right about them.
# 2. The topic's table: three columns, in the array only the two fields that you need, from the start, committed
#    messages only. The folder's table: three columns and `date`, partitioned by it, with the two options of the task.
#    The INSERT takes the array apart, and keeps one line of each message.
# 3. To the topic's options belongs `'properties.isolation.level' = 'read_committed'`. In the INSERT,
#    `UNNEST(cpu_metrics) AS cpu (cpu_id, total_busy_pct)` makes a row of each line, and `WHERE cpu_id = 'cpu'` keeps
#    the one of all CPUs. Time and date are made as in the notebook.
#
# Other answers: `cpu_metrics[1].total_busy_pct` is shorter than UNNEST (arrays begin at 1 in SQL). It is right only
# as long as the line `cpu` comes first in each message: labkit writes it so, but a sender that does not would give
# wrong numbers, and no error.

# %% [markdown]
# Both green? Then go on with notebook 07.
