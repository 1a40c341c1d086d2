"""Deadlines are meant for a quiet machine: on a busy one they take longer, and the sentence says how long and why."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.kafka.topics import admin_client
from labkit.settings import REPOSITORY
from labkit.system import waiting
from labkit.system.waiting import NotInTime, patience, retry, slowdown, wait_until
from tests.support.load import load
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("programs", "cpus", "times"),
    [
        (0.0, 2, 1.0),
        (4.0, 2, 1.0),
        (25.0, 2, 6.25),
        (25.0, 32, 1.0),
        (0.0, 0.5, 2.0),
        (12.0, 0.5, 12.0),
        (500.0, 2, 30.0),
    ],
)
def test_everything_takes_longer_where_programs_want_more_cpus_than_there_are(
    programs: float, cpus: float, times: float
) -> None:
    assert slowdown(programs, cpus) == times


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As busy as a machine of two CPUs with 24 programs at work; the kernel's own number is a minute late."""
    monkeypatch.setattr(waiting, "_cpus", lambda: 2.0)
    monkeypatch.setattr(os, "getloadavg", lambda: (24.0, 24.0, 24.0))


def test_kafkas_client_is_made_however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a time-out that is longer than it can be it would say that Kafka does not answer."""
    monkeypatch.setattr(os, "getloadavg", lambda: (5000.0, 5000.0, 5000.0))
    admin_client("127.0.0.1:1")


def test_on_a_busy_machine_a_deadline_is_later_and_the_sentence_says_why(busy: None) -> None:
    assert patience(10) == 60
    begun = time.monotonic()
    with pytest.raises(NotInTime) as caught:
        wait_until(lambda: False, "It is done", 0.2, 0.01, seen=lambda: "three parts are")
    assert time.monotonic() - begun > 6 * 0.2
    told = r"It is done: not within \d s on a busy machine \(load 24\.0, CPUs 2\); three parts are\."
    assert re.fullmatch(told, caught.value.what)


def test_what_is_tried_again_is_tried_for_longer_too(busy: None) -> None:
    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        retry(lambda: 1 // 0, ZeroDivisionError, lambda _: True, 0.1, 0.01)
    assert time.monotonic() - begun > 6 * 0.1


def test_where_nobody_counts_programs_a_deadline_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", none)
    monkeypatch.setattr(waiting, "_cpus", lambda: 2.0)
    assert patience(10) == 10


def test_the_load_of_tests_works_and_ends_with_the_block() -> None:
    with load(2) as pids:
        wait_for(lambda: all(_ticks(pid) > 5 for pid in pids))
    assert not any(_is_there(pid) for pid in pids)


def test_the_load_of_tests_ends_also_where_its_parent_was_killed() -> None:
    words = "from tests.support.load import load\nwith load(1) as pids: print(*pids, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", words], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for(lambda: _ticks(pid) > 5)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not _is_there(pid))


TREES = {file.relative_to(REPOSITORY): ast.parse(file.read_text()) for file in (REPOSITORY / "labkit").rglob("*.py")}
#: A download, which no load of this machine slows; and a health check without labkit, which docker asks again.
OTHER = {Path("labkit/setup/artifacts.py"), Path("labkit/lab/containers/health.py")}


def _calls() -> Iterator[tuple[str, ast.Call, dict[str | None, ast.expr]]]:
    """Every call in labkit: where it is, the call, and its keywords."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and file not in OTHER:
                yield f"{file}:{node.lineno}", node, {word.arg: word.value for word in node.keywords}


def test_every_deadline_of_labkit_says_what_was_seen_last() -> None:
    waits = [(at, words) for at, call, words in _calls() if ast.unparse(call.func) == "wait_until"]
    assert len(waits) > 15
    assert [at for at, words in waits if "seen" not in words] == []


def test_no_time_to_answer_in_labkit_is_a_bare_number() -> None:
    """What is given on to a library has gone through `patience`; labkit's own functions call it `timeout_s`."""
    bare = [
        at for at, _, words in _calls()
        for name in ("timeout", "request_timeout") if isinstance(words.get(name), ast.Constant)
    ]  # fmt: skip
    assert bare == []


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[11])


def _is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
