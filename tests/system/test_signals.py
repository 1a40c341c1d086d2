"""A command whose terminal is closed, whose reader goes away or that is told to end, ends in order."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.settings import REPOSITORY
from labkit.sources.recording import read_recording
from labkit.system.signals import stop_signals

RECORD = [sys.executable, "-m", "labkit.cli", "record"]


def test_a_reader_that_goes_away_ends_a_recording_in_order_and_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "recording.gz"
    with subprocess.Popen([*RECORD, str(file), "--interval", "0.1"], cwd=REPOSITORY, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert "1 reading of" in process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(30) == 0, said
    assert "Traceback" not in said
    assert len(list(read_recording(file))) > 1


def test_a_reader_that_goes_away_ends_a_recording_under_nohup_too(tmp_path: Path) -> None:
    file = tmp_path / "recording.gz"
    words = ["nohup", *RECORD, str(file), "--interval", "0.1"]
    null = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=REPOSITORY, text=True, stdin=null, stdout=subprocess.PIPE, stderr=null) as process:
        assert process.stdout is not None
        assert "1 reading of" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
    assert len(list(read_recording(file))) > 1


def test_a_closed_terminal_ends_a_recording_in_order_and_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "recording.gz"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [*RECORD, str(file), "--interval", "0.1"])
    assert b"1 reading of" in os.read(terminal, 65536)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert list(read_recording(file))


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path) -> None:
    words = ["nohup", *RECORD, str(tmp_path / "recording.gz"), "--interval", "0.1", "--seconds", "3"]
    with subprocess.Popen(words, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL) as process:  # fmt: skip
        assert process.stdout is not None
        assert "1 reading of" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.stdout.read()
        assert process.wait(30) == 0
    assert len(list(read_recording(tmp_path / "recording.gz"))) > 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_clean_up_is_not_broken_off_by_a_second_signal(number: signal.Signals) -> None:
    """The shell and the kernel both send SIGHUP; a person presses Ctrl-C twice."""
    program = (
        "import os, signal\n"
        "from labkit.system.signals import ends_in_order\n"
        "with ends_in_order():\n"
        "    try:\n"
        "        print('at work', flush=True)\n"
        "        signal.pause()\n"
        "    except KeyboardInterrupt:\n"
        f"        os.kill(os.getpid(), {number})\n"
        "        print('taken down', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        assert process.stdout.read() == "taken down\n"
        assert process.wait(10) == 0


def test_a_signal_that_comes_while_the_event_is_waited_for_does_not_wait_for_itself() -> None:
    """threading.Event is not reentrant: set by the handler itself, it waits for the lock that wait() holds here."""
    with stop_signals("closing") as stop:
        with stop._cond:  # type: ignore[attr-defined]  # as in the midst of wait()
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(5)


def test_a_second_sighup_does_not_turn_an_orderly_stop_into_one_at_once() -> None:
    with stop_signals("closing") as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.wait(5)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
