"""Answers to the exercises of 08: wrong ones, with what each has to hear and must not hear, and right ones."""


def _late(*lines: str, start: str = "late, newest = [], None", end: str = "return late") -> str:
    """An answer to 08a that goes through the records once, with these lines for each."""
    body = "\n".join(f"    {line}" for line in lines)
    return f"{start}\nfor host, at in records:\n{body}\n{end}"


_END = "end = at - at % size + size"
_KEEP = "late.append((host, at))"
_NEWEST = "newest = at if newest is None else max(newest, at)"


def _silent(*lines: str, on_timer: str = "", opened: str = "") -> str:
    """An answer to 08b: process_element has these lines, on_timer the other one."""
    body = "\n".join(f"        {line}" for line in lines)
    opened = opened or 'self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG()))'
    on_timer = on_timer or f"if timestamp == self.last.value() + 1000 * seconds: {_TELL}"
    return f"""
class Silent(KeyedProcessFunction):
    def open(self, runtime_context):
        {opened}

    def process_element(self, row, ctx):
{body}
        return []

    def on_timer(self, timestamp, ctx):
        {on_timer}

return Silent()
"""


_TELL = "yield Row(ctx.get_current_key(), self.last.value())"
_NEWER = "if ctx.timestamp() > (self.last.value() or 0):"
_UPDATE = "self.last.update(ctx.timestamp())"
_TIMER = "ctx.timer_service().register_event_time_timer(ctx.timestamp() + 1000 * seconds)"
_USUAL = (_NEWER, f"    {_UPDATE}", f"    {_TIMER}")

WRONG = {
    "08a": [
        (
            "what is behind the watermark",
            _late("if newest is not None and at < newest - bound:", f"    {_KEEP}", _NEWEST),
            r"is in the list; its window had not closed: when it came the watermark was.*not the record's own time",
            "One watermark|never goes back|last millisecond is the one",
        ),
        (
            "the end instead of the last millisecond",
            _late(_END, "if newest is not None and newest - bound >= end:", f"    {_KEEP}", _NEWEST),
            r"is missing; its window had closed: .*closed at end - 1",
            "ms long|never goes back",
        ),
        (
            "only past the last millisecond",
            _late(_END, "if newest is not None and newest - bound > end - 1:", f"    {_KEEP}", _NEWEST),
            r"is missing; its window had closed: .*not only when it is past it|is missing.*closed at end - 1",
            "ms long|never goes back",
        ),
        (
            "the start of the window",
            _late("if newest is not None and at - at % size <= newest - bound:", f"    {_KEEP}", _NEWEST),
            r"is in the list; its window had not closed: .*not its start",
            "last millisecond is the one|for each",
        ),
        (
            "a watermark for each host",
            _late(
                _END,
                "if host in newest and end - 1 <= newest[host] - bound:",
                f"    {_KEEP}",
                "newest[host] = max(newest.get(host, at), at)",
                start="late, newest = [], {}",
            ),
            r"is missing; its window had closed: .*one watermark for all hosts",
            "start|ms long",
        ),
        (
            "the record before",
            _late(_END, "if newest is not None and end - 1 <= newest - bound:", f"    {_KEEP}", "newest = at"),
            r"is missing; its window had closed: .*A watermark never goes back",
            "for each|ms long",
        ),
        (
            "the newest brought up to date first",
            _late(_NEWEST, _END, "if end - 1 <= newest - bound:", f"    {_KEEP}"),
            r"is in the list; its window had not closed: .*makes nothing late itself",
            "less `bound`|for each",
        ),
        (
            "no bound",
            _late(_END, "if newest is not None and end - 1 <= newest:", f"    {_KEEP}", _NEWEST),
            r"is in the list; its window had not closed: .*less `bound`",
            "start|for each",
        ),
        (
            "windows of ten seconds, whatever the size is",
            _late(
                "end = at - at % 10_000 + 10_000",
                "if newest is not None and end - 1 <= newest - bound:",
                f"    {_KEEP}",
                _NEWEST,
            ),
            r"window had.*`size` ms long",
            "bound`|for each",
        ),
        (
            "timestamps",
            _late(_END, "if newest is not None and end - 1 <= newest - bound:", "    late.append(at)", _NEWEST),
            r"is in the list, and is none of the records.*The whole record",
            "window had",
        ),
        (
            "each record once",
            _late(
                _END,
                "if newest is not None and end - 1 <= newest - bound and (host, at) not in late:",
                f"    {_KEEP}",
                _NEWEST,
            ),
            r"the right records, but \d+ of them where \d+ came too late.*is in the list twice",
            "bound`|ms long|goes back",
        ),
        (
            "sorted first",
            "records = sorted(records, key=lambda one: one[1])\n"
            + _late(_END, "if newest is not None and end - 1 <= newest - bound:", f"    {_KEEP}", _NEWEST),
            r"is missing; its window had closed",
            "Hint|bound`|ms long",
        ),
        (
            "sorts what it was given",
            "records.sort()\n"
            + _late(_END, "if newest is not None and end - 1 <= newest - bound:", f"    {_KEEP}", _NEWEST),
            r"changed what it was given \(records\)",
            "window had",
        ),
        (
            "a yield",
            _late(_END, "if newest is not None and end - 1 <= newest - bound:", "    yield host, at", _NEWEST, end=""),
            r"which is no list.*yield",
            "window had",
        ),
        (
            "how many",
            _late(
                _END,
                "if newest is not None and end - 1 <= newest - bound:",
                f"    {_KEEP}",
                _NEWEST,
                end="return len(late)",
            ),
            r"gave 0, which is no list",
            "yield",
        ),
    ],
    "08b": [
        (
            "a record of the same time sets the timer again",
            _silent("if ctx.timestamp() >= (self.last.value() or 0):", f"    {_UPDATE}", f"    {_TIMER}"),
            r"nothing was due.*of the same time as the newest is not newer",
            "taken away|restart",
        ),
        (
            "the newest time is taken away with the result",
            _silent(
                "last = self.last.value()",
                "if last is None or ctx.timestamp() > last:",
                f"    {_UPDATE}",
                f"    {_TIMER}",
                on_timer=(
                    "last = self.last.value()\n"
                    "        if last is not None and timestamp == last + 1000 * seconds:\n"
                    "            self.last.clear()\n"
                    "            yield Row(ctx.get_current_key(), last)"
                ),
            ),
            r"nothing was due.*The newest time was taken away with the result",
            "Nothing has been written|restart",
        ),
        (
            "each timer tells",
            _silent(*_USUAL, on_timer=_TELL),
            r"watermark .*timer of an older record goes off too",
            "restart|seconds`",
        ),
        (
            "a late record counts",
            _silent(_UPDATE, _TIMER),
            r"older than the newest of its host changes nothing",
            "heard again|seconds`",
        ),
        (
            "a late record is kept, and sets no timer",
            _silent("before = self.last.value() or 0", _UPDATE, "if ctx.timestamp() > before:", f"    {_TIMER}"),
            r"The watermark .* gave nothing; .* was due.*older than the newest of its host changes nothing",
            "restart|heard again|seconds`",
        ),
        (
            "a late record is kept, and told",
            _silent(
                "before = self.last.value() or 0",
                _UPDATE,
                "if ctx.timestamp() > before:",
                f"    {_TIMER}",
                on_timer=f"if timestamp >= self.last.value() + 1000 * seconds: {_TELL}",
            ),
            r"The watermark .* gave .*; .* was due.*older than the newest of its host changes nothing",
            "restart|heard again|seconds`",
        ),
        (
            "a record behind the watermark is thrown away",
            _silent(
                "if ctx.timestamp() > max(self.last.value() or 0, ctx.timer_service().current_watermark()):",
                f"    {_UPDATE}",
                f"    {_TIMER}",
            ),
            r"The watermark .* gave nothing; .* was due.*behind the watermark counts",
            "restart|older than|heard again|seconds`",
        ),
        (
            "an attribute instead of state",
            _silent(
                "if ctx.timestamp() > self.last.get(row[0], 0):",
                "    self.last[row[0]] = ctx.timestamp()",
                f"    {_TIMER}",
                opened="self.last = {}",
                on_timer="key = ctx.get_current_key()\n"
                "        if timestamp == self.last.get(key, 0) + 1000 * seconds: yield Row(key, self.last[key])",
            ),
            r"After a restart the watermark .*gave nothing; .* was due.*belongs in state",
            "older than|heard again",
        ),
        (
            "milliseconds taken for seconds",
            _silent(
                _NEWER,
                f"    {_UPDATE}",
                "    ctx.timer_service().register_event_time_timer(ctx.timestamp() + seconds)",
                on_timer=f"if timestamp == self.last.value() + seconds: {_TELL}",
            ),
            r"nothing was due.*`seconds` in seconds",
            "older than|heard again",
        ),
        (
            "a timer of processing time",
            _silent(
                _NEWER,
                f"    {_UPDATE}",
                "    timers = ctx.timer_service()",
                "    timers.register_processing_time_timer(timers.current_processing_time() + 1000 * seconds)",
                on_timer=_TELL,
            ),
            r"gave nothing; .* was due.*timer of processing time goes by the worker's clock",
            "older than|heard again",
        ),
        (
            "looks when the next record comes",
            """
class Silent(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG()))

    def process_element(self, row, ctx):
        last, now = self.last.value(), ctx.timestamp()
        if last is not None and now - last >= 1000 * seconds:
            yield Row(row[0], last)
        if last is None or now > last:
            self.last.update(now)

return Silent()
""",
            r"The watermark .* gave nothing; .* was due",
            "older than|restart",
        ),
        (
            "when it was due",
            _silent(
                *_USUAL,
                on_timer="if timestamp == self.last.value() + 1000 * seconds: "
                "yield Row(ctx.get_current_key(), timestamp)",
            ),
            r"when the timer was due; the time of the newest record",
            "restart|heard again",
        ),
        (
            "the watermark",
            _silent(
                *_USUAL,
                on_timer="if timestamp == self.last.value() + 1000 * seconds: "
                "yield Row(ctx.get_current_key(), ctx.timer_service().current_watermark())",
            ),
            r"the watermark; the time of the newest record",
            "restart|heard again",
        ),
        (
            "once in its life",
            _silent(
                *_USUAL,
                opened='self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.LONG())); '
                'self.told = runtime_context.get_state(ValueStateDescriptor("told", Types.BOOLEAN()))',
                on_timer="if timestamp == self.last.value() + 1000 * seconds and not self.told.value():\n"
                f"            self.told.update(True)\n            {_TELL}",
            ),
            r"heard again may fall silent again",
            "older than|seconds`",
        ),
        (
            "a timer without a time in state",
            _silent(_TIMER, on_timer="yield Row(ctx.get_current_key(), timestamp - 1000 * seconds)"),
            r"watermark .*timer of an older record goes off too",
            "seconds`|restart",
        ),
        (
            "the class instead of an object",
            _silent(*_USUAL).replace("return Silent()", "return Silent"),
            r"is the class Silent, not an object",
            "watermark",
        ),
        (
            "thirty seconds, whatever is asked for",
            _silent(*_USUAL).replace("seconds", "30"),
            r"gave nothing; .* was due|nothing was due",
            "older than|heard again",
        ),
    ],
}

RIGHT = {
    "08a": [
        (
            "itertools",
            """
from itertools import accumulate
times = [at for _, at in records]
marks = [None, *accumulate(times, max)]
return [
    (host, at) for (host, at), newest in zip(records, marks)
    if newest is not None and (at // size + 1) * size <= newest - bound + 1
]
""",
        ),
        (
            "pandas",
            """
import pandas
frame = pandas.DataFrame(records, columns=["host", "at"]).astype({"at": "int64"})
marks = frame["at"].cummax().shift() - bound
late = frame["at"] // size * size + size - 1 <= marks
return [record for record, one in zip(records, late) if one]
""",
        ),
        (
            "numpy",
            """
import numpy
if not records:
    return []
times = numpy.array([at for _, at in records])
marks = numpy.concatenate(([-(2**62)], numpy.maximum.accumulate(times)[:-1]))
late = times // size * size + size - 1 <= marks - bound
return [record for record, one in zip(records, late) if one]
""",
        ),
    ],
    "08b": [
        (
            "deletes the older timer",
            """
class Silent(KeyedProcessFunction):
    def open(self, runtime_context):
        self.due = runtime_context.get_state(ValueStateDescriptor("due", Types.LONG()))

    def process_element(self, row, ctx):
        due, before = ctx.timestamp() + 1000 * seconds, self.due.value()
        if before is None or due > before:
            if before is not None:
                ctx.timer_service().delete_event_time_timer(before)
            self.due.update(due)
            ctx.timer_service().register_event_time_timer(due)

    def on_timer(self, timestamp, ctx):
        yield Row(ctx.get_current_key(), timestamp - 1000 * seconds)

return Silent()
""",
        ),
        (
            "pickled, with the host in state",
            _silent(
                "kept = self.last.value()",
                "if kept is None or ctx.timestamp() > kept[1]:",
                "    self.last.update((row[0], ctx.timestamp()))",
                f"    {_TIMER}",
                opened='self.last = runtime_context.get_state(ValueStateDescriptor("l", Types.PICKLED_BYTE_ARRAY()))',
                on_timer="host, last = self.last.value()\n"
                "        if timestamp >= last + 1000 * seconds: yield Row(host, last)",
            ),
        ),
        (
            "sets the timer anew where a newer one came",
            _silent(
                "known = self.last.value()",
                "if known is None or ctx.timestamp() > known:",
                f"    {_UPDATE}",
                f"    {_TIMER}",
                on_timer="last = self.last.value()\n        if timestamp >= last + 1000 * seconds:\n"
                "            yield Row(ctx.get_current_key(), last)\n        else:\n"
                "            ctx.timer_service().register_event_time_timer(last + 1000 * seconds)",
            ),
        ),
    ],
}
