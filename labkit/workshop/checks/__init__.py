"""What judges an exercise: one function each, in the module of its lesson. See `labkit.workshop.check`."""

__all__ = [
    "guard",
    "lesson_01",
    "lesson_02",
    "lesson_03",
    "lesson_04",
    "lesson_05",
    "lesson_06",
    "lesson_07",
    "lesson_08",
    "lesson_10",
    "lesson_11",
    "lesson_12",
    "lesson_13",
    "lesson_14",
    "lesson_20",
    "lesson_21",
    "outcome",
    "relay",
    "rules",
    "world",
]
