"""A folder of a stream's rows, as those who write and merge it need to know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.streams.shape import Shape

__all__ = ["RowFolder"]


@dataclass(frozen=True, slots=True)
class RowFolder:
    """Parquet files with rows of `shape` below `path`, and nothing else there: output/cpu_metrics.

    `state_dir` has the lock of who merges; the job that writes the rows finishes files every `checkpoint_interval_s`.
    """

    path: Path
    shape: Shape
    state_dir: Path
    checkpoint_interval_s: float = 10.0
