"""What the exercises of lesson 11 have to do: name what is read again, and survive being killed at every line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none

from labkit.settings import Settings
from labkit.system.scratch import scratch_folder
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.mortal import EVERY, IDLE, LOG, sums
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet, raised
from labkit.workshop.checks.place import in_words
from labkit.workshop.checks.rules import Meets

__all__ = ["JUDGES", "MEETS", "judge_11a", "judge_11b"]

MEETS: Meets = {
    "11a": {
        "task": "thirteen crashes: order of the list, checkpoints that are not complete or came later, new partitions",
        "boundaries": "completed exactly at the crash and 1 ms after it; no checkpoint; nothing read, one record read",
        "arguments": "the same checkpoints with another time of the crash, and with other offsets that were read",
        "ends": "nothing more: it is given lists that end, and has nothing to open",
        "twice": "the first case is asked again at the end",
        "point": "which checkpoint counts: of each wrong choice there is a case in which only that one shows",
    },
    "11b": {
        "task": "sums of six logs, in one of which a host has 0 ms; each line of its own is killed each time it runs, "
        "and a library's lines twice",
        "boundaries": "logs of 0, 3, 5, 6 and 22 records; five records again pass and six do not; kills at the start "
        "and in the last line; a second kill soon after the first, at its next records, and anywhere after that",
        "arguments": "read gives other logs; a second folder, which is new, has to begin at offset 0",
        "ends": "each life has 6 s, and is told in which line it was",
        "twice": "undisturbed twice in two folders; started again after each kill in the same one",
        "point": "killed between any two lines, and between two calls of one line that write: sums and position agree",
    },
}

_WITHIN_S = 150

Checkpoint = dict[str, Any]
Offsets = dict[int, list[int]]
#: What it is, checkpoints, time of the crash, next offsets then.
Case = tuple[str, list[Checkpoint], float, dict[int, int]]
Mistake = Callable[[list[Checkpoint], float, Mapping[int, int]], Offsets]


# ------------------------------------------------------------------------------------------------------------ 11a


def _checkpoint(no: int, triggered: float, completed: float | None, **offsets: int) -> Checkpoint:
    named = {int(name.removeprefix("p")): offset for name, offset in offsets.items()}
    return {"id": no, "triggered": triggered, "completed": completed, "offsets": named}


_ONE = _checkpoint(7, 12.0, 12.4, p0=120, p1=97)
_THREE = [_checkpoint(number, 2.0 * number, 2.0 * number + 0.2, p0=20 * number) for number in (1, 2, 3)]
_BACK = _checkpoint(9, 31.0, 31.2, p0=155)
_OLD = _checkpoint(7, 14.0, 14.3, p0=140)

_CASES: tuple[Case, ...] = (
    ("one checkpoint, and a crash after it", [_ONE], 14.0, {0: 123, 1: 99}),
    ("one record read since the checkpoint", [_ONE], 14.0, {0: 121, 1: 98}),
    ("a partition of which nothing was read since the checkpoint", [_ONE], 14.0, {0: 123, 1: 97}),
    ("three checkpoints, the oldest first", _THREE, 7.0, {0: 63}),
    ("three checkpoints, the newest first", _THREE[::-1], 7.0, {0: 63}),
    ("three checkpoints, the newest in the middle", [_THREE[0], _THREE[2], _THREE[1]], 7.0, {0: 63}),
    ("a checkpoint that was being made when the job was killed",
     [_checkpoint(8, 16.0, None, p0=158), _OLD], 16.5, {0: 161}),
    ("a checkpoint that the job completed after it had come back", [_BACK, _OLD], 16.5, {0: 143}),
    ("the same checkpoints, and a crash after both", [_BACK, _OLD], 32.0, {0: 157}),
    ("a checkpoint that completed at the very moment of the crash", [_BACK, _OLD], 31.2, {0: 157}),
    ("a checkpoint that completed 1 ms after the crash",
     [_OLD, _checkpoint(8, 17.0004, 17.001, p0=143)], 17.0, {0: 143}),
    ("a partition that the checkpoint does not know yet",
     [_checkpoint(7, 12.0, 12.4, p0=120)], 14.0, {0: 120, 2: 2}),
    ("a crash before the first checkpoint was complete",
     [_checkpoint(1, 2.0, None, p0=2)], 2.1, {0: 3, 1: 0}),
    ("no checkpoint at all", [], 2.1, {0: 2}),
)  # fmt: skip


def _is_there(one: Checkpoint, killed: float) -> bool:
    return one["completed"] is not None and one["completed"] <= killed


def _of(newest: Checkpoint | None, read: Mapping[int, int], first: int = 0, last: int = 0) -> Offsets:
    offsets = newest["offsets"] if newest else {}
    again = {number: list(range(offsets.get(number, 0) + first, upto + last)) for number, upto in read.items()}
    return {number: some for number, some in again.items() if some}


def _by(key: str, found: Iterable[Checkpoint]) -> Checkpoint | None:
    return max(found, key=lambda one: one[key] if one[key] is not None else float("inf"), default=None)


def _right(checkpoints: list[Checkpoint], killed: float, read: Mapping[int, int]) -> Offsets:
    return _of(_by("completed", (one for one in checkpoints if _is_there(one, killed))), read)


def _usual(checkpoints: list[Checkpoint], killed: float) -> list[Checkpoint]:
    return [one for one in checkpoints if _is_there(one, killed)]


def _known(checkpoints: list[Checkpoint], killed: float, read: Mapping[int, int]) -> Offsets:
    newest = _by("completed", _usual(checkpoints, killed)) or {"offsets": {}}
    return _of(newest, {number: upto for number, upto in read.items() if number in newest["offsets"]})


_WHEREVER = "The newest of those that are complete counts, wherever it stands in the list."
#: (a mistake, its hint): where an answer says in a case what this one says, that is its mistake
_MISTAKES: tuple[tuple[Mistake, str], ...] = (
    (lambda cs, at, read: _of(_by("completed", _usual(cs, at)), read, last=1),
     "The number in read is the next offset: that record was not read yet."),
    (lambda cs, at, read: _of(_by("completed", _usual(cs, at)), read, last=-1),
     "The number in read is the next offset: the last that was read is the one before it."),
    (lambda cs, at, read: _of(_by("completed", _usual(cs, at)), read, first=1),
     "The number in a checkpoint is the next offset to read: that record is read again."),
    (lambda cs, at, read: _of(_by("completed", _usual(cs, at)), read, first=-1),
     "The number in a checkpoint is the next offset to read: the one before it is in the checkpoint."),
    (lambda cs, at, read: _of(next(iter(_usual(cs, at)), None), read), _WHEREVER),
    (lambda cs, at, read: _of(next(iter(_usual(cs, at)[::-1]), None), read), _WHEREVER),
    (lambda cs, at, read: _of(min(_usual(cs, at), key=lambda one: one["completed"], default=None), read),
     "That is the oldest checkpoint; the job goes back to the newest that is complete."),
    (lambda cs, at, read: _of(_by("triggered", (one for one in cs if one["triggered"] <= at)), read),
     "A checkpoint that is not complete is worth nothing: nobody can go back to it."),
    (lambda cs, at, read: _of(_by("completed", (one for one in cs if one["completed"] is not None)), read),
     "What completed after the crash was not there when the job went back: compare with killed."),
    (lambda cs, at, read: _of(_by("completed", [one for one in _usual(cs, at) if one["completed"] < at]), read),
     "What completed at killed was complete: only what completed later than that came too late."),
    (_known, "Of a partition that is not in the checkpoint nothing had been read: it begins at 0."),
    (lambda cs, at, read: _of(_by("completed", _usual(cs, at)), read, first=1, last=1),
     "Both numbers are the next offset: the one in the checkpoint is read again, the one in read was not read yet."),
    (lambda cs, at, read: _right(cs, at, read) if _usual(cs, at) else {},
     "Without a complete checkpoint everything is read again, from offset 0."),
)  # fmt: skip


def judge_11a(answer: Any, _: Settings) -> str:
    """`read_again(checkpoints, killed, read)` on crashes whose answer is known."""
    for place, case in enumerate((*_CASES, _CASES[0])):
        what, checkpoints, killed, read = case
        again = place == len(_CASES)
        given = json.loads(json.dumps(checkpoints))
        given = [{**one, "offsets": {int(number): offset for number, offset in one["offsets"].items()}}
                 for one in given]  # fmt: skip
        case_is = f"the case “{what}”" + (" (asked once more)" if again else "")
        kinds, why = _OF_A_CASE.get(what, ((), ""))
        names = ("checkpoints", "killed", "read")
        try:
            got = called(answer, (given, killed, dict(read)), case_is, names=names, lets_out=kinds)
        except kinds as error:
            raise NotYet(f"Your function raised {raised(error)} on {case_is}.", why) from error
        _judge_offsets(f"With {case_is[4:]}", got, case)
    return f"{len(_CASES)} crashes, and in each the right offsets."


_EMPTY = "Without a complete checkpoint there is none to go back to, and none to take the newest of: begin at offset 0."
#: Of these cases it is known why an answer raises there, and not before: (errors, why)
_OF_A_CASE: Mapping[str, tuple[tuple[type[Exception], ...], str]] = {
    "a checkpoint that was being made when the job was killed": (
        (TypeError,), "completed is None there: look for that before you compare it with a number."),
    "a partition that the checkpoint does not know yet": (
        (KeyError,), "Partition 2 is not in the checkpoint: nothing of it had been read, and it begins at 0."),
    "a crash before the first checkpoint was complete": ((ValueError, IndexError, KeyError, TypeError), _EMPTY),
    "no checkpoint at all": ((ValueError, IndexError, KeyError, TypeError), _EMPTY),
}  # fmt: skip


def _judge_offsets(begin: str, got: Any, case: Case) -> None:
    _, checkpoints, killed, read = case
    wanted = _right(checkpoints, killed, read)
    if got is None:
        raise NotYet(f"{begin} it returned None.", "Is there a return that every way through your function comes to?")
    if not isinstance(got, Mapping):
        raise NotYet(f"{begin} it returned {shown(got)}.", "Wanted is a dict: {partition: [offset, …]}.")
    strange = next((some for some in got.values() if isinstance(some, (str, set, frozenset, Mapping, int, float))
                    or not hasattr(some, "__iter__")), None)  # fmt: skip
    if strange is not None:
        raise NotYet(
            f"{begin} it returned {shown(dict(got))}: {shown(strange)} is no list of offsets.",
            "Wanted of each partition are the offsets themselves, as a list.",
        )
    plain = {number: list(offsets) for number, offsets in got.items()}
    if plain == wanted:
        return
    what = f"{begin} it said {_short(plain)}; read again are {_short(wanted)}."
    empty = [number for number, offsets in plain.items() if not offsets]
    if empty and {number: offsets for number, offsets in plain.items() if offsets} == wanted:
        raise NotYet(what, f"Of partition {empty[0]} nothing is read again: it is left out.")
    if {number: sorted(offsets) for number, offsets in plain.items()} == wanted:
        raise NotYet(what, "The offsets stand in order, the smallest first.")
    if {str(number): offsets for number, offsets in plain.items()} == {str(key): one for key, one in wanted.items()}:
        raise NotYet(what, "A partition is a number, as it is in read.")
    pairs = {number: [some[0], some[-1] + 1] for number, some in wanted.items()}
    if plain in (pairs, {number: [some[0], some[-1]] for number, some in wanted.items()}):
        raise NotYet(what, "Wanted is each offset, not the first and the last.")
    raise NotYet(what, next((hint for mistake, hint in _MISTAKES if _says(mistake, case, plain)), ""))


def _says(mistake: Mistake, case: Case, plain: Offsets) -> bool:
    """Whether one with this mistake says so in this case, and is right in all the cases before it."""
    before = _CASES[: _CASES.index(case)]
    return mistake(*case[1:]) == plain and all(mistake(*one[1:]) == _right(*one[1:]) for one in before)


def _short(found: dict[Any, list[Any]]) -> str:
    """{0: [140, …, 160]}, however long."""
    inside = ", ".join(
        f"{number}: [{', '.join(map(str, offsets)) if len(offsets) <= 4 else f'{offsets[0]}, …, {offsets[-1]}'}]"
        for number, offsets in found.items()
    )
    return f"{{{inside}}}"


# ------------------------------------------------------------------------------------------------------------ 11b


def judge_11b(answer: Any, settings: Settings) -> str:
    """`job(read, folder)`: killed before each line that it runs, and started again."""
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    verdict = _on_trial(answer, settings)
    if "kills" in verdict:
        return f"Killed {verdict['kills']} times, each time at another moment: the sums were right every time."
    if verdict["kind"] == NotSolved.__name__:
        raise NotSolved("11b")
    if verdict["stage"] == "killed":
        _blame(verdict)
    _blame_whole(verdict)
    raise AssertionError(verdict)


def _on_trial(answer: Any, settings: Settings) -> dict[str, Any]:
    with scratch_folder(settings.state_dir, "11b") as folder:
        try:
            (folder / "answer.pickle").write_bytes(cloudpickle.dumps(answer))
        except Exception as error:
            raise NotYet(
                f"Your function cannot be taken to another process: {type(error).__name__}: {error}.",
                "It uses something of this notebook that belongs to this process, such as an open file.",
            ) from None
        words = [sys.executable, "-m", "labkit.workshop.checks.mortal", str(folder)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        within_s = patience(_WITHIN_S)
        try:
            process.wait(within_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # and the child in which the answer runs
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise NotYet(f"All trials together were not done after {within_s:.0f} s.", "") from None
            raise
        file = folder / "verdict.json"
        if not file.exists():
            raise NotYet("Your function ended the process that ran it, and the one that watched it.", "")
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _shown_result(result: Any) -> str:
    """What it returned, as it was told."""
    if result is None:
        return "None"
    return str(result[1]) if isinstance(result, list) else shown(result)


def _hint_for_a_kind(result: Any) -> str:
    if result is None:
        return "Is there a return at the end of your function?"
    if result[0] == "generator":
        return "There is a yield in your function, which makes a generator of it. It returns the dict."
    return "It returns the dict of the sums, and nothing beside it."


def _blame_whole(verdict: dict[str, Any]) -> None:
    """Raise `NotYet` about a run without a crash."""
    stage, fault, count = verdict["stage"], verdict["fault"], verdict["count"]
    log = IDLE if stage == "idle" else LOG[:count]
    when = f"Without any crash, on a log of {_records(count)},"
    if stage == "elsewhere":
        starts = ", ".join(f"read({start})" for start in verdict["starts"]) or "no read"
        raise NotYet(
            f"Run to its end, and then once more with another folder, a new and empty one, it began with {starts}, "
            "not as it did at first.",
            "It is kept somewhere else than in folder: every file has to be folder / …" if verdict["starts"] != [0]
            else "",
        )  # fmt: skip
    if fault == "late":
        at = in_words(verdict["at"])
        raise NotYet(f"{when} it did not come to its end{f'; it was in {at}' if at else ''}.",
                     "Does your loop end where the log ends?" if len(verdict["starts"]) <= 1 else
                     f"It has called read {len(verdict['starts'])} times; at the end of the log it ends.")  # fmt: skip
    if fault == "raised":
        raise NotYet(f"{when} it raised {_raised(verdict)}.", _hint_for_an_error(verdict))
    if fault == "ended":
        raise NotYet(f"{when} it ended its process.", "It returns the sums, and ends nothing.")
    expected, result = sums(log), verdict["result"]
    if fault == "kind":
        raise NotYet(f"{when} it returned {_shown_result(result)}; the sums are {expected}.", _hint_for_a_kind(result))
    raise NotYet(f"{when} it returned {shown(result)}; the sums are {expected}.", _hint_for_sums(log, result))


def _hint_for_an_error(verdict: dict[str, Any]) -> str:
    text = verdict["error"]
    if verdict["kind"] == "FileNotFoundError":
        return "At the first start folder is empty: look whether the file is there."
    if verdict["kind"] == "KeyError" and text.partition(": ")[2].strip("'") in {host for host, _ in LOG}:
        return "A host that comes for the first time has no sum yet: totals.get(host, 0)."
    if verdict["kind"] == "SystemExit":
        return "It returns the sums, and ends nothing."
    return ""


def _hint_for_sums(log: Sequence[tuple[str, int]], result: dict[str, Any]) -> str:
    """Why the sums are not right, without any crash; "" where that cannot be seen."""
    expected = sums(log)
    last = dict(log)
    if result == {host: sum(name == host for name, _ in log) for host in expected}:
        return "Those are the numbers of records: add up their ms."
    if result == last:
        return "That is the last record of each host: add it to what there is already."
    if len(log) and result == {host: busy for host, busy in expected.items() if busy}:
        return "A host that was busy for 0 ms has a sum, too. (Counters that are added leave out what is not above 0.)"
    if result and len(result) == 1 and set(result.values()) == {sum(expected.values())}:
        return "That is one sum of all hosts: one for each is wanted."
    part = _part(log, result)
    if part and part[2] < 0 and part[1] == len(log):
        return f"The last {_records(part[1] - part[0])} are not in it: those after the last checkpoint count as well."
    if part:
        return f"Records {part[0]} to {part[1] - 1} are {'not in it' if part[2] < 0 else 'in it twice'}."
    return ""


def _part(log: Sequence[tuple[str, int]], result: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(from, to, -1 or 1): which records in a row are missing in the result, or in it twice; None where none are."""
    expected = sums(log)
    if set(result) - set(expected):
        return None
    differs = {host: result.get(host, 0) - wanted for host, wanted in expected.items()}
    for sign in (-1, 1):
        for begin in range(len(log)):
            for end in range(begin + 1, len(log) + 1):
                part = sums(log[begin:end])
                if all(differs[host] == sign * part.get(host, 0) for host in expected):
                    return begin, end, sign
    return None


def _raised(verdict: dict[str, Any]) -> str:
    at = in_words(verdict["raised_at"])
    return f"{verdict['error']}{f', in {at}' if at else ''}"


def _folder(files: Sequence[tuple[str, int]]) -> str:
    if not files:
        return "Its folder was empty then."
    return "In its folder were " + ", ".join(f"{name} ({size} bytes)" for name, size in files[:4]) + "."


#: So large a part of all kills has to fail, for a mistake that does not depend on the moment.
_MOST_KILLS = 0.5


def _blame(verdict: dict[str, Any]) -> None:
    """Raise `NotYet` about a trial with a kill: where most of them fail, a later one, which says more."""
    if verdict["later"] and verdict["failed"] >= _MOST_KILLS * verdict["tried"]:
        verdict = {**verdict, **verdict["later"]}
    at = in_words(verdict["died_at"])
    twice = ", the second time" if verdict["kills_before"] > 1 else ""
    when = (
        f"Killed{twice} {f'in {at},' if at else 'at its start,'} with {_records(verdict['died_taken'])} taken from "
        "the log, and started again:"
    )
    files, share = verdict["files"], verdict["failed"] / max(1, verdict["tried"])
    often = share >= _MOST_KILLS
    how_often = f" So it went with {verdict['failed']} of {verdict['tried']} kills." if often else ""
    fault, result = verdict["fault"], verdict["result"]
    expected = sums(LOG)
    if fault == "late":
        now = in_words(verdict["at"])
        raise NotYet(f"{when} it did not come to its end{f'; it was in {now}' if now else ''}. {_folder(files)}", "")
    if fault == "raised":
        raise NotYet(f"{when} it raised {_raised(verdict)}. {_folder(files)}{how_often}",
                     _hint_for_a_start(verdict, often=often))  # fmt: skip
    if fault == "ended":
        raise NotYet(f"{when} it ended its process.", "It returns the sums, and ends nothing.")
    if fault == "kind":
        raise NotYet(f"{when} it returned {_shown_result(result)}.", "It returns the sums, after a crash too.")
    if fault == "again":
        raise NotYet(
            f"{when} it took {_records(verdict['again'])} again; {EVERY} are allowed. {_folder(files)}{how_often}",
            _hint_for_again(verdict, often=often),
        )
    part = _part(LOG, result)
    host = next((host for host, wanted in expected.items() if result.get(host) != wanted), "")
    said = f"{host} has {result.get(host, 0)} ms, and it should be {expected.get(host)}" if host else (
        f"it returned {shown(result)}, and the sums are {expected}")  # fmt: skip
    which = ""
    if part:
        first, end, sign = part
        these = f"record {first} was" if end == first + 1 else f"records {first} to {end - 1} were"
        which = f": {these} {'lost' if sign < 0 else 'counted twice'}"
    hint = _hint_for_a_second_kill(verdict) or _hint_for_lost(part, files, often=often)
    raise NotYet(f"{when} {said}{which}. {_folder(files)}{how_often}", hint)


_TEXT_OF_A_FILE = ("JSONDecodeError", "EOFError", "UnpicklingError", "ValueError", "IndexError", "UnicodeDecodeError",
                   "ParserError", "EmptyDataError", "TypeError", "KeyError")  # fmt: skip


def _hint_for_a_start(verdict: dict[str, Any], *, often: bool) -> str:
    kind, empty = verdict["kind"], any(size == 0 for _, size in verdict["files"])
    if kind == "FileExistsError":
        return "What a life before left in the folder is still there: that is no error."
    if kind == "FileNotFoundError" and not often:
        return "Where it died, not all of its files were there yet: what belongs together is one file."
    if often:
        return ""
    if empty and kind in _TEXT_OF_A_FILE:
        return "A file was there, and nothing in it yet. Write a draft, and rename it when it is whole."
    if kind in ("JSONDecodeError", "EOFError", "UnpicklingError"):
        return "A file was there half written. Write a draft, and rename it when it is whole."
    return ""


def _hint_for_again(verdict: dict[str, Any], *, often: bool) -> str:
    files, starts = verdict["files"], verdict["later_starts"]
    gone = [name for name, size in verdict["kept"] if size and name not in dict(files)]
    if gone and verdict["kills_before"] > 1 and verdict["starts"] == [0]:
        return (
            f"What the life before had kept in {gone[0]} was gone, and nothing had come in its place yet: what was "
            "read at the start is still needed."
        )
    if hint := _hint_for_text(files, verdict["starts"], starts):
        return hint
    if verdict["died_taken"] == len(LOG) and often and starts != [0]:
        return "It takes the whole log before it works on it: take one record at a time from read(offset)."
    if often and files and not any(size for _, size in files):
        return "What it has written is in Python's memory yet: a file has it after flush() or close()."
    if often and not files:
        return "Nothing of what it has done was in the folder by then: write down where you are, and read from there."
    if often and starts == [0]:
        return "It begins with read(0) each time: give read the offset that you have kept."
    if verdict["most"] <= 2 * EVERY + 2 and starts != [0] and verdict["most"] > EVERY:
        return f"Up to {verdict['most']} records had been taken since it last wrote down where it is."
    if not often and verdict["starts"] == [0] and verdict["died_taken"] > EVERY:
        if not files:
            return "It has taken away what it had kept, before it had returned." if verdict["wrote"] else ""
        return (
            "At that moment it found nothing to go on from. A rename over the old file leaves no moment without a "
            "whole one: draft.replace(file)."
        )
    return ""


def _hint_for_text(files: Sequence[tuple[str, int]], starts: Sequence[int], later_starts: Sequence[int]) -> str:
    """Where it went on from the number that is the greatest as text: "9" comes after "10"."""
    numbers = {name: int(found[-1]) for name, _ in files if (found := re.findall(r"\d+", name))}
    if numbers:
        newest, last = max(numbers, key=lambda name: numbers[name]), max(numbers)
        if numbers[last] < numbers[newest] and starts == [numbers[last]]:
            return f"Sorted as text {last} comes after {newest}: compare the numbers, or fill them up with zeros."
    if later_starts == [9]:
        return 'It began with read(9) however far it had come: compared as text, "9" comes after "10", and after "21".'
    return ""


def _hint_for_a_second_kill(verdict: dict[str, Any]) -> str:
    """Where what was kept is how many records the second life had taken, and not where that was in the log."""
    before, after = verdict["died_starts"], verdict["starts"]
    if verdict["kills_before"] < 2 or not before or not before[0] or not after:
        return ""
    of_this_life = verdict["died_taken"] - before[0]
    if not after[0] or after[0] not in (of_this_life, of_this_life - 1):
        return ""
    return (
        f"Started again it read from record {before[0]} on, and after the second kill from record {after[0]} on: the "
        "position that is kept counts from the start of the log, in every life."
    )


def _hint_for_lost(part: tuple[int, int, int] | None, files: Sequence[Any], *, often: bool) -> str:
    if part is None:
        return ""
    first, end, sign = part
    if often and end == first + 1:
        return (
            "The position that is kept is one too far: with offset kept, read(offset) gives the first record that is "
            "not in the sums." if sign < 0 else
            "The position that is kept is one behind: read(offset) gives the first record that is not in the sums yet."
        )  # fmt: skip
    if often:
        return (
            "After a start the sums have to be those that belong to the position: are they read from the folder too?"
            if sign < 0 and first == 0
            else "Sums and position that are kept do not belong together."
        )
    return (
        "The position was kept, the sum that belongs to it was not: both have to be written in one step."
        if sign < 0
        else "The sum was kept, the position that belongs to it was not: both have to be written in one step."
    )


JUDGES: dict[str, Judge] = {"11a": judge_11a, "11b": judge_11b}
