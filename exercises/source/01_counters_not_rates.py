# %% [markdown]
# # Exercises 01: Counters, not rates
#
# Two exercises, 20 to 30 minutes. Write your answer where `raise NotSolved(…)` stands. The last cell of an exercise
# checks it, and says what is not right yet. It tries your function with machines that you have not seen. Where you are
# stuck, `hint("01a")` in a cell of your own gives a hint, and the next time a clearer one.

# %%
from labkit.sources.recording import read_recording
from labkit.streams.procstat.snapshot import CPU_COLUMNS, parse_stat
from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution
from labkit.workshop.lesson import RECORDING

readings = list(read_recording(RECORDING))
print(readings[0].text[:170])
print("…\nthe columns:", *CPU_COLUMNS)

# %% [markdown]
# ## 01a A reading of any kernel
#
# Write `cpu_times(text)`.
#
# - **In:** the text of `/proc/stat`.
# - **Out:** a dict. For each line that begins with `cpu` (only CPU lines do), in the file's order and with the line
#   `cpu`, its name and a dict of all ten columns of `CPU_COLUMNS`, as whole numbers.
# - An old kernel writes fewer columns, four at least: what it does not write is 0. If a new kernel ever writes more
#   than ten, the further ones are left out.
# - Other lines are left alone. They may hold anything, and stand anywhere.
#
# Example, a kernel with four columns:
#
#     cpu  524 2 2515 33605
#     disk_io: (3,0):(1,1,2,0,0)
#
#     {"cpu": {"user": 524, "nice": 2, "system": 2515, "idle": 33605, "iowait": 0, "irq": 0, "softirq": 0,
#              "steal": 0, "guest": 0, "guest_nice": 0}}


# %%
def cpu_times(text):
    """The text of /proc/stat -> {"cpu0": {"user": 4705, …}, …}."""
    # BEGIN 01a
    found = {}
    for line in text.splitlines():
        name, *words = line.split() or [""]
        if name.startswith("cpu"):
            numbers = [int(word) for word in words[:10]]
            numbers += [0] * (10 - len(numbers))
            found[name] = dict(zip(CPU_COLUMNS, numbers, strict=True))
    return found
    # END 01a


# %%
check("01a", cpu_times)

# %% [markdown] tags=["hints"]
# Hints 01a
#
# 1. Notebook 01, "One reading": `parse` there splits each line into its name and its numbers. Two things are new
#    here: not every line is that of a CPU, and a kernel may write fewer columns than ten, or more.
# 2. Go through `text.splitlines()`. Pass over every line whose name does not begin with `cpu`; an empty line has no
#    name at all. Make whole numbers of the words after the name, bring them to exactly ten, and put them beside the
#    names in `CPU_COLUMNS`.
# 3. Ten numbers, whatever the kernel wrote: take `words[:10]`, and put as many zeros behind them as are missing, `[0]
#    * (10 - len(numbers))`. Then `dict(zip(CPU_COLUMNS, numbers))` is what belongs to the CPU's name.
#
# Other answers: `itertools.zip_longest` with `fillvalue=0` fills up too, once the numbers are cut to ten. A regular
# expression finds the lines as well; one with ten groups for the numbers does not fit a kernel with four columns.

# %% [markdown]
# ## 01b The CPU that works most
#
# Write `busiest(before, after)`.
#
# - **In:** two snapshots of one host, as `parse_stat` makes them. `snapshot.cpus` holds the CPU lines; a line has
#   `id` ("cpu", "cpu0", …) and the columns as attributes (`line.user`).
# - **Out:** the name of the CPU that *worked* the largest share of the time in between, and that share in percent:
#   `("cpu1", 97.5)`. 0 % is a share, too. None where no CPU has a share. Of two that share the first place, either.
# - Here waiting is no work: a CPU works in all of its time but `idle` and `iowait`.
# - The rules of the notebook hold: guest is inside user, guest_nice inside nice; the line `cpu` is not a CPU; CPUs are
#   found by their names; a CPU that was not there before, that started over (its idle fell by 300 ticks or more), or
#   that counted no tick has no share; any other counter that steps back counts as 0. (The highest iowait takes more
#   than two snapshots. Leave it out here.)
#
# Two snapshots to try it with (the answer is cpu1 with 100 %):

# %%
before, after = (parse_stat(reading.text, reading.hostname, reading.timestamp) for reading in readings[70:72])
print(before.cpus[2], after.cpus[2], sep="\n")


# %%
def busiest(before, after):
    """Two snapshots -> (cpu_id, percent of its time in which it worked), or None."""
    # BEGIN 01b
    earlier = {line.id: line for line in before.cpus}
    best = None
    for line in after.cpus:
        old = earlier.get(line.id)
        if line.id == "cpu" or old is None or old.idle - line.idle >= 300:
            continue
        ticks = [max(0, after_that - before_that) for before_that, after_that in zip(old[1:9], line[1:9], strict=True)]
        if sum(ticks) == 0:
            continue
        worked = 100 * (sum(ticks) - ticks[3] - ticks[4]) / sum(ticks)
        if best is None or worked > best[1]:
            best = (line.id, worked)
    return best
    # END 01b


# %%
check("01b", busiest)

# %% [markdown] tags=["hints"]
# Hints 01b
#
# 1. Notebook 01, "Two readings", and the parts after it up to "Break it: a CPU that is gone": `shares` there has all
#    the rules for one CPU. Here there are several, and waiting is no work.
# 2. Put the lines of `before` into a dict by their `id`. For each line of `after` but `cpu`: is there an earlier
#    line, and has the CPU not started over? Then subtract the first eight columns, where a step back counts as 0. Its
#    work is the sum of them without idle and iowait; divide by the whole sum. Keep the largest share.
# 3. A line is a tuple that begins with the id, so the eight columns are `line[1:9]`. Of their differences, idle is
#    `ticks[3]` and iowait `ticks[4]`. Three kinds of CPU are passed over: without an earlier line, with `old.idle -
#    line.idle >= 300`, with `sum(ticks) == 0`. Where none is left, the answer is None.
#
# Other answers: A list of (id, share) and `max` with `default=None` is as good as a loop that keeps the best.
# labkit's `cpu_utilization` has these rules for one line: its `total_busy_pct` less its `iowait_pct` is the work.
