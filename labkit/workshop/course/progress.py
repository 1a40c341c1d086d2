"""Which exercises are solved: work/.progress.json, written by every check.

{"01a": {"passed": true, "at": "2026-11-22T20:15:00+00:00"}, …}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from labkit.settings import Settings

__all__ = ["forget", "note", "solved"]


def note(settings: Settings, exercise: str, *, passed: bool) -> None:
    """Write down the newest verdict on an exercise. A later failure takes the tick away."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _write(settings, {**_read(settings), exercise: {"passed": passed, "at": now}})


def forget(settings: Settings, exercises: Iterable[str]) -> None:
    """Take the verdicts on these exercises away, as if they had never been checked."""
    known = _read(settings)
    if gone := known.keys() & set(exercises):
        _write(settings, {name: entry for name, entry in known.items() if name not in gone})


def _write(settings: Settings, known: dict[str, dict[str, Any]]) -> None:
    file = settings.work_dir / ".progress.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".progress.{os.getpid()}.part")
    part.write_text(json.dumps(known, indent=1, sort_keys=True))
    part.replace(file)


def solved(settings: Settings) -> set[str]:
    """The exercises whose newest check passed: {"01a"}."""
    return {exercise for exercise, entry in _read(settings).items() if entry.get("passed")}


def _read(settings: Settings) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads((settings.work_dir / ".progress.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return known if isinstance(known, dict) else {}
