"""docs/take-a-part.md, done as it says: producer, jobs and ledger in programs that are no labkit command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.flink.home import client_environment, flink_home
from labkit.flink.rest import FlinkRest
from labkit.settings import REPOSITORY, Settings
from labkit.system.waiting import wait_until

PAGE = (REPOSITORY / "docs" / "take-a-part.md").read_text()
PROGRAMS = dict(re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.M | re.S))
JOBS = ("enrichment", "parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "rows").mkdir()
    return tmp_path


def ran(words: list[object], folder: Path, **environment: str) -> str:
    """What a program printed, run in `folder` without a setting of the lab."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("LABKIT_")}
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env={**own, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def submitted(lab: Settings, folder: Path) -> Callable[[str], None]:
    """Submit a job of jobs.py with Flink's own command line."""

    jars = folder / "jars"  # Flink's scripts cut a path at spaces, so they are told one without
    jars.symlink_to(lab.install_dir)

    def submit(name: str) -> None:
        flink = [flink_home() / "bin" / "flink", "run", "--detached", "-m", f"127.0.0.1:{lab.flink_port}"]
        python = ["-pyexec", Path(sys.executable).name, "-pyclientexec", sys.executable, "--python", "jobs.py"]
        words = [*flink, *python, name, lab.kafka_bootstrap, lab.registry_url, folder / "rows"]
        ran(words, folder, **client_environment(jars, lab.state_dir))

    return submit


def test_producer_jobs_and_ledger_are_taken_out_and_their_account_balances(
    lab: Settings, folder: Path, submitted: Callable[[str], None]
) -> None:
    addresses = [lab.kafka_bootstrap, lab.registry_url]
    assert "21 snapshots are in procstat_snapshots_apart" in ran([sys.executable, "send.py", *addresses], folder)
    rest = FlinkRest(lab.flink_url)
    try:
        for name in JOBS:
            submitted(name)

        def balances() -> str:
            counted = subprocess.run(
                [sys.executable, "count.py", *addresses, str(folder / "rows")],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            line = counted.stdout.strip()
            return line if counted.returncode == 0 and "in flight" not in line else ""

        line = wait_until(balances, "The ledger balances", 120)
    finally:
        for job in rest.jobs():
            if job.name.endswith("_apart") and not job.is_over:
                rest.cancel(job.id)
                wait_until(lambda job=job: rest.state(job.id) == "CANCELED", f"The job {job.name} has ended")
    assert line.startswith("snapshots 21 │ first of host 1 │ rejected 0 │ dead letters 0")
    assert re.search(r"metrics expected 20 found 20 missing 0 twice 0 │ rows expected (\d+) found \1 missing 0", line)


def test_each_program_that_is_a_part_is_about_ten_lines() -> None:
    lines = {
        name: len([line for line in text.splitlines() if line and not line.startswith(("import", "from"))])
        for name, text in PROGRAMS.items()
    }
    assert sorted(lines) == ["count.py", "jobs.py", "send.py"]
    assert max(lines.values()) <= 12, lines
