"""The folder of Parquet files that Flink writes -> one pandas table.

    output/cpu_metrics/date=2025-11-22/part-7c1e-0.parquet      finished: read
    output/cpu_metrics/date=2025-11-22/.part-7c1e-1.inprogress  being written: left alone

    hostname  ts                        time_delta_ms  cpu_id  user_pct  …  total_busy_pct
    web-1     2025-11-22 13:00:01+00:00          1000  cpu         20.0  …            25.0
    web-1     2025-11-22 13:00:01+00:00          1000  cpu0        40.0  …            50.0

One row for each CPU line and interval; `ts` is the interval's end. "cpu" is the line of all CPUs together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from labkit.errors import BadInput, LabkitError
from labkit.metrics import SHARE_COLUMNS

__all__ = ["cpu_number", "in_natural_order", "parquet_files", "read_metrics", "row_count"]

#: What the rows are read as, whatever unit the file has for ts; a time without a zone is UTC.
COLUMNS = pa.schema(
    [("hostname", pa.string()), ("ts", pa.timestamp("ns", tz="UTC"))]
    + [("time_delta_ms", pa.int64()), ("cpu_id", pa.string())]
    + [(name, pa.float64()) for name in SHARE_COLUMNS]
)
#: The folders' names, date=2025-11-22: the UTC date of ts, kept as text.
DATE = pa.field("date", pa.string())
BY_DATE = ds.partitioning(pa.schema([DATE]), flavor="hive")


def cpu_number(cpu_id: str) -> int:
    """Where a CPU stands in the natural order: "cpu" -> -1, "cpu0" -> 0, "cpu10" -> 10."""
    number = cpu_id.removeprefix("cpu")
    return int(number) if number.isdecimal() else -1


def in_natural_order(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`frame` sorted by `columns`, where cpu_id goes cpu, cpu0, cpu1, …, cpu10; rows are numbered anew."""

    def rank(column: pd.Series) -> pd.Series:
        return column.map(cpu_number) if column.name == "cpu_id" else column

    return frame.sort_values(columns, key=rank, ignore_index=True)


def parquet_files(folder: Path) -> list[Path]:
    """The finished files below `folder`, by name; none where it is missing. Hidden ones are in progress."""
    return sorted(
        file
        for file in folder.rglob("*.parquet")
        if file.is_file() and not any(part[0] in "._" for part in file.relative_to(folder).parts)
    )


def row_count(folder: Path) -> int:
    """How many rows the finished files hold, from their footers alone."""
    return sum(pq.read_metadata(file).num_rows for file in parquet_files(folder))


def read_metrics(folder: Path, hostname: str | None = None, since_ms: int | None = None) -> pd.DataFrame:
    """The rows (of one host; of intervals that ended at `since_ms` or later) by hostname, ts and cpu.

    `since_ms` is in ms since 1970. Columns as above, ts as datetime64[ns, UTC]. Raises LabkitError where
    there is nothing to read, BadInput where there is something but nothing of this host or this late.
    """
    files = parquet_files(folder)
    if not files:
        raise LabkitError(
            f"There is no finished Parquet file in {folder}.",
            "Type: labkit run; if it is running, wait for its next checkpoint.",
        )
    wanted = ds.scalar(True)
    if hostname is not None:
        wanted &= ds.field("hostname") == hostname
    if since_ms is not None:
        day = datetime.fromtimestamp(since_ms / 1000, UTC).date().isoformat()
        wanted &= ds.field("date") >= day  # leaves out whole folders, unopened
    try:
        rows = ds.dataset([str(file) for file in files], schema=COLUMNS.append(DATE), partitioning=BY_DATE)
        frame = rows.to_table(columns=COLUMNS.names, filter=wanted).to_pandas()
        if since_ms is not None:  # not asked of Arrow: it cannot compare a file's ts without a zone with one in UTC
            frame = frame[frame["ts"] >= pd.Timestamp(since_ms, unit="ms", tz="UTC")]
        hosts = set() if len(frame) else set(rows.to_table(["hostname"])["hostname"].to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise LabkitError(f"A file in {folder} cannot be read as Parquet: {error}") from error
    if frame.empty:
        since = "" if since_ms is None else f" since {pd.Timestamp(since_ms, unit='ms', tz='UTC')}"
        known = ", ".join(sorted(hosts)) or "none"
        raise BadInput(f"{folder} has no rows of {hostname or 'any host'}{since}; hosts there: {known}.")
    if frame.isna().any(axis=None):
        raise LabkitError(f"{folder} has rows without {', '.join(frame.columns[frame.isna().any()])}.")
    return in_natural_order(frame, ["hostname", "ts", "cpu_id"])
