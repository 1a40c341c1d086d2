"""The lab on a busy machine: `make test-loaded`, or with another load: python -m tests.support.loaded 6

25 programs at work beside, on however many CPUs; under them a lab of its own comes up, runs for ten seconds and goes
down, then a lesson and the tests of starting and stopping run. Each step is told with its time; the first that fails
ends it, with that step's exit status. On two CPUs it takes under 40 minutes, and leaves nothing behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from labkit.settings import REPOSITORY
from labkit.system.waiting import wait_until
from tests.support.labs import lab_environment
from tests.support.load import load

__all__ = ["main"]

PROGRAMS = 25
_LABKIT = [sys.executable, "-m", "labkit.cli"]
_PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "--durations=5"]
STEPS = (
    [*_LABKIT, "up"],
    [*_LABKIT, "run", "--seconds", "10"],
    [*_LABKIT, "down"],
    [*_PYTEST, "tests/lab/test_supervisord_start.py", "tests/lab/test_real_services.py"],
    [*_PYTEST, "tests/notebooks", "-k", "04_first"],
)


def main(programs: int = PROGRAMS) -> int:
    """Every step under that load; 0, or the exit status of the first that fails."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="labkit-loaded-") as folder, load(programs):
        print(f"{programs} programs are at work; the kernel's count of them follows in a minute", flush=True)
        wait_until(
            lambda: os.getloadavg()[0] > 0.6 * programs, "The load is counted", 300,
            seen=lambda: f"it is {os.getloadavg()[0]:.1f}", todo="",
        )  # fmt: skip
        environment = {**os.environ, **lab_environment(Path(folder))}
        try:
            for words in STEPS:
                # Tests make labs of their own.
                if status := _told(words, environment if words[:3] == _LABKIT else dict(os.environ)):
                    return status
        finally:
            subprocess.run([*_LABKIT, "down"], env=environment, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL)
    print(f"all of it: {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def _told(words: list[str], environment: dict[str, str]) -> int:
    """The exit status of a step, which is printed with its time and the load."""
    begun = time.monotonic()
    done = subprocess.run(words, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL, check=False)
    took, now = time.monotonic() - begun, os.getloadavg()[0]
    print(f"— {' '.join(words[2:])}: exit status {done.returncode}, {took:.0f} s, load {now:.1f}", flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
