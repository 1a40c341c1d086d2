"""What the exercises of lesson 12 have to do: count what is missing and twice, and relay exactly once under kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships none
from confluent_kafka import Producer

from labkit.jobs.reset import delete_groups, delete_topics
from labkit.kafka.consumer import read_topic
from labkit.kafka.offsets import committed_offsets
from labkit.kafka.topics import Topic, create_topics
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.system.waiting import patience
from labkit.workshop.checks.calling import called, shown
from labkit.workshop.checks.mortal_relay import CALLS
from labkit.workshop.checks.outcome import Judge, NotSolved, NotYet

__all__ = ["JUDGES", "judge_12a", "judge_12b"]

Key = tuple[str, int]


# ------------------------------------------------------------------------------------------------------------ 12a


def _keys(host: str, *seconds: int) -> list[Key]:
    return [(host, 1_795_368_345_000 + 1000 * second) for second in seconds]


_TEN = _keys("web-1", *range(10))
#: (what the case is, expected, found, (missing, twice, unexpected), hint)
_ACCOUNTS: tuple[tuple[str, list[Key], list[Key], tuple[int, int, int], str], ...] = (
    ("everything once", _TEN, list(_TEN), (0, 0, 0), "Each key was expected and came once."),
    ("everything once, in another order", _TEN, _TEN[::-1], (0, 0, 0), "The order says nothing: compare keys."),
    ("one that never came", _TEN, _TEN[:4] + _TEN[5:], (1, 0, 0), "Expected, and not found: that is missing."),
    ("one that came twice", _TEN, _TEN + _TEN[3:4], (0, 1, 0), "One record too many."),
    ("one that came three times", _TEN, _TEN + 2 * _TEN[3:4], (0, 2, 0), "Three records are two too many."),
    (
        "one that is missing and another that came twice",
        _TEN, _TEN[1:] + _TEN[5:6], (1, 1, 0),
        "As many records as expected: a difference of two lengths does not see it.",
    ),
    (
        "two hosts that share their times",
        _keys("web-1", 0, 1) + _keys("db-1", 0, 1), _keys("web-1", 0, 1) + _keys("db-1", 0), (1, 0, 0),
        "The key is host and time, both.",
    ),
    (
        "one that nobody expected",
        _TEN, _TEN + _keys("ghost", 0), (0, 0, 1),
        "Found, and not expected: it is neither missing nor twice.",
    ),
    (
        "one that nobody expected, twice",
        _TEN, _TEN + 2 * _keys("ghost", 0), (0, 1, 1),
        "The key counts as unexpected once, the second record of it as twice: then the sum holds.",
    ),
    ("nothing found", _TEN, [], (10, 0, 0), "All of them are missing."),
    ("nothing expected, nothing found", [], [], (0, 0, 0), "Empty lists are lists."),
)  # fmt: skip


def judge_12a(answer: Any, _: Settings) -> str:
    """`account(expected, found)` on lists whose account is known."""
    for what, expected, found, numbers, hint in _ACCOUNTS:
        wanted = dict(zip(("missing", "twice", "unexpected"), numbers, strict=True))
        got = called(answer, (list(expected), list(found)), f"a case ({what})", hint)
        if got != wanted:
            raise NotYet(f"With {what}, it said {shown(got)}; right is {wanted}.", hint)
    return f"{len(_ACCOUNTS)} accounts, all of them right."


# ------------------------------------------------------------------------------------------------------------ 12b

_SUFFIX = "_ex12"
_SOURCE, _TARGET = f"relay_source{_SUFFIX}", f"relay_target{_SUFFIX}"
_GROUP, _ID = f"relay{_SUFFIX}", f"relay-id{_SUFFIX}"
_RECORDS = 120
_WITHIN_S = 60
#: In which batch a relay is killed: the second, in the middle of it where that is possible.
_NTH = {"produce": 14}
_SECOND = 2
_ONCE_MORE = (
    "After a crash it read the same records again, and wrote them again: the position has to be in the transaction."
)


def judge_12b(answer: Any, _: Settings) -> str:
    """`relay(consumer, producer, topic)`: once undisturbed, then killed after each kind of call."""
    if not callable(answer):
        raise NotYet(f"The check was given {shown(answer)}, not a function.", "Give it the function, without ().")
    own = load_settings(suffix=_SUFFIX)
    if not all(row.healthy for row in services.status(own)):
        services.up(own)
    with tempfile.TemporaryDirectory(prefix="labkit-12b-") as name, _topics(own):
        relay = _Relay(own, Path(name), answer)
        values = _send(own, range(_RECORDS // 4))
        counts = relay.live()
        _require_whole(own, values)
        _require_committed(own, len(values))
        kills = [[call, min(_NTH.get(call, _SECOND), counts[call])] for call in CALLS if counts[call]]
        values += _send(own, range(_RECORDS // 4, _RECORDS))
        killed_after = ""
        for kill in [*kills, None]:
            relay.live(kill)
            _require_no_fault(own, values, killed_after)  # what a kill does shows in the life after it
            killed_after = str(kill[0]) if kill else ""
        _require_whole(own, values)
    return f"Killed {len(kills)} times; {len(values)} records went in, {len(values)} came out, each of them once."


@contextmanager
def _topics(own: Settings) -> Iterator[None]:
    """Two topics that are new, and a group that has read nothing."""

    def clear() -> None:
        delete_topics(own, [_SOURCE, _TARGET])
        delete_groups(own, [_GROUP])

    clear()
    create_topics(own.kafka_bootstrap, [Topic(_SOURCE, 1), Topic(_TARGET, 1)])
    try:
        yield
    finally:
        clear()


def _send(own: Settings, numbers: range) -> list[bytes]:
    """Records cpu0, cpu1, …; what they have to become."""
    producer = Producer({"bootstrap.servers": own.kafka_bootstrap})
    for number in numbers:
        producer.produce(_SOURCE, key=f"host-{number % 3}", value=f"cpu{number}")
    producer.flush()
    return [f"CPU{number}".encode() for number in numbers]


class _Relay:
    """The answer, ready to live several times."""

    def __init__(self, own: Settings, folder: Path, answer: Any) -> None:
        self._folder = folder
        self._life = {
            "bootstrap": own.kafka_bootstrap,
            "source": _SOURCE,
            "target": _TARGET,
            "group": _GROUP,
            "id": _ID,
        }
        (folder / "answer.pickle").write_bytes(cloudpickle.dumps(answer))

    def live(self, kill: list[Any] | None = None) -> Counter[str]:
        """Run it in a process of its own, and kill it right after the call `kill`; how often it called what."""
        for name in ("calls", "error"):
            (self._folder / name).unlink(missing_ok=True)
        (self._folder / "life.json").write_text(json.dumps({**self._life, "kill": kill}))
        words = [sys.executable, "-m", "labkit.workshop.checks.mortal_relay", str(self._folder)]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet)
        within_s = patience(_WITHIN_S)
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            raise NotYet(
                f"The relay was still at work after {within_s:.0f} s.",
                "It returns when next_batch gives [], and not before.",
            ) from None
        error = self._folder / "error"
        if error.exists():
            self._complain(*error.read_text().split("\n", 1))
        return Counter((self._folder / "calls").read_text().split())

    def _complain(self, kind: str, text: str) -> None:
        if kind == NotSolved.__name__:
            raise NotSolved("12b")
        hint = "For each batch, in this order: begin, produce, send offsets, commit."
        raise NotYet(f"Your function raised {kind}: {text}.", hint)


def _found(own: Settings) -> list[Any]:
    return [record.value() for record in read_topic(own.kafka_bootstrap, _TARGET)]


def _require_whole(own: Settings, values: list[bytes]) -> None:
    """All of them, each once, and with their keys."""
    found = list(read_topic(own.kafka_bootstrap, _TARGET))
    if not found:
        raise NotYet(
            f"{len(values)} records were in the source; in the target a read_committed reader finds none.",
            "A transaction counts when commit_transaction has returned.",
        )
    strange = next((record.value() for record in found if record.value() not in set(values)), None)
    if strange is not None:
        raise NotYet(f"In the target is {strange!r}; {values[0]!r} is a right one.", "The value, in capital letters.")
    _require_no_fault(own, values, "")
    if len(found) < len(values):
        raise NotYet(
            f"{len(found)} of {len(values)} records came out, and the relay had returned.",
            "Go on until next_batch gives [], and commit the last batch too.",
        )
    for record in found:
        number = int(record.value().removeprefix(b"CPU"))
        if record.key() != f"host-{number % 3}".encode():
            raise NotYet(f"{record.value()!r} has the key {record.key()!r}.", "The key stays: key=record.key().")


def _require_no_fault(own: Settings, values: list[bytes], killed_after: str) -> None:
    """None twice, and none missing before the last that was found."""
    times = Counter(_found(own))
    when = f"After a kill right after {killed_after}, and a new start" if killed_after else "Without any crash"
    twice = sum(count - 1 for count in times.values())
    if twice:
        raise NotYet(f"{when}, {twice} records are there twice.", _ONCE_MORE)
    last = max((place for place, value in enumerate(values) if times[value]), default=-1)
    missing = sum(not times[value] for value in values[:last])
    if missing:
        raise NotYet(
            f"{when}, {missing} records are missing.",
            "They count as read, and were never committed: the position may not be kept before the records are.",
        )


def _require_committed(own: Settings, count: int) -> None:
    offset = committed_offsets(own.kafka_bootstrap, _SOURCE, _GROUP)[0]
    if offset != count:
        raise NotYet(
            f"All {count} records came out, and the group {_GROUP} stands at offset {offset}.",
            "Where to go on belongs to the transaction: send_offsets_to_transaction(positions, group).",
        )


JUDGES: dict[str, Judge] = {"12a": judge_12a, "12b": judge_12b}
