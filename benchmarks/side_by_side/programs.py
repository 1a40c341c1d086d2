"""What is compared, and what is said of each. Nothing here is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.side_by_side import running
from benchmarks.side_by_side.code_lines import code_lines
from benchmarks.side_by_side.running import HERE, Running
from labkit.settings import REPOSITORY, Settings

_COMMON = HERE / "common" / "procstat.py"
_LABKIT = REPOSITORY / "labkit"
_ENVIRONMENT = _LABKIT / "flink" / "environment.py"
#: What this project's job needs either way: the way to the cluster, the tables, the decoder, the rules.
_EITHER_WAY = (
    _ENVIRONMENT,
    *(_LABKIT / name for name in ("flink/tables.py", "kafka/avro.py", "kafka/registry.py")),
    _LABKIT / "streams" / "procstat" / "metrics.py",
)
_VECTORIZED = (
    *(
        _LABKIT / "flink" / name
        for name in ("enrichment.py", "engine/batch.py", "engine/batch_decoder.py", "engine/record_batch.py")
    ),
    *sorted((_LABKIT / "flink").glob("*.java")),
    *(_LABKIT / "streams" / "procstat" / name for name in ("arrow.py", "columns.py", "intervals.py", "json_lines.py")),
)


@dataclass(frozen=True, slots=True)
class Program:
    """One row of the table: `files` are counted as its code, `promise` is what it says about delivery."""

    name: str
    title: str
    processes: int
    promise: str
    start: Callable[[Settings, Path, int], Running]
    files: tuple[Path, ...]
    environment: str = ""  # the folder of .venv-bench; "" is the project's own
    flink: bool = False

    @property
    def lines(self) -> int:
        """Its lines of code."""
        return sum(code_lines(file) for file in self.files)


PROGRAMS = [
    Program(
        "vectorized", "this project's job", 2, "exactly once", running.vectorized,
        (*_EITHER_WAY, *_VECTORIZED),
        flink=True,
    ),
    Program(
        "record_at_a_time", "this project's job, record at a time", 2, "exactly once", running.record_at_a_time,
        (*_EITHER_WAY, _LABKIT / "workshop" / "parts" / "record_job.py"),
        flink=True,
    ),
    Program(
        "flink_sql", "Flink SQL", 2, "exactly once", running.flink_sql,
        (HERE / "flink_sql" / "job.sql", HERE / "flink_sql" / "submit.py", _ENVIRONMENT),
        flink=True,
    ),
    Program(
        "plain", "plain loop, one process", 1, "at least once, state lost", running.plain,
        (HERE / "plain" / "loop.py", _COMMON), "plain",
    ),
    Program(
        "plain_2", "plain loop, two processes", 2, "at least once, state lost", running.plain,
        (HERE / "plain" / "loop.py", _COMMON), "plain",
    ),
    Program(
        "quixstreams", "quixstreams, two processes", 2, "exactly once", running.quixstreams,
        (HERE / "quixstreams" / "app.py", _COMMON), "quixstreams",
    ),
    Program(
        "bytewax", "bytewax, two processes", 2, "at least once", running.bytewax,
        (HERE / "bytewax" / "flow.py", _COMMON), "bytewax",
    ),
]  # fmt: skip
