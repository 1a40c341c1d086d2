"""The names of a stream's jobs and topics."""

from __future__ import annotations

__all__ = ["ENRICHMENT", "JOBS", "PARQUET", "in_words", "job_name", "stream_option", "topic_name"]

ENRICHMENT = "enrichment"
PARQUET = "parquet"
#: In the order in which records pass them.
JOBS = (ENRICHMENT, PARQUET)
#: Its jobs have no name of a stream in theirs.
_FIRST_STREAM = "procstat"


def job_name(job: str, stream: str, suffix: str = "") -> str:
    """The name of a stream's job in Flink's list, its consumer group, its state's folder: "parquet-meminfo"."""
    return f"{job}{'' if stream == _FIRST_STREAM else f'-{stream}'}{suffix}"


def topic_name(kind: str, stream: str, suffix: str = "") -> str:
    """The name of a stream's topic of snapshots, metrics or dead_letters: "meminfo_metrics"."""
    return f"{stream}_{kind}{suffix}"


def stream_option(stream: str) -> str:
    """What a command has to be told to mean this stream: "" or " --stream meminfo"."""
    return "" if stream == _FIRST_STREAM else f" --stream {stream}"


def in_words(name: str) -> str:
    """Flink's name of a job -> what a command is told: "parquet-meminfo" -> "parquet --stream meminfo"."""
    job, _, stream = name.partition("-")
    return job + (stream_option(stream) if stream else "")
