"""packs.jar: the two operators of the enrichment in batches that run in the JVM, made at set-up."""

from __future__ import annotations

from pathlib import Path

from labkit.ops import janino
from labkit.settings import REPOSITORY

__all__ = ["NAME", "build", "fingerprint"]

NAME = "packs.jar"
_JAVA = tuple(REPOSITORY / "labkit" / "fast" / f"{name}.java" for name in ("Pack", "Unpack"))


def fingerprint() -> str:
    """Changes when what packs.jar is made of does."""
    return janino.fingerprint([*_JAVA, Path(__file__)])


def build(target: Path) -> Path:
    """Make packs.jar at `target`; returns that."""
    return janino.write_jar(target, janino.compiled(*_JAVA))
