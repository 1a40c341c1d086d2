"""While one command starts or stops the services, the others say so: those that wait, and doctor."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from labkit.lab import doctor, services
from labkit.settings import Settings
from labkit.system.locks import exclusive, holder
from tests.support.commands import at_work
from tests.support.labs import environment_of


def test_who_waits_says_for_whom_and_goes_on_once_that_has_ended(second_lab: Settings) -> None:
    with ExitStack() as busy:
        busy.enter_context(exclusive(second_lab.state_dir, "lock", wait=False))
        with at_work("down", environment=environment_of(second_lab)) as down:
            assert down.stderr is not None
            assert down.stderr.readline() == (
                f"Another command (pid {os.getpid()}) is starting or stopping the services. "
                "Waiting until it has ended.\n"
            )
            assert down.poll() is None
            busy.close()
            out, err = down.communicate(timeout=60)
    assert (down.returncode, out, err) == (0, "No service was running.\n", "")


def test_who_has_nobody_to_wait_for_says_nothing(second_lab: Settings) -> None:
    second_lab.state_dir.mkdir()
    said: list[str] = []
    services.down(second_lab, said.append)
    assert said == []


def test_doctor_names_the_command_at_work_and_takes_none_of_its_ports_for_a_fault(second_lab: Settings) -> None:
    with exclusive(second_lab.state_dir, "lock", wait=False):
        *_, last = doctor.examine(second_lab)
        assert not last.ok
        assert last.what == f"Another command (pid {os.getpid()}) is starting or stopping the services."
        assert last.todo == "Wait until it has ended, and type labkit doctor again."
    *_, last = doctor.examine(second_lab)
    assert "Port" in last.what


@pytest.mark.parametrize("text", [b"", b"4711", b"\xff\xfe"])
def test_a_lock_that_nobody_holds_has_no_holder_whatever_is_written_in_it(second_lab: Settings, text: bytes) -> None:
    assert holder(second_lab.state_dir, "lock") is None
    second_lab.state_dir.mkdir()
    (second_lab.state_dir / "lock").write_bytes(text)
    assert holder(second_lab.state_dir, "lock") is None
    assert (second_lab.state_dir / "lock").read_bytes() == text
