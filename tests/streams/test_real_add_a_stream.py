"""docs/add-a-stream.md, done as it says: a third stream in a copy of this repository, from the kernel to the plot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.settings import REPOSITORY, Settings

PAGE = (REPOSITORY / "docs" / "add-a-stream.md").read_text()
#: A file's name in a line of its own, and its text.
FILES = dict(re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S))
PATCHED = "labkit/streams/registry.py"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository with what the page adds to it."""
    folder = tmp_path_factory.mktemp("with-loadavg")
    for name in ("labkit", "schemas", "tests/streams", "tests/support"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "jars.lock", "tests/__init__.py"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    for name, text in FILES.items():
        assert not (folder / name).exists(), name
        (folder / name).write_text(text)
    (patch,) = re.findall(r"^```diff\n(.*?)^```$", PAGE, re.M | re.S)
    text = (folder / PATCHED).read_text()
    new_import, its_place, old, new = (line[1:] for line in patch.splitlines())
    # Who has added a stream of their own has more names than the page shows.
    old, new = old.removesuffix(")}"), new.removesuffix(")}")
    assert new.startswith(old)
    for line in (its_place, old):
        assert f"\n{line}" in text, line
    text = text.replace(f"\n{its_place}\n", f"\n{new_import}\n{its_place}\n").replace(old, new)
    (folder / PATCHED).write_text(text)
    return folder


def done(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the copy, with the test lab's settings."""
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def test_the_page_names_four_files_and_two_of_them_are_the_stream(copy: Path) -> None:
    assert sorted([*FILES, PATCHED]) == [
        "labkit/streams/loadavg.py", "labkit/streams/registry.py", "schemas/loadavg_snapshot.v1.avsc",
        "tests/streams/test_loadavg.py",
    ]  # fmt: skip


def test_its_own_test_and_the_checks_of_the_house_pass(copy: Path) -> None:
    tested = done(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/streams/test_loadavg.py")
    assert tested.returncode == 0, tested.stdout
    checked = done(copy, "ruff", "check", "labkit/streams", "tests/streams/test_loadavg.py")
    assert checked.returncode == 0, checked.stdout
    formatted = done(copy, "ruff", "format", "--check", "labkit/streams", "tests/streams/test_loadavg.py")
    assert formatted.returncode == 0, formatted.stdout


def test_the_engine_can_be_tried_on_it(copy: Path) -> None:
    tried = done(copy, "labkit.cli", "try", "/proc/loadavg", "--stream", "loadavg")
    assert tried.returncode == 0, tried.stderr
    assert "2 snapshots, 1 result, 1 row;" in tried.stdout


def test_it_flows_from_the_kernel_to_a_plot_and_its_ledger_balances(lab: Settings, copy: Path) -> None:
    ran = done(copy, "labkit.cli", "run", "--stream", "loadavg", "--seconds", "4", "--interval", "0.5")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(
        r"snapshots 9 │ first of host 1 │ .* metrics expected 8 found 8 .* rows expected 8 found 8", ran.stdout
    )
    assert (lab.output_dir / "plots" / "loadavg.png").stat().st_size > 10_000
    assert list((lab.output_dir / "loadavg_metrics").glob("date=*/*.parquet"))
