"""Columns of intervals -> the JSON records of procstat_metrics, all of a batch written at once."""

from __future__ import annotations

import io

import arro3.core
import arro3.io
import numpy as np
import pyarrow as pa

from labkit.streams.procstat.intervals import Intervals
from labkit.streams.procstat.metrics import UTILIZATION_COLUMNS

__all__ = ["json_lines"]


def json_lines(intervals: Intervals) -> bytes:
    """A line each, with the record that `labkit.streams.procstat.metrics.Metrics.as_record` has, in their order.

    The text is written in Rust (arrow-json), from the columns: no dict is made of them.
    """
    if not intervals.hostnames:
        return b""
    cpu_ids = pa.array(intervals.cpu_ids, pa.string())
    shares = [pa.array(np.ascontiguousarray(column)) for column in intervals.shares.T]
    cpus = pa.StructArray.from_arrays([cpu_ids, *shares], ["cpu_id", *UTILIZATION_COLUMNS])
    batch = pa.record_batch(
        [
            pa.array(intervals.hostnames, pa.string()),
            pa.array(intervals.timestamp),
            pa.array(intervals.time_delta_ms),
            pa.ListArray.from_arrays(pa.array(intervals.begins.astype(np.int32)), cpus),
        ],
        ["hostname", "timestamp", "time_delta_ms", "cpu_metrics"],
    )
    text = io.BytesIO()
    arro3.io.write_ndjson(arro3.core.RecordBatch.from_arrow(batch), text)
    return text.getvalue()
