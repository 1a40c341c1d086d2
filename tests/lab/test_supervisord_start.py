"""supervisord is slow on a busy machine, and sometimes ends: the first is waited for, the second is said at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.lab.start import supervisord
from labkit.lab.start.supervisord import wait_for_supervisord
from labkit.lab.supervisor import control
from labkit.lab.supervisor.configuration import write_configuration
from labkit.settings import Settings
from labkit.system.waiting import patience
from tests.support.labs import lab_environment, settings_of


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """The settings of a lab whose configuration is written; no service is started."""
    settings = settings_of(lab_environment(tmp_path))
    write_configuration(settings)
    return settings


@pytest.fixture
def process(own: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Its supervisord, which is stopped (SIGSTOP) before it has done anything."""
    words = [sys.executable, "-P", "-m", "supervisor.supervisord", "-n", "-c", f"{own.state_dir}/supervisord.conf"]
    quiet = subprocess.DEVNULL
    started = subprocess.Popen(words, cwd=own.state_dir, stdin=quiet, stdout=quiet, stderr=quiet)
    os.kill(started.pid, signal.SIGSTOP)
    yield started
    for number in (signal.SIGTERM, signal.SIGCONT):
        started.send_signal(number)
    started.wait(patience(60))


def test_a_supervisord_that_takes_twelve_seconds_is_waited_for(own: Settings, process: subprocess.Popen[bytes]) -> None:
    begun = time.monotonic()
    go_on = threading.Timer(12, process.send_signal, [signal.SIGCONT])
    go_on.start()
    wait_for_supervisord(own, lambda: process.poll() is None)
    assert time.monotonic() - begun >= 12
    assert control.is_up(own)


def test_a_supervisord_that_ends_is_told_at_once_with_its_last_line(
    own: Settings, process: subprocess.Popen[bytes]
) -> None:
    log = own.state_dir / "log" / "supervisord.log"
    log.write_text("2026-11-29 21:00:00,000 CRIT could not write pidfile\n")
    threading.Timer(0.5, process.kill).start()
    begun = time.monotonic()
    with pytest.raises(LabkitError) as caught:
        wait_for_supervisord(own, lambda: process.poll() is None)
    assert time.monotonic() - begun < 30
    assert caught.value.what.startswith("supervisord ended before it answered; its last line: 2026-11-29 21:00:00,000 ")
    assert caught.value.todo == f"Its log: {log}"


def test_a_deadline_says_what_was_seen_last(
    own: Settings, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisord, "_ANSWERS_WITHIN_S", 0.3)
    told = r"supervisord answers: not within .*; its process is there, and its last line is: \(it has written none\)\."
    with pytest.raises(LabkitError, match=told):
        wait_for_supervisord(own, lambda: process.poll() is None)


def test_a_supervisord_that_is_frozen_after_its_start_is_not_waited_for_without_an_end(
    own: Settings, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    process.send_signal(signal.SIGCONT)
    wait_for_supervisord(own, lambda: process.poll() is None)
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(control, "_OWN_ANSWER_S", 0.5)
    assert not control.is_up(own)
    process.send_signal(signal.SIGCONT)
    monkeypatch.undo()
    assert control.is_up(own)
