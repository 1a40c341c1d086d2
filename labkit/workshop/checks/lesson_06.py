"""What the exercises of lesson 06 are judged by: hidden and visible files, their rows, what a real job wrote."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby
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
from labkit.system.scratch import scratch_folder
from labkit.system.waiting import NotInTime, patience, wait_until
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.guard import guarded
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet
from labkit.workshop.checks.rules import Meets
from labkit.workshop.explain import explained
from labkit.workshop.lesson import tidy
from labkit.workshop.pictures.timeline import checkpoint_times

__all__ = ["JUDGES", "MEETS", "judge_06a", "judge_06b"]

MEETS: Meets = {
    "06a": {
        "task": "columns and their values to the millisecond, folders, number and names of the files, hidden before "
        "the commit and visible after it, the list, no rows",
        "boundaries": "midnight itself and 1 ms before it; one row, several, none; a folder that is there and one that "
        "is not; a clock nine hours from UTC; two hosts at the same moment",
        "arguments": "two folders with names of their own; what is written beside them is found too",
        "ends": "no file of the folder is left open",
        "twice": "two checkpoints before a commit, one after it, and forty small ones: each name is new",
        "point": "whole files, hidden until a rename, and no rename over what is there",
    },
    "06b": {
        "task": "three statements; columns, types, folders; a row for each committed message, of its line cpu; from "
        "the start; both options",
        "boundaries": "0 % and 100 %; the last ms of a day and the first of the next; two messages that are alike; the "
        "line cpu first, last and between; one to three CPUs; two hosts with as many CPUs at the same moment",
        "arguments": "called with another topic, another broker and another folder, it gives other texts",
        "ends": "`called` gives each call 30 s; the job is ended, and what the check made is taken away",
        "twice": "called five times; reading on where a group stopped is not the start, the second time",
        "point": "a job on the cluster, over a topic with an aborted transaction, until its files are visible",
    },
}

Rows = list[dict[str, Any]]


def _ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


# ------------------------------------------------------------------------------------------------------------ 06a

_COLUMNS = ["cpu_id", "hostname", "total_busy_pct", "ts"]
_NAME = re.compile(r"\.part-.+\.parquet")
_SMALL = 40


def judge_06a(answer: Any, settings: Settings) -> str:
    """`prepare(rows, folder)`: what is in the folder before and after a commit, several times, and away from UTC."""
    midnight = _ms(2025, 3, 1)
    late = _rows(
        (midnight - 28_800_000, "medlar"), (midnight - 1750, "quince"), (midnight, "quince"), (midnight - 1, "medlar"),
        (midnight, "medlar"), (midnight + 1251, "quince"),
    )  # fmt: skip
    more = _rows((midnight, "quince"), (midnight - 1750, "quince"), (midnight + 3000, "medlar"), shift=3)
    with scratch_folder(settings.state_dir, "06a") as place, _far_east():
        (place / "elsewhere").mkdir()
        with chdir(place / "elsewhere"):
            folder = place / "not there yet" / "rows"
            said = "6 rows around midnight in UTC, in a folder that is not there yet"
            first = _prepared(answer, late, folder, place, said)
            second = _prepared(answer, more, folder, place, "3 rows of the next checkpoint")
            _require_new_names(first, second, "the first checkpoint's, which was not committed yet,", len(late))
            shown_files = _commit([*first, *second])
            third = _prepared(answer, late, folder, place, "6 rows of a checkpoint after the commit")
            _require_not_over(third, shown_files)
            _require_all_there(folder, [*_commit(third)], late, more)
            _require_nothing_of_nothing(answer, folder, place)
            _require_names_for_long(answer, place)
    return "Hidden until the commit, one file a date, nothing overwritten: 15 rows in, 15 rows out."


def _rows(*moments: tuple[int, str], shift: int = 0) -> Rows:
    return [
        {"hostname": host, "timestamp": moment, "cpu_id": f"cpu{number % 2}",
         "total_busy_pct": 100 / 3 + number + shift}
        for number, (moment, host) in enumerate(moments)
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


def _call(prepare: Callable[..., Any], rows: Rows, folder: Path, what: str, hint: str = "") -> Any:
    return called(prepare, ([dict(row) for row in rows], folder), what, hint, names=("rows", "folder"))


def _prepared(prepare: Callable[..., Any], rows: Rows, folder: Path, place: Path, what: str) -> list[Path]:
    """What `prepare` made: all of it hidden, finished, and right."""
    before = _all_files(place)
    given = _call(prepare, rows, folder, what)
    new = _all_files(place) - before
    files = _as_files(given, new, folder, what)
    if early := sorted(file for file in new if not file.name.startswith((".", "_"))):
        raise NotYet(
            f"After prepare on {what}, {early[0].relative_to(place)} is visible, before the commit.",
            "Until then every file is hidden: .part-….parquet; it is commit that renames it. If the job dies now, they "
            "come twice.",
        )
    if lost := sorted(new - set(files)):
        raise NotYet(
            f"prepare on {what} wrote {len(new)} files and returned {len(files)}; "
            f"{lost[0].relative_to(place)} is not in the list.",
            "What is not returned is never renamed.",
        )
    _require_folders(files, rows, folder)
    for file in files:
        _require_finished(file)
    _require_closed(place)
    _require_rows(files, rows)
    return files


def _all_files(place: Path) -> set[Path]:
    return {file for file in place.rglob("*") if file.is_file()}


def _as_files(given: Any, new: set[Path], folder: Path, what: str) -> list[Path]:
    said = f"prepare on {what} returned {shown(given)}"
    if given is None:
        raise NotYet(f"{said}; it is to return the list of its files.", "Is there a return?")
    if not isinstance(given, list | tuple | set):
        later = f", and wrote {len(new) or 'no'} files" if hasattr(given, "__next__") else ""
        raise NotYet(
            f"{said}{later}; it is to return the list of its files.",
            "A generator does nothing until somebody goes through it: collect the files in a list." if later else "",
        )
    for file in given:
        if not isinstance(file, Path):
            raise NotYet(f"{said}: {shown(file)} is no Path.", "Path(text) makes one." if isinstance(file, str) else "")
    files = [file.absolute() for file in given]
    if twice := [file for file, times in Counter(files).items() if times > 1]:
        raise NotYet(f"{said}: {twice[0].name} is in the list more than once.", "commit can rename a file once only.")
    for file in files:
        if not file.exists():
            raise NotYet(f"prepare on {what} returned {file.name}, and there is no such file.", "")
        if not file.is_file():
            raise NotYet(f"prepare on {what} returned {file.name}, which is a folder.", "The files are asked for.")
        if not file.is_relative_to(folder):
            raise NotYet(f"prepare on {what} wrote {file}, which is not in the folder that was given: {folder}.", "")
        _require_name(file)
    return files


def _require_name(file: Path) -> None:
    if _NAME.fullmatch(file.name) or file.name.startswith("part-"):  # visible: that is told elsewhere
        return
    hint = ""
    if file.name.startswith("_"):
        hint = "commit takes a dot away, so this one would stay hidden for ever."
    elif not file.name.endswith(".parquet"):
        hint = "Its name has to end in .parquet."
    raise NotYet(f"The file is called {file.name}; names are to look like .part-….parquet.", hint)


def _require_finished(file: Path) -> None:
    with suppress(pa.ArrowInvalid, pa.ArrowException, OSError):
        pq.read_metadata(file)
        return
    begins = file.read_bytes()[:4]
    raise NotYet(
        f"{file.name} cannot be read as Parquet ({file.stat().st_size} bytes).",
        "Its end, the footer, is missing: close the writer before you return."
        if begins == b"PAR1"
        else "It has nothing in it yet: write it, and close it, before you return."
        if not begins
        else "It does not begin like Parquet: is it written in another format?",
    )


def _require_closed(place: Path) -> None:
    gc.collect()
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            if Path(os.readlink(link)).is_relative_to(place) and Path(os.readlink(link)).is_file():
                raise NotYet(f"{Path(os.readlink(link)).name} is still open after prepare.", "Close it: with open(…).")


def _date(row: dict[str, Any], hours: int = 0) -> str:
    return f"date={datetime.fromtimestamp(row['timestamp'] / 1000, UTC) + timedelta(hours=hours):%Y-%m-%d}"


def _require_folders(files: list[Path], rows: Rows, folder: Path) -> None:
    found = [str(file.parent.relative_to(folder)) for file in files]
    dates = sorted({_date(row) for row in rows})
    if set(found) != set(dates):
        stand = ", ".join("the folder itself" if name == "." else name for name in sorted(set(found)))
        raise NotYet(
            f"The files stand in {stand or 'no folder: none was returned'}; the rows are of {' and '.join(dates)}.",
            _why_folders(set(found), rows),
        )
    if len(found) != len(dates):
        raise NotYet(
            f"There are {len(found)} files for {len(dates)} dates; one file a date is asked for.",
            "Rows of a date do not always follow each other: collect them by date first."
            if len(found) == sum(1 for _ in groupby(rows, _date))
            else "",
        )


def _why_folders(found: set[str], rows: Rows) -> str:
    if found == {_date(row, 9) for row in rows}:
        return (
            "That is the date in this machine's time zone, now nine hours ahead of UTC: the date in UTC is asked for."
        )
    if found <= {f"date={datetime.now(zone):%Y-%m-%d}" for zone in (UTC, None)}:
        return "That is today. The date is that of ts."
    if found and all(name.startswith("date=1970") for name in found):
        return 'timestamp is in milliseconds: unit="ms".'
    if found == {"."}:
        return "Each date has a folder of its own in it: folder/date=2026-11-22/."
    if found == {_date(row).removeprefix("date=") for row in rows}:
        return "The folder's name begins with date=."
    if found < {_date(row) for row in rows}:
        return "One folder for each date in the rows, and each file in the list."
    return ""


def _require_rows(files: list[Path], wanted: Rows) -> None:
    tables = [pq.ParquetFile(file).read() for file in files]
    for table in tables:
        _require_columns(table)
    for file, table in zip(files, tables, strict=True):
        for row in table.to_pylist():
            if row["ts"] is not None and f"date={row['ts'].astimezone(UTC):%Y-%m-%d}" != file.parent.name:
                raise NotYet(f"A row of {row['ts'].astimezone(UTC)} stands in {file.parent.name}.", "")
    found = [row for table in tables for row in table.to_pylist()]
    if len(found) != len(wanted):
        raise NotYet(
            f"{len(wanted)} rows went in, {len(found)} are in the files.", "Each row stands in one file, once."
        )
    try:
        there = {_key(row): row["ts"] for row in found}
    except (TypeError, ValueError):
        raise NotYet(f"A row in the files is {shown(found[0])}; total_busy_pct is to be a number.", "") from None
    for row in wanted:
        mine = _key(row)
        if mine not in there:
            raise NotYet(
                f"In went {shown(row)}; in the files no row has these three values: hostname {row['hostname']}, "
                f"cpu_id {row['cpu_id']}, total_busy_pct {row['total_busy_pct']}.",
                "",
            )
        _require_moment(mine[0], row["timestamp"], there[mine])


def _key(row: dict[str, Any]) -> tuple[str, str, float]:
    return str(row["hostname"]), str(row["cpu_id"]), round(float(row["total_busy_pct"]), 4)


def _require_columns(table: pa.Table) -> None:
    names = sorted(table.column_names)
    if names != _COLUMNS:
        more, less = sorted(set(names) - set(_COLUMNS)), sorted(set(_COLUMNS) - set(names))
        hint = ""
        if "__index_level_0__" in more:
            hint = "These are pandas' row numbers: index=False."
        elif more == ["timestamp"] and less == ["ts"]:
            hint = "The column is to be called ts."
        elif more == ["timestamp"]:
            hint = "ts takes the place of timestamp."
        elif more and more[0].startswith("date") and not less:
            hint = "The date is the folder's name; in the file it is one column too many."
        raise NotYet(f"A file has the columns {', '.join(names)}; wanted are {', '.join(_COLUMNS)}.", hint)
    kind = table.schema.field("ts").type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        raise NotYet(
            f"ts has the type {kind}; a timestamp with the time zone UTC is wanted.",
            'pd.to_datetime(…, unit="ms", utc=True) gives one.',
        )
    if kind.tz.upper() not in ("UTC", "Z", "+00:00", "ETC/UTC", "GMT", "ZULU"):
        raise NotYet(f"ts has the time zone {kind.tz}; UTC is wanted.", "")
    for name in ("hostname", "cpu_id"):
        if not _is_text(table.schema.field(name).type):
            raise NotYet(f"{name} has the type {table.schema.field(name).type}; it is a text.", "")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _require_moment(host: str, want: int, moment: datetime | None) -> None:
    got = None if moment is None else round(moment.timestamp() * 1000)
    if got == want:
        return
    hint = ""
    if got is not None and got // 1000 == want // 1000:
        hint = "The milliseconds are lost on the way."
    elif got is not None and abs(got - want) == _NINE_HOURS_MS:
        hint = "That is this machine's local time, now nine hours ahead, taken for UTC."
    raise NotYet(f"A row of {host} has the timestamp {want}; ts in the file is {got} ms since 1970.", hint)


_NINE_HOURS_MS = 9 * 3_600_000


def _require_new_names(first: list[Path], second: list[Path], whose: str, rows: int) -> None:
    if clash := sorted(set(first) & set(second)):
        raise NotYet(
            f"The second checkpoint writes {clash[0].name} again: {whose} is overwritten, of {rows} rows.",
            "Make a new name each time: uuid.uuid4() is one that was never there.",
        )


def _require_not_over(files: list[Path], there: set[Path]) -> None:
    if clash := [file for file in files if file.with_name(file.name.removeprefix(".")) in there]:
        lost = pq.read_metadata(clash[0].with_name(clash[0].name.removeprefix("."))).num_rows
        raise NotYet(
            f"A checkpoint after the commit writes {clash[0].name} again; its rename would overwrite {lost} rows.",
            "Make a new name each time: uuid.uuid4() is one that was never there.",
        )


def _require_all_there(folder: Path, files: Sequence[Path], late: Rows, more: Rows) -> None:
    rows = sum(pq.read_metadata(file).num_rows for file in _visible(folder))
    if rows != 2 * len(late) + len(more):
        raise NotYet(f"Three checkpoints had {2 * len(late) + len(more)} rows; {rows} are visible after all.", "")


def _require_names_for_long(prepare: Callable[..., Any], place: Path) -> None:
    """Forty checkpoints of a row: a name that is drawn among few comes again. Each begins some ms after the last."""
    folder = place / "long"
    names: set[Path] = set()
    for number in range(_SMALL):
        began = time.monotonic()
        file = next(iter(_call(prepare, _rows((_ms(2025, 7, 1), "quince"), shift=number), folder, "one row")))
        if file in names:
            raise NotYet(
                f"Of {number + 1} checkpoints with a row each, two wrote a file of the same name, {file.name}.",
                "Make a new name each time: uuid.uuid4() is one that was never there.",
            )
        names.add(file)
        while time.monotonic() < began + 0.003:
            pass


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))]


def _commit(files: list[Path]) -> set[Path]:
    return {file.rename(file.with_name(file.name.removeprefix("."))) for file in files}


def _require_nothing_of_nothing(prepare: Callable[..., Any], folder: Path, place: Path) -> None:
    before = _all_files(place)
    files = _call(prepare, [], folder, "no rows at all", "Without rows it is to return [].")
    if files is None or not isinstance(files, list | tuple | set) or len(files):
        raise NotYet(f"A checkpoint without rows returned {shown(files)}.", "No rows, no file: return [].")
    if new := sorted(_all_files(place) - before):
        raise NotYet(f"A checkpoint without rows wrote {new[0].name}.", "No rows, no file.")


# ------------------------------------------------------------------------------------------------------------ 06b

_SUFFIX = "_ex06"
_JOB = "check"
_WITHIN_S = 60.0
#: So many checkpoints after the job has read on for the last time, everything that it has read has to be visible.
_CHECKPOINTS = 2
#: On a busy machine a source has its first message only some checkpoints after its start.
_FIRST_READ_S = 15.0

#: {(host, timestamp, busy): how many messages}
_Wanted = Counter[tuple[str, int, float]]


def judge_06b(answer: Any, settings: Settings) -> str:
    """`statements(settings, folder)`: run on the cluster over a topic with committed and aborted messages."""
    own = load_settings(suffix=_SUFFIX, checkpoint_interval_s=1)
    folder = own.output_dir / "check_06b" / "rows"
    _require_arguments(answer, own, folder)
    texts = _texts(answer, own, folder, "its settings and folder")
    if not all(row.healthy for row in services.status(own)):
        services.up(own)
    tidy(own)
    shutil.rmtree(folder.parent, ignore_errors=True)
    try:
        tables = _declared(own, texts, answer, folder)
        wanted = _fill(own)
        files, read = _run(own, tables, texts[2], folder, wanted.total())
        _require_files(files, folder, wanted, read)
    finally:
        tidy(own)
        delete_topics(own, [own.metrics_topic])
        for rest in (folder.parent, own.checkpoints_dir / own.job_name(_JOB)):
            shutil.rmtree(rest, ignore_errors=True)
    return f"{wanted.total()} committed messages, {wanted.total()} rows, and none of an aborted one."


def _texts(statements: Any, own: Settings, folder: Path, what: str) -> list[str]:
    given = called(statements, (own, folder), what, names=("settings", "folder"))
    if not isinstance(given, list | tuple) or len(given) != 3 or not all(isinstance(text, str) for text in given):
        count = f" ({len(given)} of them)" if isinstance(given, list | tuple) else ""
        raise NotYet(f"statements returned {shown(given)}{count}; a list of three texts is asked for.", "")
    words = [re.sub(r"(?m)--.*$|/\*(?s:.*?)\*/", "", text).split() for text in given]
    kinds = [(each[0].upper() if each else "nothing") for each in words]
    if kinds[2] != "INSERT" or "INSERT" in kinds[:2]:
        raise NotYet(
            f"The three texts begin with {', '.join(kinds)}.",
            "First both CREATE TABLE, and third INSERT INTO … SELECT.",
        )
    return list(given)


def _require_arguments(statements: Any, own: Settings, folder: Path) -> None:
    first = _texts(statements, own, folder, "its settings and folder")
    other_topic = own.model_copy(update={"metrics_topic": "procstat_metrics_of_another_lab"})
    other_broker = own.model_copy(update={"kafka_host": "kafka.example", "kafka_port": 19092})
    for name, its, given in (
        ("settings.metrics_topic", own.metrics_topic, (other_topic, folder)),
        ("settings.kafka_bootstrap", own.kafka_bootstrap, (other_broker, folder)),
        ("folder", str(folder), (own, folder.with_name("other"))),
    ):
        if _texts(statements, *given, f"another {name}") == first:
            said = "It stands in the texts by itself." if its in " ".join(first) else "It does not stand in the texts."
            raise NotYet(f"With another {name}, statements gave the same texts: {name} is not used. {said}", "")


def _declared(own: Settings, texts: list[str], statements: Any, folder: Path) -> Any:
    """The environment, with both tables, after a look at what they are: no job yet."""
    _, tables = remote_environment(own.cluster, own.job_name(_JOB), parallelism=1, resume_from=None)
    made: list[str] = []
    for text in texts[:2]:
        before = set(tables.list_tables())
        _executed(tables, text)
        made += set(tables.list_tables()) - before
    options = {name: _options(tables, name) for name in made}
    topics = [name for name in made if "kafka" in options[name].get("connector", "")]
    folders = [name for name in made if options[name].get("connector") == "filesystem"]
    if len(topics) != 1 or len(folders) != 1:
        said = ", ".join(f"{name} with the connector {options[name].get('connector')}" for name in made) or "none"
        raise NotYet(
            f"The first two statements made these tables: {said}; wanted are one of a topic, one of a folder.", ""
        )
    _require_start(options[topics[0]], texts, statements, own, folder)
    _require_table(tables, folders[0], options[folders[0]])
    return tables


def _executed(tables: Any, text: str) -> None:
    try:
        with guarded("A statement", within_s=_WITHIN_S):
            tables.execute_sql(text)
    except (NotSolved, LabkitError):
        raise
    except Exception as error:  # whatever Flink says about the learner's SQL
        told = explained(error)
        raise NotYet(*((told.what, told.todo) if told else (f"Flink refused a statement: {error}.", ""))) from None


def _asked(tables: Any, text: str) -> list[Any]:
    with tables.execute_sql(text).collect() as found:
        return list(found)


def _options(tables: Any, name: str) -> dict[str, str]:
    """{option: value} of a table that is declared."""
    text = str(_asked(tables, f"SHOW CREATE TABLE `{name}`")[0][0])
    return dict(re.findall(r"'([^']+)' = '([^']*)'", text[text.rfind("WITH (") :]))


def _require_start(options: dict[str, str], texts: list[str], statements: Any, own: Settings, folder: Path) -> None:
    mode = options.get("scan.startup.mode")
    if mode == "latest-offset":
        raise NotYet(
            "The topic's table begins at 'latest-offset': the messages that are in the topic would never be read.",
            "From the start is 'scan.startup.mode' = 'earliest-offset'.",
        )
    if mode in (None, "group-offsets"):
        group = options.get("properties.group.id")
        again = " ".join(_texts(statements, own, folder, "its settings and folder"))
        if options.get("properties.auto.offset.reset") == "earliest" and group and group not in again:
            return  # a group that was never there
        says = f"says 'scan.startup.mode' = '{mode}'" if mode else "says no 'scan.startup.mode', which is group-offsets"
        raise NotYet(
            f"The topic's table {says}: it begins where its consumer group stopped, not at the start of the topic.",
            "'scan.startup.mode' = 'earliest-offset'",
        )


def _require_table(tables: Any, name: str, options: dict[str, str]) -> None:
    if options.get("format") != "parquet":
        raise NotYet(f"The folder's table has the format {options.get('format')}; Parquet is asked for.", "")
    parts = re.search(r"PARTITIONED BY \((.*?)\)", str(_asked(tables, f"SHOW CREATE TABLE `{name}`")[0][0]))
    by = re.findall(r"`([^`]+)`", parts[1]) if parts else []
    columns = {row[0]: str(row[1]) for row in _asked(tables, f"DESCRIBE `{name}`")}
    if by != ["date"]:
        raise NotYet(
            f"The folder's table has the columns {', '.join(columns)} and is partitioned by "
            f"{', '.join(by) or 'nothing'}; the folders are to be called date=….",
            "A column `date`, and PARTITIONED BY (`date`): its value is the folder's name.",
        )
    stored = {column: kind for column, kind in columns.items() if column not in by}
    if sorted(stored) != ["hostname", "total_busy_pct", "ts"]:
        raise NotYet(
            f"The files would have the columns {', '.join(stored)}; wanted are hostname, ts and total_busy_pct, and no "
            "other.",
            "",
        )
    for column, words, kind in (
        ("hostname", ("STRING", "VARCHAR", "CHAR"), "a text"),
        ("ts", ("TIMESTAMP",), "a timestamp: TIMESTAMP_LTZ(3)"),
        ("total_busy_pct", ("DOUBLE",), "a DOUBLE"),
    ):
        if not stored[column].startswith(words):
            raise NotYet(f"In the folder's table {column} is {stored[column]}; it is to be {kind}.", "")
    for option, why in (
        ("parquet.write.int64.timestamp", "ts would be stored as INT96"),
        ("parquet.utc-timezone", "on a machine in another time zone ts would be local time"),
    ):
        if options.get(option, "").lower() != "true":
            raise NotYet(f"The folder's table does not say '{option}' = 'true': {why}.", "")


def _fill(own: Settings) -> _Wanted:
    """A topic of two hosts' messages and, in an aborted transaction, of a ghost's.

    In each partition the aborted message is the first, so whoever has read another one there has passed it.
    """
    delete_topics(own, [own.metrics_topic])
    topic = next(topic for topic in pipeline_topics(own.flow) if topic.name == own.metrics_topic)
    create_topics(own.kafka_bootstrap, [topic])
    producer = Producer({"bootstrap.servers": own.kafka_bootstrap, "transactional.id": f"check{_SUFFIX}"})
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(topic.partitions):
        ghost = _message("ghost", _ms(2025, 3, 1, 1) + number, 99.0, 2, 0)
        producer.produce(topic.name, key="ghost", value=ghost, partition=number)
    producer.flush()
    producer.abort_transaction()
    wanted: _Wanted = Counter()
    producer.begin_transaction()
    midnight = _ms(2025, 3, 1)
    for number, (after, busy) in enumerate(
        ((-3453, 20.512345), (-3453, 21.5), (-2453, 0.0), (-1, 100.0), (0, 34.25), (0, 35.25), (547, 12.125),
         (547, 13.125), (1547, 99.9), (1547, 99.9), (2547, 1.0), (2547, 41.0),
         # The last day of a year, in a week that is the next one's.
         (_ms(2025, 12, 31, 12) - midnight, 5.5), (_ms(2025, 12, 31, 12) - midnight, 6.5))
    ):  # fmt: skip
        place = number % min(2, topic.partitions)
        host = ("quince", "medlar")[place]
        wanted[host, midnight + after, busy] += 1
        value = _message(host, midnight + after, busy, 1 + number % 3, number // 2 % 3)
        producer.produce(topic.name, key=host, value=value, partition=place)
        if number == _ALIKE:
            wanted[host, midnight + after, busy] += 1
            producer.produce(topic.name, key=host, value=value, partition=place)
    producer.commit_transaction()
    return wanted


_ALIKE = 8


def _message(host: str, moment: int, busy: float, cpus: int, place: int) -> bytes:
    """A metrics message whose line cpu is the first, or stands further down."""
    lines = [(f"cpu{number}", 3.0 + number) for number in range(cpus)]
    lines.insert(min(place, cpus), ("cpu", busy))
    cpu_metrics = [{"cpu_id": cpu_id, "user_pct": 0.5, "total_busy_pct": share} for cpu_id, share in lines]
    record = {"hostname": host, "timestamp": moment, "time_delta_ms": 1000, "cpu_metrics": cpu_metrics}
    return json.dumps(record).encode()


def _run(own: Settings, tables: Any, insert: str, folder: Path, enough: int) -> tuple[list[Path], int]:
    """Run the INSERT until as many rows are visible as are wanted, or until more checkpoints change nothing.

    The files, and how many messages (and marks of a commit) the job had passed.
    """
    job = own.job_name(_JOB)
    _executed(tables, insert)
    rest = FlinkRest(own.flink_url)
    running = next((each for each in rest.jobs() if each.name == job), None)
    if running is None:
        raise NotYet("No job came of the statements.", "")
    begun = still_since = time.time()
    read: dict[int, int] = {}
    rows = 0

    def is_done() -> bool:
        nonlocal still_since, read, rows
        over = rest.state(running.id) == "FINISHED"
        rows = sum(_row_count(file) for file in (_visible(folder) if folder.is_dir() else []))
        if rows >= enough or over:
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
    return _visible(folder) if folder.is_dir() else [], sum(read.values())


def _row_count(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except pa.ArrowInvalid:
        raise NotYet(f"{file.name} is visible, and cannot be read as Parquet.", "") from None


def _require_files(files: list[Path], folder: Path, wanted: _Wanted, read: int) -> None:
    total = wanted.total()
    if not files:
        raise NotYet(
            f"The topic has {total} committed messages. The job ran, its checkpoints completed, and no file is in "
            f"the folder{'' if read else '; it has read nothing'}.",
            "" if not read else "It has read them: does a WHERE let none through, or does the table name another path?",
        )
    tables = [pq.ParquetFile(file) for file in files]
    kinds = {column.name: column.physical_type for column in map(tables[0].schema.column, range(3))}
    if kinds["ts"] != "INT64":
        raise NotYet(f"ts is stored as {kinds['ts']}; INT64 is asked for.", "")
    found = [
        (row, str(file.parent.relative_to(folder)))
        for file, table in zip(files, tables, strict=True)
        for row in table.read().to_pylist()
    ]
    ghosts = sum(row["hostname"] == "ghost" for row, _ in found)
    if ghosts:
        raise NotYet(
            f"{ghosts} of {len(found)} rows are of the host ghost, whose transaction was aborted; {total} messages "
            "were committed.",
            "The topic's table has to say 'properties.isolation.level' = 'read_committed'.",
        )
    _require_no_null(row for row, _ in found)
    _require_each_message_once([row for row, _ in found], wanted)
    for row, where in sorted(found, key=lambda each: each[0]["ts"]):
        if where != f"date={row['ts']:%Y-%m-%d}":
            raise NotYet(
                f"A row of {row['ts']} stands in {where}; its UTC date is date={row['ts']:%Y-%m-%d}.",
                _why_date(where, row),
            )


def _why_date(where: str, row: dict[str, Any]) -> str:
    moment = row["ts"]
    if where == f"date={moment:%Y-%M-%d}":
        return "In a pattern mm is minutes, MM is the month: 'yyyy-MM-dd'."
    if where in (f"date={moment:%Y-%m}-{moment.timetuple().tm_yday}", f"date={moment:%Y-%m}-{moment:%j}"):
        return "In a pattern DD is the day of the year, dd that of the month: 'yyyy-MM-dd'."
    if where == f"date={moment.year + 1}-{moment:%m-%d}":
        return "In a pattern YYYY is the year to which the week belongs, yyyy that of the date: 'yyyy-MM-dd'."
    if where == f"date={datetime.now(UTC):%Y-%m-%d}":
        return "That is today. The date is that of the message."
    if re.fullmatch(r"date=\d{5}", where):
        return "A DATE is written there as its number of days: make it a text, DATE_FORMAT(…, 'yyyy-MM-dd')."
    return ""


def _require_no_null(rows: Iterator[dict[str, Any]] | Any) -> None:
    for row in rows:
        for name, value in row.items():
            if value is None:
                raise NotYet(
                    f"A row has no {name}: it is NULL ({shown(row)}).",
                    "A column of the topic's table whose name no message has is NULL, and so is what is made of it.",
                )


def _require_each_message_once(rows: list[dict[str, Any]], wanted: _Wanted) -> None:
    found = Counter((row["hostname"], _as_ms(row["ts"]), row["total_busy_pct"]) for row in rows)
    if found == wanted:
        return
    total, count = wanted.total(), found.total()
    said = f"{total} committed messages gave {count} rows"
    if count > total:
        singles = sum(1 for _, _, busy in found.elements() if busy in (3.0, 4.0, 5.0))
        raise NotYet(
            f"{said}.",
            "Rows of single CPUs are among them: keep the line cpu only, WHERE cpu_id = 'cpu'." if singles else "",
        )
    moments = Counter((host, moment) for host, moment, _ in wanted.elements())
    mine = Counter((host, moment) for host, moment, _ in found.elements())
    if mine.keys() - moments.keys():
        host, moment = sorted(mine.keys() - moments.keys())[0]
        raise NotYet(
            f"There is a row of {host} at {_clock(moment)}; no message is of that time. "
            + _nearest(host, moment, moments),
            _why_moment(mine, moments),
        )
    if count < total:
        (host, moment, busy), _ = next(iter((wanted - found).items()))
        alike = set(found) == set(wanted)
        missing = (
            "two messages were alike, and gave one"
            if alike
            else f"that of {host} at {_clock(moment)}, {busy} %, is missing"
        )
        raise NotYet(f"{said}: {missing}.", "Each message gives a row." if alike else "")
    (host, moment, busy), _ = next(iter((found - wanted).items()))
    is_ = next((each for (other, when, each) in wanted if (other, when) == (host, moment)), None)
    raise NotYet(
        f"{host} has {busy} % at {_clock(moment)}; the line cpu of its message says {is_} %.",
        "That is a single CPU's: the line cpu need not be the first." if busy in (3.0, 4.0, 5.0) else "",
    )


def _nearest(host: str, moment: int, moments: Counter[tuple[str, int]]) -> str:
    its = min((when for name, when in moments if name == host), key=lambda when: abs(when - moment), default=None)
    return f"The nearest is of {_clock(its)}." if its is not None else f"None is of {host}."


def _why_moment(mine: Counter[tuple[str, int]], moments: Counter[tuple[str, int]]) -> str:
    if mine.keys() <= {(host, moment // 1000 * 1000) for host, moment in moments}:
        return "The milliseconds are lost on the way: TO_TIMESTAMP_LTZ(`timestamp`, 3) keeps them."
    if all(moment > _ms(9000, 1, 1) or moment < _ms(1971, 1, 1) for _, moment in mine):
        return "timestamp is in milliseconds: TO_TIMESTAMP_LTZ(`timestamp`, 3)."
    return ""


def _clock(ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(ms, _ms(9999, 12, 31)))
    return moment.isoformat(" ", "milliseconds").removesuffix("+00:00")


def _as_ms(moment: datetime) -> int:
    """Without a zone it is UTC by its name."""
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return round(since / timedelta(milliseconds=1))


JUDGES: dict[str, Judge] = {"06a": judge_06a, "06b": judge_06b}
