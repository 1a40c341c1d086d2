"""`make test-lab`: a lab comes up, a test run uses it and leaves it up, Ctrl-C takes it down."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from labkit.lab import services
from labkit.settings import REPOSITORY, Settings
from tests.support.kept_lab import MARKER
from tests.support.labs import settings_of

#: Uses the registry, and takes a second.
ONE_TEST = ("tests/kafka/test_real_topics_and_schema.py", "-k", "a_new_field_with_a_default")


def pids(settings: Settings) -> dict[str, int | None]:
    return {row.name: row.pid for row in services.status(settings)}


def pytest_on(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--lab={folder}", *words],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_lab_is_kept_up_used_by_one_run_after_another_and_taken_down() -> None:
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.support.kept_lab"],
        cwd=REPOSITORY, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert keeper.stdout is not None
    try:
        said = "".join(iter(keeper.stdout.readline, "Ctrl-C takes it down.\n"))
        (words,) = re.findall(r"^ +\.venv/bin/python -m pytest --lab=(\S+) ", said, re.M)
        folder = Path(words)
        lab = settings_of(json.loads((folder / MARKER).read_text())["environment"])
        before = pids(lab)
        for _ in range(2):
            done = pytest_on(folder, *ONE_TEST)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "1 passed" in done.stdout
        assert pids(lab) == before
    finally:
        keeper.send_signal(signal.SIGINT)
        rest = keeper.communicate(timeout=120)[0]
    assert (keeper.returncode, rest) == (0, "\nThe test lab is down, its folder removed.\n")
    assert services.processes(lab) == []
    assert not folder.exists()
