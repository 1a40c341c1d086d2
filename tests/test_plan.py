"""Which tests run and where: `make test` tries every package on its real services, and says what it leaves out."""

from __future__ import annotations

import ast
import subprocess
import sys

from labkit.settings import REPOSITORY
from tests.support import plan

KAFKA = "tests/kafka/test_real_producer.py::test_all"
PURE = "tests/kafka/test_framing.py::test_all"
ANSWER = "tests/exercises/test_exercises.py::test_an_answer[05a-an attribute, by host]"
NOTEBOOK = "tests/notebooks/test_notebooks.py::test_a_notebook_runs[05_enrichment_with_keyed_state]"


def written() -> list[str]:
    """Every test by its file and function, as it is written: collecting them all would take too long."""
    return [
        f"{file.relative_to(REPOSITORY)}::{node.name}"
        for file in sorted((REPOSITORY / "tests").rglob("test_*.py"))
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


EVERYTHING = written()


def is_quick(function: str) -> bool:
    """Whether some case of it is."""
    place = function.removeprefix("tests/")
    return plan.is_quick(function) or any(name.startswith(f"{place}[") for name in plan.QUICK)


def test_of_every_package_with_tests_on_services_some_are_quick() -> None:
    real = [test for test in EVERYTHING if plan.on_services(test)]
    assert len({plan.package(test) for test in real}) >= 14
    assert {plan.package(test) for test in real if is_quick(test)} == {plan.package(test) for test in real}


def test_every_quick_test_and_every_place_of_a_group_is_there() -> None:
    names = [test.removeprefix("tests/") for test in EVERYTHING]
    places = [
        *(name.partition("[")[0] for name in plan.QUICK),
        *(place for group in plan.GROUPS.values() for place in group),
        *plan.LESSONS,
    ]
    assert [place for place in places if not any(name.startswith(place) for name in names)] == []


def test_a_lessons_answers_stay_together_and_lessons_and_notebooks_go_where_a_worker_is_free() -> None:
    assert plan.unit(ANSWER) == plan.unit(ANSWER.replace("05a", "05b"))
    assert len({plan.unit(test) for test in (ANSWER, ANSWER.replace("05a", "06a"), NOTEBOOK)}) == 3
    assert plan.unit(KAFKA) == "services"
    assert plan.unit(PURE) == "tests/kafka/test_framing.py"


def test_what_needs_no_services_is_first_alone_and_last_where_it_fills_gaps() -> None:
    tests = [NOTEBOOK, PURE, "tests/flink/test_real_semantics.py::test_all", ANSWER, KAFKA]
    alone = sorted(tests, key=lambda test: plan.turn(test, shared_out=False))
    shared = sorted(tests, key=lambda test: plan.turn(test, shared_out=True))
    assert alone[0] == shared[-1] == PURE
    assert alone[1:] == shared[:-1] == [KAFKA, tests[2], NOTEBOOK, ANSWER]


def test_a_group_runs_in_its_order() -> None:
    services = [f"tests/{place}::test_one" for place in plan.GROUPS["services"]]
    backwards = services[::-1]
    assert sorted(backwards, key=lambda test: plan.turn(test, shared_out=True)) == services


def test_what_was_left_out_is_counted_by_folder() -> None:
    assert plan.left_out_in_words([]) == []
    first, second = plan.left_out_in_words([KAFKA, NOTEBOOK, KAFKA])
    assert first == "Left out: 3 tests on real services (kafka 2, notebooks 1)."
    assert "make test-all" in second


def test_a_quick_run_says_at_its_end_what_it_left_out() -> None:
    """With a worker, as `make test` has: it is the worker that knows."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--quick", "-p", "no:cacheprovider", "-n", "1",
         "tests/kafka/test_framing.py", "tests/pipeline/test_real_no_rows.py"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "Left out: 1 tests on real services (pipeline 1)." in done.stdout
    assert "make test-all" in done.stdout
