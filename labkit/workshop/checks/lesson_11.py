"""What the exercises of lesson 11 have to do: name what is read again, and survive being killed at every line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

from labkit.settings import Settings
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.mortal import EVERY
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet

__all__ = ["JUDGES", "judge_11a", "judge_11b"]

_WITHIN_S = 100

Checkpoint = dict[str, Any]


# ------------------------------------------------------------------------------------------------------------ 11a


def _checkpoint(no: int, triggered: float, completed: float | None, **offsets: int) -> Checkpoint:
    named = {int(name.removeprefix("p")): offset for name, offset in offsets.items()}
    return {"id": no, "triggered": triggered, "completed": completed, "offsets": named}


#: (what the case is, checkpoints, time of the crash, next offsets then, what is read again, hint)
_CASES: tuple[tuple[str, list[Checkpoint], float, dict[int, int], dict[int, list[int]], str], ...] = (
    (
        "one checkpoint, and a crash after it",
        [_checkpoint(7, 12.0, 12.4, p0=120, p1=97)], 14.0, {0: 123, 1: 97}, {0: [120, 121, 122]},
        "Both numbers are the next offset to read: 120 is read again, 123 was not read yet. Partition 1 has none.",
    ),
    (
        "three checkpoints, the newest first",
        [_checkpoint(3, 6.0, 6.2, p0=60), _checkpoint(2, 4.0, 4.2, p0=40), _checkpoint(1, 2.0, 2.2, p0=20)],
        7.0, {0: 63}, {0: [60, 61, 62]},
        "The newest of those that are complete counts, wherever it stands in the list.",
    ),
    (
        "three checkpoints, the oldest first",
        [_checkpoint(1, 2.0, 2.2, p0=20), _checkpoint(2, 4.0, 4.2, p0=40), _checkpoint(3, 6.0, 6.2, p0=60)],
        7.0, {0: 63}, {0: [60, 61, 62]},
        "The newest of those that are complete counts, wherever it stands in the list.",
    ),
    (
        "a checkpoint that was being made when the job was killed",
        [_checkpoint(8, 16.0, None, p0=158), _checkpoint(7, 14.0, 14.3, p0=140)], 16.5, {0: 161},
        {0: list(range(140, 161))},
        "A checkpoint that is not complete is worth nothing: nobody can go back to it.",
    ),
    (
        "a checkpoint that the job completed after it had come back",
        [_checkpoint(9, 31.0, 31.2, p0=155), _checkpoint(7, 14.0, 14.3, p0=140)], 16.5, {0: 143}, {0: [140, 141, 142]},
        "What completed after the crash was not there when the job went back: compare with killed.",
    ),
    (
        "a partition that the checkpoint does not know yet",
        [_checkpoint(7, 12.0, 12.4, p0=120)], 14.0, {0: 120, 2: 2}, {2: [0, 1]},
        "Of a partition that is not in the checkpoint nothing had been read: it begins at 0.",
    ),
    (
        "a crash before the first checkpoint",
        [_checkpoint(1, 2.0, None, p0=2)], 2.1, {0: 3, 1: 0}, {0: [0, 1, 2]},
        "Without a complete checkpoint everything is read again, from offset 0.",
    ),
    ("no checkpoint at all", [], 2.1, {0: 2}, {0: [0, 1]}, "An empty list has no newest one: begin at offset 0."),
)  # fmt: skip


def judge_11a(answer: Any, _: Settings) -> str:
    """`read_again(checkpoints, killed, read)` on crashes whose answer is known."""
    for what, checkpoints, killed, read, wanted, hint in _CASES:
        given = [{**one, "offsets": dict(one["offsets"])} for one in checkpoints]
        got = called(answer, (given, killed, dict(read)), f"a case ({what})", hint)
        if not isinstance(got, dict):
            raise NotYet(f"It returned {shown(got)}.", "Wanted is a dict: {partition: [offset, …]}.")
        plain = {number: list(offsets) for number, offsets in got.items()}
        if plain != wanted:
            raise NotYet(f"With {what}, it said {_short(plain)}; read again are {_short(wanted)}.", hint)
    return f"{len(_CASES)} crashes, and in each the right offsets."


def _short(found: dict[Any, list[Any]]) -> str:
    """{0: [140, …, 160]}, however long."""
    inside = ", ".join(
        f"{number}: [{', '.join(map(str, offsets)) if len(offsets) <= 4 else f'{offsets[0]}, …, {offsets[-1]}'}]"
        for number, offsets in found.items()
    )
    return f"{{{inside}}}"


# ------------------------------------------------------------------------------------------------------------ 11b


def judge_11b(answer: Any, _: Settings) -> str:
    """`job(read, folder)`: killed before each line that it runs, and started again."""
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    verdict = _on_trial(answer)
    if "kills" in verdict:
        return f"Killed {verdict['kills']} times, each time before another line: the sums were right every time."
    if verdict["kind"] == NotSolved.__name__:
        raise NotSolved("11b")
    if verdict.get("undisturbed"):
        _blame_whole(verdict)
    _blame(verdict)
    raise AssertionError(verdict)


def _on_trial(answer: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="labkit-11b-") as name:
        folder = Path(name)
        (folder / "answer.pickle").write_bytes(cloudpickle.dumps(answer))
        words = [sys.executable, "-m", "labkit.workshop.checks.mortal", str(folder)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        within_s = patience(_WITHIN_S)
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and the child in which the answer runs
            process.wait()
            raise NotYet(f"It was not done after {within_s:.0f} s.", "Does your loop end where the log ends?") from None
        file = folder / "verdict.json"
        if not file.exists():
            raise NotYet("Your function ended the process that ran it.", "It returns the sums, and ends nothing.")
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def _blame_whole(verdict: dict[str, Any]) -> None:
    if verdict["error"]:
        raise NotYet(f"Without any crash, it raised {verdict['error']}.", "Run the cell above the check.")
    raise NotYet(
        f"Without any crash, it returned {shown(verdict['result'])}; the sums are {verdict['expected']}.",
        "Add up the ms of each host, and return the dict.",
    )


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _blame(verdict: dict[str, Any]) -> None:
    """Raise `NotYet` about a trial that failed."""
    where = f"before line {verdict['died_at']} of your function was done" if verdict["died_at"] else "at its start"
    when = f"Killed {where}, with {_records(verdict['died_taken'])} read, and started again:"
    if verdict["error"]:
        raise NotYet(
            f"{when} it raised {verdict['error']}.",
            "A file may be there half written. Write a draft, and rename it when it is whole.",
        )
    if not verdict["ended"]:
        raise NotYet(f"{when} it did not come to its end.", "It returns the sums.")
    result, expected = verdict["result"], verdict["expected"]
    if result == expected and verdict["again"] > EVERY:
        raise NotYet(
            f"{when} the sums are right, but {verdict['again']} records were read again; {EVERY} are allowed.",
            "Keep where you are, and read from there: read(offset).",
        )
    if not isinstance(result, dict):
        raise NotYet(f"{when} it returned {shown(result)}.", "It returns the sums, after a crash too.")
    for host, wanted in expected.items():
        got = result.get(host, 0)
        if got != wanted:
            less = got < wanted
            raise NotYet(
                f"{when} {host} has {got} ms, and it should be {wanted}: "
                f"{'a record is lost' if less else 'a record was counted twice'}.",
                "The position was kept, the sum that belongs to it was not: both have to be written in one step."
                if less
                else "The sum was kept, the position that belongs to it was not: both have to be written in one step.",
            )
    raise NotYet(f"{when} it returned {shown(result)}; the sums are {expected}.", "Return one sum for each host.")


JUDGES: dict[str, Judge] = {"11a": judge_11a, "11b": judge_11b}
