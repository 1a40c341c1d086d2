"""Which tests run, in which order, and which stay together on one lab.

groups      tests of a group stay on one worker of pytest-xdist, in their order; other tests go where a worker is free
quick       what `make test` runs: every file that is not on services, and of the others what `QUICK` names
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Tests that need services wait most of the time. Each group has services of its own, beside the others, and runs in
#: this order: what looks at a lab that is new comes before what fills it.
GROUPS = {
    "services": ("browser", "lab/test_real_any_folder", "lab/test_real_kept_lab",
                 "lab/test_real_living_together", "lab/test_real_services",
                 "kafka/test_real_topics_and_schema", "kafka/test_real_producer", "pipeline/test_real_run",
                 "streams/test_real_add_a_stream", "lab/test_real_doors", "lab/test_real_jupyterlab"),
    "numbers": ("ledger/test_real_ledger", "dead_letters/test_real_dead_letters", "chaos/test_real_faults",
                "parquet/test_real_compact", "flink/test_real_take_a_part", "flink/test_real_enrichment",
                "streams/test_real_meminfo", "jobs/test_real_made_anew", "jobs/test_real_partitions",
                "watch/test_real_watch",
                "flink/test_real_semantics"),
}  # fmt: skip
#: The workshop's tests clear what they use before they begin, so each lesson may run on any lab: whichever worker is
#: free takes the next. They come behind the groups, the long ones first.
LESSONS = ("notebooks", "exercises", "workshop/test_real_lessons", "workshop/test_real_explain")

#: Of the tests on services, those that `make test` runs: every package at least once. The start of a test's name is
#: enough, and stands for all that begin so. Take one whose fixture is short: a long one is paid for whole.
QUICK: tuple[str, ...] = (
    "browser/test_doors.py::test_flinks_own_page_works",
    "chaos/test_real_faults.py::test_a_frozen_broker_is_waited_for",
    "dead_letters/test_real_dead_letters.py::test_every_kind_of_corrupt_record",
    "exercises/test_exercises.py::test_the_learners_notebook",
    "exercises/test_exercises.py::test_an_exercise_has_typical_wrong",
    "exercises/test_exercises.py::test_an_answer[01",
    "exercises/test_exercises.py::test_an_answer[03",
    "flink/test_real_any_record.py",
    "jobs/test_real_made_anew.py::test_what_the_state_was_made_from",
    "kafka/test_real_producer.py::test_a_signal_flushes",
    "kafka/test_real_topics_and_schema.py::test_setup_makes_the_topics_once",
    "lab/test_real_services.py::test_every_service_is_healthy",
    "lab/test_real_services.py::test_only_127_0_0_1_listens",
    "ledger/test_real_ledger.py::test_a_host_in_two_partitions",
    "notebooks/test_notebooks.py::test_outputs_are_committed",
    "notebooks/test_notebooks.py::test_a_notebook_runs_from_top_to_bottom_and_leaves_no_job[03_",
    "parquet/test_real_compact.py::test_files_of_flink_are_merged",
    "pipeline/test_real_run.py::test_run_takes_live_data",
    "streams/test_real_meminfo.py::test_its_topics_jobs_and_rows_are_its_own",
    "watch/test_real_watch.py::test_seconds_end_it",
    "workshop/test_real_lessons.py::test_an_unknown_source",
)
_TURNS = {place: (name, turn) for name, places in GROUPS.items() for turn, place in enumerate(places)}
#: [05a-an attribute, by host], [05_enrichment_with_keyed_state]
_NUMBER = re.compile(r"\[(\d\d)[a-z]?[-_]")


def _place(test: str) -> str:
    return test.removeprefix("tests/")


def on_services(test: str) -> bool:
    """Whether it is one of a file that starts services. ("tests/kafka/test_real_producer.py::test_…" is.)"""
    folder, _, rest = _place(test).partition("/")
    return folder in ("browser", "exercises", "notebooks") or rest.startswith("test_real_")


def package(test: str) -> str:
    """Its folder: "kafka"."""
    return _place(test).partition("/")[0]


def unit(test: str) -> str:
    """What stays on one worker, by its name: a group, a lesson's answers, a notebook; else a file."""
    file, _, name = test.partition("::")
    group = _group(test)[0]
    if group:
        return group
    number = _NUMBER.search(name) if package(test) in ("exercises", "notebooks") else None
    return f"{file} {number[1]}" if number else file


def _group(test: str) -> tuple[str, int]:
    return next((turn for start, turn in _TURNS.items() if _place(test).startswith(start)), ("", 0))


def turn(test: str, *, shared_out: bool) -> tuple[int, int]:
    """A key to sort tests by; what has the same stays in its order.

    What needs no services is first, and tells of its failures at once. `shared_out` among workers it is last: it is
    many short files, which fill the time until the longest of the others is done.
    """
    group, number = _group(test)
    if group:
        return 1 + list(GROUPS).index(group), number
    lesson = next((number for number, start in enumerate(LESSONS) if _place(test).startswith(start)), None)
    if lesson is not None:
        return 2 + len(GROUPS), lesson
    if on_services(test):
        return 1 + len(GROUPS), 0
    return (3 + len(GROUPS) if shared_out else 0), 0


def is_quick(test: str) -> bool:
    """Whether `make test` runs it."""
    return not on_services(test) or _place(test).startswith(QUICK)


def left_out_in_words(tests: Iterable[str]) -> Sequence[str]:
    """Lines for the end of a quick run: how many tests of which folder it left out, and how to run them."""
    counts = Counter(map(package, tests))
    if not counts:
        return []
    each = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return [
        f"Left out: {counts.total()} tests on real services ({each}).",
        "To run them too: make test-all. Those of one folder: python -m pytest tests/FOLDER",
    ]
