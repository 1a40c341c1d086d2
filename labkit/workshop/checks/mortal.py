"""A function that is killed with SIGKILL before each line it runs, and started again: whether its result survives.

Run as a process of its own (`python -m labkit.workshop.checks.mortal FOLDER`), because it forks for each trial and a
notebook's kernel has threads. Reads FOLDER/answer.pickle, writes FOLDER/verdict.json:

    {"kills": 214}                                             every trial went well
    {"stage": "killed", "fault": "sums", "result": …, …}       what was seen of the first trial that did not

Stages: "whole" (no crash), "elsewhere" (no crash, and a new empty folder), "short" (other logs), "idle" (a log with a
host that was never busy), "killed".
"""

from __future__ import annotations

import importlib
import json
import operator
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

from labkit.system.waiting import patience
from labkit.workshop.checks.place import Place, of_error, of_frame
from labkit.workshop.explain import is_of_a_cell

__all__ = ["EVERY", "IDLE", "LOG", "SHORT", "Life", "main", "sums", "trial"]

Record = tuple[str, int]

#: The log that every trial reads: no two records have the same milliseconds, so a sum tells which are in it.
LOG: tuple[Record, ...] = tuple((("web", "db", "web", "cache")[number % 4], 40 + 3 * number) for number in range(22))
#: Other logs are so long: none, fewer than a checkpoint's worth, exactly one, and one more.
SHORT = (0, 3, 5, 6)
#: And one in which a host has the sum 0.
IDLE: tuple[Record, ...] = (LOG[0], ("idle", 0), *LOG[1:3], ("idle", 0))
#: So many records may be read again after a crash.
EVERY = 5
#: A line of the answer's own is tried each time it is run, one of a library so often.
_OF_A_LIBRARY = 2
_MOST_TRIALS = 160
#: Every so many-th trial is killed a second time: in turns soon after it was started again, and anywhere after that.
_TWICE, _SOON = 8, 60
#: Others between them are killed a second time when they take their first record, their second or their third.
_TAKES = 3
#: After a trial that failed, so many more say how many of them do.
_MORE = 24
_LIFE_S = 6.0
#: After so long no further trial is begun; on a busy machine later, but never later than `_AT_MOST_S`.
_TRIALS_S, _AT_MOST_S = 25.0, 60.0
#: Functions in C that change a file: between two of them in one line, a crash is possible too.
_WRITES = frozenset((
    "open", "write", "writelines", "flush", "close", "truncate", "dump", "replace", "rename", "link", "unlink",
    "remove", "mkdir", "rmdir", "commit", "execute", "executemany",
))  # fmt: skip


@cache
def _life_s() -> float:
    """As busy as the machine is at the start: to ask for each life takes longer than a life."""
    return patience(_LIFE_S)


@dataclass(slots=True)
class Life:
    """One run: from which offsets it read, which records it took, what it ran, how it ended.

    `at` and `raised_at` are (file, line, function) of the answer's own line; `places` says for each thing that was
    run where it stands.
    """

    starts: list[int] = field(default_factory=list)
    took: list[int] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    at: Place | None = None
    result: Any = None
    error: str = ""
    kind: str = ""
    raised_at: Place | None = None
    ended: bool = False
    late: bool = False
    modules: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """The next record that it would have taken."""
        return max(self.took, default=-1) + 1


def sums(log: Sequence[Record]) -> dict[str, int]:
    """The ms of each host."""
    found: dict[str, int] = {}
    for host, busy_ms in log:
        found[host] = found.get(host, 0) + busy_ms
    return found


def _live(
    answer: Callable[..., Any],
    folder: Path,
    log: Sequence[Record] = LOG,
    kill_before: int | None = None,
    counts: bool = True,
    kill_at_take: int | None = None,
) -> Life:
    """Run the answer in a child; `kill_before` is the how-manieth step it does not live to do.

    `kill_at_take`: it is killed when it asks for a record after so many. `counts`: whether steps are counted at all;
    without that, it is told which modules it has imported.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(answer, folder, log, kill_before, counts, kill_at_take, writer)
    os.close(writer)
    life = Life()
    for line in _lines(reader, pid, life):
        _hear(life, json.loads(line))
    os.waitpid(pid, 0)
    return life


def _lines(reader: int, pid: int, life: Life) -> list[bytes]:
    """All that the child says; it is killed where it neither ends nor hears its alarm."""
    deadline, said = time.monotonic() + 2 * _life_s(), b""
    with os.fdopen(reader, "rb", buffering=0) as told:
        while True:
            if not select.select([told], [], [], max(0.0, deadline - time.monotonic()))[0]:
                life.late = True
                os.kill(pid, signal.SIGKILL)
            if not (news := told.read(65536)):
                return said.splitlines()
            said += news


def _hear(life: Life, said: dict[str, Any]) -> None:
    if "start" in said:
        life.starts.append(said["start"])
    elif "took" in said:
        life.took.append(said["took"])
    else:
        for name, value in said.items():
            setattr(life, name, value)


def _child(
    answer: Callable[..., Any],
    folder: Path,
    log: Sequence[Record],
    kill_before: int | None,
    counts: bool,
    kill_at_take: int | None,
    writer: int,
) -> None:
    def say(**words: Any) -> None:
        os.write(writer, json.dumps(words).encode() + b"\n")

    def records(offset: int) -> Iterator[Record]:
        for number in range(offset, len(log)):
            if number - offset == kill_at_take:
                say(at=of_frame(sys._getframe()))
                os.kill(os.getpid(), signal.SIGKILL)
            say(took=number)
            yield log[number]

    def read(offset: int) -> Iterator[Record]:
        offset = operator.index(offset)
        if offset < 0:
            raise ValueError(f"read({offset}): the first offset is 0")
        say(start=offset)
        return records(offset)

    def late(_: int, frame: FrameType | None) -> None:
        say(late=True, at=of_frame(frame))
        os._exit(0)

    os.chdir(folder.parent)
    known = set(sys.modules)
    counter = _Counter(kill_before, say)
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _life_s())
    try:
        if counts:
            sys.setprofile(counter.call)
            sys.settrace(counter.enter)
        result = answer(read, folder)
        _untraced()
        say(result=_plain(result), ended=True)
    except BaseException as error:
        _untraced()
        text = f"{type(error).__name__}: {error}".rstrip(".: ")
        say(error=text, kind=type(error).__name__, raised_at=of_error(error))
    if kill_before is None:
        say(places=counter.places, modules=sorted(sys.modules.keys() - known))
    os._exit(0)


def _untraced() -> None:
    sys.settrace(None)
    sys.setprofile(None)


def _plain(result: Any) -> Any:
    """Sums as JSON has them; what is no dict of numbers as Python writes it, in a list of its own."""
    if isinstance(result, Mapping):
        try:
            return {str(host): operator.index(busy) if hasattr(busy, "__index__") else float(busy)
                    for host, busy in result.items()}  # fmt: skip
        except (TypeError, ValueError):
            pass
    return None if result is None else [type(result).__name__, " ".join(repr(result).split())[:80]]


class _Counter:
    """Counts the steps: lines, of the answer and of what it calls, and calls in C that write. Dies before one."""

    def __init__(self, kill_before: int | None, say: Callable[..., None]) -> None:
        self._kill_before, self._say = kill_before, say
        self.places: list[str] = []
        self._steps = 0

    def enter(self, frame: FrameType, event: str, _: Any) -> Any:
        return None if frame.f_code.co_filename == __file__ else self.line

    def line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self._step(frame, "")
        return self.line

    def call(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename != __file__:
            name = getattr(function, "__name__", "")
            if name in _WRITES:
                self._step(frame, name)

    def _step(self, frame: FrameType, name: str) -> None:
        self._steps += 1
        if self._kill_before is None:
            own = "own " if is_of_a_cell(frame.f_code.co_filename) else ""
            self.places.append(f"{own}{frame.f_code.co_filename}:{frame.f_lineno}:{name}")
        elif self._steps == self._kill_before:
            self._say(at=of_frame(frame))
            os.kill(os.getpid(), signal.SIGKILL)


def trial(answer: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """Without a crash, then killed before each of its steps; what the first trial that failed said, or how many."""
    first = _live(answer, _fresh(folder), counts=False)
    if fault := _fault(first, LOG):
        return _told("whole", fault, first, LOG)
    for module in first.modules:
        with suppress(Exception):  # an import would be thousands of lines in each life
            importlib.import_module(module)
    whole = _live(answer, _fresh(folder))
    if fault := "elsewhere" if whole.starts != first.starts else _fault(whole, LOG):
        return _told("elsewhere", fault, whole, LOG)
    for count in SHORT:
        life = _live(answer, _fresh(folder), LOG[:count])
        if fault := _fault(life, LOG[:count]):
            return _told("short", fault, life, LOG[:count])
    if fault := _fault(idle := _live(answer, _fresh(folder), IDLE), IDLE):
        return _told("idle", fault, idle, IDLE)
    steps, began, number = _mixed(_chosen(whole.places)), time.monotonic(), 0
    for number, step in enumerate(steps):
        if time.monotonic() - began > min(patience(_TRIALS_S), _AT_MOST_S):
            return {"kills": number}  # they were spread over the whole run
        failed, _, _ = _killed(answer, folder, step)
        if not failed and number % _TWICE == 0:
            within = _SOON if number % (2 * _TWICE) else max(_SOON, len(whole.places) - step)
            failed, _, _ = _killed(answer, folder, step, then=1 + step * 37 % within)
        elif not failed and number % _TWICE == _TWICE // 2:
            failed, _, _ = _killed(answer, folder, step, then_at_take=number // _TWICE % _TAKES)
        if failed:
            return {**failed, **_how_often(answer, folder, whole)}
    return {"kills": len(steps)}


def _mixed(steps: list[int]) -> list[int]:
    """Every eighth first, then those between: wherever one stops, they are spread over the whole."""
    return [step for first in (0, 4, 2, 6, 1, 5, 3, 7) for step in steps[first::8]]


def _how_often(answer: Callable[..., Any], folder: Path, whole: Life) -> dict[str, Any]:
    """Of some kills with more than `EVERY` records taken: how many there were, and what failed of them how."""
    own = [number for number, place in enumerate(whole.places, 1) if place.startswith("own ")]
    trials = [_killed(answer, folder, step) for step in _spread(own, _MORE)]
    late = [failed for failed, taken, _ in trials if taken > EVERY]
    some = [failed for failed in late if failed]
    return {
        "tried": len(late),
        "failed": len(some),
        "most": max((int(one["again"]) for one in some), default=0),
        "wrote": any(wrote for _, _, wrote in trials),
        "later": some[-1] if some else None,
        "later_starts": sorted({start for one in some for start in one["starts"]}),
    }


def _chosen(places: list[str]) -> list[int]:
    """Which steps it is killed before, from 1: each of its own, and of a library's line some early and late ones."""
    where: dict[str, list[int]] = {}
    for number, place in enumerate(places, 1):
        where.setdefault(place, []).append(number)
    chosen = {number for place, numbers in where.items()
              for number in (numbers if place.startswith("own ") else _spread(numbers, _OF_A_LIBRARY))}  # fmt: skip
    return _spread(sorted(chosen), _MOST_TRIALS)


def _spread(numbers: list[int], most: int) -> list[int]:
    """At most so many, evenly, with the first and the last."""
    if len(numbers) <= most:
        return numbers
    return [numbers[place * (len(numbers) - 1) // (most - 1)] for place in range(most)]


def _killed(
    answer: Callable[..., Any], folder: Path, step: int, *, then: int | None = None, then_at_take: int | None = None
) -> tuple[dict[str, Any] | None, int, bool]:
    """(what is wrong after a kill before `step`, or None; records taken by then; whether a file had something).

    `then`: started again, it is killed a second time, before that step; `then_at_take`: when it takes a record after
    so many.
    """
    own = _fresh(folder)
    died = _live(answer, own, kill_before=step)
    taken, files, kills = died.taken, _files(own), 1
    kept = files
    if then is not None or then_at_take is not None:
        second = _live(answer, own, kill_before=then, counts=then is not None, kill_at_take=then_at_take)
        if second.ended or second.error or second.late:  # before it could be killed
            return None, taken, True
        died, files, kills = second, _files(own), 2
        taken = max(taken, second.taken)
    life = _live(answer, own)
    again = _read_again(life, taken)
    fault = _fault(life, LOG) or ("again" if again > EVERY else "")
    if not fault:
        return None, taken, any(size for _, size in files)
    return {**_told("killed", fault, life, LOG), "died_at": died.at, "died_taken": taken, "again": again,
            "died_starts": died.starts,
            "files": files, "kept": kept, "kills_before": kills}, taken, any(size for _, size in files)  # fmt: skip


def _read_again(life: Life, taken: int) -> int:
    return sum(number < taken for number in life.took)


def _files(folder: Path) -> list[tuple[str, int]]:
    """Names and sizes of what is in the folder."""
    return sorted((str(file.relative_to(folder)), file.stat().st_size) for file in folder.rglob("*") if file.is_file())


def _fault(life: Life, log: Sequence[Record]) -> str:
    """ "late", "raised", "ended" (its process), "kind" (no dict), "sums", or "" """
    if life.late:
        return "late"
    if life.error:
        return "raised"
    if not life.ended:
        return "ended"
    if not isinstance(life.result, dict):
        return "kind"
    return "" if life.result == sums(log) else "sums"


def _told(stage: str, fault: str, life: Life, log: Sequence[Record]) -> dict[str, Any]:
    return {"stage": stage, "fault": fault, "error": life.error, "kind": life.kind, "raised_at": life.raised_at,
            "at": life.at, "result": life.result, "starts": life.starts, "count": len(log),
            "again": 0}  # fmt: skip


def _fresh(folder: Path) -> Path:
    own = folder / "away" / "a job's folder"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    return own


def main(folder: Path) -> None:
    """Judge FOLDER/answer.pickle."""
    answer = cloudpickle.loads((folder / "answer.pickle").read_bytes())
    (folder / "verdict.json").write_text(json.dumps(trial(answer, folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
