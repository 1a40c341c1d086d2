"""The glossary, made from the lessons: each term where it was first explained, with a way there.

    > **lag**: how many records a group has not read yet.          a quoted line of a lesson's Markdown
    ->  **lag**: how many records a group has not read yet. [02](02_to_kafka.ipynb)

`python -m labkit.workshop.course.glossary` writes docs/glossary.md; work/glossary.ipynb is made anew each time
JupyterLab starts.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from labkit.errors import BadInput
from labkit.settings import REPOSITORY, Settings
from labkit.workshop.course import links
from labkit.workshop.course.contents import LESSONS, Lesson

__all__ = ["PAGE", "Term", "main", "page", "terms", "terms_in", "write"]

PAGE = REPOSITORY / "docs" / "glossary.md"
_TERM = re.compile(r"^> \*\*(?P<name>[^*\n]+)\*\*: (?P<text>.+(?:\n> (?!\*\*).+)*)", re.M)
_INTRODUCTION = """# Glossary

Each term as the lesson explains it in which it comes first. The number leads there.
"""


@dataclass(frozen=True, slots=True)
class Term:
    """A term, what it means (one line of Markdown), and the lesson that says so."""

    name: str
    text: str
    lesson: Lesson


def terms_in(markdown: str, lesson: Lesson) -> list[Term]:
    """The terms that a cell explains, in its order."""
    return [
        Term(found["name"], found["text"].replace("\n> ", " ").strip(), lesson) for found in _TERM.finditer(markdown)
    ]


def terms() -> list[Term]:
    """All terms of the lessons, by name. Raises `BadInput` where one is explained twice."""
    known: dict[str, Term] = {}
    for each in LESSONS:
        for cell in nbformat.read(each.notebook, as_version=4).cells:
            for term in terms_in(cell.source, each) if cell.cell_type == "markdown" else ():
                if other := known.get(term.name.lower()):
                    raise BadInput(f"{term.name!r} is explained in {other.lesson.no} and in {term.lesson.no}.")
                known[term.name.lower()] = term
    return [known[name] for name in sorted(known)]


def page(notebooks: str = "") -> str:
    """The glossary in Markdown; `notebooks` is the way from it to the lessons, such as "../notebooks/"."""
    lines = [
        f"**{term.name}**: {term.text} [{term.lesson.no}]({notebooks}{term.lesson.filename})\n" for term in terms()
    ]
    return "\n".join([_INTRODUCTION, *lines])


def write(settings: Settings) -> Path:
    """Make the learner's glossary anew."""
    notebook = new_notebook(
        cells=[new_markdown_cell(f"{page()}\n[Index]({links.INDEX})", id="glossary")],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )
    file = settings.work_dir / links.GLOSSARY
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(".glossary.part")
    nbformat.write(notebook, part)
    part.replace(file)
    return file


def main() -> int:
    """Write docs/glossary.md anew."""
    PAGE.write_text(page("../notebooks/"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
