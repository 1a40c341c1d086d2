"""Wrong answers to the exercises of 05, and the message that is meant for each."""

WRONG = {
    "05a": [
        (
            "an attribute, by host",
            """
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = {}

    def process_element(self, pair, ctx):
        host, now = pair
        before = self.last.get(host)
        if before is not None and now.timestamp <= before.timestamp:
            return
        self.last[host] = now
        if before is not None:
            yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / (now.timestamp - before.timestamp))

return Switches()
""",
            r"After a restart db's snapshot at 6000 ms.*gave nothing.*An attribute is gone with its process",
        ),
        (
            "one attribute for all hosts",
            """
class Switches(KeyedProcessFunction):
    last = None

    def process_element(self, pair, ctx):
        host, now = pair
        before = self.last
        self.last = now
        if before is not None:
            yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / max(1, now.timestamp - before.timestamp))

return Switches()
""",
            r"db's snapshot at 4000 ms.*it should have given nothing.*Another host has no snapshot yet",
        ),
        (
            "updates before it reads",
            """
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, pair, ctx):
        host, now = pair
        first = self.last.value() is None
        self.last.update(now)
        before = self.last.value()
        if not first and now.timestamp > before.timestamp:
            yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / (now.timestamp - before.timestamp))

return Switches()
""",
            r"web's snapshot at 2000 ms.*gave nothing.*Read value\(\) before you update\(\)",
        ),
        (
            "per interval instead of per second",
            """
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, pair, ctx):
        host, now = pair
        before = self.last.value()
        self.last.update(now)
        if before is not None and now.timestamp > before.timestamp:
            yield Row(host, now.timestamp, float(now.ctxt - before.ctxt))

return Switches()
""",
            r"gave \['web', 4000, 300.0\].*should have been \['web', 4000, 150.0\].*Divide by the seconds",
        ),
        (
            "keeps a late snapshot",
            """
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, pair, ctx):
        host, now = pair
        before = self.last.value()
        self.last.update(now)
        if before is not None and now.timestamp > before.timestamp:
            yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / (now.timestamp - before.timestamp))

return Switches()
""",
            r"should have been \['web', 7000, 20.0\].*do not keep the late one",
        ),
        (
            "divides by the time of a repeated snapshot",
            """
class Switches(KeyedProcessFunction):
    def open(self, runtime_context):
        self.last = runtime_context.get_state(ValueStateDescriptor("last", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, pair, ctx):
        host, now = pair
        before = self.last.value()
        self.last.update(now)
        if before is not None:
            yield Row(host, now.timestamp, (now.ctxt - before.ctxt) * 1000 / (now.timestamp - before.timestamp))

return Switches()
""",
            r"web's snapshot at 5000 ms.*raised ZeroDivisionError: division by zero, in line \d+ of process_element: "
            r"yield Row.*A repeated snapshot is not newer",
        ),
    ],
    "05b": [
        (
            "an alarm at every further interval",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

    def process_element(self, row, ctx):
        count = (self.busy_for.value() or 0) + 1 if row[3] >= 90 else 0
        self.busy_for.update(count)
        if count >= 5:
            yield Row(row[0], row[2], row[1])

return (lambda row: f"{row[0]} {row[2]}"), Alarm()
""",
            r"none was due.*One alarm for each stretch",
        ),
        (
            "does not begin again",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

    def process_element(self, row, ctx):
        if row[3] >= 90:
            count = (self.busy_for.value() or 0) + 1
            self.busy_for.update(count)
            if count == 5:
                yield Row(row[0], row[2], row[1])

return (lambda row: f"{row[0]} {row[2]}"), Alarm()
""",
            r"none was due.*the count begins again at 0",
        ),
        (
            "keyed by host alone",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

    def process_element(self, row, ctx):
        count = (self.busy_for.value() or 0) + 1 if row[3] >= 90 else 0
        self.busy_for.update(count)
        if count == 5:
            yield Row(row[0], row[2], row[1])

return (lambda row: row[0]), Alarm()
""",
            r"two CPUs of two hosts.*none was due.*the key has to name both",
        ),
        (
            "a key of the two names without anything between them",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

    def process_element(self, row, ctx):
        count = (self.busy_for.value() or 0) + 1 if row[3] >= 90 else 0
        self.busy_for.update(count)
        if count == 5:
            yield Row(row[0], row[2], row[1])

return (lambda row: row[0] + row[2]), Alarm()
""",
            r"1 of node1 and 11 of node.*none was due.*something between the two names",
        ),
        (
            "exactly 90 is not enough for it",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = runtime_context.get_state(ValueStateDescriptor("busy for", Types.LONG()))

    def process_element(self, row, ctx):
        count = (self.busy_for.value() or 0) + 1 if row[3] > 90 else 0
        self.busy_for.update(count)
        if count == 5:
            yield Row(row[0], row[2], row[1])

return (lambda row: f"{row[0]} {row[2]}"), Alarm()
""",
            r"gave no alarm.*was due.*90 % itself counts",
        ),
        (
            "counts in an attribute",
            """
class Alarm(KeyedProcessFunction):
    def open(self, runtime_context):
        self.busy_for = {}

    def process_element(self, row, ctx):
        key = (row[0], row[2])
        self.busy_for[key] = self.busy_for.get(key, 0) + 1 if row[3] >= 90 else 0
        if self.busy_for[key] == 5:
            yield Row(row[0], row[2], row[1])

return (lambda row: f"{row[0]} {row[2]}"), Alarm()
""",
            r"After a restart web cpu0.*was due.*An attribute is gone",
        ),
    ],
}
