"""How far a learner is with each exercise: work/.progress.json, written by every check, hint and solution.

{"01a": {"passed": false, "at": "2026-11-22T20:15:00+00:00", "tried": true, "solved": true, "hints": 2}, …}

`passed` and `at` are of the newest verdict. `solved` stays once it is earned. `hints` counts those that were shown,
`solution` says that it was looked at, and `helped` that one of both was before the exercise was solved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from labkit.settings import Settings

__all__ = ["State", "count_hint", "forget", "note", "see_solution", "solved", "states", "tried"]


class State(StrEnum):
    """What the index says of an exercise."""

    OPEN = "open"
    TRIED = "tried"
    HELPED = "solved with hints"
    SOLVED = "solved"


def note(settings: Settings, exercise: str, *, passed: bool, tried: bool = True) -> None:
    """Write down the newest verdict on an exercise. What was solved once stays so, whatever comes later.

    `tried` is False where there was no answer to judge: the stub, or a service that was away.
    """
    known = _read(settings)
    entry = known.get(exercise, {})
    if passed and not _is_solved(entry):
        entry["helped"] = bool(entry.get("hints") or entry.get("solution"))
    entry["solved"] = passed or _is_solved(entry)
    entry["tried"] = tried or bool(entry.get("tried"))
    entry["passed"], entry["at"] = passed, datetime.now(UTC).isoformat(timespec="seconds")
    _write(settings, {**known, exercise: entry})


def count_hint(settings: Settings, exercise: str, there_are: int) -> tuple[int, bool]:
    """(number of the hint that is due, whether it was shown before): each call is a step, as far as there are hints."""
    known = _read(settings)
    entry = known.get(exercise, {})
    shown = int(entry.get("hints", 0))
    if shown >= there_are:
        return there_are, True
    entry["hints"] = shown + 1
    _write(settings, {**known, exercise: entry})
    return shown + 1, False


def see_solution(settings: Settings, exercise: str) -> None:
    """Write down that the solution was looked at."""
    known = _read(settings)
    _write(settings, {**known, exercise: {**known.get(exercise, {}), "solution": True}})


def forget(settings: Settings, exercises: Iterable[str]) -> bool:
    """Take all that is known of these exercises away, as if they had never been seen. Returns whether there was any."""
    known = _read(settings)
    gone = known.keys() & set(exercises)
    if gone:
        _write(settings, {name: entry for name, entry in known.items() if name not in gone})
    return bool(gone)


def tried(settings: Settings, exercise: str) -> bool:
    """Whether an answer to the exercise was ever judged."""
    entry = _read(settings).get(exercise, {})
    return bool(entry.get("tried")) or _is_solved(entry)


def solved(settings: Settings) -> set[str]:
    """The exercises that have passed their check, now or earlier: {"01a"}."""
    return {exercise for exercise, entry in _read(settings).items() if _is_solved(entry)}


def states(settings: Settings) -> dict[str, State]:
    """{"01a": State.SOLVED}; an exercise that is not in it is open."""
    return {exercise: _state(entry) for exercise, entry in _read(settings).items()}


def _state(entry: dict[str, Any]) -> State:
    if _is_solved(entry):
        return State.HELPED if entry.get("helped") else State.SOLVED
    return State.TRIED if entry.get("tried") else State.OPEN


def _is_solved(entry: dict[str, Any]) -> bool:
    return bool(entry.get("solved", entry.get("passed")))  # a file of before had only the newest verdict


def _write(settings: Settings, known: dict[str, dict[str, Any]]) -> None:
    file = settings.work_dir / ".progress.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".progress.{os.getpid()}.part")
    part.write_text(json.dumps(known, indent=1, sort_keys=True))
    part.replace(file)


def _read(settings: Settings) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads((settings.work_dir / ".progress.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return known if isinstance(known, dict) else {}
