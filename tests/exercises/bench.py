"""Answers on trial: a section of an exercise notebook, run cell by cell in a kernel that stays.

with Bench(lesson("05")) as bench:
    bench.verdict("05a", stub(source))      the verdict of the section's check cell

A lesson's answers share one kernel: what stands before the first section (imports) runs once. Each answer finds it as
the first did: names are put back. Where an answer ends its kernel, or leaves there what cannot be put back, the next
one gets a new kernel, and `spoilt` says so.
"""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import TemporaryDirectory
from types import TracebackType

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from labkit.settings import REPOSITORY
from labkit.workshop.check import Verdict
from labkit.workshop.course.contents import Lesson
from labkit.workshop.headless import ENDED, verdicts

CELL_WITHIN_S = 120
#: Expressions in the kernel, which leave no name there.
_MARK = f"__import__('runpy').run_path({str(REPOSITORY / 'tests/exercises/surroundings.py')!r})['mark'](get_ipython())"
_BACK = "get_ipython().surroundings.put_back()"


class Bench:
    """A kernel for one lesson, made when the first answer comes."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._open: tuple[NotebookClient, object] | None = None
        #: As a learner's notebook is in work/exercises: what an answer leaves beside it does not lie in the repository.
        self._folder = TemporaryDirectory(prefix="labkit-bench-")
        self.kernels = 0
        #: What the last answer did to its kernel that cannot be put back, or "".
        self.spoilt = ""

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._folder.cleanup()

    def verdict(self, exercise: str, source: str) -> Verdict:
        """Run the section of `exercise` as `source` (a percent script) has it; what its check cell said.

        An answer that ends its kernel gets the verdict that `labkit check` gives it.
        """
        before, sections = split(jupytext.reads(source, fmt="py:percent"))
        if self._open is None:
            self._begin(before)
        try:
            failed = self._run(sections[exercise])
        except DeadKernelError:
            self._close()
            self.spoilt = "the kernel has ended"
            said = verdicts(nbformat.v4.new_notebook(cells=sections[exercise]))
            return said.get(exercise) or Verdict(exercise, False, *ENDED)
        except BaseException:
            self._close()
            raise
        try:
            self.spoilt = self._value(_BACK)
        except Exception as error:
            self.spoilt = f"the kernel cannot be asked any more: {error}"
        if self.spoilt:
            self._close()
        found = verdicts(nbformat.v4.new_notebook(cells=sections[exercise]))
        assert exercise in found, f"no verdict; {failed or 'no cell raised'}"
        return found[exercise]

    def _begin(self, before: list[nbformat.NotebookNode]) -> None:
        client = NotebookClient(
            nbformat.v4.new_notebook(), timeout=CELL_WITHIN_S, allow_errors=True,
            resources={"metadata": {"path": self._folder.name}},
        )  # fmt: skip
        kernel = client.setup_kernel()
        kernel.__enter__()
        self._open = client, kernel
        self.kernels += 1
        failed = self._run(before)
        assert not failed, failed
        self._value(_MARK)

    def _close(self) -> None:
        if self._open is not None:
            (_, kernel), self._open = self._open, None
            kernel.__exit__(None, None, None)

    def _value(self, expression: str) -> str:
        """The text that `expression` has in the kernel. Raises AssertionError where it raises."""
        cell = nbformat.v4.new_code_cell(f"print({expression}, end='')")
        failed = self._run([cell])
        assert not failed, failed
        return "".join(output.text for output in cell.outputs if output.output_type == "stream")

    def _run(self, cells: list[nbformat.NotebookNode]) -> str:
        """Run the code cells; the errors that they raised, or ""."""
        assert self._open is not None
        client, _ = self._open
        client.nb.cells = cells
        errors = []
        for index, cell in enumerate(cells):
            if cell.cell_type == "code":
                client.execute_cell(cell, index)
                errors += [f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"]
        return "; ".join(errors)


class Benches:
    """One bench at a time: that of a lesson stays until another lesson's is asked for."""

    def __init__(self) -> None:
        self._lesson: Lesson | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Benches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def of(self, lesson: Lesson) -> Bench:
        """The bench of that lesson."""
        if lesson != self._lesson:
            self._stack.close()
            self._lesson, self._bench = lesson, self._stack.enter_context(Bench(lesson))
        return self._bench


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
