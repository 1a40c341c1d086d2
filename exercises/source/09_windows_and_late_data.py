# %% [markdown]
# # Exercises 09: Windows and late data
#
# Two exercises to notebook 09, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 09a needs nothing but Python. 09b is fed by hand first, with
# hosts and watermarks of its own; then it runs on the lab's cluster, which takes some ten seconds, with topics and
# jobs that end in `_ex09`. Ask it as often as you like. Where you are stuck, `hint("09a")` in a cell of your own gives
# a hint, and the next time a clearer one.

# %%
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import MapStateDescriptor

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 09a An account of hopping windows
#
# Write `account(times, bound, size, slide)`: what became of every row, in every window that it belongs to.
#
# - In: `times` is a list of the rows' times, in the order in which they came. All four are in ms and whole numbers.
# - Windows are `size` long. One begins at 0, and one at each multiple of `slide`, before 0 too. A window goes up to,
#   but without, its end. `size` is `slide` or more, and need not be a multiple of it.
# - The watermark is the newest of all times that came before, less `bound`. Before the first row there is none.
# - A window has closed when the watermark has come to its last millisecond.
# - Each row counts once for each window that it belongs to: as *late* where that window had closed when the row came,
#   else as *windowed* where it has closed after the last row, else as *open*.
# - Out: a tuple of three numbers, `(windowed, late, open)`.
#
# With windows of 30 of which one begins every 10, and a bound of 5:
#
#     account([12, 47, 23], 5, 30, 10)   ->   (3, 2, 4)


# %%
def account(times, bound, size, slide):
    """How often rows were counted, came too late, and wait: (windowed, late, open)."""

    # BEGIN 09a
    newest, late, kept = None, 0, []
    for at in times:
        last = at - at % slide
        for start in range(last, at - size, -slide):
            if newest is not None and start + size - 1 <= newest - bound:
                late += 1
            else:
                kept.append(start + size)
        newest = at if newest is None else max(newest, at)
    windowed = sum(end - 1 <= newest - bound for end in kept)
    return windowed, late, len(kept) - windowed
    # END 09a


# %%
check("09a", account)

# %% [markdown] tags=["hints"]
# Hints 09a
#
# 1. Notebook 09, "Three kinds of window": `hopping` there gives the windows of a row. "Check" has the account: `late`,
#    `over_in_part` and `waiting` look at each window of a row by itself.
# 2. Go through the rows once, with a variable for the newest time so far. For each row go through its windows: was it
#    over already? If not, keep its end. After the last row look at the ends that were kept once more.
# 3. The windows of a row: `range(at - at % slide, at - size, -slide)` are their starts. Late is
#    `start + size - 1 <= newest - bound`, where there is a newest already. In the end, windowed are the kept ends with
#    `end - 1 <= newest - bound`; the rest is open.
#
# Other answers: a `Counter` of kept ends is as good as a list. Whoever asks for each start from 0 on whether the row
# is in that window is right, too, as long as the windows that begin before 0 are among them.

# %% [markdown]
# ## 09b Late ones to the side
#
# Build by hand what `side_output_late_data` does. Write `counted(size, late)`, which returns an operator: an object of
# your own subclass of `KeyedProcessFunction`. The stream is keyed by host.
#
# - In: `Row(hostname)`. Its event time is `ctx.timestamp()`, in ms. `size` is in ms, and `late` is an `OutputTag`.
# - Windows are tumbling ones: `size` long, one after the other; one of them begins at 0.
# - Out: `Row(hostname, start, count)` for each window that a host has rows in, once, when the watermark has come to
#   its last millisecond.
# - A row whose window was over when it came goes to the side output `late`, as `Row(hostname, timestamp)`, and is in
#   no window: `yield late, Row(…)`.
# - What has been given is taken out of the state: when all windows of a host have closed, nothing is left.
# - It goes on after a restart as if nothing had happened.


# %%
def counted(size, late):
    """An operator: Row(hostname) -> Row(hostname, start, count) of each window, late rows to the side output."""

    # BEGIN 09b
    class Counted(KeyedProcessFunction):
        def open(self, runtime_context):
            self.counts = runtime_context.get_map_state(MapStateDescriptor("counts", Types.LONG(), Types.LONG()))

        def process_element(self, row, ctx):
            at = ctx.timestamp()
            start = at - at % size
            if start + size - 1 <= ctx.timer_service().current_watermark():
                yield late, Row(row[0], at)
            else:
                self.counts.put(start, (self.counts.get(start) or 0) + 1)
                ctx.timer_service().register_event_time_timer(start + size - 1)

        def on_timer(self, timestamp, ctx):
            start = timestamp + 1 - size
            yield Row(ctx.get_current_key(), start, self.counts.get(start))
            self.counts.remove(start)

    return Counted()
    # END 09b


# %%
check("09b", counted)

# %% [markdown] tags=["hints"]
# Hints 09b
#
# 1. Notebook 09, "A way out of its own", says what has to become of the rows that come too late. `CountByTimer` of 08
#    is a window by hand that passes over them.
# 2. Keep a count for each start of a window, in a map state. Compare the last millisecond of the row's window with
#    `ctx.timer_service().current_watermark()`: over already, then to the side; else count it and set a timer for that
#    millisecond. The timer gives the count and removes it.
# 3. In `process_element`: `start = at - at % size`. Where `start + size - 1 <= watermark`,
#    `yield late, Row(row[0], at)`; else `put` and `register_event_time_timer(start + size - 1)`. In `on_timer`:
#    `start = timestamp + 1 - size`, yield `Row(ctx.get_current_key(), start, self.counts.get(start))`, then
#    `self.counts.remove(start)`.
#
# Other answers: one value state with a dictionary does it as well; it has to be written back with `update`, and
# cleared when it is empty. Whoever lets no late row in needs no question in `on_timer` whether there is a count.
