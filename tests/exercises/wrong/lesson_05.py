"""Answers to the exercises of 05: wrong ones, with what each has to hear and must not hear, and right ones."""


def _switches(*lines: str, keep: str = "Types.PICKLED_BYTE_ARRAY()", opened: str = "", end: str = "") -> str:
    """An answer to 05a whose process_element has these lines, after `host, now = pair`."""
    body = "\n".join(f"        {line}" for line in lines)
    opened = opened or f'self.last = runtime_context.get_state(ValueStateDescriptor("last", {keep}))'
    return f"""
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        {opened}

    def process_element(self, pair, ctx):
        host, now = pair
{body}

{end or "return Switches()"}
"""


_RATE = "yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / (now.timestamp - before.timestamp))"
_LATE = "if before is not None and now.timestamp <= before.timestamp: return"
_READ, _KEEP = "before = self.last.value()", "self.last.update(now)"


def _alarm(*lines: str, key: str = 'lambda row: f"{row[0]} {row[2]}"', opened: str = "", head: str = "") -> str:
    """An answer to 05b whose process_element has these lines."""
    body = "\n".join(f"        {line}" for line in lines)
    opened = opened or 'self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))'
    return f"""
{head}
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        {opened}

    def process_element(self, row, ctx):
{body}

return ({key}), Alarm()
"""


_COUNT = "count = (self.count.value() or 0) + 1 if row[3] >= 90 else 0"
_UPDATE = "self.count.update(count)"
_SOUND = "yield Row(row[0], row[2], row[1])"
_USUAL = (_COUNT, _UPDATE, "if count == 5:", f"    {_SOUND}")

WRONG = {
    "05a": [
        (
            "a 0 is taken for nothing",
            _switches(
                "time, ctxt = self.time.value(), self.ctxt.value()",
                "if time and now.timestamp <= time: return",
                "self.time.update(now.timestamp)", "self.ctxt.update(now.ctxt)",
                "if time and ctxt: yield Row(host, now.timestamp, (now.ctxt - ctxt) * 1000 / (now.timestamp - time))",
                opened='self.time, self.ctxt = (runtime_context.get_state(ValueStateDescriptor(name, Types.LONG())) '
                'for name in ("time", "ctxt"))',
            ),
            r"new's snapshot at 7000 ms.*gave nothing.*A 0 that was kept is a value",
            "restart|another host",
        ),
        (
            "an attribute, by host",
            _switches(
                "before = self.last.get(host)", _LATE, "self.last[host] = now", f"if before is not None: {_RATE}",
                opened="self.last = {}",
            ),
            r"After a restart db's snapshot at 7001 ms.*gave nothing.*not all that it needs was known any more",
            "ask for help|first snapshot",
        ),
        (
            "one attribute for all hosts",
            _switches(
                "before, self.last = self.last, now",
                f"if before is not None and now.timestamp > before.timestamp: {_RATE}",
                opened="self.last = None",
            ),
            r"db's snapshot at 4500 ms.*gave \['db', 4500, .*nothing was due.*a snapshot of another host",
            "restart|late",
        ),
        (
            "updates before it reads",
            _switches(
                "first = self.last.value() is None", _KEEP, _READ,
                f"if not first and now.timestamp > before.timestamp: {_RATE}",
            ),
            r"web's snapshot at 2000 ms.*gave nothing; .*read after it was written",
            "restart|late|Divide",
        ),
        (
            "per interval instead of per second",
            _switches(_READ, _LATE, _KEEP, "if before is not None:",
                      "    yield Row(host, now.timestamp, float(now.ctxt - before.ctxt))"),
            r"gave \['web', 4000, 300.0\]; \['web', 4000, 150.0\] was due.*what came in the interval",
            "value|update|rounded",
        ),
        (
            "milliseconds taken for seconds",
            _switches(_READ, _LATE, _KEEP, "if before is not None:",
                      "    ms = now.timestamp - before.timestamp",
                      "    yield Row(host, now.timestamp, (now.ctxt - before.ctxt) / ms)"),
            r"gave \['web', 2000, 0.05\]; \['web', 2000, 50.0\] was due.*per ms",
            r"value\(\)|update",
        ),
        (
            "the interval in whole seconds",
            _switches(
                _READ, _LATE, _KEEP, "if before is not None:",
                "    seconds = max(1, (now.timestamp - before.timestamp) // 1000)",
                "    yield Row(host, now.timestamp, (now.ctxt - before.ctxt) / seconds)",
            ),
            r"gave \['db', 5000, 100.0\]; \['db', 5000, 200.0\] was due.*whole seconds",
            r"value\(\)|keeps its digits",
        ),
        (
            "keeps a late snapshot",
            _switches(_READ, _KEEP, f"if before is not None and now.timestamp > before.timestamp: {_RATE}"),
            r"\['web', 7000, 23.33\d+\] was due.*A late snapshot was kept",
            "restart|rounded|another host",
        ),
        (
            "a second one of the same time is kept",
            _switches(_READ, "if before is not None and now.timestamp < before.timestamp: return", _KEEP,
                      f"if before is not None and now.timestamp > before.timestamp: {_RATE}"),
            r"\['web', 7000, 20\.0\]; \['web', 7000, 23.33\d+\] was due",
            "restart|rounded|another host",
        ),
        (
            "divides by the time of a repeated snapshot",
            _switches(_READ, _KEEP, f"if before is not None: {_RATE}"),
            r"web's snapshot at 5500 ms.*raised ZeroDivisionError: .* zero, in process_element, line \d+ of its cell: "
            r".*A repeated snapshot is not newer",
            "read after|whole second",
        ),
        (
            "prints instead of a yield",
            _switches(_READ, _LATE, _KEEP, "if before is not None:", "    print(host, now.ctxt - before.ctxt)"),
            r"gave nothing: process_element has no yield.*what it prints",
            r"value\(\)|update",
        ),
        (
            "returns the row",
            _switches(_READ, _LATE, _KEEP, "if before is not None:", f"    {_RATE.replace('yield', 'return')}"),
            r"process_element returned <Row\('web', 2000, 50.0\)>.*takes what process_element yields",
            r"value\(\)|update|raised",
        ),
        (
            "the wall clock",
            _switches(
                "import time", "at = time.time()", _READ, "self.last.update((at, now))",
                "if before is not None:",
                "    yield Row(host, now.timestamp, (now.ctxt - before[1].ctxt) / (at - before[0]))",
            ),
            r"gave \['web', 2000, \d+.*was due.*from a clock",
            r"value\(\)|update|per ms",
        ),
        (
            "a state of the wrong type",
            _switches(_READ, _LATE, _KEEP, f"if before is not None: {_RATE}", keep="Types.STRING()"),
            r"web's snapshot at 1000 ms.*Flink cannot keep Snapshot.* in the state 'last'.*The type in the descriptor",
            "restart|another host",
        ),
    ],
    "05b": [
        (
            "an alarm at every further interval",
            _alarm(_COUNT, _UPDATE, "if count >= 5:", f"    {_SOUND}"),
            r"gave \['lab', 'cpu0', 11000\]; nothing was due.*One alarm for each stretch",
            "key|not five",
        ),
        (
            "a new stretch after each alarm",
            _alarm(_COUNT, "if count == 5:", f"    {_SOUND}", "    count = 0", _UPDATE),
            r"gave \['lab', 'cpu0', 15000\]; nothing was due.*One alarm for each stretch",
            "key|90 % itself",
        ),
        (
            "does not begin again",
            _alarm("if row[3] >= 90:", f"    {_COUNT}", f"    {_UPDATE}", "    if count == 5:", f"        {_SOUND}"),
            r"nothing was due.*the count begins again at 0",
            "key|rounded",
        ),
        (
            "keyed by host alone",
            _alarm(*_USUAL, key="lambda row: row[0]"),
            r"lab's cpu0 and lab's cpu1 have the same key 'lab'.*name both",
            "ended|between",
        ),
        (
            "a key of the two names without anything between them",
            _alarm(*_USUAL, key="lambda row: row[0] + row[2]"),
            r"share the key 'node11': '1' of host 'node1' and '11' of 'node'.*Something has to stand between",
            "name both|may be in a name as well",
        ),
        (
            "a hyphen between the names",
            _alarm(*_USUAL, key='lambda row: f"{row[0]}-{row[2]}"'),
            r"share the key 'node-1-1'.*may be in a name as well",
            "name both|has to stand between",
        ),
        (
            "a small number for a key",
            _alarm(*_USUAL, key="lambda row: str(sum((row[0] + ' ' + row[2]).encode()) % 1000)"),
            r"Two CPUs share the key '\d+'.*few digits",
            "name both|between the two",
        ),
        (
            "the time in the key",
            _alarm(*_USUAL, key='lambda row: f"{row[0]} {row[2]} {row[1]}"'),
            r"has the key 'lab cpu0 1000' at 1000 ms.*'lab cpu0 2000' at 2000 ms.*Only what names the CPU",
            "name both|between the two",
        ),
        (
            "a hash of Python's",
            _alarm(*_USUAL, key="lambda row: str(hash((row[0], row[2])))"),
            r"in another Python process.*hash\(\)",
            "name both|few digits",
        ),
        (
            "exactly 90 is not enough for it",
            _alarm(_COUNT.replace(">=", ">"), *_USUAL[1:]),
            r"% at \d+ ms gave nothing; .*was due.*90 % itself is busy",
            "stretch|key",
        ),
        (
            "five seconds instead of five intervals",
            _alarm(
                "since = self.since.value()",
                "if row[3] < 90:", "    self.since.clear()", "    return",
                "if since is None:", "    since = (row[1], False)",
                "if row[1] - since[0] >= 4000 and not since[1]:", f"    {_SOUND}", "    since = (since[0], True)",
                "self.since.update(since)",
                opened="self.since = runtime_context.get_state("
                'ValueStateDescriptor("since", Types.PICKLED_BYTE_ARRAY()))',
            ),
            r"nothing was due.*Intervals are counted, not seconds",
            "Four intervals|key",
        ),
        (
            "counts in an attribute",
            _alarm(
                "key = (row[0], row[2])",
                "self.count[key] = self.count.get(key, 0) + 1 if row[3] >= 90 else 0",
                "if self.count[key] == 5:", f"    {_SOUND}",
                opened="self.count = {}",
            ),
            r"After a restart web cpu0.*was due.*not all that it needs was known any more",
            "key|ask for help",
        ),
        (
            "a timer of five seconds",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.since = runtime_context.get_state(ValueStateDescriptor("since", Types.LONG()))

    def process_element(self, row, ctx):
        if row[3] < 90:
            self.since.clear()
        elif self.since.value() is None:
            self.since.update(row[1])
            ctx.timer_service().register_event_time_timer(row[1] + 5000)

    def on_timer(self, timestamp, ctx):
        yield Row(*ctx.get_current_key().split(), timestamp)

return (lambda row: f"{row[0]} {row[2]}"), Alarm()
""",
            r"lab cpu0 with 100 % at 10000 ms gave nothing.*was due.*no watermarks",
            "Four intervals|begins again",
        ),
    ],
}  # fmt: skip

RIGHT = {
    "05a": [
        (
            "a list state, a list returned",
            _switches(
                "before = next(iter(self.last.get()), None)", "if before is None:", "    self.last.add(now)",
                "    return []",
                "if now.timestamp <= before.timestamp:", "    return []", "self.last.update([now])",
                f"return [{_RATE.removeprefix('yield ')}]",
                opened='from pyflink.datastream.state import ListStateDescriptor; '
                'self.last = runtime_context.get_list_state(ListStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))',
            ),
        ),
        (
            "a map state, and a row with names",
            _switches(
                'if "ms" in self.last:', '    ms = now.timestamp - self.last["ms"]', "    if ms <= 0: return",
                '    rate = (now.ctxt - self.last["ctxt"]) / (ms / 1e3)',
                "    yield Row(hostname=host, timestamp=now.timestamp, rate=rate)",
                'self.last["ms"] = now.timestamp', 'self.last.put("ctxt", now.ctxt)',
                opened='from pyflink.datastream.state import MapStateDescriptor; '
                'self.last = runtime_context.get_map_state(MapStateDescriptor("last", Types.STRING(), Types.LONG()))',
            ),
        ),
        (
            "two value states, numpy's numbers",
            _switches(
                "import numpy", "ms, ctxt = self.ms.value(), self.ctxt.value()",
                "if ms is not None and now.timestamp <= ms: return",
                "self.ms.update(now.timestamp)", "self.ctxt.update(now.ctxt)",
                "if ms is not None:",
                "    rate = numpy.float64(now.ctxt - ctxt) / (now.timestamp - ms) * 1000",
                "    yield Row(host, numpy.int64(now.timestamp), rate)",
                opened='self.ms, self.ctxt = (runtime_context.get_state(ValueStateDescriptor(name, Types.LONG())) '
                'for name in ("ms", "ctxt"))',
            ),
        ),
        (
            "a reducing state that keeps the newer one, and a timer to forget hosts",
            """
from pyflink.datastream.state import ReducingStateDescriptor

class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        newer = lambda old, new: new if new.timestamp > old.timestamp else old
        self.last = runtime_context.get_reducing_state(
            ReducingStateDescriptor("last", newer, Types.PICKLED_BYTE_ARRAY())
        )

    def process_element(self, pair, ctx):
        before, now = self.last.get(), pair[1]
        self.last.add(now)
        timers = ctx.timer_service()
        timers.register_processing_time_timer(timers.current_processing_time() + 3_600_000)
        if before is not None and now.timestamp > before.timestamp:
            seconds = (now.timestamp - before.timestamp) / 1000
            yield Row(ctx.get_current_key(), now.timestamp, (now.ctxt - before.ctxt) / seconds)

    def on_timer(self, timestamp, ctx):
        self.last.clear()

return Switches()
""",
        ),
    ],
    "05b": [
        (
            "fields by their names, a key as JSON",
            _alarm(
                "busy = row.busy >= 90", "count = (self.count.value() or 0) + 1 if busy else 0", _UPDATE,
                "if count == 5:", '    yield Row(row.hostname, row["cpu_id"], row.timestamp)',
                key="lambda row: json.dumps([row.hostname, row.cpu_id])", head="import json",
            ),
        ),
        (
            "the last five in a list state, and a flag",
            _alarm(
                "if row[3] < 90:", "    self.count.clear()", "    return",
                "times = list(self.count)",
                "if len(times) < 5:", "    self.count.add(row[1])", "    times.append(row[1])",
                "    if len(times) == 5:", f"        {_SOUND}",
                opened='from pyflink.datastream.state import ListStateDescriptor; '
                'self.count = runtime_context.get_list_state(ListStateDescriptor("times", Types.LONG()))',
            ),
        ),
        (
            "a key by a class, a list of two",
            """
import hashlib

class Name:
    def __call__(self, row):
        return hashlib.sha256(repr((row[0], row[2])).encode()).hexdigest()

class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.state = runtime_context.get_state(ValueStateDescriptor("busy", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, row, ctx):
        host, now, cpu, busy = row
        state = self.state.value() or {"count": 0, "sounded": False}
        if busy < 90.0:
            self.state.clear()
            return []
        state["count"] += 1
        found = [Row(host, cpu, now)] if state["count"] >= 5 and not state["sounded"] else []
        state["sounded"] = state["sounded"] or bool(found)
        self.state.update(state)
        return found

return [Name(), Alarm()]
""",
        ),
        (
            "a reducing state",
            _alarm(
                "if row[3] < 90:", "    self.count.clear()",
                "else:", "    self.count.add(1)", "    if self.count.get() == 5:", f"        {_SOUND}",
                opened='from pyflink.datastream.state import ReducingStateDescriptor; '
                'self.count = runtime_context.get_reducing_state('
                'ReducingStateDescriptor("count", lambda a, b: a + b, Types.LONG()))',
                key='lambda row: "\\t".join((row[0], row[2]))',
            ),
        ),
    ],
}  # fmt: skip
