"""`pytest --lab=FOLDER` attaches to what `make test-lab` keeps up, and to nothing else."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.errors import BadInput
from labkit.settings import REPOSITORY
from tests.support.kept_lab import MARKER, attach
from tests.support.labs import lab_environment

#: Needs no services, and is quick.
SOME_TEST = "tests/system/test_ports.py"


def keep(folder: Path, owner: Path, pid: int, started: float) -> None:
    """Write what `make test-lab` writes of the lab in `owner`; nothing of it is up."""
    said = {"pid": pid, "started": started, "environment": lab_environment(owner)}
    (folder / MARKER).write_text(json.dumps(said))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no folder .*/nowhere\. To keep a test lab up: make test-lab$"):
        attach(tmp_path / "nowhere")


def test_a_persons_own_lab_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "supervisord.conf").touch()
    for folder in (tmp_path, tmp_path / "state", REPOSITORY):
        with pytest.raises(BadInput, match="is not a lab that make test-lab keeps up, and tests touch no other"):
            attach(folder)


def test_a_lab_that_a_copied_marker_is_not_of_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, tmp_path / "another", os.getpid(), psutil.Process().create_time())
    with pytest.raises(BadInput, match=r"is that of another lab, in .*/another/state"):
        attach(tmp_path)


def test_a_lab_whose_keeper_is_gone_is_refused_also_where_its_number_is_anothers(tmp_path: Path) -> None:
    keep(tmp_path, tmp_path, os.getpid(), psutil.Process().create_time() - 3600)
    with pytest.raises(BadInput, match=rf"kept .* up \(pid {os.getpid()}\) is gone, its services too\."):
        attach(tmp_path)


def test_a_lab_whose_services_are_gone_is_refused_with_their_names(tmp_path: Path) -> None:
    keep(tmp_path, tmp_path, os.getpid(), psutil.Process().create_time())
    with pytest.raises(BadInput, match="do not answer: kafka, registry, jobmanager, taskmanager"):
        attach(tmp_path)


def test_two_runs_do_not_use_it_at_once(tmp_path: Path) -> None:
    keep(tmp_path, tmp_path, os.getpid(), psutil.Process().create_time())
    with (tmp_path / MARKER).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match=r"Another test run uses the lab in .*; wait until it has ended"):
            attach(tmp_path)


@pytest.mark.parametrize(
    ("more", "said"),
    [((), "tests touch no other. To keep a test lab up: make test-lab"), (("-n", "2"), "leave -n out.")],
)
def test_pytest_says_so_in_one_sentence_and_runs_no_test(more: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--lab={tmp_path}", *more, SOME_TEST],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (sentence,) = [line for line in done.stderr.splitlines() if line]
    assert (done.returncode, done.stdout) == (4, "")
    assert sentence.startswith("ERROR: ")
    assert sentence.endswith(said)
