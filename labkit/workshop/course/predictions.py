"""What the learner thought would come, kept in work/.predictions.json. Nobody judges it.

{"05-1": {"text": "600", "at": "2026-11-22T20:15:00+00:00"}, …}

A notebook has a cell `prediction("05-1", "")` for each; `fields` finds them.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime

import nbformat

from labkit.settings import Settings
from labkit.workshop.course.contents import Lesson

__all__ = ["fields", "forget", "keep", "kept"]

_FIELD = re.compile(r'^prediction\("(\d\d-\d+)"', re.M)


def fields(lesson: Lesson) -> list[str]:
    """The predictions that a lesson's notebook asks for, in its order: ["05-1", "05-2", …]"""
    cells = nbformat.read(lesson.notebook, as_version=4).cells
    return [name for cell in cells if cell.cell_type == "code" for name in _FIELD.findall(cell.source)]


def keep(settings: Settings, name: str, text: str) -> None:
    """Write down what was predicted, in place of what stood there."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _write(settings, {**_read(settings), name: {"text": text, "at": now}})


def kept(settings: Settings) -> dict[str, str]:
    """What was written: {"05-1": "600"}."""
    return {name: entry["text"] for name, entry in _read(settings).items()}


def forget(settings: Settings, lesson: Lesson) -> None:
    """Take away what was predicted in a lesson."""
    known = _read(settings)
    left = {name: entry for name, entry in known.items() if not name.startswith(f"{lesson.no}-")}
    if left != known:
        _write(settings, left)


def _read(settings: Settings) -> dict[str, dict[str, str]]:
    try:
        known = json.loads((settings.work_dir / ".predictions.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(settings: Settings, known: dict[str, dict[str, str]]) -> None:
    file = settings.work_dir / ".predictions.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".predictions.{os.getpid()}.part")
    part.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False))
    part.replace(file)
