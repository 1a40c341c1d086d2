"""What the exercises of lesson 06 are judged by: hidden and visible files, their rows, what a real job wrote."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer

from labkit.errors import LabkitError
from labkit.flink.environment import remote_environment
from labkit.flink.rest import FlinkRest
from labkit.jobs.reset import delete_topics
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.system.waiting import NotInTime, patience, wait_until
from labkit.workshop.checks.calling import shown
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet
from labkit.workshop.explain import explained
from labkit.workshop.lesson import tidy
from labkit.workshop.pictures.timeline import checkpoint_times

__all__ = ["JUDGES", "judge_06a", "judge_06b"]

Rows = list[dict[str, Any]]


def _ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


# ------------------------------------------------------------------------------------------------------------ 06a

_COLUMNS = ["cpu_id", "hostname", "total_busy_pct", "ts"]


def judge_06a(answer: Any, settings: Settings) -> str:
    """`prepare(rows, folder)`: what is in the folder before and after a commit, twice, and away from UTC."""
    late = _rows("quince", _ms(2025, 2, 28, 23, 59, 58), 4)  # two seconds of one day, two of the next
    more = _rows("medlar", _ms(2025, 3, 1, 12), 3)
    with tempfile.TemporaryDirectory(prefix="labkit-06a-") as name, _far_east():
        folder = Path(name)
        first = _prepared(answer, late, folder)
        _require_dates(first, {"date=2025-02-28", "date=2025-03-01"}, folder)
        _require_rows(first, late)
        shown = _commit(first)
        second = _prepared(answer, more, folder)
        clash = [file for file in second if file.with_name(file.name.removeprefix(".")) in shown]
        if clash:
            lost = pq.read_metadata(clash[0].with_name(clash[0].name.removeprefix("."))).num_rows
            raise NotYet(
                f"The second checkpoint writes {clash[0].name} again; its rename would overwrite {lost} rows.",
                "Make a new name each time: uuid.uuid4() is one that was never there.",
            )
        _commit(second)
        rows = sum(pq.read_metadata(file).num_rows for file in folder.rglob("part-*"))
        if rows != len(late) + len(more):
            raise NotYet(f"Two checkpoints had {len(late) + len(more)} rows; {rows} are visible after both.", "")
        _require_nothing_of_nothing(answer, folder)
    return "Hidden until the commit, one file a date, nothing overwritten: 7 rows in, 7 rows out."


def _rows(host: str, first_ms: int, count: int) -> Rows:
    return [
        {"hostname": host, "timestamp": first_ms + 1000 * number, "cpu_id": f"cpu{number}",
         "total_busy_pct": 10.5 + number}
        for number in range(count)
    ]  # fmt: skip


@contextmanager
def _far_east() -> Iterator[None]:
    """A clock nine hours ahead of UTC: code that takes local time for UTC shows there."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def _prepared(prepare: Callable[[Rows, Path], Any], rows: Rows, folder: Path) -> list[Path]:
    """What `prepare` made, all of it hidden and finished."""
    visible = set(_visible(folder))
    files = prepare([dict(row) for row in rows], folder)
    if not isinstance(files, list) or not all(isinstance(file, Path) for file in files):
        raise NotYet(f"prepare returned {shown(files)}.", "It returns a list of the files that it wrote, as Paths.")
    early = sorted(file for file in _visible(folder) if file not in visible)
    if early:
        raise NotYet(
            f"{early[0].relative_to(folder)} is visible before the commit.",
            "A name that begins with a dot is hidden: .part-….parquet. If the job dies now, its rows come twice.",
        )
    for file in files:
        if not file.exists():
            raise NotYet(f"prepare returned {file.name}, and there is no such file.", "Return what you wrote.")
        if not file.name.endswith(".parquet"):
            raise NotYet(f"The file is called {file.name}.", "Its name has to end in .parquet.")
        with suppress(pa.ArrowInvalid):
            pq.read_metadata(file)
            continue
        raise NotYet(f"{file.name} is not a finished Parquet file.", "Write it whole, footer too, before you return.")
    return files


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))]


def _require_dates(files: list[Path], dates: set[str], folder: Path) -> None:
    found = [str(file.parent.relative_to(folder)) for file in files]
    if set(found) != dates:
        raise NotYet(
            f"The files stand in {', '.join(sorted(set(found))) or 'no folder'}; "
            f"the rows are of {' and '.join(sorted(dates))}.",
            "The date is that of ts in UTC, whatever the clock on the wall says: one folder for each.",
        )
    if len(found) != len(dates):
        raise NotYet(f"There are {len(found)} files for {len(dates)} dates.", "Write one file a date.")


def _require_rows(files: list[Path], wanted: Rows) -> None:
    tables = [pq.ParquetFile(file).read() for file in files]
    for table in tables:
        names = sorted(table.column_names)
        if "__index_level_0__" in names:
            raise NotYet("A file has a column __index_level_0__.", "These are pandas' row numbers: index=False.")
        if names != _COLUMNS:
            raise NotYet(f"A file has the columns {', '.join(names)}.", f"Wanted are {', '.join(_COLUMNS)}.")
        kind = table.schema.field("ts").type
        if not pa.types.is_timestamp(kind) or kind.tz is None:
            raise NotYet(
                f"ts has the type {kind}.", 'A timestamp with a zone is wanted: pd.to_datetime(…, unit="ms", utc=True).'
            )
    for file, table in zip(files, tables, strict=True):
        for row in table.to_pylist():
            if f"date={row['ts'].astimezone(UTC):%Y-%m-%d}" != file.parent.name:
                raise NotYet(f"A row of {row['ts'].astimezone(UTC)} stands in {file.parent.name}.", "Group by date.")
    found = sorted((row["cpu_id"], _as_ms(row["ts"])) for table in tables for row in table.to_pylist())
    expected = sorted((row["cpu_id"], row["timestamp"]) for row in wanted)
    if len(found) != len(expected):
        raise NotYet(f"{len(expected)} rows went in, {len(found)} are in the files.", "Each row in exactly one file.")
    wrong = next((pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]), None)
    if wrong is not None:
        (cpu, want), (_, got) = wrong
        raise NotYet(f"{cpu} has the timestamp {want}; ts in the file is {got}.", "timestamp is in milliseconds, UTC.")


def _as_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _commit(files: list[Path]) -> set[Path]:
    return {file.rename(file.with_name(file.name.removeprefix("."))) for file in files}


def _require_nothing_of_nothing(prepare: Callable[[Rows, Path], Any], folder: Path) -> None:
    files = prepare([], folder)
    if files != []:
        raise NotYet(f"A checkpoint without rows made {shown(files)}.", "No rows, no file: return [].")


# ------------------------------------------------------------------------------------------------------------ 06b

_SUFFIX = "_ex06"
_JOB = "check"
_MESSAGES = 12
_WITHIN_S = 60.0
#: So many checkpoints after the job has read on for the last time, everything that it has read has to be visible.
_CHECKPOINTS = 2
#: On a busy machine a source has its first message only some checkpoints after its start.
_FIRST_READ_S = 15.0


def judge_06b(answer: Any, settings: Settings) -> str:
    """`statements(settings, folder)`: run on the cluster over a topic with committed and aborted messages."""
    own = load_settings(suffix=_SUFFIX, checkpoint_interval_s=1)
    if not all(row.healthy for row in services.status(own)):
        services.up(own)
    folder = own.parquet_dir
    given = answer(own, folder)
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 3:
        raise NotYet(f"statements returned {shown(given)}.", "A list of three texts: topic, folder, INSERT.")
    tidy(own)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        wanted = _fill(own)
        files = _run(own, [str(text) for text in given], folder, len(wanted))
        _require_files(files, folder, wanted)
    finally:
        tidy(own)
        delete_topics(own, [own.metrics_topic])
        for rest in (folder, own.checkpoints_dir / own.job_name(_JOB)):
            shutil.rmtree(rest, ignore_errors=True)
    return f"{_MESSAGES} committed messages, {_MESSAGES} rows, and none of an aborted one."


def _fill(own: Settings) -> dict[tuple[str, int], float]:
    """A topic of two hosts' messages and, in an aborted transaction, of a ghost's: {(host, timestamp): busy}.

    In each partition the aborted message is the first, so whoever has read another one there has passed it.
    """
    delete_topics(own, [own.metrics_topic])
    topic = next(topic for topic in pipeline_topics(own.flow) if topic.name == own.metrics_topic)
    create_topics(own.kafka_bootstrap, [topic])
    producer = Producer({"bootstrap.servers": own.kafka_bootstrap, "transactional.id": f"check{_SUFFIX}"})
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(topic.partitions):
        ghost = _message("ghost", _ms(2025, 3, 1, 1) + number, 99.0, cpus=2)
        producer.produce(topic.name, key="ghost", value=ghost, partition=number)
    producer.flush()
    producer.abort_transaction()
    wanted: dict[tuple[str, int], float] = {}
    producer.begin_transaction()
    for number in range(_MESSAGES):
        place = number % min(2, topic.partitions)
        host = ("quince", "medlar")[place]
        moment = _ms(2025, 2, 28, 23, 59, 54) + 1000 * number
        wanted[host, moment] = 20.5 + number
        value = _message(host, moment, 20.5 + number, cpus=1 + number % 3)
        producer.produce(topic.name, key=host, value=value, partition=place)
    producer.commit_transaction()
    return wanted


def _message(host: str, moment: int, busy: float, cpus: int) -> bytes:
    lines = [("cpu", busy), *((f"cpu{number}", 1.0 + number) for number in range(cpus))]
    cpu_metrics = [{"cpu_id": cpu_id, "user_pct": 0.5, "total_busy_pct": share} for cpu_id, share in lines]
    record = {"hostname": host, "timestamp": moment, "time_delta_ms": 1000, "cpu_metrics": cpu_metrics}
    return json.dumps(record).encode()


def _run(own: Settings, statements: list[str], folder: Path, enough: int) -> list[Path]:
    """Run the statements until as many rows are visible as are wanted, or until more checkpoints change nothing."""
    job = own.job_name(_JOB)
    try:
        _, tables = remote_environment(own.cluster, job, parallelism=1, resume_from=None)
        for text in statements:
            tables.execute_sql(text)
    except (NotSolved, LabkitError):
        raise
    except Exception as error:  # whatever Flink says about the learner's SQL
        told = explained(error)
        raise NotYet(*((told.what, told.todo) if told else (f"Flink refused a statement: {error}.", ""))) from None
    rest = FlinkRest(own.flink_url)
    running = rest.running(job)
    if running is None:
        raise NotYet("No job came of the statements.", "The third one is the INSERT INTO … SELECT ….")
    begun = still_since = time.time()
    read: dict[int, int] = {}
    rows = 0

    def is_done() -> bool:
        nonlocal still_since, read, rows
        files = _visible(folder) if folder.is_dir() else []
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        if rows >= enough:
            return True
        read, before = rest.read_offsets(running.id, own.metrics_topic), read
        if read != before:
            still_since = time.time()
        since = sum(moment > still_since for moment in checkpoint_times(own, running.id))
        if since > _CHECKPOINTS and (read or time.time() > begun + patience(_FIRST_READ_S)):
            return True
        trace = rest.root_exception(running.id)
        if trace:
            told = explained(trace)
            raise NotYet(*((told.what, told.todo) if told else ("The job failed.", "Look at: labkit logs taskmanager")))
        return False

    try:
        wait_until(
            is_done, "The job has made its checkpoints", _WITHIN_S,
            seen=lambda: f"{rows} of {enough} rows are visible, and it has read up to {read}",
        )  # fmt: skip
    except NotInTime as late:
        raise NotYet(late.what, "Look at: labkit logs taskmanager") from None
    return _visible(folder) if folder.is_dir() else []


def _require_files(files: list[Path], folder: Path, wanted: dict[tuple[str, int], float]) -> None:
    if not files:
        raise NotYet(
            "The job ran, its checkpoints completed, and there is no file.",
            "The messages were there before the job: does it read from 'earliest-offset'?",
        )
    tables = [pq.ParquetFile(file) for file in files]
    names = tables[0].schema_arrow.names
    if sorted(names) != ["hostname", "total_busy_pct", "ts"]:
        raise NotYet(f"The files have the columns {', '.join(names)}.", "Wanted are hostname, ts and total_busy_pct.")
    found = [row for table in tables for row in table.read().to_pylist()]
    ghosts = sum(row["hostname"] == "ghost" for row in found)
    if ghosts:
        raise NotYet(
            f"{ghosts} of {len(found)} rows are of the host ghost, whose transaction was aborted.",
            "The topic's table has to say 'properties.isolation.level' = 'read_committed'.",
        )
    if len(found) > len({(row["hostname"], row["ts"]) for row in found}):
        raise NotYet(
            f"{len(wanted)} messages gave {len(found)} rows.", "Keep the line of all CPUs only: WHERE cpu_id = 'cpu'."
        )
    if len(found) < len(wanted):
        raise NotYet(f"{len(wanted)} messages gave {len(found)} rows.", "Each committed message gives one row.")
    _require_timestamps(tables[0])
    for file, table in zip(files, tables, strict=True):
        for row in table.read().to_pylist():
            _require_row(row, str(file.parent.relative_to(folder)), wanted)


def _require_timestamps(table: Any) -> None:
    kind = next(
        column for column in (table.schema.column(number) for number in range(3)) if column.name == "ts"
    ).physical_type
    if kind != "INT64":
        raise NotYet(f"ts is stored as {kind}.", "Add 'parquet.write.int64.timestamp' = 'true' to the folder's table.")


def _require_row(row: dict[str, Any], where: str, wanted: dict[tuple[str, int], float]) -> None:
    if not isinstance(row["ts"], datetime):
        raise NotYet(f"ts is {row['ts']!r}.", "It is a TIMESTAMP_LTZ(3): TO_TIMESTAMP_LTZ(`timestamp`, 3).")
    moment = row["ts"].replace(tzinfo=UTC)  # without a zone it is UTC by its name
    busy = wanted.get((row["hostname"], _as_ms(moment)))
    if busy is None:
        raise NotYet(
            f"There is a row of {row['hostname']} at {moment}; no message is of that time.", "timestamp is in ms."
        )
    if row["total_busy_pct"] != busy:
        raise NotYet(
            f"{row['hostname']} has {row['total_busy_pct']} % at {moment}; its line cpu says {busy} %.",
            "The line cpu is all CPUs together; cpu0, cpu1 are single ones.",
        )
    if where != f"date={moment:%Y-%m-%d}":
        raise NotYet(
            f"A row of {moment} stands in {'the folder itself' if where == '.' else where}.",
            "PARTITIONED BY (`date`), and the date is that of ts, in UTC: DATE_FORMAT(ts, 'yyyy-MM-dd').",
        )


JUDGES: dict[str, Judge] = {"06a": judge_06a, "06b": judge_06b}
