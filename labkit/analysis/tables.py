"""What the rows say: means, peaks, pauses, and the matrix behind a heat map.

    rows of one host, as read_metrics gives them     grid(rows): busy % by time and CPU
    ts        time_delta_ms  cpu_id  total_busy_pct                         cpu0  cpu1
    13:00:01           1000  cpu0              50.0   (13:00:00, 13:00:01]    50     0
    13:00:01           1000  cpu1               0.0   (13:00:01, 13:03:01]   NaN   NaN   <- a pause
    13:03:02           1000  cpu0              60.0   (13:03:01, 13:03:02]    60    10
    13:03:02           1000  cpu1              10.0

`ts` is the end of an interval that lasted `time_delta_ms`. Every function takes rows and gives a new
table; none changes what it was given.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from labkit.errors import BadInput, LabkitError
from labkit.parquet.read import in_natural_order, natural
from labkit.streams.procstat.stream import PROCSTAT
from labkit.streams.stream import Stream

__all__ = ["TOTAL", "busiest_cpu", "coarsen", "gaps", "grid", "one_host", "summary", "summary_of"]

#: The line of /proc/stat that counts all CPUs together.
TOTAL = "cpu"
#: An interval more than this many times as long as the median one is a pause.
PAUSE_FACTOR = 3


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows -> one row for each host and CPU: intervals, mean_busy_pct, peak_busy_pct, peak_at (UTC).

    The mean is weighted by time_delta_ms: an interval of 10 s counts ten times one of 1 s.
    """
    names = {"mean": "mean_busy_pct", "peak": "peak_busy_pct"}
    return summary_of(frame, PROCSTAT).rename(columns=names)


def summary_of(frame: pd.DataFrame, stream: Stream) -> pd.DataFrame:
    """Rows of any stream -> one row for each host and part: intervals, mean, peak, peak_at (UTC) of its `plot.of`.

    The mean is weighted by time_delta_ms, as in `summary`.
    """
    keys = [name for name in stream.shape.key if name != "ts"]
    frame = frame.reset_index(drop=True)
    frame["of"] = frame[list(stream.plot.of.columns)].sum(axis=1)
    frame["weighted"] = frame["of"] * frame["time_delta_ms"]
    groups = frame.groupby(keys)
    peaks = frame.loc[groups["of"].idxmax()].set_index(keys)
    result = pd.DataFrame(
        {
            "intervals": groups.size(),
            "mean": groups["weighted"].sum() / groups["time_delta_ms"].sum(),
            "peak": peaks["of"],
            "peak_at": pd.to_datetime(peaks["ts"], utc=True),
        }
    )
    return in_natural_order(result.reset_index(), keys)


def busiest_cpu(frame: pd.DataFrame) -> pd.Series:
    """The row of `summary` with the highest mean, the total line left out: hostname, cpu_id, …"""
    cpus = summary(_filled(frame[frame["cpu_id"] != TOTAL]))
    return cpus.loc[cpus["mean_busy_pct"].idxmax()]


def one_host(frame: pd.DataFrame, hostname: str | None = None) -> pd.DataFrame:
    """The rows of `hostname`, or of the host with the most rows. Raises BadInput where it has none."""
    rows_of = _filled(frame)["hostname"].value_counts()
    if hostname is not None and hostname not in rows_of:
        raise BadInput(f"There is no host {hostname} here, only {', '.join(sorted(rows_of.index))}.")
    return frame[frame["hostname"] == (hostname or rows_of.index[0])]


def gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of one host -> its pauses: start and end (UTC), in time order; empty where there is none.

    A pause is time that no interval covers, or one interval that is more than 3 times as long as
    the median one: its mean hides what happened inside, so a plot shows a gap there, not a line.
    """
    spans = _intervals(frame)
    length = spans["end"] - spans["start"]
    uncovered = pd.DataFrame({"start": spans["end"].shift(), "end": spans["start"]})
    uncovered = uncovered[uncovered["start"] < uncovered["end"]]
    too_long = spans[length > PAUSE_FACTOR * length.median()]
    return pd.concat([uncovered, too_long]).sort_values("start", ignore_index=True)


def grid(frame: pd.DataFrame, column: str = "total_busy_pct") -> pd.DataFrame:
    """Rows of one host -> `column` as a matrix of time × CPU, NaN where there is no data.

    The index holds the intervals (start, end] in UTC, each beginning where the one before ended, a
    pause being a row of NaN; the columns are the cpu_ids in natural order, the total line among them
    where `frame` has it. A row that came twice counts once: to find those is the ledger's work.
    """
    pauses = gaps(frame)
    rows = frame.assign(ts=pd.to_datetime(frame["ts"], utc=True)).drop_duplicates(["ts", "cpu_id"])
    matrix = rows.pivot(index="ts", columns="cpu_id", values=column)
    matrix = matrix.reindex(index=matrix.index.union(pauses["end"]), columns=sorted(matrix, key=natural))
    matrix.loc[pauses["end"]] = np.nan
    start = _intervals(frame)["start"].iloc[0]
    matrix.index = pd.IntervalIndex.from_breaks(matrix.index.insert(0, start), name="interval")
    return matrix


def coarsen(matrix: pd.DataFrame, at_most: int = 1000) -> pd.DataFrame:
    """A `grid` -> one with about `at_most` longer intervals: means weighted by time, pauses kept.

    A day has 86,400 intervals of 1 s and a picture some 1,500 pixels. No mean reaches across a pause.
    """
    step = -(-len(matrix) // at_most)
    if step == 1:
        return matrix
    pause = matrix.isna().all(axis=1).to_numpy()
    begins = np.arange(len(matrix)) % step == 0
    begins[1:] |= pause[1:] != pause[:-1]
    run = begins.cumsum()
    seconds = pd.Series((matrix.index.right - matrix.index.left).total_seconds(), index=matrix.index)
    measured = matrix.notna().mul(seconds, axis=0).groupby(run).sum()
    means = matrix.mul(seconds, axis=0).groupby(run).sum() / measured.where(measured > 0)
    breaks = matrix.index.left[begins].append(matrix.index.right[-1:])
    return means.set_axis(pd.IntervalIndex.from_breaks(breaks, name="interval"))


def _intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of one host -> start and end (UTC) of its intervals, each once, in time order."""
    hosts = _filled(frame)["hostname"].unique()
    if len(hosts) > 1:
        named = ", ".join(hosts[:3])
        raise BadInput(f"These are rows of {len(hosts)} hosts ({named}, …).", "Take one_host(rows).")
    spans = frame[["ts", "time_delta_ms"]].drop_duplicates("ts").sort_values("ts", ignore_index=True)
    end = pd.to_datetime(spans["ts"], utc=True)
    return pd.DataFrame({"start": end - pd.to_timedelta(spans["time_delta_ms"], unit="ms"), "end": end})


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` itself. Raises LabkitError where it has no rows."""
    if frame.empty:
        raise LabkitError("There are no rows to look at.", "Choose another host or time, or type: labkit run")
    return frame
