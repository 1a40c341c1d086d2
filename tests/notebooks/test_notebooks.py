"""Every notebook, run from top to bottom on real services; and that this test can fail.

nbval in lax mode: a cell that raises fails, and the output of cells marked NBVAL_CHECK_OUTPUT is compared.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from labkit.flink.rest import FlinkRest
from labkit.lab import services
from labkit.settings import REPOSITORY, Settings
from labkit.system.waiting import patience
from labkit.workshop.course.contents import lesson

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"
#: Is run twice in a row. One that submits jobs stands for all; `make notebooks` twice tries them all.
TWICE = lesson("06").notebook


def code_cells(notebook: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def run(notebook: Path) -> subprocess.CompletedProcess[str]:
    """nbval in a pytest of its own: this one's fixtures are not for notebooks."""
    within = f"--nbval-cell-timeout={patience(180):.0f}"
    words = ["--nbval-lax", within, "-x", "-q", "--noconftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", notebook.parent, *words, notebook],
        capture_output=True, text=True, check=False, timeout=patience(600),
    )  # fmt: skip


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_leaves_no_job(lab: Settings, notebook: Path) -> None:
    for _ in range(2 if notebook == TWICE else 1):
        done = run(notebook)
        assert done.returncode == 0, done.stdout[-3000:]
        (passed,) = re.findall(r"(\d+) passed", done.stdout)
        assert int(passed) == len(code_cells(notebook))
        assert [job.name for job in FlinkRest(lab.flink_url).jobs() if not job.is_over] == []
        assert all(row.healthy for row in services.status(lab))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_committed_for_compared_cells_and_for_no_other(notebook: Path) -> None:
    for cell in code_cells(notebook):
        assert bool(cell.outputs) == cell.source.startswith(MARK), cell.source
    assert any(cell.source.startswith(MARK) for cell in code_cells(notebook))


def test_a_compared_output_that_differs_and_a_cell_that_raises_are_found(lab: Settings, tmp_path: Path) -> None:
    def damaged(name: str, source: str, output: str) -> Path:
        cell = nbformat.v4.new_code_cell(
            source, execution_count=1, outputs=[nbformat.v4.new_output("stream", text=output)]
        )
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
        return path

    assert run(damaged("right", f"{MARK}\nprint(2)", "2\n")).returncode == 0
    assert run(damaged("wrong", f"{MARK}\nprint(2)", "3\n")).returncode == 1
    assert run(damaged("raises", "raise ValueError", "")).returncode == 1
