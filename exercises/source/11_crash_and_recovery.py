# %% [markdown]
# # Exercises 11: Crash and recovery
#
# Two exercises, 30 to 40 minutes. Write your answer in place of the line that raises `NotSolved`, run the cell, then
# run the check below it. A check looks at what your code does, never at how you wrote it. No service is needed. Where
# you are stuck, `hint("11a")` in a cell of your own gives a hint, and the next time a clearer one.

# %%
import json
import os
import tempfile
from pathlib import Path

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 11a What is read again
#
# A job was killed. Which records does it read a second time?
#
# Write `read_again(checkpoints, killed, read)`.
#
# - `checkpoints` is a list of dicts like the one below, in no order that you may rely on. Times are seconds. One that
#   has not completed has `None` there. `offsets` says for each partition the *next* offset to read; a partition of
#   which nothing was read yet is not in it.
# - `killed` is the time of the crash. What completed later than that was made by the job that came back. The job comes
#   back from the newest that had completed by then. (One with a higher id completes later.)
# - `read` says for each partition the next offset that the job would have read when it died.
# - It returns `{partition: [offset, …]}`, the offsets that are read again, in order. A partition without any is left
#   out.
# - Without a checkpoint the job begins at offset 0 everywhere.
# - What it is given stays as it is.
#
#     {"id": 7, "triggered": 12.0, "completed": 12.4, "offsets": {0: 120, 1: 97}}
#
# With only this one, killed at 14.0, and `read` of `{0: 123, 1: 97}`, the answer is `{0: [120, 121, 122]}`.


# %%
def read_again(checkpoints, killed, read):
    """Checkpoints, time of the crash, how far was read -> {partition: offsets that are read again}."""
    # BEGIN 11a
    complete = [one for one in checkpoints if one["completed"] is not None and one["completed"] <= killed]
    newest = max(complete, key=lambda one: one["completed"], default={"offsets": {}})
    again = {number: list(range(newest["offsets"].get(number, 0), upto)) for number, upto in read.items()}
    return {number: offsets for number, offsets in again.items() if offsets}
    # END 11a


# %%
check("11a", read_again)

# %% [markdown] tags=["hints"]
# Hints 11a
#
# 1. Notebook 11, "What a checkpoint holds": after a crash the job goes back to the newest checkpoint that was
#    *complete* at that moment, and reads on from its offsets.
# 2. Keep the checkpoints that were complete when the job was killed, and take the newest of them. Where there is
#    none, every partition begins at 0. For each partition in `read`: from the checkpoint's offset up to the one in
#    `read`, without that one. Leave out a partition that has none.
# 3. Complete means `one["completed"] is not None and one["completed"] <= killed`. `max` with a `key` finds the
#    newest, and its `default={"offsets": {}}` stands for none. The offsets of a partition are
#    `range(newest["offsets"].get(number, 0), upto)`.
#
# Other answers: Sorting by `completed`, or by `id`, and taking the last is as good as `max`. The place in the list
# says nothing: `checkpoints[-1]` is right only by luck.

# %% [markdown]
# ## 11b A job that survives
#
# Build what Flink does, in one process: a job that adds up the busy time of each host, and may be killed at any moment.
#
# Write `job(read, folder)`.
#
# - `read(offset)` gives the records of a log from that offset on, one by one: `("web", 40)` is host and busy ms. The
#   first offset is 0. At the end of the log the loop ends.
# - `folder` is a `Path`, empty at the first start. Write there what you like. It is all that is left after a crash.
# - It returns the sum of each host over the whole log: `{"web": 480, "db": 75}`. A host all of whose records have 0 ms
#   has the sum 0.
# - When it has been killed it is called again, with the same folder. The result must be as if nothing had happened.
# - It must not begin anew each time: after each crash it may take **five** records from `read` again, not more.
#
# The check kills it before every line that it runs, also inside the library functions that it calls and between two
# calls of one line that write, and starts it again each time. Some of them it kills once more, soon after that.
#
# Two things from this lab help: what belongs together is written together, and `draft.replace(file)` (a rename) is all
# or nothing.


# %%
def job(read, folder):
    """Busy ms of each host, over a log; may be killed at any moment and is then called again."""
    # BEGIN 11b
    file, draft = folder / "checkpoint.json", folder / "draft.json"
    offset, totals = json.loads(file.read_text()) if file.exists() else (0, {})
    for host, busy_ms in read(offset):
        totals[host] = totals.get(host, 0) + busy_ms
        offset += 1
        if offset % 5 == 0:
            draft.write_text(json.dumps([offset, totals]))
            draft.replace(file)
    return totals
    # END 11b


# %% [markdown]
# Try it, without a crash. This cell is for you; change it as you like.

# %%
records = [("web", 40), ("db", 5), ("web", 10), ("db", 20)] * 3
with tempfile.TemporaryDirectory() as name:
    try:
        print(job(lambda offset: iter(records[offset:]), Path(name)), os.listdir(name))
    except NotSolved as error:
        print(error)

# %%
check("11b", job)

# %% [markdown] tags=["hints"]
# Hints 11b
#
# 1. Notebook 11, "What a checkpoint holds": position and sums are one cut. If they are two files, a kill may come
#    between them.
# 2. At the start read the file, if there is one: it has the offset and the sums. Go on from that offset. After every
#    five records write both, as one JSON text, into a draft, and rename it. At the end return the sums.
# 3. Add the record to the sums first, then `offset += 1`; where `offset % 5 == 0`, write `json.dumps([offset,
#    totals])` to the draft and call `draft.replace(file)`. Nothing is written in between, and nothing else is kept.
#
# Other answers: A file for each checkpoint, named after its offset, is right too if it is renamed into place and the
# newest one is read. Writing after every record is right, and costs a rename each time. SQLite does it with both in
# one transaction.

# %% [markdown]
# Both green? Then go on with notebook 12.
