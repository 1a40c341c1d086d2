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
_DATA_PATH = REPOSITORY / "labkit"
_SHARED = tuple(
    _DATA_PATH / name
    for name in ("flink/enrichment.py", "flink/session.py", "avro_codec.py", "metrics.py", "registry.py")
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
        "enrichment", "this project's job, by record", 2, "exactly once", running.enrichment,
        _SHARED,
        flink=True,
    ),
    Program(
        "batches", "this project's job, in batches", 2, "exactly once", running.in_batches,
        (*_SHARED, *sorted((_DATA_PATH / "fast").glob("*.*"))),
        flink=True,
    ),
    Program(
        "flink_sql", "Flink SQL", 2, "exactly once", running.flink_sql,
        (HERE / "flink_sql" / "job.sql", HERE / "flink_sql" / "submit.py", _DATA_PATH / "flink" / "session.py"),
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
