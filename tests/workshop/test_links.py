"""The ways from notebook to notebook, and the glossary: no dead link, each term explained once."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from labkit.settings import Settings, load_settings
from labkit.workshop.course import folder, glossary, index, links
from labkit.workshop.course.contents import LESSONS, lesson

LINK = re.compile(r"\]\((?!https?:)([^)\s#]+)")


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", output_dir=tmp_path / "output", work_dir=tmp_path / "work")


def markdown(file: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "markdown"]


def test_every_link_of_a_learners_notebooks_leads_to_a_file(own: Settings) -> None:
    folder.fill(own)
    made = [glossary.write(own), index.write(own)]
    pages = [*made, *(copy for each in LESSONS for _, copy in folder.copies(own, each))]
    found = {(page, link) for page in pages for text in markdown(page) for link in LINK.findall(text)}
    assert len(found) > 80
    assert [(page.name, link) for page, link in sorted(found) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)
def test_the_ways_out_stand_at_the_top_and_at_the_bottom(each: object) -> None:
    texts = markdown(each.notebook)
    assert texts[1] == texts[-1] == links.of_lesson(each)
    if each.exercises:
        texts = markdown(each.exercise_notebook)
        assert texts[1] == texts[-1] == links.of_exercises(each), "type: make exercises"


def test_the_ways_name_what_there_is() -> None:
    assert links.of_lesson(lesson("00")) == (
        "[Index](index.ipynb) · [Glossary](glossary.ipynb) · "
        "Next: [01 Counters, not rates](01_counters_not_rates.ipynb)"
    )
    assert links.of_exercises(LESSONS[-1]).endswith(f"(../{LESSONS[-1].filename})")


def test_the_glossary_is_that_of_the_lessons() -> None:
    assert glossary.PAGE.read_text() == glossary.page("../notebooks/"), (
        "type: python -m labkit.workshop.course.glossary"
    )
    assert [
        link for link in LINK.findall(glossary.PAGE.read_text()) if not (glossary.PAGE.parent / link).exists()
    ] == []


def test_a_quoted_line_with_a_bold_name_is_a_term_and_another_quote_is_none() -> None:
    text = "> **lag**: what is\n> not read.\n>\n> **group**: who reads.\n\n> messages × lines = rows\n\n**bold**: no"
    assert [(term.name, term.text) for term in glossary.terms_in(text, lesson("02"))] == [
        ("lag", "what is not read."), ("group", "who reads."),
    ]  # fmt: skip


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)
def test_a_term_stands_in_a_paragraph_of_its_own(each: object) -> None:
    for text in markdown(each.notebook):
        for before, line in pairwise(["", *text.splitlines()]):
            assert "> **" not in line[1:], line
            assert not line.startswith("> **") or before in ("", ">"), line


@pytest.mark.parametrize("name", [
    "leader", "ISR", "batch", "linger", "side output", "PICKLED_BYTE_ARRAY", "attach_as_datastream", "DataStream",
    "offset", "lag", "ledger", "checkpoint", "savepoint", "keyed state", "watermark", "exactly once",
])  # fmt: skip
def test_what_readers_asked_for_is_in_it(name: str) -> None:
    assert name.lower() in {term.name.strip("`").lower() for term in glossary.terms()}
