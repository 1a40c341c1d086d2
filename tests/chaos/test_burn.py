"""The burn keeps the CPU that it was told busy, in the mode that it was told, from wherever it is called."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.chaos.burn import KINDS, burn
from labkit.errors import LabkitError

CPU = max(os.sched_getaffinity(0))
#: Far more than it takes on a busy machine.
WITHIN_S = 60.0


@pytest.mark.parametrize("kind", KINDS)
def test_one_cpu_is_busy_in_that_mode_until_the_block_ends(kind: str) -> None:
    other = next(name for name in KINDS if name != kind)
    with burn(CPU, kind) as pid:
        process = psutil.Process(pid)
        deadline = time.monotonic() + WITHIN_S
        while getattr(process.cpu_times(), kind) < 1.0:
            assert time.monotonic() < deadline, "the CPU is not busy"
            time.sleep(0.05)
        assert process.cpu_affinity() == [CPU]
        assert getattr(process.cpu_times(), other) < getattr(process.cpu_times(), kind)
    assert not psutil.pid_exists(pid)


def test_it_works_from_any_folder_as_a_notebooks_kernel_and_the_command_line_call_it(tmp_path: Path) -> None:
    code = f"import time\nfrom labkit.chaos.burn import burn\nwith burn({CPU}, 'user'): time.sleep(1)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def kill_and_wait(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    deadline = time.monotonic() + WITHIN_S
    while process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_burn_that_ended_by_itself_is_told() -> None:
    with pytest.raises(LabkitError, match=f"The burn of CPU {CPU} ended by itself"), burn(CPU, "user") as pid:
        kill_and_wait(pid)
