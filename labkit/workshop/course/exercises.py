"""One source for an exercise, its solution and its hints; the notebooks are made from it.

    def busy(before, after):                      def busy(before, after):
        # BEGIN 01b                                   raise NotSolved("01b")
        return …                        ->            # Write your answer in place of the line above.
        # END 01b

`python -m labkit.workshop.course.exercises` writes exercises/NN_exercises.ipynb from exercises/source/NN_….py
(jupytext's percent format). A section of the notebook whose heading begins with an exercise's name is that exercise.
A cell tagged `hints` is for `hint` and `solution`, and in no notebook:

    # %% [markdown] tags=["hints"]
    # Hints 01b
    #
    # 1. which part of the lesson
    # 2. the way
    # 3. nearly the answer
    #
    # Other answers: which others are right, and what they cost
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import BadInput, LabkitError
from labkit.workshop.course import links
from labkit.workshop.course.contents import EXERCISES, LESSONS, Lesson, lesson, lesson_of

__all__ = ["Help", "answered", "help_of", "main", "notebook_text", "source_of", "stub"]

_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)# BEGIN (?P<name>\d\d[a-z])\n(?P<body>.*?)^[ \t]*# END (?P=name)\n", re.M | re.S
)
_TITLE = re.compile(r"# Exercises (\d\d):")
_HINTS = re.compile(
    r'^# %% \[markdown\] tags=\["hints"\]\n# Hints (?P<name>\d\d[a-z])\n(?P<body>(?:#(?! %%).*\n)+)\n*', re.M
)
_PART = re.compile(r"^(?:\d\. |Other answers: )", re.M)


@dataclass(frozen=True, slots=True)
class Help:
    """What an author wrote to help with an exercise: hints in steps, the solution, a word on other good answers."""

    hints: tuple[str, ...]
    solution: str
    others: str


def help_of(exercise: str) -> Help:
    """The help with an exercise ("05a"), from its source. Raises `BadInput` for one that there is not."""
    source = source_of(lesson_of(exercise)).read_text()
    notes = next((found["body"] for found in _HINTS.finditer(source) if found["name"] == exercise), "")
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in notes.splitlines())
    parts = [" ".join(part.split()) for part in _PART.split(text)[1:]]
    cells = [cell.partition("\n")[2] for cell in re.split(r"^(?=# %%)", source, flags=re.M)]
    solution = next((cell for cell in cells if f"# BEGIN {exercise}\n" in cell), "")
    if not solution or len(parts) < 2:
        raise LabkitError(f"The source of exercise {exercise} has no solution or no cell of hints.")
    code = re.sub(r"^[ \t]*# (?:BEGIN|END) \d\d[a-z]\n", "", solution, flags=re.M)
    return Help(tuple(parts[:-1]), code.strip("\n"), parts[-1])


def source_of(of: Lesson) -> Path:
    """Where exercises and solutions of a lesson are written."""
    return EXERCISES / "source" / Path(of.filename).with_suffix(".py")


def stub(source: str) -> str:
    """The source as a learner gets it: `raise NotSolved` stands where a solution was."""

    def ask(name: str, _: str) -> str:
        return f'raise NotSolved("{name}")  # your answer goes here\n'

    return _replaced(source, ask)


def answered(source: str, answers: Mapping[str, str] | None = None) -> str:
    """The source with the answers of `answers` ({"01a": code}) in place, and the solution where there is none."""
    given = answers or {}
    return _replaced(source, lambda name, solution: textwrap.dedent(given.get(name, solution)).strip("\n") + "\n")


def notebook_text(source: str) -> str:
    """A percent script -> the notebook's JSON, the same text for the same source.

    Where its title is that of a lesson's exercises ("# Exercises 05: …"), the ways out stand at its top and bottom.
    """
    import jupytext  # these take longer than all else here, and a hint needs none of them
    import nbformat
    from nbformat.v4 import new_markdown_cell

    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell.metadata = nbformat.NotebookNode({key: value for key, value in cell.metadata.items() if key == "tags"})
    if title := _TITLE.match(notebook.cells[0].source):
        ways = links.of_exercises(lesson(title[1]))
        notebook.cells.insert(1, new_markdown_cell(ways, id="ways-top"))
        notebook.cells.append(new_markdown_cell(ways, id="ways-bottom"))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def _replaced(source: str, answer: Callable[[str, str], str]) -> str:
    def one(block: re.Match[str]) -> str:
        return textwrap.indent(answer(block["name"], block["body"]), block["indent"])

    return _BLOCK.sub(one, _HINTS.sub("", source))


def main() -> int:
    """Write every notebook of exercises anew."""
    for each in LESSONS:
        if not each.exercises:
            continue
        source = source_of(each)
        if not source.exists():
            raise BadInput(f"There is no {source}.")
        each.exercise_notebook.write_text(notebook_text(stub(source.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
