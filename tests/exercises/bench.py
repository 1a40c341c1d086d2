"""Answers on trial: a section of an exercise notebook, run cell by cell in a kernel that stays.

with Bench(lesson("05")) as bench:
    bench.verdict("05a", stub(source))      the verdict of the section's check cell
"""

from __future__ import annotations

from types import TracebackType

import jupytext
import nbformat
from nbclient import NotebookClient

from labkit.workshop.check import Verdict
from labkit.workshop.course.contents import Lesson
from labkit.workshop.headless import verdicts

CELL_WITHIN_S = 120


class Bench:
    """A kernel for one lesson. What stands before the first section (imports) runs once, before the first trial."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._client = NotebookClient(nbformat.v4.new_notebook(), timeout=CELL_WITHIN_S, allow_errors=True)
        self._ready = False

    def __enter__(self) -> Bench:
        self._kernel = self._client.setup_kernel()
        self._kernel.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kernel.__exit__(kind, error, trace)

    def verdict(self, exercise: str, source: str) -> Verdict:
        """Run the section of `exercise` as `source` (a percent script) has it; what its check cell said."""
        before, sections = split(jupytext.reads(source, fmt="py:percent"))
        if not self._ready:
            failed = self._run(before)
            assert not failed, failed
            self._ready = True
        failed = self._run(sections[exercise])
        found = verdicts(nbformat.v4.new_notebook(cells=sections[exercise]))
        assert exercise in found, f"no verdict; {failed or 'no cell raised'}"
        return found[exercise]

    def _run(self, cells: list[nbformat.NotebookNode]) -> str:
        """Run the code cells; the errors that they raised, or ""."""
        self._client.nb.cells = cells
        errors = []
        for index, cell in enumerate(cells):
            if cell.cell_type == "code":
                self._client.execute_cell(cell, index)
                errors += [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
        return "; ".join(errors)


def split(
    notebook: nbformat.NotebookNode,
) -> tuple[list[nbformat.NotebookNode], dict[str, list[nbformat.NotebookNode]]]:
    """The cells before the first exercise, and those of each, by the names that their headings begin with."""
    before: list[nbformat.NotebookNode] = []
    sections: dict[str, list[nbformat.NotebookNode]] = {}
    current = before
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            current = sections.setdefault(cell.source.removeprefix("## ").split()[0], [])
        current.append(cell)
    return before, sections
