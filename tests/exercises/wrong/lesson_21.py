"""Answers to the exercises of 21: wrong ones, with what each has to hear and must not hear, and right ones."""

from tests.support.answers import but

_JOIN = """
class Join(KeyedCoProcessFunction):
    def open(self, runtime_context):
        kept = [MapStateDescriptor(side, Types.LONG(), Types.BOOLEAN()) for side in ("cpu", "memory")]
        self.cpu, self.memory = map(runtime_context.get_map_state, kept)

    def process_element1(self, row, ctx):
        cpu_at = ctx.timestamp()
        if self.cpu.contains(cpu_at):
            return
        met = [at for at in self.memory if cpu_at - before <= at <= cpu_at + after]
        self.cpu.put(cpu_at, bool(met))
        ctx.timer_service().register_event_time_timer(cpu_at + after)
        for at in met:
            yield Row(row[0], cpu_at, at)

    def process_element2(self, row, ctx):
        memory_at = ctx.timestamp()
        if self.memory.contains(memory_at):
            return
        self.memory.put(memory_at, True)
        ctx.timer_service().register_event_time_timer(memory_at + before)
        for cpu_at in [at for at in self.cpu if at - before <= memory_at <= at + after]:
            self.cpu.put(cpu_at, True)
            yield Row(row[0], cpu_at, memory_at)

    def on_timer(self, timestamp, ctx):
        if self.cpu.get(timestamp - after) is False:
            yield Row(ctx.get_current_key(), timestamp - after, None)
        self.cpu.remove(timestamp - after)
        self.memory.remove(timestamp - before)

return Join()
"""
_OF_CPU = "cpu_at - before <= at <= cpu_at + after"
_OF_MEMORY = "at - before <= memory_at <= at + after"


def _meets(of_cpu: str, of_memory: str) -> str:
    """The right one, with another condition on both sides."""
    return but(but(_JOIN, _OF_CPU, of_cpu), _OF_MEMORY, of_memory)


_TABLE = """
    CREATE TABLE names (host STRING, name STRING, since TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
        PRIMARY KEY (host) NOT ENFORCED, WATERMARK FOR since AS since)
    WITH ('connector' = 'upsert-kafka', 'topic' = 'procstat_names_ex21',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY')"""
_SELECT = """
    SELECT cpu.hostname, cpu.`timestamp`, names.name
    FROM cpu LEFT JOIN names FOR SYSTEM_TIME AS OF cpu.ts ON cpu.hostname = names.host"""
_PLAIN = """
    CREATE TABLE names (host STRING, name STRING, since TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
        WATERMARK FOR since AS since)
    WITH ('connector' = 'kafka', 'topic' = 'procstat_names_ex21', 'scan.startup.mode' = 'earliest-offset',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}', 'key.format' = 'raw', 'key.fields' = 'host',
        'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY')"""


def _two(table: str = _TABLE, select: str = _SELECT) -> str:
    return f'return [f"""{table}""", """{select}"""]'


WRONG = {
    "21a": [
        (
            "only CPU waits",
            but(_JOIN, "        self.memory.put(memory_at, True)\n", ""),
            r"db-1's row of CPU .* gave nothing; .* was due.*Either side may come first",
            "belong in state|newer are within|in several pairs",
        ),
        (
            "the edges do not count",
            _meets("cpu_at - before < at < cpu_at + after", "at - before < memory_at < at + after"),
            r"gave nothing; .* was due.*Exactly `before` older.*<=",
            "may come first|belong in state",
        ),
        (
            "the newer edge does not count",
            _meets("cpu_at - before <= at < cpu_at + after", "at - before <= memory_at < at + after"),
            r"gave nothing; .* was due.*Exactly `before` older.*<=",
            "may come first|belong in state",
        ),
        (
            "before and after exchanged",
            _meets("cpu_at - after <= at <= cpu_at + before", "at - after <= memory_at <= at + before"),
            r"row of memory .*before 2000, after 300.*`before` is how much older",
            "may come first|belong in state",
        ),
        (
            "one bound for both",
            _meets("abs(at - cpu_at) <= after", "abs(at - memory_at) <= after"),
            r"before 2000, after 300.*`before` is how much older",
            "may come first|belong in state",
        ),
        (
            "told as soon as it comes",
            but(
                but(_JOIN, "        for at in met:",
                    "        if not met:\n            yield Row(row[0], cpu_at, None)\n        for at in met:"),
                "if self.cpu.get(timestamp - after) is False:", "if False:",
            ),
            r"row of CPU .* gave .*None.*; nothing was due.*nobody knows yet",
            "may come first|belong in state",
        ),
        (
            "each timer tells",
            but(_JOIN, "if self.cpu.get(timestamp - after) is False:", "if self.cpu.contains(timestamp - after):"),
            r"watermark .* gave .*None.*in a pair is not alone",
            "may come first|belong in state",
        ),
        (
            "nobody tells",
            but(_JOIN, "if self.cpu.get(timestamp - after) is False:", "if False:"),
            r"watermark .* gave nothing; .*None\] was due.*on_timer may yield",
            "may come first|belong in state",
        ),
        (
            "memory that is alone is told as well",
            but(
                but(
                    but(_JOIN, "        self.memory.put(memory_at, True)\n",
                        "        met = [at for at in self.cpu if at - before <= memory_at <= at + after]\n"
                        "        self.memory.put(memory_at, bool(met))\n"),
                    "        self.cpu.put(cpu_at, bool(met))\n",
                    "        self.cpu.put(cpu_at, bool(met))\n        for at in met:\n"
                    "            self.memory.put(at, True)\n",
                ),
                "        self.cpu.remove(timestamp - after)\n",
                "        if self.memory.get(timestamp - before) is False:\n"
                "            yield Row(ctx.get_current_key(), None, timestamp - before)\n"
                "        self.cpu.remove(timestamp - after)\n",
            ),
            r"watermark .* gave .*None.*memory that is alone nothing is told",
            "may come first|belong in state",
        ),
        (
            "only the newest of each side",
            but(
                but(_JOIN, "        self.cpu.put(cpu_at, bool(met))\n",
                    "        self.cpu.clear()\n        self.cpu.put(cpu_at, bool(met))\n"),
                "        self.memory.put(memory_at, True)\n",
                "        self.memory.clear()\n        self.memory.put(memory_at, True)\n",
            ),
            r"was due.*keep them all, each with its time",
            "may come first|belong in state",
        ),
        (
            "a row that came twice pairs twice",
            but(
                but(_JOIN, "        if self.cpu.contains(cpu_at):\n            return\n", ""),
                "        if self.memory.contains(memory_at):\n            return\n", "",
            ),
            r"nothing was due.*came before .* changes nothing",
            "may come first|belong in state",
        ),
        (
            "the first one that it meets",
            but(
                but(_JOIN, "        for at in met:", "        for at in met[:1]:"),
                "<= at + after]:", "<= at + after][:1]:",
            ),
            r"was due.*all that it meets are asked for",
            "may come first|belong in state",
        ),
        (
            "who has met one is gone",
            but(
                but(_JOIN, "            self.cpu.put(cpu_at, True)\n",
                    "            self.cpu.remove(cpu_at)\n            self.memory.remove(memory_at)\n"),
                "            yield Row(row[0], cpu_at, at)\n",
                "            self.cpu.remove(cpu_at)\n            self.memory.remove(at)\n"
                "            yield Row(row[0], cpu_at, at)\n",
            ),
            r"was due",
            "belong in state|newer are within",
        ),
        (
            "a millisecond later",
            but(
                but(
                    but(_JOIN, "register_event_time_timer(cpu_at + after)",
                        "register_event_time_timer(cpu_at + after + 1)"),
                    "if self.cpu.get(timestamp - after) is False:\n"
                    "            yield Row(ctx.get_current_key(), timestamp - after, None)",
                    "if self.cpu.get(timestamp - after - 1) is False:\n"
                    "            yield Row(ctx.get_current_key(), timestamp - after - 1, None)",
                ),
                "self.cpu.remove(timestamp - after)", "self.cpu.remove(timestamp - after - 1)",
            ),
            r"watermark .* gave nothing; .* was due.*come to cpu_at \+ after: then",
            "may come first|belong in state",
        ),
        (
            "memory goes at its own time",
            but(
                but(_JOIN, "register_event_time_timer(memory_at + before)", "register_event_time_timer(memory_at)"),
                "self.memory.remove(timestamp - before)", "self.memory.remove(timestamp)",
            ),
            r"row of CPU .* was due.*memory went too early",
            "may come first|several pairs",
        ),
        (
            "nothing is ever taken out",
            but(
                but(_JOIN, "        self.cpu.remove(timestamp - after)\n", ""),
                "        self.memory.remove(timestamp - before)\n", "",
            ),
            r"Long after the last row there is still something in the state: \w+ of .*taken out of the state",
            "was due",
        ),
        (
            "memory is never taken out",
            but(_JOIN, "        self.memory.remove(timestamp - before)\n", ""),
            r"Long after the last row there is still something in the state: memory of .*taken out of the state",
            "was due",
        ),
        (
            "dictionaries of its own instead of state",
            """
class Join(KeyedCoProcessFunction):
    def open(self, runtime_context):
        self.cpu, self.memory = {}, {}

    def process_element1(self, row, ctx):
        own, other = self.cpu.setdefault(row[0], {}), self.memory.setdefault(row[0], {})
        if ctx.timestamp() not in own:
            met = [at for at in other if ctx.timestamp() - before <= at <= ctx.timestamp() + after]
            own[ctx.timestamp()] = bool(met)
            ctx.timer_service().register_event_time_timer(ctx.timestamp() + after)
            yield from [Row(row[0], ctx.timestamp(), at) for at in met]

    def process_element2(self, row, ctx):
        own, other = self.memory.setdefault(row[0], {}), self.cpu.setdefault(row[0], {})
        if ctx.timestamp() not in own:
            own[ctx.timestamp()] = True
            ctx.timer_service().register_event_time_timer(ctx.timestamp() + before)
            for at in [at for at in other if at - before <= ctx.timestamp() <= at + after]:
                other[at] = True
                yield Row(row[0], at, ctx.timestamp())

    def on_timer(self, timestamp, ctx):
        key = ctx.get_current_key()
        if self.cpu.get(key, {}).pop(timestamp - after, True) is False:
            yield Row(key, timestamp - after, None)
        self.memory.get(key, {}).pop(timestamp - before, None)

return Join()
""",
            r"After a restart .* was due.*belong in state",
            "may come first|several pairs",
        ),
        (
            "on_timer gives nothing where nobody is alone",
            but(
                _JOIN,
                """            yield Row(ctx.get_current_key(), timestamp - after, None)
        self.cpu.remove(timestamp - after)
        self.memory.remove(timestamp - before)
""",
                """            self.cpu.remove(timestamp - after)
            return [Row(ctx.get_current_key(), timestamp - after, None)]
        self.cpu.remove(timestamp - after)
        self.memory.remove(timestamp - before)
""",
            ),
            r"on_timer returned None, and PyFlink.*the job would fail.*return a list",
            "was due",
        ),
        (
            "the columns changed over",
            but(
                but(_JOIN, "yield Row(row[0], cpu_at, at)", "yield Row(row[0], at, cpu_at)"),
                "yield Row(row[0], cpu_at, memory_at)", "yield Row(row[0], memory_at, cpu_at)",
            ),
            r"order is hostname, cpu_at, memory_at",
            "may come first|belong in state",
        ),
        (
            "an operator of one stream",
            """
class Join(KeyedProcessFunction):
    def process_element(self, row, ctx):
        return []

return Join()
""".replace("class", "from pyflink.datastream import KeyedProcessFunction\nclass", 1),
            r"operator is a Join, no KeyedCoProcessFunction",
            "was due",
        ),
        (
            "the class instead of an object",
            but(_JOIN, "return Join()", "return Join"),
            r"is the class Join, not an object",
            "was due",
        ),
    ],
    "21b": [
        (
            "a plain JOIN",
            _two(select=but(_SELECT, "LEFT JOIN", "JOIN")),
            r"\d+ of 45 rows came; \S.* is missing.*LEFT JOIN",
            "watermark",
        ),
        (
            "the newest name",
            _two(select=but(_SELECT, " FOR SYSTEM_TIME AS OF cpu.ts", "")),
            r"replaced later.*only takes new rows",
            "watermark is",
        ),
        (
            "no key",
            _two(but(_TABLE, "PRIMARY KEY (host) NOT ENFORCED, ", "")),
            r"Flink says: .*PRIMARY KEY",
            "rows came",
        ),
        (
            "no watermark",
            _two(but(_TABLE, ", WATERMARK FOR since AS since", "")),
            r"FOR SYSTEM_TIME AS OF .*no row time attribute",
            "rows came",
        ),
        (
            "a time of another type",
            _two(but(_TABLE, "TIMESTAMP_LTZ(3)", "TIMESTAMP(3)")),
            r"times of both tables .*one type.*TIMESTAMP_LTZ",
            "rows came",
        ),
        (
            "as of now",
            _two(select=but(_SELECT, "cpu.ts ON", "PROCTIME() ON")),
            r"Flink says: .*Unsupported time travel expression: PROCTIME\(\)",
            "rows came",
        ),
        (
            "every name that began before",
            _two(
                _PLAIN,
                "SELECT cpu.hostname, cpu.`timestamp`, names.name FROM cpu JOIN names\n"
                "ON cpu.hostname = names.host AND names.since BETWEEN cpu.ts - INTERVAL '2' HOUR AND cpu.ts",
            ),
            r"is called 'front'.*its name at that time was 'front-2'.*came \d times|came \d times",
            "watermark is",
        ),
        (
            "a table of plain messages",
            _two(_PLAIN),
            r"(FOR SYSTEM_TIME AS OF .*no primary key|Flink says: .*[Pp]rimary key)",
            "rows came",
        ),
        (
            "a day behind",
            _two(but(_TABLE, "AS since)", "AS since - INTERVAL '1' DAY)")),
            r"0 of 45 rows came; .*join's watermark is \d+ ms.*watermarks of both",
            "LEFT JOIN",
        ),
        (
            "the columns in another order",
            _two(select=but(_SELECT, "cpu.hostname, cpu.`timestamp`, names.name",
                            "names.name, cpu.`timestamp`, cpu.hostname")),
            r"is of no row of CPU.*hostname, timestamp and name",
            "watermark is",
        ),
        (
            "another topic",
            _two(but(_TABLE, "procstat_names_ex21", "procstat_name_ex21")),
            r"is of the topic procstat_name_ex21.*It is procstat_names_ex21",
            "rows came",
        ),
        (
            "an address of its own",
            _two(but(_TABLE, "{settings.kafka_bootstrap}", "127.0.0.1:9092")),
            r"without that address.*comes from the settings",
            "needs an f",
        ),
        (
            "no f before the quotes",
            _two().replace('return [f"', 'return ["'),
            r"without that address.*needs an f",
            "that it is given",
        ),
        (
            "an INSERT",
            _two(select="INSERT INTO found " + _SELECT),
            r"second text begins with INSERT.*the check writes",
            "rows came",
        ),
        (
            "one text",
            f'return f"""{_TABLE}; {_SELECT}"""',
            r"no list of two texts",
            "begins with",
        ),
    ],
}  # fmt: skip

RIGHT = {
    "21a": [
        ("as in the task", _JOIN),
        (
            "pickled dictionaries in value states",
            """
class Join(KeyedCoProcessFunction):
    def open(self, runtime_context):
        kept = [ValueStateDescriptor(side, Types.PICKLED_BYTE_ARRAY()) for side in ("c", "m")]
        self.cpu, self.memory = map(runtime_context.get_state, kept)

    def process_element1(self, row, ctx):
        return self.meet(row[0], ctx, self.cpu, self.memory, after, lambda other: (ctx.timestamp(), other))

    def process_element2(self, row, ctx):
        return self.meet(row[0], ctx, self.memory, self.cpu, before, lambda other: (other, ctx.timestamp()))

    def meet(self, host, ctx, own, other, stays, pair):
        mine, others = dict(own.value() or {}), dict(other.value() or {})
        if ctx.timestamp() in mine:
            return []
        met = [at for at in others if -before <= pair(at)[1] - pair(at)[0] <= after]
        mine[ctx.timestamp()] = len(met) > 0
        others.update((at, True) for at in met)
        own.update(mine)
        if others:
            other.update(others)
        ctx.timer_service().register_event_time_timer(ctx.timestamp() + stays)
        return [Row(host, *pair(at)) for at in sorted(met)]

    def on_timer(self, timestamp, ctx):
        alone = []
        for state, stays in ((self.cpu, after), (self.memory, before)):
            kept = dict(state.value() or {})
            if kept.pop(timestamp - stays, True) is False and state is self.cpu:
                alone.append(Row(ctx.get_current_key(), timestamp - stays, None))
            if kept:
                state.update(kept)
            else:
                state.clear()
        return alone

return Join()
""",
        ),
        (
            "one map for both sides, cleared by the watermark",
            """
class Join(KeyedCoProcessFunction):
    def open(self, runtime_context):
        descriptor = MapStateDescriptor("rows", Types.STRING(), Types.INT())
        self.rows = runtime_context.get_map_state(descriptor)

    def process_element1(self, row, ctx):
        yield from self.came("c", row, ctx, after)

    def process_element2(self, row, ctx):
        yield from self.came("m", row, ctx, before)

    def came(self, side, row, ctx, stays):
        now = ctx.timestamp()
        if self.rows.contains(f"{side}{now}"):
            return
        partners = 0
        for key, count in list(self.rows.items()):
            at = int(key[1:])
            cpu, memory = (now, at) if side == "c" else (at, now)
            if key[0] != side and memory in range(cpu - before, cpu + after + 1):
                partners += 1
                self.rows.put(key, count + 1)
                yield Row(row[0], cpu, memory)
        self.rows.put(f"{side}{now}", partners)
        ctx.timer_service().register_event_time_timer(now + stays)

    def on_timer(self, timestamp, ctx):
        for key, count in list(self.rows.items()):
            at = int(key[1:])
            if at + (after if key[0] == "c" else before) <= timestamp:
                self.rows.remove(key)
                if key[0] == "c" and not count:
                    yield Row(ctx.get_current_key(), at, None)

return Join()
""",
        ),
    ],
    "21b": [
        (
            "other names, and an alias",
            _two(
                """
    create temporary table `who is who` (machine STRING, name STRING, at_ TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
        constraint pk primary key (machine) not enforced, watermark for at_ as at_ - INTERVAL '5' SECOND)
    with ('connector' = 'upsert-kafka', 'topic' = 'procstat_names_ex21',
        'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
        'key.format' = 'raw', 'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY')""",
                "-- by time\nselect c.hostname, c.`timestamp`, w.name from cpu as c\n"
                "left outer join `who is who` for system_time as of c.ts as w on w.machine = c.hostname;",
            ),
        ),
        (
            "a table expression",
            _two(
                select="WITH read_ones AS (SELECT hostname, `timestamp`, ts FROM cpu)\n"
                "SELECT r.hostname, r.`timestamp`, n.name FROM read_ones r\n"
                "LEFT JOIN names FOR SYSTEM_TIME AS OF r.ts AS n ON r.hostname = n.host"
            ),
        ),
        (
            "a watermark at each record, and a subquery",
            _two(
                but(_TABLE, "'EXCEPT_KEY'", "'EXCEPT_KEY', 'scan.watermark.emit.strategy' = 'on-event'"),
                "SELECT * FROM (SELECT hostname, `timestamp`, COALESCE(name, CAST(NULL AS STRING)) AS name\n"
                "FROM cpu LEFT JOIN names FOR SYSTEM_TIME AS OF cpu.ts ON hostname = host)",
            ),
        ),
    ],
}  # fmt: skip
