"""The workshop's table of contents: what each lesson is called, how long it takes, and what it starts from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from labkit.errors import BadInput
from labkit.settings import REPOSITORY

__all__ = ["EXERCISES", "LESSONS", "NOTEBOOKS", "Lesson", "Start", "lesson", "lesson_of", "owner"]

NOTEBOOKS = REPOSITORY / "notebooks"
EXERCISES = REPOSITORY / "exercises"
#: procstat_snapshots_nb05, percent_ex06b, asked_ex03-value
_OWNED = re.compile(r"_(nb|ex)(?P<no>\d\d)[a-z]?(-key|-value)?$")


class Start(IntEnum):
    """What is there when a lesson begins; each includes the one before."""

    NOTHING = 0
    SERVICES = 1
    TOPICS = 2  # topics and the schema
    SNAPSHOTS = 3  # and the recording, in the snapshots topic
    METRICS = 4  # and what the enrichment made of it
    ROWS = 5  # and its Parquet files


@dataclass(frozen=True, slots=True)
class Lesson:
    """One notebook, and the exercises that belong to it."""

    no: str
    title: str
    minutes: int
    start: Start
    exercises: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """Of the topics, jobs and rows that are this lesson's own: _nb05."""
        return f"_nb{self.no}"

    @property
    def filename(self) -> str:
        """05_enrichment_with_keyed_state.ipynb"""
        words = self.title.lower().replace(",", "").split()
        return f"{self.no}_{'_'.join(words)}.ipynb"

    @property
    def notebook(self) -> Path:
        """Where the original lies."""
        return NOTEBOOKS / self.filename

    @property
    def exercise_filename(self) -> str:
        """05_exercises.ipynb: its tab in JupyterLab is not to look like the lesson's."""
        return f"{self.no}_exercises.ipynb"

    @property
    def exercise_notebook(self) -> Path:
        """Where the exercises' original lies; there is none where `exercises` is empty."""
        return EXERCISES / self.exercise_filename


LESSONS = (
    Lesson("00", "Preflight", 20, Start.NOTHING),
    Lesson("01", "Counters, not rates", 30, Start.NOTHING, ("01a", "01b")),
    Lesson("02", "To Kafka", 35, Start.SERVICES, ("02a", "02b")),
    Lesson("03", "Avro and the registry", 35, Start.SERVICES, ("03a", "03b")),
    Lesson("04", "First Flink job", 30, Start.SNAPSHOTS, ("04a", "04b")),
    Lesson("05", "Enrichment with keyed state", 40, Start.SNAPSHOTS, ("05a", "05b")),
    Lesson("06", "Parquet sink", 35, Start.METRICS, ("06a", "06b")),
    Lesson("07", "Analysis", 35, Start.ROWS, ("07a", "07b")),
    Lesson("08", "Event time and watermarks", 60, Start.TOPICS, ("08a", "08b")),
    Lesson("09", "Windows and late data", 50, Start.TOPICS, ("09a", "09b")),
    Lesson("10", "Idle partitions", 40, Start.TOPICS, ("10a", "10b")),
    Lesson("11", "Crash and recovery", 35, Start.TOPICS, ("11a", "11b")),
    Lesson("12", "Exactly once", 40, Start.TOPICS, ("12a", "12b")),
    Lesson("13", "Schema evolution", 40, Start.TOPICS, ("13a", "13b")),
    Lesson("14", "Poison records", 40, Start.TOPICS, ("14a", "14b")),
    Lesson("20", "The same job in SQL", 40, Start.METRICS, ("20a", "20b")),
    Lesson("21", "Two streams", 40, Start.TOPICS, ("21a", "21b")),
)


def lesson(no: str) -> Lesson:
    """The lesson of that number; "5" and "05" are the same. Raises `BadInput` where there is none."""
    for known in LESSONS:
        if no.strip() in (known.no, known.no.lstrip("0") or "0"):
            return known
    raise BadInput(f"There is no lesson {no!r}; there are {', '.join(each.no for each in LESSONS)}.")


def lesson_of(exercise: str) -> Lesson:
    """The lesson to which an exercise ("05a") belongs. Raises `BadInput` where there is no such exercise."""
    for known in LESSONS:
        if exercise in known.exercises:
            return known
    begin = exercise.strip().lstrip("0") or "?"
    alike = [name for known in LESSONS for name in known.exercises if name.lstrip("0").startswith(begin)]
    raise BadInput(
        f"There is no exercise {exercise!r}.",
        f"Do you mean {' or '.join(alike)}?" if alike else "An exercise is called like 05a.",
    )


def owner(name: str) -> str:
    """The number of the lesson whose own topic, job or subject that is, by its name: "05" of percent_nb05. Else ""."""
    found = _OWNED.search(name)
    return found["no"] if found else ""
