"""Answers to the exercises of lesson 06: wrong ones and what they have to hear, and right ones in other shapes."""

from __future__ import annotations

from tests.support.answers import but

_PREPARE = """
table = pd.DataFrame(rows, columns=["hostname", "timestamp", "cpu_id", "total_busy_pct"])
table["ts"] = pd.to_datetime(table.pop("timestamp"), unit="ms", utc=True)
files = []
for date, of_date in table.groupby(table["ts"].dt.strftime("%Y-%m-%d")):
    file = folder / f"date={date}" / f".part-{uuid.uuid4()}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    of_date.to_parquet(file, index=False)
    files.append(file)
return files
"""

_STATEMENTS = '''
topic = f"""CREATE TABLE metrics (
    hostname STRING, `timestamp` BIGINT, cpu_metrics ARRAY<ROW<cpu_id STRING, total_busy_pct DOUBLE>>
) WITH ('connector' = 'kafka', 'topic' = '{settings.metrics_topic}', 'format' = 'json',
    'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
    'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset')"""
files = f"""CREATE TABLE files (
    hostname STRING, ts TIMESTAMP_LTZ(3), total_busy_pct DOUBLE, `date` STRING
) PARTITIONED BY (`date`) WITH ('connector' = 'filesystem', 'path' = 'file://{folder}', 'format' = 'parquet',
    'parquet.utc-timezone' = 'true', 'parquet.write.int64.timestamp' = 'true')"""
insert = """INSERT INTO files
    SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp`, 3), total_busy_pct,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')
    FROM metrics CROSS JOIN UNNEST(cpu_metrics) AS cpu (cpu_id, total_busy_pct)
    WHERE cpu_id = 'cpu'"""
return [topic, files, insert]
'''


WRONG = {
    "06a": [
        (
            "the file is visible at once",
            but(_PREPARE, ".part-", "part-"),
            "6 rows around midnight.*is visible, before the commit.*it is commit that renames it",
            "uuid|one folder",
        ),
        (
            "the same name at every checkpoint",
            but(_PREPARE, "{uuid.uuid4()}", "0"),
            r"second checkpoint writes \.part-0\.parquet again.*overwritten.*uuid",
            "visible",
        ),
        (
            "named by how many files are there already, hidden ones not counted",
            but(_PREPARE, "{uuid.uuid4()}", "{len(list(folder.rglob('part-*')))}"),
            r"second checkpoint writes \.part-0\.parquet again: the first checkpoint's, which was not committed yet",
            "visible",
        ),
        (
            "named by how many hidden files are there already",
            but(_PREPARE, "{uuid.uuid4()}", "{len(list((folder / f'date={date}').glob('.part-*')))}"),
            r"checkpoint after the commit writes \.part-0\.parquet again; its rename would overwrite \d rows",
            "visible",
        ),
        (
            "the date is the wall clock's",
            but(_PREPARE, '"date={date}"', '"date={datetime.now():%Y-%m-%d}"'),
            "the rows are of date=2025-02-28 and date=2025-03-01.*That is today",
            "time zone",
        ),
        (
            "the date is that of the local time zone",
            but(_PREPARE, 'table["ts"].dt.strftime("%Y-%m-%d")',
                 'table["ts"].map(lambda ts: datetime.fromtimestamp(ts.timestamp()).strftime("%Y-%m-%d"))'),
            "files stand in date=2025-03-01; the rows are of date=2025-02-28 and.*this machine's time zone",
            "today",
        ),
        (
            "ts stays a number",
            but(_PREPARE, 'pd.to_datetime(table.pop("timestamp"), unit="ms", utc=True)', 'table.pop("timestamp")')
            .replace('table["ts"].dt', 'pd.to_datetime(table["ts"], unit="ms").dt'),
            "ts has the type int64.*utc=True",
            "milliseconds are lost",
        ),
        (
            "ts has no time zone",
            but(_PREPARE, ', utc=True', ""),
            r"ts has the type timestamp\[\w+\]; a timestamp with the time zone UTC.*utc=True",
            "hours",
        ),
        (
            "whole seconds",
            but(_PREPARE, 'table.pop("timestamp"), unit="ms"', 'table.pop("timestamp") // 1000, unit="s"'),
            r"has the timestamp \d+; ts in the file is \d+ ms.*milliseconds are lost",
            "local time",
        ),
        (
            "pandas' row numbers are in the file",
            but(_PREPARE, ", index=False", ""),
            "__index_level_0__.*index=False",
            "folder's name",
        ),
        (
            "only the last date's file is returned",
            but(_PREPARE, "return files", "return files[-1:]"),
            "wrote 2 files and returned 1; .*date=2025-02-28.* is not in the list.*never renamed",
            "time zone|today",
        ),
        (
            "a generator",
            but(_PREPARE, "files.append(file)", "yield file").replace("return files", ""),
            "returned <generator.*wrote no files.*collect the files in a list",
            "visible",
        ),
        (
            "neighbours in the list, not dates, make a file",
            """
            import itertools
            table = pd.DataFrame(rows, columns=["hostname", "timestamp", "cpu_id", "total_busy_pct"])
            table["ts"] = pd.to_datetime(table.pop("timestamp"), unit="ms", utc=True)
            files = []
            for date, some in itertools.groupby(table.to_dict("records"), lambda row: f"{row['ts']:%Y-%m-%d}"):
                file = folder / f"date={date}" / f".part-{uuid.uuid4()}.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame(some).to_parquet(file, index=False)
                files.append(file)
            return files
            """,
            "There are 4 files for 2 dates.*collect them by date",
            "UTC is asked",
        ),
        (
            "it works in the rows that it was given",
            """
            for row in rows:
                row["ts"] = pd.Timestamp(row.pop("timestamp"), unit="ms", tz="UTC")
            files = []
            for date in {f"{row['ts']:%Y-%m-%d}" for row in rows}:
                file = folder / f"date={date}" / f".part-{uuid.uuid4()}.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                pd.DataFrame([row for row in rows if f"{row['ts']:%Y-%m-%d}" == date]).to_parquet(file, index=False)
                files.append(file)
            return files
            """,
            r"changed what it was given \(rows\).*work on a copy",
            "columns",
        ),
        (
            "no rows are too few for it",
            but(_PREPARE, ', columns=["hostname", "timestamp", "cpu_id", "total_busy_pct"]', ""),
            "raised KeyError: 'timestamp'.*on no rows at all.*return",
            "around midnight",
        ),
    ],
    "06b": [
        (
            "aborted messages are read",
            but(_STATEMENTS, "'properties.isolation.level' = 'read_committed', ", ""),
            r"\d+ of \d+ rows are of the host ghost, whose transaction was aborted.*read_committed",
            "WHERE",
        ),
        (
            "every CPU line is kept",
            but(_STATEMENTS, "WHERE cpu_id = 'cpu'", ""),
            r"15 committed messages gave \d+ rows.*WHERE cpu_id = 'cpu'",
            "alike",
        ),
        (
            "the first line of a message instead of the line cpu",
            but(_STATEMENTS, "FROM metrics CROSS JOIN UNNEST(cpu_metrics) AS cpu (cpu_id, total_busy_pct)\n"
                 "    WHERE cpu_id = 'cpu'", "FROM metrics")
            .replace("`timestamp`, 3), total_busy_pct,", "`timestamp`, 3), cpu_metrics[1].total_busy_pct,"),
            r"has 3\.0 % at 2025-.*; the line cpu of its message says .*need not be the first",
            "rows\\.",
        ),
        (
            "the time is an INT96",
            but(_STATEMENTS, ", 'parquet.write.int64.timestamp' = 'true'", ""),
            "'parquet.write.int64.timestamp' = 'true': ts would be stored as INT96",
            "time zone",
        ),
        (
            "without utc-timezone",
            but(_STATEMENTS, "'parquet.utc-timezone' = 'true', ", ""),
            "'parquet.utc-timezone' = 'true': on a machine in another time zone",
            "INT96",
        ),
        (
            "it reads what comes from now on",
            but(_STATEMENTS, "'earliest-offset'", "'latest-offset'"),
            "begins at 'latest-offset': the messages that are in the topic would never be read.*earliest-offset",
            "WHERE",
        ),
        (
            "it does not say where to begin",
            but(_STATEMENTS, ", 'scan.startup.mode' = 'earliest-offset'", ""),
            "says no 'scan.startup.mode'.*where its consumer group stopped.*earliest-offset",
            "WHERE",
        ),
        (
            "no folders for the dates",
            but(_STATEMENTS, "PARTITIONED BY (`date`)", "").replace(", `date` STRING", "").replace(
                """total_busy_pct,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')""",
                "total_busy_pct",
            ),
            "partitioned by nothing.*PARTITIONED BY",
            "DATE_FORMAT",
        ),
        (
            "minutes instead of months",
            but(_STATEMENTS, "'yyyy-MM-dd'", "'yyyy-mm-dd'"),
            "stands in date=2025-(59|00)-.*its UTC date is date=2025-0.*mm is minutes",
            "today",
        ),
        (
            "the year of the week",
            but(_STATEMENTS, "'yyyy-MM-dd'", "'YYYY-MM-dd'"),
            "stands in date=2026-12-31; its UTC date is date=2025-12-31.*YYYY is the year to which the week belongs",
            "minutes|today",
        ),
        (
            "whole seconds",
            but(_STATEMENTS, "SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp`, 3)",
                 "SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp` / 1000, 0)"),
            r"a row of .* at .*\.000; no message is of that time. The nearest is of .*milliseconds are lost",
            "timestamp is in milliseconds",
        ),
        (
            "the topic's name is fixed",
            but(_STATEMENTS, "{settings.metrics_topic}", "procstat_metrics_ex06"),
            "With another settings.metrics_topic, statements gave the same texts",
            "bootstrap",
        ),
        (
            "one column more",
            but(_STATEMENTS, "total_busy_pct DOUBLE, `date`", "total_busy_pct DOUBLE, cpu_id STRING, `date`")
            .replace("total_busy_pct,\n           DATE_FORMAT", "total_busy_pct, cpu_id,\n           DATE_FORMAT"),
            "would have the columns hostname, ts, total_busy_pct, cpu_id; wanted are",
            "PARTITIONED",
        ),
        (
            "a column that there is not",
            but(_STATEMENTS, "UNNEST(cpu_metrics)", "UNNEST(cpu_metricz)"),
            "Flink says: .*Column 'cpu_metricz' not found.*refused before there was a job",
            "labkit logs",
        ),
        (
            "a connector that there is not",
            but(_STATEMENTS, "'filesystem'", "'files'"),
            "files with the connector files; wanted are one of a topic, one of a folder",
            "no connector or format called 'kafka'",
        ),
        (
            "one of its names is not that of the messages",
            but(_STATEMENTS, "    hostname STRING, `timestamp` BIGINT", "    host STRING, `timestamp` BIGINT")
            .replace("SELECT hostname", "SELECT host"),
            "A row has no hostname: it is NULL.*whose name no message has",
            "ghost",
        ),
    ],
}  # fmt: skip

RIGHT = {
    "06a": [
        (
            "pyarrow, a dict of lists, a tuple of files",
            """
            import pyarrow as pa
            import pyarrow.parquet as pq

            by_date = {}
            for row in rows:
                by_date.setdefault(datetime.fromtimestamp(row["timestamp"] / 1000, UTC).date(), []).append(row)
            files = []
            for date, some in by_date.items():
                (folder / f"date={date}").mkdir(parents=True, exist_ok=True)
                file = folder / f"date={date}" / f".part-{uuid.uuid4().hex}.parquet"
                pq.write_table(pa.table({
                    "cpu_id": [row["cpu_id"] for row in some],
                    "total_busy_pct": [row["total_busy_pct"] for row in some],
                    "hostname": [row["hostname"] for row in some],
                    "ts": pa.array([row["timestamp"] for row in some], pa.timestamp("ms", tz="UTC")),
                }), file)
                files.append(file)
            return tuple(files)
            """,
        ),
        (
            "time_ns as a name, single precision, categories",
            but(_PREPARE, "{uuid.uuid4()}", "{__import__('time').time_ns()}").replace(
                "files = []",
                'files = []\ntable = table.astype({"total_busy_pct": "float32", "hostname": "category"})'),
        ),
        (
            "a ParquetWriter that is closed",
            """
            import pyarrow as pa
            import pyarrow.parquet as pq

            if not rows:
                return []
            frame = pd.DataFrame(rows)
            frame.insert(0, "ts", pd.to_datetime(frame["timestamp"], unit="ms").dt.tz_localize("UTC"))
            frame = frame.drop(columns="timestamp")
            found = []
            for day in sorted(frame["ts"].dt.date.unique()):
                part = pa.Table.from_pandas(frame[frame["ts"].dt.date == day], preserve_index=False)
                path = Path(folder, f"date={day.isoformat()}", f".part-{day}-{uuid.uuid1()}.parquet")
                path.parent.mkdir(parents=True, exist_ok=True)
                with pq.ParquetWriter(path, part.schema) as writer:
                    writer.write_table(part)
                found += [path]
            return found
            """,
        ),
    ],
    "06b": [
        (
            "a tuple, the date by way of a DATE, other names, a temporary table",
            but(_STATEMENTS, "`date` STRING", "`date` VARCHAR(10)")
            .replace("DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')",
                     "CAST(CAST(TO_TIMESTAMP_LTZ(`timestamp`, 3) AS DATE) AS STRING)")
            .replace("TABLE files", "TABLE IF NOT EXISTS small").replace("INTO files", "INTO small")
            .replace("TABLE metrics", "TEMPORARY TABLE t_in").replace("FROM metrics", "FROM t_in")
            .replace("return [topic, files, insert]", "return topic, files, insert"),
        ),
        (
            "a filter in the join, TIMESTAMP without a zone, a path without file://",
            but(_STATEMENTS, "TIMESTAMP_LTZ(3), total", "TIMESTAMP(3), total")
            .replace("SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp`, 3)",
                     "SELECT hostname, CAST(TO_TIMESTAMP_LTZ(`timestamp`, 3) AS TIMESTAMP(3))")
            .replace("file://{folder}", "{folder}").replace("WHERE cpu_id = 'cpu'", "WHERE cpu_id NOT LIKE 'cpu_%'"),
        ),
        (
            "the folder's table first, a computed column, from a time on, more options",
            but(_STATEMENTS, "`timestamp` BIGINT,", "`timestamp` BIGINT, moment AS TO_TIMESTAMP_LTZ(`timestamp`, 3),")
            .replace("SELECT hostname, TO_TIMESTAMP_LTZ(`timestamp`, 3)", "SELECT m.hostname, m.moment")
            .replace("DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3)", "DATE_FORMAT(m.moment")
            .replace("FROM metrics", "FROM metrics AS m")
            .replace("'scan.startup.mode' = 'earliest-offset'",
                     "'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '0', "
                     "'properties.group.id' = 'mine', 'json.ignore-parse-errors' = 'true'")
            .replace("[topic, files, insert]", "[files, topic, insert]"),
        ),
    ],
}  # fmt: skip
