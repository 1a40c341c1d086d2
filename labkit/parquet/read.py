"""The folder of Parquet files that Flink writes -> one pandas table.

    output/cpu_metrics/date=2025-11-22/part-7c1e-0.parquet      finished: read
    output/cpu_metrics/date=2025-11-22/.part-7c1e-1.inprogress  being written: left alone

    hostname  ts                        time_delta_ms  cpu_id  user_pct  …  total_busy_pct
    web-1     2025-11-22 13:00:01+00:00          1000  cpu         20.0  …            25.0
    web-1     2025-11-22 13:00:01+00:00          1000  cpu0        40.0  …            50.0

Of procstat it is a row for each CPU line and interval, and "cpu" is the line of all CPUs together; `ts` is the
interval's end.
`labkit compact` may exchange a date's folder at any moment: what is read is the old one or the new one, never a mix.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from labkit.errors import BadInput, LabkitError
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.shape import Shape

__all__ = [
    "NoRows", "NoRowsOf",
    "columns_of", "in_natural_order", "natural", "parquet_files", "read_files", "read_metrics", "read_rows",
    "row_count",
]  # fmt: skip

T = TypeVar("T")

#: The folders' names, date=2025-11-22: the UTC date of ts, kept as text.
DATE = pa.field("date", pa.string())
BY_DATE = ds.partitioning(pa.schema([DATE]), flavor="hive")


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}


class NoRows(LabkitError):
    """There is no row at all."""


class NoRowsOf(BadInput, NoRows):
    """There are rows, and none of those that were asked for."""


def columns_of(shape: Shape) -> pa.Schema:
    """What rows are read as, whatever unit the file has for ts; a time without a zone is UTC."""
    time = pa.timestamp("ns", tz="UTC")
    return pa.schema([(name, time if name == "ts" else _ARROW[kind]) for name, kind in shape.columns])


def natural(name: str) -> tuple[str, int]:
    """Where a name stands in the natural order: "cpu" -> ("cpu", -1), "cpu0" -> ("cpu", 0), "cpu10" -> ("cpu", 10)."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or -1)


def in_natural_order(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`frame` sorted by `columns`, where cpu_id goes cpu, cpu0, cpu1, …, cpu10; rows are numbered anew."""

    def rank(column: pd.Series) -> pd.Series:
        if column.name in ("hostname", "ts"):
            return column
        return column.map({name: place for place, name in enumerate(sorted(column.unique(), key=natural))})

    return frame.sort_values(columns, key=rank, ignore_index=True)


def parquet_files(folder: Path) -> list[Path]:
    """The finished files below `folder`, by name; none where it is missing. Hidden ones are in progress."""
    try:
        return sorted(_finished(folder))
    except (FileNotFoundError, NotADirectoryError):
        return parquet_files(folder) if folder.is_dir() else []  # a folder inside went away: once more
    except OSError as error:
        raise LabkitError(f"{folder} cannot be listed: {error.strerror}.") from error


def _finished(folder: Path) -> list[Path]:
    """The files of one folder and those below it, as they stood together at one moment.

    A folder that was exchanged for another while it was listed is being emptied: it is listed again.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(handle) as entries:
            seen = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if entry.name[0] not in "._"]
        if not os.path.samestat(os.fstat(handle), folder.stat()):
            return _finished(folder)
    finally:
        os.close(handle)
    files = [folder / name for name, is_folder in seen if name.endswith(".parquet") and not is_folder]
    return files + [file for name, is_folder in seen if is_folder for file in _finished(folder / name)]


def read_files(folder: Path, read: Callable[[list[Path]], T]) -> T:
    """What `read` makes of the finished files below `folder`; called anew with others where one of them is gone.

    That happens to a reader that listed before `labkit compact` exchanged a folder, and opens after.
    """
    failed: list[Path] | None = None
    while True:
        files = parquet_files(folder)
        try:
            return read(files)
        except FileNotFoundError:
            if files == failed:
                raise
            failed = files


def row_count(folder: Path) -> int:
    """How many rows the finished files hold, from their footers alone."""
    return read_files(folder, lambda files: sum(int(pq.read_metadata(file).num_rows) for file in files))


def read_metrics(folder: Path, hostname: str | None = None, since_ms: int | None = None) -> pd.DataFrame:
    """`read_rows` of /proc/stat's: the rows of CPUs, by hostname, ts and cpu."""
    return read_rows(folder, PROCSTAT.shape, hostname, since_ms)


def read_rows(folder: Path, shape: Shape, hostname: str | None = None, since_ms: int | None = None) -> pd.DataFrame:
    """The rows of a stream (of one host; of intervals that ended at `since_ms` or later) by hostname, ts and part.

    `since_ms` is in ms since 1970. Columns as above, ts as datetime64[ns, UTC]. Raises NoRows where
    there is nothing to read, NoRowsOf where there is something but nothing of this host or this late.
    """
    columns = columns_of(shape)
    wanted = ds.scalar(True)
    if hostname is not None:
        wanted &= ds.field("hostname") == hostname
    if since_ms is not None:
        day = datetime.fromtimestamp(since_ms / 1000, UTC).date().isoformat()
        wanted &= ds.field("date") >= day  # leaves out whole folders, unopened

    def read(files: list[Path]) -> tuple[pd.DataFrame, set[str]]:
        """The rows that are wanted; where there are none, which hosts there are."""
        if not files:
            raise NoRows(
                f"There is no finished Parquet file in {folder}.",
                "Type: labkit run; if it is running, wait for its next checkpoint.",
            )
        rows = ds.dataset([str(file) for file in files], schema=columns.append(DATE), partitioning=BY_DATE)
        frame = rows.to_table(columns=columns.names, filter=wanted).to_pandas()
        if since_ms is not None:  # not asked of Arrow: it cannot compare a file's ts without a zone with one in UTC
            frame = frame[frame["ts"] >= pd.Timestamp(since_ms, unit="ms", tz="UTC")]
        return frame, set() if len(frame) else set(rows.to_table(["hostname"])["hostname"].to_pylist())

    try:
        frame, hosts = read_files(folder, read)
    except (pa.ArrowException, OSError) as error:
        raise LabkitError(f"A file in {folder} cannot be read as Parquet: {error}") from error
    if frame.empty:
        since = "" if since_ms is None else f" since {pd.Timestamp(since_ms, unit='ms', tz='UTC')}"
        known = ", ".join(sorted(hosts)) or "none"
        raise NoRowsOf(f"{folder} has no rows of {hostname or 'any host'}{since}; hosts there: {known}.")
    if frame.isna().any(axis=None):
        raise LabkitError(f"{folder} has rows without {', '.join(frame.columns[frame.isna().any()])}.")
    return in_natural_order(frame, list(shape.key))
