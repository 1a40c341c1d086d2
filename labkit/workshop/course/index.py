"""Where the workshop begins: a notebook with its lessons, minutes, ticks, and ways to the pages and logs.

work/index.ipynb is made anew each time JupyterLab starts. A check, a hint or a solution puts the table as it is then
into the file (`refresh`), and JupyterLab takes it from there when its tab is shown again: labkit/lab/labextensions.
"""

from __future__ import annotations

import html
import json
import os
import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from labkit.settings import Settings, load_settings
from labkit.workshop.course.contents import LESSONS, Lesson
from labkit.workshop.course.links import GLOSSARY, INDEX
from labkit.workshop.course.predictions import fields, kept
from labkit.workshop.course.progress import State, states

__all__ = ["Overview", "index_file", "overview", "refresh", "write"]

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
- Where you are stuck, `labkit hint 05a` gives a hint, and the next time a clearer one. When you have tried,
  `labkit solution 05a` shows an answer.
- The table below shows how far you are, as often as you come back to it. A tick stays until `labkit restore`."""

_CELL = "from labkit.workshop.course.index import overview\n\noverview()"
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
#: As the kernel will say it. Where it is missing, JupyterLab adds it, and the index counts as changed from the start.
_LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": platform.python_version(),
}
_MARKS = {State.OPEN: "–", State.TRIED: "…", State.HELPED: "✓", State.SOLVED: "✓"}


class Overview:
    """The lessons and how far you are with their exercises; a table in a notebook, lines on a terminal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._states = states(settings)
        #: (heading, what stands in the row of a lesson)
        self._columns: tuple[tuple[str, Callable[[Lesson], str]], ...] = (
            ("lesson", lambda lesson: _link(lesson.filename, f"{lesson.no} {lesson.title}")),
            ("minutes", lambda lesson: str(lesson.minutes)),
            ("predicted", self._predicted),
            ("exercises", _exercises),
            ("how far you are", self._how_far),
        )

    def __str__(self) -> str:
        return "\n".join(
            f"{lesson.no} {lesson.title}, {lesson.minutes} minutes  {self._how_far(lesson)}" for lesson in LESSONS
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from labkit.lab.services import log_files, services_of  # takes long, and every check imports this module

        rows = [_row("th", (heading for heading, _ in self._columns))]
        rows += [_row("td", (shown(lesson) for _, shown in self._columns)) for lesson in LESSONS]
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

    def _how_far(self, lesson: Lesson) -> str:
        """✓ 05a solved, – 05b open"""
        known = {name: self._states.get(name, State.OPEN) for name in lesson.exercises}
        return ", ".join(f"{_MARKS[state]} {name} {state}" for name, state in known.items())

    def _predicted(self, lesson: Lesson) -> str:
        asked = fields(lesson)
        return f"{len(kept(self._settings).keys() & set(asked))} of {len(asked)}"


def _exercises(lesson: Lesson) -> str:
    names = ", ".join(lesson.exercises)
    return _link(f"exercises/{lesson.exercise_filename}", names) if names else ""


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
    lines = _INTRODUCTION.splitlines(keepends=True)
    introduction = {"cell_type": "markdown", "id": "introduction", "metadata": {}, "source": lines}
    table = {"cell_type": "code", "id": "lessons", "metadata": {}, "source": _CELL.splitlines(keepends=True)}
    cells = [introduction, {**table, "execution_count": 1, "outputs": [_table(settings, 1)]}]
    metadata = {"kernelspec": _KERNEL, "language_info": _LANGUAGE}
    return _put(settings, {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def refresh(settings: Settings) -> None:
    """Put the table as it is now into the index, and leave all else there as it is.

    Does nothing where there is no index, where it cannot be read or written, or where the learner has changed its cell.
    """
    with suppress(Exception):  # a check has its verdict, whatever is wrong with the index
        notebook = json.loads(index_file(settings).read_text())
        ours = [cell for cell in notebook["cells"] if "".join(cell["source"]) == _CELL and "outputs" in cell]
        for cell in ours:
            cell["outputs"] = [_table(settings, cell["execution_count"])]
        if ours:
            _put(settings, notebook)


def _table(settings: Settings, execution_count: int | None) -> dict[str, Any]:
    shown = Overview(settings)
    data = {
        "text/plain": str(shown).splitlines(keepends=True),
        "text/html": shown._repr_html_().splitlines(keepends=True),
    }
    return {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": execution_count}


def _put(settings: Settings, notebook: dict[str, Any]) -> Path:
    """Write the notebook as JupyterLab would."""
    file = index_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".index.{os.getpid()}.part")
    part.write_text(json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    part.replace(file)
    return file
