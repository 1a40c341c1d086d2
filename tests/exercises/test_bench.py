"""The bench of answers: one kernel for all, as each found it; one that was ended or changed is not used again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labkit.workshop.check import Verdict
from labkit.workshop.course.contents import lesson
from labkit.workshop.course.exercises import answered, source_of, stub
from labkit.workshop.headless import ENDED
from tests.exercises.bench import Bench

LESSON = lesson("01")
SOURCE = source_of(LESSON).read_text()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(LESSON) as bench:
        yield bench


def tried(bench: Bench, code: str) -> tuple[Verdict, int, str]:
    """The verdict, how many kernels it took from here to a solution that passes, what it did to its own."""
    before = max(1, bench.kernels)
    verdict = bench.verdict("01a", answered(SOURCE, {"01a": code}))
    spoilt = bench.spoilt
    assert bench.verdict("01a", answered(SOURCE)).passed
    return verdict, bench.kernels - before, spoilt


def test_a_name_that_an_answer_left_helps_no_other(bench: Bench) -> None:
    verdict, kernels, spoilt = tried(bench, "global helper, CPU_COLUMNS\nhelper, CPU_COLUMNS = len, ()\nreturn {}")
    assert (verdict.passed, kernels, spoilt) == (False, 0, "")
    verdict, kernels, _ = tried(bench, "return {'cpu': helper(text)}")
    assert (kernels, "NameError" in verdict.reason) == (0, True)


def test_another_folder_is_put_back_by_the_check_and_costs_no_kernel(bench: Bench) -> None:
    verdict, kernels, spoilt = tried(bench, "import os\nos.chdir('/')\nreturn {}")
    assert (verdict.passed, kernels, spoilt) == (False, 0, "")


@pytest.mark.parametrize(("code", "did"), [
    ("import os\nos._exit(3)", "the kernel has ended"),
    ("import json\njson.loads = len\nreturn {}", "another json.loads"),
    (
        "import threading\ndef stay():\n    threading.Event().wait()\n"
        "if threading.active_count() < 40:\n    threading.Thread(target=stay, daemon=True).start()\nreturn {}",
        "threads of its own",
    ),
])  # fmt: skip
def test_an_answer_that_ends_or_changes_its_kernel_is_judged_and_the_next_has_a_new_one(
    bench: Bench, code: str, did: str
) -> None:
    verdict, kernels, spoilt = tried(bench, code)
    assert (verdict.passed, kernels) == (False, 1)
    assert did in spoilt
    if did == "the kernel has ended":
        assert verdict.reason == ENDED[0], "what labkit check says"


def test_a_stub_changes_nothing(bench: Bench) -> None:
    before = bench.kernels
    bench.verdict("01a", answered(SOURCE))
    assert "not solved" in bench.verdict("01a", stub(SOURCE)).reason
    assert bench.kernels <= max(1, before + 1)
    assert bench.spoilt == ""
