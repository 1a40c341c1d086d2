"""Run a notebook without a browser, in a fresh kernel of this Python, and say what came of it.

judged(Path("work/exercises/01_exercises.ipynb"), lesson("01"))   ->   Verdict("01a", …), then Verdict("01b", …)
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from traitlets.config import Config

from labkit.errors import BadInput
from labkit.settings import load_settings
from labkit.system import own_http
from labkit.system.waiting import patience
from labkit.workshop.check import VERDICT, Verdict
from labkit.workshop.course import index, progress
from labkit.workshop.course.contents import Lesson
from labkit.workshop.hints import NOBODY_LOOKS

__all__ = ["ENDED", "execute", "judged", "verdicts"]

_CELL_WITHIN_S = 300
#: Reason and hint of a verdict that nobody could give, because the kernel was gone.
ENDED = (
    "It was not checked: Python ended while it ran.",
    "Does it call exit or os._exit, or kill its own process? Return from your function instead.",
)
#: A check cell, and which exercise it is about.
_CHECKS = re.compile(r'check\("(\w+)"')
_ENDLESS = "Does a loop of yours ever end?"
#: As in JupyterLab: what a kernel prints is read with its keys only.
_KERNELS = Config(KernelManager={"transport_encryption": "auto"})


def execute(notebook: Path, folder: Path, *, go_on: bool = False) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run from top to bottom, in `folder`.

    With `go_on`, cells after one that raised run too. Else raises nbclient's `CellExecutionError`. Raises its
    `DeadKernelError` where a cell ends Python, and its `CellTimeoutError` where one takes longer than 300 s.
    """
    read = _read(notebook)
    _client(read, folder, go_on=go_on).execute(**_surroundings())
    return read


def _read(notebook: Path) -> nbformat.NotebookNode:
    try:
        read: nbformat.NotebookNode = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise BadInput(f"There is no {notebook}.", "To get it back: labkit restore NUMBER") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        raise BadInput(f"{notebook} is no notebook.", "To get the original back: labkit restore NUMBER") from None
    return read


def _client(read: nbformat.NotebookNode, folder: Path, *, go_on: bool) -> NotebookClient:
    """Puts the outputs into `read`, of each cell as soon as it has run."""
    within_s = int(patience(_CELL_WITHIN_S))
    where = {"metadata": {"path": folder}}
    return NotebookClient(read, timeout=within_s, allow_errors=go_on, resources=where, config=_KERNELS)


def _surroundings() -> dict[str, Any]:
    """What a kernel is started with."""
    # What the kernel itself writes there is for its developers; what a cell writes comes as its output.
    own = {**own_http.environment(os.environ, load_settings().own_hosts), NOBODY_LOOKS: "1"}
    return {"stderr": subprocess.DEVNULL, "env": own}


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, Verdict]:
    """What the check cells of an executed notebook said; of one that was asked twice, the last word."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VERDICT in output.get("data", {}):
                verdict = Verdict(**output["data"][VERDICT])
                found[verdict.exercise] = verdict
    return found


def judged(notebook: Path, lesson: Lesson, only: Collection[str] = ()) -> Iterator[Verdict]:
    """A verdict on each exercise of the lesson, or of `only`, as soon as it is there; one never checked has failed.

    The cells run in turn in a fresh kernel; other exercises' checks are left out. Where a cell ends Python or does not
    come back, the exercises behind it are judged all the same, in another kernel: what had run before runs there again.
    """
    asked = [name for name in lesson.exercises if not only or name in only]
    done = _read(notebook)
    settings = load_settings()
    run = _Run(done, notebook.parent, asked)
    with run:
        for names in _sections(done, asked):
            run.go_on(names)
            said = verdicts(done)
            unsaid = [name for name in names.exercises if name not in said]
            if unsaid and run.has_ended(names):  # no check came to its end, but an answer there was
                progress.note(settings, unsaid[0], passed=False)
                index.refresh(settings)
            for name in names.exercises:
                yield said.get(name) or Verdict(name, False, *run.why(names))


@dataclass(frozen=True, slots=True)
class _Section:
    """Cells from a heading that begins with an exercise's name to the next one, and the exercises judged in them."""

    cells: range
    exercises: tuple[str, ...]


def _sections(notebook: nbformat.NotebookNode, asked: Sequence[str]) -> list[_Section]:
    """One for each of `asked`, in the notebook's order; the first begins with the first cell.

    What has no heading of its own is judged in the last one.
    """
    headings = [cell.source if cell.cell_type == "markdown" else "" for cell in notebook.cells]
    starts = {name: place for name in reversed(asked) for place, text in enumerate(headings)
              if text.startswith(f"## {name}")}  # fmt: skip
    in_turn = sorted(starts, key=starts.__getitem__)
    bounds = [0, *(starts[name] for name in in_turn[1:]), len(notebook.cells)]
    found = [_Section(range(*cells), (name,))
             for cells, name in zip(itertools.pairwise(bounds), in_turn, strict=False)]  # fmt: skip
    without = tuple(name for name in asked if name not in starts)
    last = found.pop() if found else _Section(range(len(notebook.cells)), ())
    return [*found, _Section(last.cells, last.exercises + without)]


class _Run:
    """A notebook's cells, run one by one; a new kernel takes the place of one that has ended."""

    def __init__(self, notebook: nbformat.NotebookNode, folder: Path, asked: Sequence[str]) -> None:
        self._notebook, self._folder, self._asked = notebook, folder, asked
        self._open: tuple[NotebookClient, AbstractContextManager[Any]] | None = None
        self._ran: list[int] = []
        self._exits = False
        self._ended: dict[int, tuple[str, str]] = {}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []  # what an earlier run said counts no more, also where this one does not come so far

    def __enter__(self) -> _Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def go_on(self, section: _Section) -> None:
        """Run its cells, as far as they come."""
        ended = self._all_of(section)
        if ended is not None:
            self._ended[section.cells.start] = ended

    def has_ended(self, section: _Section) -> bool:
        """Whether its cells ended Python, or did not come back."""
        return section.cells.start in self._ended

    def why(self, section: _Section) -> tuple[str, str]:
        """Why there is no verdict: (what was seen, hint)"""
        if self.has_ended(section):
            return self._ended[section.cells.start]
        return f"It was not checked{_why(self._notebook)}.", ""

    def _all_of(self, section: _Section) -> tuple[str, str] | None:
        """None where it came to its end; else why not, and its kernel is gone."""
        for place in section.cells:
            cell = self._notebook.cells[place]
            if cell.cell_type != "code" or not cell.source.strip() or self._is_left_out(cell.source):
                continue
            try:
                self._client().execute_cell(cell, place)
            except DeadKernelError:
                self._close()
                return ENDED
            except CellTimeoutError:
                self._close()
                return f"It was not checked: a cell was still at work after {_CELL_WITHIN_S} s.", _ENDLESS
            if self._exits:  # by exit(): it will be gone in a moment, and the next cell might run yet or not
                self._close()
                return ENDED
            self._ran.append(place)
        return None

    def _heard(self, execute_reply: dict[str, Any], **_: Any) -> None:
        """A cell's reply says whether its kernel will end, now that it is done."""
        payload = execute_reply["content"].get("payload", ())
        self._exits = self._exits or any(one.get("source") == "ask_exit" for one in payload)

    def _is_left_out(self, source: str) -> bool:
        asks = _CHECKS.match(source)
        return asks is not None and asks[1] not in self._asked

    def _client(self) -> NotebookClient:
        if self._open is None:
            client = _client(self._notebook, self._folder, go_on=True)
            client.on_cell_executed, self._exits = self._heard, False
            kernel = client.setup_kernel(**_surroundings())
            kernel.__enter__()
            self._open = client, kernel
            before, self._ran = self._ran, []
            for place in before:
                source = self._notebook.cells[place].source
                if not _CHECKS.match(source):
                    client.execute_cell(nbformat.v4.new_code_cell(source), place)
                self._ran.append(place)
        return self._open[0]

    def _close(self) -> None:
        if self._open is not None:
            (_, kernel), self._open = self._open, None
            with suppress(RuntimeError):
                kernel.__exit__(None, None, None)


def _why(notebook: nbformat.NotebookNode) -> str:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                text = re.sub(r"\x1b\[[0-9;]*m", "", f"{output.ename}: {output.evalue}")
                return f": a cell before it raised {text}".rstrip(".")
    return ": its check cell is gone"
