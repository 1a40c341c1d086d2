"""Answers to the exercises of 09: wrong ones, with what each has to hear and must not hear, and right ones."""

from tests.support.answers import but

_ACCOUNT = """
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
"""

_COUNTED = """
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
"""
_ASIDE = "            yield late, Row(row[0], at)\n"

WRONG = {
    "09a": [
        (
            "late only where all windows are over",
            """
newest, late, kept = None, 0, []
for at in times:
    ends = [start + size for start in range(at - at % slide, at - size, -slide)]
    if newest is not None and max(ends) - 1 <= newest - bound:
        late += len(ends)
    else:
        kept += ends
    newest = at if newest is None else max(newest, at)
windowed = sum(end - 1 <= newest - bound for end in kept)
return windowed, late, len(kept) - windowed
""",
            r"account gave \(.*\); it is \(.*The sum is right.*each window is looked at by itself",
            "last millisecond|never goes back|no multiple",
        ),
        (
            "the end instead of the last millisecond",
            _ACCOUNT.replace("start + size - 1 <=", "start + size <=").replace("end - 1 <=", "end <="),
            r"it is \(.*it has closed at end - 1",
            "by itself|never goes back|no multiple",
        ),
        (
            "only past the last millisecond",
            _ACCOUNT.replace("- 1 <= newest", "- 1 < newest"),
            r"it is \(.*not only when it is past it|it is \(.*closed at end - 1",
            "by itself|never goes back|no multiple",
        ),
        (
            "the window that began last alone",
            but(_ACCOUNT, "range(last, at - size, -slide)", "[last]"),
            r"in \d+ windows together, and its sum is \d+.*more windows than the one that began last",
            "by itself|never goes back",
        ),
        (
            "size // slide windows",
            but(_ACCOUNT, "range(last, at - size, -slide)", "[last - n * slide for n in range(size // slide)]"),
            r"in \d+ windows together.*some rows are in one window more",
            "by itself|never goes back|began last",
        ),
        (
            "as many as begin within a size",
            but(_ACCOUNT, "at - size, -slide", "last - size, -slide"),
            r"in \d+ windows together.*one window more or less",
            "by itself|never goes back|began last",
        ),
        (
            "no window before 0",
            but(_ACCOUNT, "        if newest", "        if start < 0:\n            continue\n        if newest"),
            r"in \d+ windows together.*begin before 0, too",
            "by itself|never goes back|no multiple",
        ),
        (
            "the row before instead of the newest",
            but(_ACCOUNT, "at if newest is None else max(newest, at)", "at"),
            r"it is \(.*A watermark never goes back",
            "by itself|last millisecond|no multiple",
        ),
        (
            "the row itself moves the watermark first",
            _ACCOUNT.replace("    newest = at if newest is None else max(newest, at)\n", "").replace(
                "    last = at", "    newest = at if newest is None else max(newest, at)\n    last = at"
            ),
            r"it is \(.*it makes nothing late itself",
            "last millisecond|never goes back|no multiple",
        ),
        (
            "no bound",
            _ACCOUNT.replace("newest - bound", "newest"),
            r"it is \(.*newest time less `bound`",
            "last millisecond|never goes back|no multiple",
        ),
        (
            "late ones are windowed, too",
            but(_ACCOUNT, "return windowed,", "return windowed + late,"),
            r"its sum is \d+.*not among the windowed",
            "last millisecond|never goes back|no multiple",
        ),
        (
            "another order",
            but(_ACCOUNT, "windowed, late, len(kept) - windowed", "windowed, len(kept) - windowed, late"),
            r"The sum is right.*The order is \(windowed, late, open\)",
            "last millisecond|never goes back|no multiple",
        ),
        (
            "a list",
            but(
                _ACCOUNT, "return windowed, late, len(kept) - windowed", "return [windowed, late, len(kept) - windowed]"
            ),
            r"account gave the list \[.*a tuple is asked for",
            "The order|by itself",
        ),
        (
            "empties what it was given",
            but(_ACCOUNT, "for at in times:\n", "while times:\n    at = times.pop(0)\n"),
            r"changed what it was given \(times\)",
            "The order|by itself",
        ),
    ],
    "09b": [
        (
            "drops what is late",
            but(_COUNTED, _ASIDE, "            return\n            yield\n"),
            r"gave nothing; \[\"to the side output 'late':\".*yield late, Row",
            "last millisecond|restart",
        ),
        (
            "late rows among the results",
            but(_COUNTED, "yield late, Row(row[0], at)", "yield Row(row[0], at)"),
            r"was due.*goes to the side output: yield late, Row",
            "last millisecond|restart",
        ),
        (
            "late rows are counted, too",
            _COUNTED.replace(_ASIDE + "        else:\n", _ASIDE)
            .replace("            self.counts.put", "        self.counts.put")
            .replace("            ctx.timer_service().register", "        ctx.timer_service().register"),
            r"A late row is in no window",
            "last millisecond|restart",
        ),
        (
            "what is behind the watermark is late",
            but(_COUNTED, "if start + size - 1 <=", "if start <="),
            r"to the side output 'late':.*nothing was due.*not before",
            "restart|yield late",
        ),
        (
            "over at the end, not at the last millisecond",
            but(_COUNTED, "if start + size - 1 <=", "if start + size <="),
            r"gave nothing; .*was due.*over at start \+ size - 1",
            "restart|with every row",
        ),
        (
            "a timer at the end",
            _COUNTED.replace("_timer(start + size - 1)", "_timer(start + size)").replace(
                "timestamp + 1 - size", "timestamp - size"
            ),
            r"The watermark \d+ ms gave nothing; .*were due|The watermark \d+ ms gave nothing; .*was due",
            "with every row|yield late",
        ),
        (
            "the end of the window",
            but(
                _COUNTED, "yield Row(ctx.get_current_key(), start, ", "yield Row(ctx.get_current_key(), start + size, "
            ),
            r"was due.*end of the window; its start is asked for",
            "restart|yield late",
        ),
        (
            "the counts in the object",
            """
class Counted(KeyedProcessFunction):
    def open(self, runtime_context):
        self.counts = {}

    def process_element(self, row, ctx):
        at = ctx.timestamp()
        start = at - at % size
        if start + size - 1 <= ctx.timer_service().current_watermark():
            yield late, Row(row[0], at)
        else:
            self.counts[row[0], start] = self.counts.get((row[0], start), 0) + 1
            ctx.timer_service().register_event_time_timer(start + size - 1)

    def on_timer(self, timestamp, ctx):
        start = timestamp + 1 - size
        yield Row(ctx.get_current_key(), start, self.counts.pop((ctx.get_current_key(), start), 0))

return Counted()
""",
            r"After a restart .*they belong in state, got in open",
            "last millisecond|yield late",
        ),
        (
            "leaves the counts where they are",
            but(_COUNTED, "        self.counts.remove(start)\n", ""),
            r"there is still something in the state: counts of .*taken out of the state",
            "last millisecond|yield late|restart",
        ),
        (
            "a tag of its own",
            "from pyflink.datastream import OutputTag\nlate = OutputTag('aside', Types.PICKLED_BYTE_ARRAY())\n"
            + _COUNTED,
            r"to the side output 'aside':.*to the side output 'late':.*was due",
            "last millisecond|restart",
        ),
        (
            "sizes in seconds",
            _COUNTED.replace("size", "(1000 * size)"),
            r"was due|were due",
            "restart|yield late",
        ),
        (
            "the class instead of an object",
            but(_COUNTED, "return Counted()", "return Counted"),
            r"is the class Counted, not an object of it",
            "last millisecond|restart",
        ),
        (
            "returns the pair",
            """
class Counted(KeyedProcessFunction):
    def open(self, runtime_context):
        self.counts = runtime_context.get_map_state(MapStateDescriptor("counts", Types.LONG(), Types.LONG()))

    def process_element(self, row, ctx):
        at = ctx.timestamp()
        start = at - at % size
        if start + size - 1 <= ctx.timer_service().current_watermark():
            return late, Row(row[0], at)
        self.counts.put(start, (self.counts.get(start) or 0) + 1)
        ctx.timer_service().register_event_time_timer(start + size - 1)

    def on_timer(self, timestamp, ctx):
        start = timestamp + 1 - size
        yield Row(ctx.get_current_key(), start, self.counts.get(start))
        self.counts.remove(start)

return Counted()
""",
            r"process_element returned the tuple .*Flink takes each of it for a result",
            "last millisecond|restart",
        ),
    ],
}

RIGHT = {
    "09a": [
        (
            "every window that there is",
            """
if not times:
    return 0, 0, 0
first, last = min(times) - size, max(times)
starts = range(first - first % slide, last + 1, slide)
found = [0, 0, 0]
for place, at in enumerate(times):
    before = max(times[:place], default=None)
    for start in starts:
        if not start <= at < start + size:
            continue
        if before is not None and before - bound >= start + size - 1:
            found[1] += 1
        elif last - bound >= start + size - 1:
            found[0] += 1
        else:
            found[2] += 1
return tuple(found)
""",
        ),
        (
            "a counter of ends",
            """
from collections import Counter
ends, mark, late = Counter(), float("-inf"), 0
for at in times:
    own = [end for end in range(at - at % slide + size, at, -slide)]
    over = [end for end in own if end <= mark + 1]
    late += len(over)
    ends.update(own[: len(own) - len(over)])
    mark = max(mark, at - bound)
windowed = sum(count for end, count in ends.items() if end <= mark + 1)
return windowed, late, ends.total() - windowed
""",
        ),
        (
            "windows that close one after the other",
            """
waiting, watermark, windowed, late = {}, None, 0, 0
for at in times:
    for nth in range((at - size) // slide + 1, at // slide + 1):
        moment = nth * slide + size - 1
        if watermark is not None and moment <= watermark:
            late += 1
        else:
            waiting[moment] = waiting.get(moment, 0) + 1
    watermark = at - bound if watermark is None or at - bound > watermark else watermark
    for moment in [one for one in waiting if one <= watermark]:
        windowed += waiting.pop(moment)
return (windowed, late, sum(waiting.values()))
""",
        ),
    ],
    "09b": [
        (
            "a list instead of yield",
            """
class Counted(KeyedProcessFunction):
    def open(self, runtime_context):
        self.counts = runtime_context.get_map_state(MapStateDescriptor("n", Types.LONG(), Types.LONG()))

    def process_element(self, row, ctx):
        at, timers = ctx.timestamp(), ctx.timer_service()
        end = (at // size + 1) * size
        if timers.current_watermark() >= end - 1:
            return [(late, Row(row[0], at))]
        before = self.counts.get(end) if self.counts.contains(end) else 0
        self.counts.put(end, before + 1)
        timers.register_event_time_timer(end - 1)
        return []

    def on_timer(self, timestamp, ctx):
        count = self.counts.get(timestamp + 1)
        self.counts.remove(timestamp + 1)
        return [Row(ctx.get_current_key(), timestamp + 1 - size, count)]

return Counted()
""",
        ),
        (
            "a dictionary in a value state",
            """
from pyflink.datastream.state import ValueStateDescriptor

class Counted(KeyedProcessFunction):
    def open(self, runtime_context):
        self.kept = runtime_context.get_state(ValueStateDescriptor("kept", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, row, ctx):
        start = ctx.timestamp() - ctx.timestamp() % size
        if ctx.timer_service().current_watermark() > start + size - 2:
            yield late, Row(ctx.get_current_key(), ctx.timestamp())
            return
        counts = dict(self.kept.value() or {})
        counts[start] = counts.get(start, 0) + 1
        self.kept.update(counts)
        ctx.timer_service().register_event_time_timer(start + size - 1)

    def on_timer(self, timestamp, ctx):
        counts = dict(self.kept.value())
        start = timestamp - size + 1
        yield Row(ctx.get_current_key(), start, counts.pop(start))
        if counts:
            self.kept.update(counts)
        else:
            self.kept.clear()

return Counted()
""",
        ),
        (
            "a list of times",
            """
from pyflink.datastream.state import ListStateDescriptor

class Counted(KeyedProcessFunction):
    def open(self, runtime_context):
        self.times = runtime_context.get_list_state(ListStateDescriptor("times", Types.LONG()))

    def process_element(self, row, ctx):
        at = ctx.timestamp()
        last = at - at % size + size - 1
        if last <= ctx.timer_service().current_watermark():
            yield late, Row(row[0], at)
        else:
            self.times.add(at)
            ctx.timer_service().register_event_time_timer(last)

    def on_timer(self, timestamp, ctx):
        kept = list(self.times.get())
        own = [at for at in kept if timestamp - size < at <= timestamp]
        rest = [at for at in kept if at > timestamp]
        if rest:
            self.times.update(rest)
        else:
            self.times.clear()
        yield Row(ctx.get_current_key(), timestamp + 1 - size, len(own))

return Counted()
""",
        ),
    ],
}
