# %% [markdown]
# # Exercises 08: Event time and watermarks
#
# Two exercises to notebook 08, 30 to 40 minutes. Write your answer in place of the line with `NotSolved`; the check
# cell says whether it does what it should, and why not. 08a needs nothing but Python. 08b is fed by hand first, with
# hosts and watermarks of its own; then it runs on the lab's cluster, which takes some ten seconds, with topics and
# jobs that end in `_ex08`. Ask it as often as you like. Where you are stuck, `hint("08a")` in a cell of your own gives
# a hint, and the next time a clearer one.

# %%
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

from labkit.workshop.check import NotSolved, check
from labkit.workshop.hints import hint, solution

# %% [markdown]
# ## 08a Too late
#
# Write `too_late(records, bound, size)`: which of the records came after their window had closed?
#
# - In: `records` is a list of `(hostname, timestamp)` in the order in which they came. Times, `bound` and `size` are in
#   ms, whole numbers; no time and no `bound` is below 0, and `size` is at least 1.
# - Windows are `size` long, one after the other; one of them begins at 0. A window goes up to, but without, its end.
# - The watermark is the newest timestamp of all records that came before, less `bound`. Before the first record there
#   is none.
# - A window has closed when the watermark has come to its last millisecond.
# - Out: a list of those records, in the order in which they came. A record that came twice may be in it twice.


# %%
def too_late(records, bound, size):
    """The records that came after their window had closed."""

    # BEGIN 08a
    late, newest = [], None
    for hostname, timestamp in records:
        end = timestamp - timestamp % size + size
        if newest is not None and end - 1 <= newest - bound:
            late.append((hostname, timestamp))
        newest = timestamp if newest is None else max(newest, timestamp)
    return late
    # END 08a


# %%
check("08a", too_late)

# %% [markdown] tags=["hints"]
# Hints 08a
#
# 1. Notebook 08, "A watermark by hand": `with_watermarks` there keeps the newest timestamp, and `late` there looks at
#    each record beside the watermark that there was before it.
# 2. Go through the records once, with one variable for the newest timestamp so far. For each record work out the end
#    of its window, then compare with the watermark, and only then look whether the record is the newest.
# 3. `end = timestamp - timestamp % size + size`. Late is `end - 1 <= newest - bound`, where there is a newest already.
#    Then `newest = max(newest, timestamp)`.
#
# Other answers: `itertools.accumulate(…, max)` gives the newest timestamp at each place, and the watermarks are one
# place behind. Whoever brings the newest up to date before the comparison is right but for a bound of 0: there the
# last millisecond of a window would close it over its own head.

# %% [markdown]
# ## 08b Who is silent?
#
# A host that sends nothing is in no record. Only time can say it. Write `silent(seconds)`, which returns an operator:
# an object of your own subclass of `KeyedProcessFunction`. The stream is keyed by host.
#
# - In: `Row(hostname)`. Its event time is `ctx.timestamp()`, in ms.
# - Out: `Row(hostname, last)`, where `last` is the event time of the newest record of that host, once the watermark is
#   `seconds` seconds further than `last`, and no newer record of the host has come.
# - One result for each silence, however long it is. A host that is heard again may fall silent again.
# - A record that is not newer than the newest of its host changes nothing.
# - It goes on after a restart as if nothing had happened.


# %%
def silent(seconds):
    """An operator: Row(hostname) -> Row(hostname, last) for each host that has been silent for so many seconds."""

    # BEGIN 08b
    class Silent(KeyedProcessFunction):
        def open(self, runtime_context):
            self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG()))

        def process_element(self, row, ctx):
            if ctx.timestamp() > (self.last.value() or 0):
                self.last.update(ctx.timestamp())
                ctx.timer_service().register_event_time_timer(ctx.timestamp() + 1000 * seconds)
            return []

        def on_timer(self, timestamp, ctx):
            if timestamp == self.last.value() + 1000 * seconds:
                yield Row(ctx.get_current_key(), self.last.value())

    return Silent()
    # END 08b


# %%
check("08b", silent)

# %% [markdown] tags=["hints"]
# Hints 08b
#
# 1. Notebook 08, "What is inside a window": `CountByTimer` sets a timer of event time for each record, and `on_timer`
#    is called when the watermark has passed it.
# 2. Keep the newest event time of the host in state. Each newer record updates it, and sets a timer so many seconds
#    later. When a timer goes off, look into the state: has a newer record come since that timer was set?
# 3. In `process_element`: `if ctx.timestamp() > (self.last.value() or 0)`, update the state and
#    `ctx.timer_service().register_event_time_timer(ctx.timestamp() + 1000 * seconds)`. In `on_timer` yield only where
#    `timestamp == self.last.value() + 1000 * seconds`: the timers of older records go off too.
#
# Other answers: whoever deletes the timer of the older record when a newer one comes needs no comparison in
# `on_timer`; the time of the timer has to be in state then, or be worked out from `last`.
