"""The names of a stream's jobs."""

from __future__ import annotations

__all__ = ["ENRICHMENT", "JOBS", "PARQUET", "job_name"]

ENRICHMENT = "enrichment"
PARQUET = "parquet"
#: In the order in which records pass them.
JOBS = (ENRICHMENT, PARQUET)
#: Its jobs have no name of a stream in theirs.
_FIRST_STREAM = "procstat"


def job_name(job: str, stream: str, suffix: str = "") -> str:
    """The name of a stream's job in Flink's list, its consumer group, its state's folder: "parquet-meminfo"."""
    return f"{job}{'' if stream == _FIRST_STREAM else f'-{stream}'}{suffix}"
