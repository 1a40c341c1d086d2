"""Run a notebook without a browser, in a fresh kernel of this Python, and say what came of it.

judged(Path("work/exercises/01_exercises.ipynb"))   ->   {"01a": Verdict(…), "01b": Verdict(…)}
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

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
    "Does it call os._exit, or kill its own process? Return from your function instead.",
)
_ENDLESS = "Does a loop of yours ever end?"
#: As in JupyterLab: what a kernel prints is read with its keys only.
_KERNELS = Config(KernelManager={"transport_encryption": "auto"})


def execute(notebook: Path, folder: Path, *, go_on: bool = False) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run from top to bottom, in `folder`.

    With `go_on`, cells after one that raised run too. Else raises nbclient's `CellExecutionError`. Raises its
    `DeadKernelError` where a cell ends Python, and its `CellTimeoutError` where one takes longer than 300 s.
    """
    read = _read(notebook)
    _run(read, folder, go_on)
    return read


def _read(notebook: Path) -> nbformat.NotebookNode:
    try:
        read: nbformat.NotebookNode = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise BadInput(f"There is no {notebook}.", "To get it back: labkit restore NUMBER") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        raise BadInput(f"{notebook} is no notebook.", "To get the original back: labkit restore NUMBER") from None
    return read


def _run(read: nbformat.NotebookNode, folder: Path, go_on: bool) -> None:
    """Put the outputs into `read`, of each cell as soon as it has run."""
    within_s = int(patience(_CELL_WITHIN_S))
    client = NotebookClient(
        read, timeout=within_s, allow_errors=go_on, resources={"metadata": {"path": folder}}, config=_KERNELS
    )
    # What the kernel itself writes there is for its developers; what a cell writes comes as its output.
    own = {**own_http.environment(os.environ, load_settings().own_hosts), NOBODY_LOOKS: "1"}
    client.execute(stderr=subprocess.DEVNULL, env=own)


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, Verdict]:
    """What the check cells of an executed notebook said; of one that was asked twice, the last word."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VERDICT in output.get("data", {}):
                verdict = Verdict(**output["data"][VERDICT])
                found[verdict.exercise] = verdict
    return found


def judged(notebook: Path, lesson: Lesson) -> Sequence[Verdict]:
    """A verdict on each exercise of the lesson, after a run in a fresh kernel. One never checked has failed."""
    done = _read(notebook)
    for cell in done.cells:
        if cell.cell_type == "code":
            cell.outputs = []  # what an earlier run said counts no more, also where this one does not come so far
    unchecked = None
    try:
        _run(done, notebook.parent, go_on=True)
    except DeadKernelError:
        unchecked = ENDED
    except CellTimeoutError:
        unchecked = f"It was not checked: a cell was still at work after {_CELL_WITHIN_S} s.", _ENDLESS
    said = verdicts(done)
    unsaid = [name for name in lesson.exercises if name not in said]
    if unchecked and unsaid:  # no check came to its end, but an answer there was
        settings = load_settings()
        progress.note(settings, unsaid[0], passed=False)
        index.refresh(settings)
    return [
        said.get(name) or Verdict(name, False, *(unchecked or (f"It was not checked{_why(done)}.",)))
        for name in lesson.exercises
    ]


def _why(notebook: nbformat.NotebookNode) -> str:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                text = re.sub(r"\x1b\[[0-9;]*m", "", f"{output.ename}: {output.evalue}")
                return f": a cell before it raised {text}".rstrip(".")
    return ": its check cell is gone"
