"""Invariant 17: a lock, a pid or a socket that a dead process left behind blocks nothing and is taken for nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.errors import BadInput
from labkit.lab import run_state, services
from labkit.lab.supervisor.processes import control_socket
from labkit.settings import REPOSITORY, Settings
from labkit.system.locks import exclusive
from tests.support.labs import Labkit

HOLD = """
from labkit.lab import run_state
from labkit.settings import Settings
from labkit.system.locks import exclusive
settings = Settings(state_dir={state!r})
with exclusive(settings.state_dir, "run.lock", wait=False):
    run_state.write(settings, services=True, jobs=["enrichment", "parquet"])
    print("held", flush=True)
    input()
"""


@pytest.fixture
def holder(second_lab: Settings) -> subprocess.Popen[str]:
    """A process that holds the run's lock and has written down what it has at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(state=str(second_lab.state_dir))],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_lock_is_held_while_its_process_lives_and_free_once_it_was_killed(
    second_lab: Settings, holder: subprocess.Popen[str]
) -> None:
    try:
        refusal = rf"Another `labkit run` \(pid {holder.pid}\) is at work in {second_lab.state_dir}"
        with pytest.raises(BadInput, match=refusal), exclusive(second_lab.state_dir, "run.lock", wait=False):
            pass
        assert run_state.left_behind(second_lab) is None, "it is at work, not left behind"
    finally:
        end(holder)
    with exclusive(second_lab.state_dir, "run.lock", wait=False):
        assert (second_lab.state_dir / "run.lock").read_text() == str(os.getpid())
    left = run_state.left_behind(second_lab)
    assert left is not None
    assert (left.pid, left.services, left.jobs) == (holder.pid, True, ("enrichment", "parquet"))


def test_the_pid_of_a_killed_run_that_another_process_has_now_is_not_that_run(second_lab: Settings) -> None:
    run_state.write(second_lab, services=True)
    file = second_lab.state_dir / "run.json"
    assert run_state.left_behind(second_lab) is None
    file.write_text(file.read_text().replace(str(psutil.Process().create_time()), "1.0"))
    assert run_state.left_behind(second_lab) is not None


def test_what_a_person_starts_after_a_run_was_killed_is_the_persons(
    second_lab: Settings, holder: subprocess.Popen[str]
) -> None:
    end(holder)
    run_state.hand_over(second_lab, services=True)
    left = run_state.left_behind(second_lab)
    assert left is not None
    assert (left.services, left.jobs) == (False, ("enrichment", "parquet"))
    run_state.hand_over(second_lab, jobs=["parquet", "enrichment"])
    assert run_state.left_behind(second_lab) is None


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', "[]"])
def test_a_note_that_is_no_note_blocks_nothing(second_lab: Settings, text: str) -> None:
    second_lab.state_dir.mkdir()
    (second_lab.state_dir / "run.json").write_text(text)
    assert run_state.read(second_lab) is None


def stale_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("leave", [stale_socket, lambda path: path.write_text("no socket")], ids=["socket", "file"])
def test_a_control_socket_that_nobody_answers_is_a_lab_that_is_not_up(
    second_lab: Settings, labkit: Labkit, leave: object
) -> None:
    second_lab.state_dir.mkdir()
    leave(control_socket(second_lab))  # type: ignore[operator]
    (second_lab.state_dir / "supervisord.pid").write_text(str(os.getpid()))
    given = {f"LABKIT_{name.upper()}": str(getattr(second_lab, name)) for name in second_lab.model_fields_set}
    assert labkit("down", **given).stdout == "No service was running.\n"
    assert labkit("down", **given).returncode == 0
    shown = labkit("status", **given)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert shown.stdout.count("✗ stopped") == len(services.SERVICES)
    assert psutil.pid_exists(os.getpid())
