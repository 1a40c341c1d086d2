"""Wrong answers to the exercises of lesson 06: what is wrong, the code, and what the check has to say about it."""

from __future__ import annotations

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


def _but(answer: str, right: str, wrong: str) -> str:
    """The right answer with one thing changed."""
    assert right in answer, right
    return answer.replace(right, wrong)


WRONG = {
    "06a": [
        (
            "the file is visible at once",
            _but(_PREPARE, ".part-", "part-"),
            "is visible before the commit.*begins with a dot",
        ),
        (
            "the same name at every checkpoint",
            _but(_PREPARE, "{uuid.uuid4()}", "0"),
            r"second checkpoint writes \.part-0\.parquet again.*uuid",
        ),
        (
            "the date is the wall clock's",
            _but(_PREPARE, '"date={date}"', '"date={datetime.now():%Y-%m-%d}"'),
            "the rows are of date=2025-02-28 and date=2025-03-01.*in UTC",
        ),
        (
            "the date is that of the local time zone",
            _but(_PREPARE, 'table["ts"].dt.strftime', 'table["ts"].dt.tz_convert("Asia/Tokyo").dt.strftime'),
            "files stand in date=2025-03-01; the rows are of date=2025-02-28 and",
        ),
        (
            "ts stays a number",
            _but(_PREPARE, 'pd.to_datetime(table.pop("timestamp"), unit="ms", utc=True)', 'table.pop("timestamp")')
            .replace('table["ts"].dt', 'pd.to_datetime(table["ts"], unit="ms").dt'),
            "ts has the type int64.*utc=True",
        ),
        (
            "ts has no time zone",
            _but(_PREPARE, ', utc=True', ""),
            r"ts has the type timestamp\[ns\].*utc=True",
        ),
        ("pandas' row numbers are in the file", _but(_PREPARE, ", index=False", ""), "__index_level_0__.*index=False"),
        (
            "only the last date's file is returned",
            _but(_PREPARE, "return files", "return files[-1:]"),
            "one folder for each",
        ),
    ],
    "06b": [
        (
            "aborted messages are read",
            _but(_STATEMENTS, "'properties.isolation.level' = 'read_committed', ", ""),
            "host ghost, whose transaction was aborted.*read_committed",
        ),
        ("every CPU line is kept", _but(_STATEMENTS, "WHERE cpu_id = 'cpu'", ""), "12 messages gave .* rows.*WHERE"),
        (
            "the time is an INT96",
            _but(_STATEMENTS, ", 'parquet.write.int64.timestamp' = 'true'", ""),
            "ts is stored as INT96.*int64",
        ),
        (
            "it reads what comes from now on",
            _but(_STATEMENTS, "'earliest-offset'", "'latest-offset'"),
            "there is no file.*earliest-offset",
        ),
        (
            "no folders for the dates",
            _but(_STATEMENTS, "PARTITIONED BY (`date`)", "").replace(", `date` STRING", "").replace(
                """total_busy_pct,
           DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')""",
                "total_busy_pct",
            ),
            "stands in the folder itself.*PARTITIONED BY",
        ),
        (
            "a column that there is not",
            _but(_STATEMENTS, "UNNEST(cpu_metrics)", "UNNEST(cpu_metricz)"),
            "Flink says: .*Column 'cpu_metricz' not found.*refused before there was a job",
        ),
        ("a connector that there is not", _but(_STATEMENTS, "'filesystem'", "'files'"), "no connector .* 'files'"),
    ],
}  # fmt: skip
