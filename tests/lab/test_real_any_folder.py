"""The pipeline where folders have any name, /tmp is of no use, and a shell holds what other installations need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.settings import REPOSITORY
from tests.support.foreign import FOREIGN
from tests.support.labs import lab_environment

NAME = 'it\'s "a" $HOME 100% %(here)s #1; Übung 日本, x=y'
#: What no Python could start with, `labkit` neither.
NOT_THESE = {"PYTHONHOME", "LD_PRELOAD", "TMPDIR"}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A lab whose every folder has such a name; outside /tmp, which this test hides."""
    folder = REPOSITORY / "test-output" / tmp_path.name / NAME
    foreign = {name: value for name, value in FOREIGN.items() if name not in NOT_THESE}
    yield {**os.environ, **foreign, "LC_ALL": "C", **lab_environment(folder)}
    shutil.rmtree(folder.parent)


def hides_tmp() -> list[str]:
    """What a command begins with to find a tiny /tmp in which nothing can be run.

    Nothing where that takes root, or where this checkout is in /tmp itself.
    """
    if REPOSITORY.is_relative_to("/tmp"):
        return []
    words = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o noexec,size=2m tmpfs /tmp && exec "$@"', "sh"]
    return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else []


def test_run_begins_and_goes_on_whatever_the_folder_and_the_shell_are_like(environment: dict[str, str]) -> None:
    for state in ("begins at the start", "goes on from savepoint"):
        done = subprocess.run(
            [*hides_tmp(), sys.executable, "-m", "labkit.cli", "run", "--seconds", "5"], env=environment,
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert f"enrichment {state}" in done.stdout
        assert f"parquet {state}" in done.stdout
        assert "ledger: balances" in done.stdout
        assert "missing 0 twice 0 │ rows expected" in done.stdout
