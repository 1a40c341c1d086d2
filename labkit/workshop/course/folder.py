"""The learner's folder, work/: copies of the notebooks and exercises, made once and never overwritten.

    work/index.ipynb                  where to begin; made anew each time JupyterLab starts, as is glossary.ipynb
    work/05_enrichment_….ipynb        a copy without outputs, the learner's own from then on
    work/exercises/05_exercises.ipynb the same for exercises
    work/earlier/05_….ipynb           what `labkit restore 05` took away
    work/logs                         the services' logs
    work/.progress.json               what the checks said, and which hints were shown
    work/.predictions.json            what was predicted in the notebooks

git knows nothing of it, so a new version of the workshop never meets a learner's changes.
"""

from __future__ import annotations

import time
from pathlib import Path

import nbformat

from labkit.errors import BadInput
from labkit.settings import Settings
from labkit.workshop.course import predictions, progress
from labkit.workshop.course.contents import LESSONS, Lesson

__all__ = ["IN_CONTAINERS", "copies", "exercise_copy", "fill", "fresh", "restore"]

#: The tag of a cell that says something about docker compose.
IN_CONTAINERS = "in-containers"


def copies(settings: Settings, lesson: Lesson) -> list[tuple[Path, Path]]:
    """(original, copy) of a lesson's notebook and of its exercises."""
    pairs = [(lesson.notebook, settings.work_dir / lesson.filename)]
    if lesson.exercises:
        pairs.append((lesson.exercise_notebook, settings.work_dir / "exercises" / lesson.exercise_filename))
    return pairs


def fresh(settings: Settings, original: Path) -> str:
    """What a new copy of `original` has in it: every cell as it is there, without outputs.

    The originals keep outputs that tests compare; in front of a learner they would answer what is to be predicted.
    Cells with the tag `IN_CONTAINERS` are left out where the lab is not in containers.
    """
    notebook = nbformat.read(original, as_version=4)
    if not settings.in_containers:
        notebook.cells = [cell for cell in notebook.cells if IN_CONTAINERS not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return str(nbformat.writes(notebook)) + "\n"


def exercise_copy(settings: Settings, lesson: Lesson) -> Path:
    """The learner's exercises of a lesson. Raises `BadInput` where there are none, or no copy of them yet."""
    if not lesson.exercises:
        raise BadInput(f"Lesson {lesson.no} has no exercises.")
    copy = settings.work_dir / "exercises" / lesson.exercise_filename
    if not copy.exists():
        raise BadInput(f"{copy} is not there yet.", f"To make it: make lab, or labkit restore {lesson.no}")
    return copy


def fill(settings: Settings) -> list[Path]:
    """Copy what is not there yet; returns the new copies. Raises `BadInput` where the folder cannot be written."""
    made = []
    try:
        for lesson in LESSONS:
            for original, copy in copies(settings, lesson):
                if not copy.exists():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_text(fresh(settings, original))
                    made.append(copy)
        logs = settings.work_dir / "logs"
        if not logs.is_symlink():
            logs.symlink_to(settings.state_dir / "log")
    except OSError as error:
        raise BadInput(f"{settings.work_dir} cannot be written ({error.strerror}).") from None
    return made


def restore(settings: Settings, lesson: Lesson) -> list[tuple[Path, Path | None]]:
    """Put a lesson's notebook and exercises back as they were; returns (copy, where the old one is now).

    What the learner wrote is kept: earlier/05_….20261122T201500Z.ipynb. A notebook that is as a new copy would be
    stays. Ticks and hints of the lesson are forgotten, and what was predicted in a notebook that is put back.
    """
    done: list[tuple[Path, Path | None]] = []
    for original, copy in copies(settings, lesson):
        kept, new = None, fresh(settings, original)
        if copy.exists():
            if copy.read_bytes() == new.encode():
                continue
            kept = _place_for(settings, copy)
            kept.parent.mkdir(exist_ok=True)
            copy.rename(kept)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(new)
        done.append((copy, kept))
    progress.forget(settings, lesson.exercises)
    if any(copy.name == lesson.filename for copy, _ in done):
        predictions.forget(settings, lesson)
    return done


def _place_for(settings: Settings, copy: Path) -> Path:
    return settings.work_dir / "earlier" / f"{copy.stem}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.ipynb"
