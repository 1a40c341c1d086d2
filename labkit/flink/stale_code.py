"""Code that a job would not see: the enrichment runs inside the TaskManager, which loads labkit's code once."""

from __future__ import annotations

from pathlib import Path

__all__ = ["changed_since"]


def changed_since(started_s: float, package: Path) -> Path | None:
    """A Python file of `package` that is younger than `started_s` (s since the epoch), as "labkit/…"; or None."""
    changed = (file for file in sorted(package.rglob("*.py")) if file.stat().st_mtime > started_s)
    return next((file.relative_to(package.parent) for file in changed), None)
