"""The rules of /proc/stat on columns, many snapshots at once: what the engine calls. See `labkit.streams.stream`."""

from __future__ import annotations

from labkit.streams.procstat.arrow import of_arrow
from labkit.streams.procstat.columns import empty
from labkit.streams.procstat.intervals import compare_all
from labkit.streams.procstat.json_lines import json_lines

__all__ = ["compare_all", "empty", "json_lines", "of_arrow"]
