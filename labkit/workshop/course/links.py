"""The ways out of a notebook, a line at its top and one at its bottom: index, glossary, exercises, what comes next.

[Index](index.ipynb) · [Glossary](glossary.ipynb) · [Exercises](exercises/05_exercises.ipynb) · Next: [06 …](06_….ipynb)

They lead from file to file of work/, where the copies are.
"""

from __future__ import annotations

from labkit.workshop.course.contents import LESSONS, Lesson

__all__ = ["GLOSSARY", "INDEX", "of_exercises", "of_lesson"]

#: Made anew in work/ each time JupyterLab starts.
INDEX, GLOSSARY = "index.ipynb", "glossary.ipynb"


def of_lesson(lesson: Lesson) -> str:
    """The line of a lesson's notebook, in Markdown."""
    exercises = [f"[Exercises](exercises/{lesson.exercise_filename})"] if lesson.exercises else []
    return " · ".join([f"[Index]({INDEX})", f"[Glossary]({GLOSSARY})", *exercises, *_next(lesson)])


def of_exercises(lesson: Lesson) -> str:
    """The line of a lesson's exercises, which lie a folder further down."""
    own = f"[{lesson.no} {lesson.title}](../{lesson.filename})"
    return " · ".join([f"[Index](../{INDEX})", f"[Glossary](../{GLOSSARY})", own, *_next(lesson, "../")])


def _next(lesson: Lesson, up: str = "") -> list[str]:
    return [f"Next: [{each.no} {each.title}]({up}{each.filename})" for each in LESSONS[LESSONS.index(lesson) + 1 :][:1]]
