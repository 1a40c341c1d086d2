"""Wrong answers to the exercises of 04, and the message that is meant for each."""

WRONG = {
    "04a": [
        (
            "the letters of how Python shows the bytes",
            """
def measure(record):
    host, value = record
    return Row(host, 1, len(str(value or "")))

def add(left, right):
    return Row(left[0], left[1] + right[1], left[2] + right[2])

return measure, add
""",
            r"\['lab', 1, 8\] of a record of lab with 5 bytes",
        ),
        (
            "a record without a value",
            """
def measure(record):
    host, value = record
    return Row(host, 1, len(value))

def add(left, right):
    return Row(left[0], left[1] + right[1], left[2] + right[2])

return measure, add
""",
            r"fails for the value None.*A record may have no value",
        ),
        (
            "counts one for each call",
            """
def measure(record):
    host, value = record
    return Row(host, 1, len(value or b""))

def add(left, right):
    return Row(left[0], left[1] + 1, left[2] + right[2])

return measure, add
""",
            r"\['lab', 3, 17\].*it is \['lab', 5, 17\].*Both rows may be sums",
        ),
        (
            "keeps the bytes of the newest record only",
            """
def measure(record):
    host, value = record
    return Row(host, 1, len(value or b""))

def add(left, right):
    return Row(left[0], left[1] + right[1], right[2])

return measure, add
""",
            r"\['lab', 3, 7\].*it is \['lab', 3, 17\]",
        ),
    ],
    "04b": [
        (
            "runs in the client",
            """
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism(2)
tables = StreamTableEnvironment.create(env)
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], [Types.INT(), Types.LONG()])
ones = records.map(lambda record: Row(record[2], 1), pair)
counts = ones.key_by(lambda row: row[0], Types.INT()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
statements.attach_as_datastream()
return env
""",
            r"LocalStreamEnvironment.*in this process.*remote_environment",
        ),
        (
            "parallelism 1",
            """
env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=1, resume_from=None)
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], [Types.INT(), Types.LONG()])
ones = records.map(lambda record: Row(record[2], 1), pair)
counts = ones.key_by(lambda row: row[0], Types.INT()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
statements.attach_as_datastream()
return env
""",
            r"runs 1 in parallel; 2 were asked for",
        ),
        (
            "the statements are not part of the job",
            """
env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=2, resume_from=None)
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], [Types.INT(), Types.LONG()])
ones = records.map(lambda record: Row(record[2], 1), pair)
counts = ones.key_by(lambda row: row[0], Types.INT()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
return env
""",
            r"no sink.*attach_as_datastream",
        ),
        (
            "one key for all",
            """
env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=2, resume_from=None)
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], [Types.INT(), Types.LONG()])
ones = records.map(lambda record: Row(record[2], 1), pair)
counts = ones.key_by(lambda row: row[1], Types.LONG()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
statements.attach_as_datastream()
return env
""",
            r"Partition \d has \d+ snapshots.*key_by decides",
        ),
        (
            "the partition is a LONG",
            """
env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=2, resume_from=None)
tables.execute_sql(source(settings))
tables.execute_sql(sink(settings))
records = tables.to_data_stream(tables.from_path("snapshots"))
pair = Types.ROW_NAMED(["partition", "records"], [Types.LONG(), Types.LONG()])
ones = records.map(lambda record: Row(record[2], 1), pair)
counts = ones.key_by(lambda row: row[0], Types.LONG()).reduce(lambda left, right: Row(left[0], left[1] + right[1]))
statements = tables.create_statement_set()
statements.add_insert("counts", tables.from_data_stream(counts))
statements.attach_as_datastream()
return env
""",
            r"^Flink says: [^\n]*Query schema: [^\n]*Sink schema: [^\n]* before there was a job[^\n]*$",
        ),
        (
            "a name that there is not",
            """
env, tables = remote_environment(settings.cluster, settings.job_name("partitions"), parallelism=2, resume_from=None)
table.execute_sql(source(settings))
return env
""",
            r"raised NameError: name 'table' is not defined, in line \d+ of build: table\.execute_sql.*Print on",
        ),
    ],
}
