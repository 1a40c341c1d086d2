"""Where the workshop begins: a notebook with its lessons, minutes, ticks, and ways to the pages and logs.

work/index.ipynb is made anew each time JupyterLab starts; its one cell shows the ticks as they are then.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from labkit.lab.services import log_files, services_of
from labkit.settings import Settings, load_settings
from labkit.workshop.course.contents import LESSONS, Lesson
from labkit.workshop.course.links import GLOSSARY, INDEX
from labkit.workshop.course.predictions import fields, kept
from labkit.workshop.course.progress import solved

__all__ = ["Overview", "index_file", "overview", "write"]

_INTRODUCTION = """# The streaming lab

Your machine's `/proc/stat` flows through Kafka, an Avro schema registry, Flink and Parquet into plots.
In these notebooks you build that pipeline piece by piece, break it, and mend it.

- Click a title to open it. Begin with **00**. Each notebook starts from a state of its own, so you can begin anywhere.
- These are your own copies: change what you like. `labkit restore 05` puts a notebook and its exercises back as they
  were, and keeps yours in the folder `earlier`.
- A notebook that is open takes 0.1 to 0.35 GB of memory, one that has sent a job to Flink 0.3 GB more. Close its tab
  when you are done: that ends its kernel too, and gives the memory back.
- The minutes are those of the notebook, without its exercises.
- Exercises have a check in their last cell. `labkit check 05` in a terminal gives the same verdict.
- Run the cell below to see your ticks as they are now."""


class Overview:
    """The lessons with their ticks; a table in a notebook, lines on a terminal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._solved = solved(settings)

    def __str__(self) -> str:
        return "\n".join(
            f"{lesson.no} {lesson.title}, {lesson.minutes} minutes  {self._ticks(lesson)}" for lesson in LESSONS
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            _row("th", ("lesson", "minutes", "predicted", "exercises", "solved")),
            *(self._row(lesson) for lesson in LESSONS),
        ]
        pages = [_link(self._settings.flink_page, "Flink"), _link(self._settings.registry_page, "registry")]
        logs = [
            _link(f"logs/{file.name}", file.stem)
            for service in services_of(self._settings)
            for file in log_files(self._settings, service)
        ]
        words = _link(GLOSSARY, "Glossary")
        ways = (
            f"{words}. Pages: {', '.join(pages)}. Logs: {', '.join(logs) or 'none yet, no service has been started'}."
        )
        return f'<table style="font-size:110%">{"".join(rows)}</table><p>{ways}</p>'

    def _row(self, lesson: Lesson) -> str:
        title = _link(lesson.filename, f"{lesson.no} {lesson.title}")
        names = ", ".join(lesson.exercises)
        exercises = _link(f"exercises/{lesson.exercise_filename}", names) if names else ""
        return _row("td", (title, str(lesson.minutes), self._predicted(lesson), exercises, self._ticks(lesson)))

    def _predicted(self, lesson: Lesson) -> str:
        asked = fields(lesson)
        return f"{len(kept(self._settings).keys() & set(asked))} of {len(asked)}"

    def _ticks(self, lesson: Lesson) -> str:
        return " ".join(f"✓ {name}" if name in self._solved else f"– {name}" for name in lesson.exercises)


def _row(tag: str, cells: Iterable[str]) -> str:
    inside = "".join(f'<{tag} style="text-align:left">{cell}</{tag}>' for cell in cells)
    return f"<tr>{inside}</tr>"


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def overview() -> Overview:
    """The lessons and your ticks, as they are now."""
    return Overview(load_settings())


def index_file(settings: Settings) -> Path:
    """Where the index is."""
    return settings.work_dir / INDEX


def write(settings: Settings) -> Path:
    """Make the index anew, its table already in it."""
    shown = Overview(settings)
    data: dict[str, Any] = {"text/plain": str(shown), "text/html": shown._repr_html_()}
    cell = new_code_cell(
        "from labkit.workshop.course.index import overview\n\noverview()",
        id="lessons",
        execution_count=1,
        outputs=[new_output("execute_result", data, execution_count=1)],
    )
    notebook = new_notebook(
        cells=[new_markdown_cell(_INTRODUCTION, id="introduction"), cell],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )
    file = index_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(".index.part")
    nbformat.write(notebook, part)
    part.replace(file)
    return file
