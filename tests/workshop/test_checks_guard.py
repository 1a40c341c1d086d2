"""Whatever an answer does, its check goes on: time, SystemExit, folder, variables, output, what was given."""

from __future__ import annotations

import copy
import linecache
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from labkit.settings import REPOSITORY
from labkit.workshop.check import NotSolved, NotYet
from labkit.workshop.checks import guard
from labkit.workshop.checks.calling import called
from labkit.workshop.checks.guard import MOST_PRINTED, guarded
from labkit.workshop.checks.rules import BY_THE_FRAME, RULES


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The function `answer` that a cell of this source defines."""

    def run(source: str) -> Any:
        name, names = "/tmp/ipykernel_7/71.py", dict[str, Any]()
        monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
        exec(compile(source, name, "exec"), names)
        return names["answer"]

    return run


LOOPS = {
    "a loop": ("while True:\n        pass", "in answer, line (2 of its cell: while True|3 of its cell: pass)"),
    "a loop that catches errors": (
        "while True:\n        try:\n            raise ValueError\n        except Exception:\n            pass",
        r"in answer, line \d of its cell: ",
    ),
    "a wait": ("import time\n    time.sleep(600)", "in answer, line 3 of its cell: time.sleep"),
    "a lock": ("import threading\n    threading.Lock().acquire() and threading.Event().wait()", "in answer, line 3 of"),
    "a broker that never comes": (
        "from confluent_kafka import Consumer\n"
        "    Consumer({'bootstrap.servers': '127.0.0.1:9', 'group.id': 'x', 'log_level': 0}).poll()",
        "in answer, line 3 of its cell: Consumer",
    ),
    "what labkit waits for": (
        "from labkit.system.waiting import wait_until\n    wait_until(lambda: False, 'It', 600)",
        "in answer, line 3 of its cell: wait_until",
    ),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_an_answer_that_does_not_come_back_is_told_with_its_line(cell: Callable[[str], Any], kind: str) -> None:
    body, line = LOOPS[kind]
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(NotYet, match=rf"^Your function on a case did not come back within \d+ s; it was ({line})"):
        called(cell(f"def answer():\n    {body}\n"), (), "a case", within_s=0.4)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_one_guard_in_another_leaves_it_its_time() -> None:
    def outer() -> None:
        with guarded("The check", within_s=0.6):
            with guarded("Your function", within_s=30):
                pass
            while True:
                time.sleep(0.01)

    with pytest.raises(NotYet, match="The check did not come back"):
        outer()


@pytest.mark.parametrize("stays", [
    "while True:\n        try:\n            [number for number in iter(int, 1)]\n        except BaseException:\n"
    "            pass",
    "import sqlite3\n    sqlite3.connect(':memory:').execute('WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 '"
    "'FROM n) SELECT max(x) FROM n').fetchone()",
])  # fmt: skip
def test_an_answer_that_cannot_be_interrupted_ends_its_process_after_its_verdict(stays: str) -> None:
    program = (
        f"def answer():\n    {stays}\n"
        "from labkit.workshop.checks import guard\n"
        "from labkit.workshop.checks.calling import called\n"
        "guard.NOT_INTERRUPTED_S = 0.5\n"
        "guard.last_words.append(lambda *words: print(*words, flush=True))\n"
        "called(answer, (), 'a case', within_s=0.3)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert re.match(r"Your function on a case did not come back within \d+ s", done.stdout)
    assert "could not be interrupted, so Python was ended" in done.stdout


@pytest.mark.parametrize("ends", ["import sys; sys.exit()", "raise SystemExit(3)"])
def test_leaving_python_is_a_verdict(cell: Callable[[str], Any], ends: str) -> None:
    with pytest.raises(NotYet, match="Your function on a case ended Python"):
        called(cell(f"def answer():\n    {ends}\n"), (), "a case")


def test_the_folder_and_the_variables_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.chdir(tmp_path)

    def answer() -> None:
        os.chdir("/")
        os.environ["KEPT"], os.environ["NEW"] = "2", "3"

    called(answer, (), "a case")
    assert Path.cwd() == tmp_path
    assert (os.environ["KEPT"], os.environ.get("NEW")) == ("1", None)


def test_output_by_the_megabyte_is_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def answer() -> None:
        for _ in range(2_000):
            print("x" * 999)
        print("an error", file=sys.stderr)

    called(answer, (), "a case")
    out, err = capsys.readouterr()
    assert (
        out == ("x" * 999 + "\n") * (MOST_PRINTED // 1000) + f"\n… and {2_000_000 - MOST_PRINTED:,} characters more.\n"
    )
    assert err == "an error\n"
    assert not isinstance(sys.stdout, guard._Short)


FRAME = pd.DataFrame({"busy": [1.0, float("nan")], "cpu": ["a", "b"]})


@pytest.mark.parametrize(("given", "change", "said"), [
    ([3, 1, 2], list.sort, "at place 0: before 3, then 1"),
    ([3, 1, 2], list.clear, "before it had 3, then 0"),
    ({"web": [1]}, lambda given: given["web"].append(2), "at web: before it had 1, then 2"),
    ({"web": 1}, lambda given: given.update(db=2), "the key db is new"),
    ([{"ts": 1}], lambda given: given[0].pop("ts"), "at place 0: the key ts is gone"),
    (FRAME, lambda given: given.insert(0, "new", 1), "the column new is new"),
    (FRAME, lambda given: given.drop(columns="cpu", inplace=True), "the column cpu is gone"),
    (FRAME, lambda given: given.__setitem__("busy", 0.0), "in the column busy there is something else"),
    (FRAME, lambda given: given.drop(index=0, inplace=True), "before it had 2 rows, then 1"),
    (FRAME, lambda given: given.sort_values("cpu", ascending=False, inplace=True), "in the column busy there"),
    (bytearray(b"ab"), lambda given: given.append(99), r"before bytearray\(b'ab'\), then bytearray\(b'abc'\)"),
])  # fmt: skip
def test_what_was_given_is_not_to_be_changed_and_it_is_said_what_has(
    given: Any, change: Callable[[Any], object], said: str
) -> None:
    given = copy.deepcopy(given)
    with pytest.raises(NotYet, match=rf"changed what it was given \(rows\) on a case: {said}"):
        called(change, (given,), "a case", names=("rows",))


def test_what_was_given_and_is_the_same_is_not_changed() -> None:
    frame = FRAME.copy()
    client = object()
    assert called(lambda given, _: [*given], ((2, 1), client), "a case") == [2, 1]
    assert called(lambda given: given.equals(given), (frame[["busy"]],), "a case")


def test_what_is_raised_is_told_with_its_line_and_a_stub_stays_one(cell: Callable[[str], Any]) -> None:
    with pytest.raises(NotYet, match=r"raised ZeroDivisionError: .* zero, in answer, line 2 of its cell: 1 / 0 on a c"):
        called(cell("def answer():\n    1 / 0\n"), (), "a case")

    def stub() -> None:
        raise NotSolved("01a")

    with pytest.raises(NotSolved):
        called(stub, (), "a case")
    with pytest.raises(KeyError):
        called({}.__getitem__, ("x",), "a case", lets_out=(KeyError,))
    with pytest.raises(NotYet, match="not a function"):
        called(3, (), "a case")


def test_the_rules_stand_in_the_documents_word_for_word() -> None:
    text = (REPOSITORY / "docs" / "add-a-lesson.md").read_text()
    for name, rule in RULES.items():
        assert f"- **{name}**: {rule}" in text
    for name, how in BY_THE_FRAME.items():
        assert f"{RULES[name]} By itself: {how}" in text
