"""operators.jar: the two operators of the enrichment that run in the JVM, made at set-up."""

from __future__ import annotations

from pathlib import Path

from labkit.setup import janino
from labkit.system.repository import REPOSITORY

__all__ = ["NAME", "build", "fingerprint"]

NAME = "operators.jar"
_JAVA = tuple(REPOSITORY / "labkit" / "flink" / f"{name}.java" for name in ("ToRecordBatches", "FromResultBatches"))


def fingerprint() -> str:
    """Changes when what operators.jar is made of does."""
    return janino.fingerprint([*_JAVA, Path(__file__)])


def build(target: Path) -> Path:
    """Make operators.jar at `target`; returns that."""
    return janino.write_jar(target, janino.compiled(*_JAVA))
