"""A function that is killed with SIGKILL before each line it runs, and started again: whether its result survives.

Run as a process of its own (`python -m labkit.workshop.checks.mortal FOLDER`), because it forks for each trial and a
notebook's kernel has threads. Reads FOLDER/answer.pickle, writes FOLDER/verdict.json:

    {"kills": 214}    or    {"line": 7, "taken": 12, "start": 5, "result": {"web": 440}, …}    of the first that failed
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

__all__ = ["EVERY", "LOG", "Life", "main", "trial"]

#: The log that every trial reads: no two records have the same milliseconds, so a sum tells which are in it.
LOG = tuple((("web", "db", "web", "cache")[number % 4], 40 + 3 * number) for number in range(22))
#: So many records may be read again after a crash.
EVERY = 5
_MOST_TRIALS = 800


@dataclass(slots=True)
class Life:
    """One run: from which offset it read, how many records it took, how many lines it ran, how it ended."""

    start: int | None = None
    taken: int = 0
    lines: int = 0
    at: int = 0
    result: Any = None
    error: str = ""
    kind: str = ""
    ended: bool = False
    starts: list[int] = field(default_factory=list)


def _live(answer: Callable[..., Any], folder: Path, kill_before: int | None) -> Life:
    """Run the answer in a child; `kill_before` is the how-manieth line it does not live to run."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(answer, folder, kill_before, writer)
    os.close(writer)
    with os.fdopen(reader) as told:
        life = Life()
        for line in told:
            _hear(life, json.loads(line))
    os.waitpid(pid, 0)
    return life


def _hear(life: Life, said: dict[str, Any]) -> None:
    if "start" in said:
        life.starts.append(said["start"])
        life.start = said["start"]
        life.taken = said["start"]
    elif "took" in said:
        life.taken = said["took"] + 1
    else:
        for name, value in said.items():
            setattr(life, name, value)


def _child(answer: Callable[..., Any], folder: Path, kill_before: int | None, writer: int) -> None:
    def say(**words: Any) -> None:
        os.write(writer, json.dumps(words).encode() + b"\n")

    def read(offset: int) -> Iterator[tuple[str, int]]:
        say(start=offset)
        for number in range(offset, len(LOG)):
            say(took=number)
            yield LOG[number]

    counter = _Counter(answer, kill_before, say)
    try:
        sys.settrace(counter.enter)
        result = answer(read, folder)
        sys.settrace(None)
        say(result=result, ended=True, lines=counter.lines)
    except BaseException as error:
        sys.settrace(None)
        say(error=f"{type(error).__name__}: {error}".rstrip(": "), kind=type(error).__name__, lines=counter.lines)
    os._exit(0)


class _Counter:
    """Counts the lines that are run, of the answer and of what it calls, and dies before one of them."""

    def __init__(self, answer: Callable[..., Any], kill_before: int | None, say: Callable[..., None]) -> None:
        self._own = answer.__code__.co_filename
        self._first = answer.__code__.co_firstlineno
        self._kill_before, self._say = kill_before, say
        self.lines = 0

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        return None if frame.f_code.co_filename == __file__ else self.step

    def step(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self._kill_before:
                self._say(at=self._line(frame))
                os.kill(os.getpid(), signal.SIGKILL)
        return self.step

    def _line(self, frame: FrameType | None) -> int:
        """The answer's own line that is being run, counted from its def; 0 where none is."""
        while frame is not None and frame.f_code.co_filename != self._own:
            frame = frame.f_back
        return frame.f_lineno - self._first if frame is not None else 0


def trial(answer: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """Kill it before each of its lines; what the first trial that failed said, or how many there were."""
    expected: dict[str, int] = {}
    for host, busy_ms in LOG:
        expected[host] = expected.get(host, 0) + busy_ms
    whole = _live(answer, _fresh(folder), None)
    if not whole.ended or whole.result != expected:
        return {**_told(whole), "undisturbed": True, "expected": expected}
    step = -(-whole.lines // _MOST_TRIALS)
    for line in range(1, whole.lines + 1, step):
        own = _fresh(folder)
        died = _live(answer, own, line)
        again = _live(answer, own, None)
        read_again = died.taken - (again.start if again.start is not None else len(LOG))
        if not again.ended or again.result != expected or read_again > EVERY or len(again.starts) != 1:
            return {**_told(again), "died_at": died.at, "died_taken": died.taken, "again": read_again,
                    "expected": expected}  # fmt: skip
    return {"kills": len(range(1, whole.lines + 1, step))}


def _told(life: Life) -> dict[str, Any]:
    return {"ended": life.ended, "error": life.error, "kind": life.kind, "result": life.result, "start": life.start}


def _fresh(folder: Path) -> Path:
    own = folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    return own


def main(folder: Path) -> None:
    """Judge FOLDER/answer.pickle."""
    answer = cloudpickle.loads((folder / "answer.pickle").read_bytes())
    (folder / "verdict.json").write_text(json.dumps(trial(answer, folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
