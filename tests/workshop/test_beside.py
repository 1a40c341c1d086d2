"""Which jobs are those of other lessons; that a lesson asks before it stops a service is in test_real_lessons.py."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from labkit.settings import load_settings
from labkit.workshop.beside import of_others, require_alone
from labkit.workshop.course.contents import LESSONS, Lesson
from tests.support.labs import free_ports

JOBS = ["enrichment", "parquet-meminfo", "percent_nb05", "enrichment_none_nb12", "count_ex04"]


@pytest.mark.parametrize(("suffix", "others"), [
    ("_nb02", ["count_ex04 (lesson 04)", "enrichment_none_nb12 (lesson 12)", "percent_nb05 (lesson 05)"]),
    ("_nb12", ["count_ex04 (lesson 04)", "percent_nb05 (lesson 05)"]),
    ("", ["count_ex04 (lesson 04)", "enrichment_none_nb12 (lesson 12)", "percent_nb05 (lesson 05)"]),
])  # fmt: skip
def test_a_job_belongs_to_the_lesson_whose_suffix_it_has_and_the_pipelines_to_none(
    suffix: str, others: list[str]
) -> None:
    assert of_others(JOBS, suffix) == others


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)
def test_a_lesson_asks_before_it_stops_or_kills_a_service(each: Lesson) -> None:
    cells = nbformat.read(each.notebook, as_version=4).cells
    lines = [line.strip() for cell in cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    stops = [place for place, line in enumerate(lines) if re.search(r"services\.stop_one\(|\b(?:kill|pause)\(", line)]
    asks = [place for place, line in enumerate(lines) if line == "require_alone(settings)"]
    assert (not stops and not asks) or asks[0] < stops[0]


def test_where_flink_is_away_no_job_is_at_work(tmp_path: Path) -> None:
    require_alone(load_settings(suffix="_nb02", flink_port=free_ports(1)[0], state_dir=tmp_path))
