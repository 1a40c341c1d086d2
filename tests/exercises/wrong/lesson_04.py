"""Answers to the exercises of 04: wrong ones, with what each has to hear and must not hear, and right ones."""


def _functions(
    size: str = 'len(value or b"")',
    sums: str = "left[1] + right[1], left[2] + right[2]",
    *,
    row: str = "Row(host, 1, {})",
    end: str = "return measure, add",
    before: str = "",
) -> str:
    """An answer to 04a in which one thing may be another one."""
    return f"""
def measure(record):
    host, value = record
    return {row.format(size)}

def add(left, right):
    {before or "pass"}
    return Row(left[0], {sums})

{end}
"""


_REDUCE = ".reduce(lambda left, right: Row(left[0], left[1] + right[1]))"
_STATEMENTS = """
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
"""


def _build(
    *,
    parallelism: int = 2,
    pair: str = "[Types.INT(), Types.LONG()]",
    row: str = "Row(record[2], 1)",
    key: str = "lambda row: row[0], Types.INT()",
    counts: str = "",
    after: str = "statements.attach_as_datastream()",
    end: str = "return env",
    first: str = "",
) -> str:
    """An answer to 04b in which one thing may be another one."""
    return f"""
env, tables = remote_environment(
    settings.cluster, settings.job_name("partitions"), parallelism={parallelism}, resume_from=None
)
{first}
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], {pair})
ones = records.map(lambda record: {row}, pair)
counts = {counts or f"ones.key_by({key}){_REDUCE}"}
{_STATEMENTS}
{after}
{end}
"""


WRONG = {
    "04a": [
        (
            "the letters of how Python shows the bytes",
            _functions('len(str(value or ""))'),
            r"\['lab', 1, 8\] of a record of lab with the value b'abcde'; it is \['lab', 1, 5\].*how many letters",
            "no value|memory",
        ),
        (
            "a record without a value",
            _functions("len(value)"),
            r"raised TypeError: .*NoneType.* in measure, line \d+ of its cell.*value None.*A record may have no value",
            "letters|text",
        ),
        (
            "letters instead of bytes",
            _functions('len((value or b"").decode(errors="ignore"))'),
            r"'db-1', 1, 6\].*it is \['db-1', 1, 7\].*some have two bytes|letters",
            "memory|no value",
        ),
        (
            "decodes the value",
            _functions('len((value or b"").decode())'),
            r"\['db-1', 1, 6\]|raised UnicodeDecodeError.*need not be text",
            "memory|may have no value",
        ),
        ("bytes before records", _functions(row="Row(host, {}, 1)"), r"it is \['lab', 1, 5\].*The order is", "letters"),
        (
            "the size in Python's memory",
            _functions("sys.getsizeof(value)", end="import sys\nreturn measure, add"),
            r"Python's memory",
            "letters|order",
        ),
        (
            "a tuple",
            _functions(row="(host, 1, {})"),
            r"measure returned \('lab', 1, 5\).*a tuple; a Row is",
            "letters|order",
        ),
        (
            "counts one for each call",
            _functions(sums="left[1] + 1, left[2] + right[2]"),
            r"\['lab', 5, 15\].*it is \['lab', 11, 15\].*Both rows may be sums",
            "bytes of one",
        ),
        (
            "keeps the bytes of the newest record only",
            _functions(sums="left[1] + right[1], right[2]"),
            r"\['lab', 11, 5\].*it is \['lab', 11, 15\].*bytes of one of the rows",
            "records of one|Both rows",
        ),
        (
            "the records of one row only",
            _functions(sums="left[1], left[2] + right[2]"),
            r"\['lab', 4, 15\].*it is \['lab', 11, 15\].*records of one of the rows",
            "bytes of one",
        ),
        (
            "changes the left row",
            _functions(before="left[1] = left[1] + right[1]", sums="left[1], left[2] + right[2]"),
            r"changed what it was given \(left\)",
            "Both rows|records of one",
        ),
        (
            "the functions' results",
            _functions(end="return measure"),
            r"returned <function.*not two functions",
            "Both rows",
        ),
    ],
    "04b": [
        (
            "runs in the client",
            _build(
                first="""
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment
env = StreamExecutionEnvironment.get_execution_environment()
tables = StreamTableEnvironment.create(env)
"""
            ),
            r"LocalStreamEnvironment.*in this process.*remote_environment",
            "no sink|checkpoint",
        ),
        ("parallelism 1", _build(parallelism=1), r"runs 1 in parallel; 2 were asked for", "no sink|checkpoint"),
        (
            "the statements are not part of the job",
            _build(after=""),
            r"no sink.*attach_as_datastream",
            "checkpoint|key",
        ),
        (
            "one key for all",
            _build(key="lambda row: row[1], Types.LONG()"),
            r"Partition \d has \d+ snapshots.*All records have one key",
            "by host|Each count",
        ),
        (
            "by host, as in the notebook",
            _build(
                counts="records.map(lambda record: Row(record[0], record[2], 1), "
                "Types.ROW([Types.STRING(), Types.INT(), Types.LONG()])).key_by(lambda row: row[0], Types.STRING())"
                ".reduce(lambda left, right: Row(left[0], left[1], left[2] + right[2]))"
                ".map(lambda row: Row(row[1], row[2]), pair)",
            ),
            r"Partition \d has \d+ snapshots.*counts by host",
            "one key|Each count",
        ),
        (
            "no reduce",
            _build(counts="ones.key_by(lambda row: row[0], Types.INT()).map(lambda row: row, pair)"),
            r"Partition \d has \d+ snapshots.*Each count is 1",
            "by host|one key",
        ),
        (
            "adds one only where both are one",
            _build(counts="ones.key_by(lambda row: row[0], Types.INT()).reduce(lambda left, right: Row(left[0], 2))"),
            r"Partition \d has \d+ snapshots; its counts are 1, 2, 2, 2",
            "by host|one key|Each count",
        ),
        (
            "records without a value are left out",
            _build(
                counts="records.filter(lambda row: row[1] is not None).map(lambda row: Row(row[2], 1), pair)"
                f".key_by(lambda row: row[0], Types.INT()){_REDUCE}",
            ),
            r"Partition \d has \d+ snapshots; its counts are|snapshots gave \d+ counts",
            "by host|one key|no sink",
        ),
        (
            "a dictionary of the process, without a key",
            _build(
                counts="records.map(Count(), pair)",
                first="""
from pyflink.datastream import MapFunction

class Count(MapFunction):
    def open(self, runtime_context):
        self.counts = {}

    def map(self, record):
        self.counts[record[2]] = self.counts.get(record[2], 0) + 1
        return Row(record[2], self.counts[record[2]])
""",
            ),
            r"no record changes hands by key.*Flink's state",
            "Partition|no sink",
        ),
        (
            "executes it as well",
            _build(after="statements.attach_as_datastream()\nenv.execute_async(settings.job_name('partitions'))"),
            r"build has started the job .* itself.*without execute",
            "no sink|No operators",
        ),
        (
            "an INSERT that runs at once",
            _build(after="statements.execute()"),
            r"build has started the job .* itself",
            "no sink",
        ),
        (
            "no checkpoints",
            _build(first="env._j_stream_execution_environment.getCheckpointConfig().disableCheckpointing()"),
            r"makes no checkpoints.*commits with each checkpoint",
            "no count was committed|key",
        ),
        (
            "the partition is a LONG",
            _build(pair="[Types.LONG(), Types.LONG()]", key="lambda row: row[0], Types.LONG()"),
            r"^Flink says: [^\n]*Query schema: [^\n]*Sink schema: [^\n]* before there was a job[^\n]*$",
            "no sink|no count",
        ),
        (
            "a name that there is not",
            _build(first="table.execute_sql(source(settings))"),
            r"raised NameError: name 'table' .*, in build, line \d+ of its cell: table\.execute_sql.*Print on",
            "returned a",
        ),
        (
            "returns the tables",
            _build(end="return tables"),
            r"build returned a StreamTableEnvironment, no env",
            "no sink",
        ),
    ],
}

RIGHT = {
    "04a": [
        (
            "fields by their names, a row with names",
            """
def measure(record):
    return Row(host=record.host, records=1, bytes=0 if record["value"] is None else len(record.value))

def add(left, right):
    return Row(*(left[0], left[1] + right[1], left[2] + right[2]))

return [measure, add]
""",
        ),
        (
            "two lambdas",
            """
return (
    lambda record: Row(record[0], 1, sum(1 for _ in record[1] or ())),
    lambda *rows: Row(rows[0][0], sum(row[1] for row in rows), sum(row[2] for row in rows)),
)
""",
        ),
        (
            "objects that can be called",
            """
from functools import partial

class Add:
    def __call__(self, left, right):
        (host, *first), (_, *second) = left, right
        return Row(host, *map(sum, zip(first, second)))

def measure(nothing, record):
    return Row(record[0], 1, memoryview(record[1] if record[1] else nothing).nbytes)

return partial(measure, b""), Add()
""",
        ),
    ],
    "04b": [
        (
            "a value state",
            _build(
                counts="ones.key_by(lambda row: row[0], Types.INT()).process(Count(), pair)",
                first="""
from pyflink.datastream import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor

class Count(KeyedProcessFunction):
    def open(self, runtime_context):
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, row, ctx):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        yield Row(ctx.get_current_key(), count)
""",
            ),
        ),
        (
            "the key as text, fields by their names",
            _build(
                row="Row(partition=record.partition, records=1)",
                counts="ones.key_by(lambda row: str(row.partition), Types.STRING())"
                ".reduce(lambda left, right: Row(partition=left.partition, records=left.records + right.records))",
            ),
        ),
        (
            "in SQL",
            _build(
                counts="None",
                first="",
            ).replace(
                _STATEMENTS,
                '''
statements = tables.create_statement_set()
statements.add_insert_sql("""
    INSERT INTO counts
    SELECT `partition`, COUNT(*) OVER (PARTITION BY `partition` ORDER BY PROCTIME()) FROM snapshots""")
''',
            ),
        ),
    ],
}  # fmt: skip
