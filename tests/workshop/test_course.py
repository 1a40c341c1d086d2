"""The workshop's frame without services: contents, the learner's folder, ticks, verdicts, stubs and solutions."""

from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyterlab_server.config import get_federated_extensions

from labkit.errors import BadInput, LabkitError
from labkit.jobs import running_jobs
from labkit.lab import jupyter
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.workshop import check as checks
from labkit.workshop import headless
from labkit.workshop.check import VERDICT, NotSolved, NotYet, Verdict
from labkit.workshop.course import folder, index, progress
from labkit.workshop.course.contents import EXERCISES, LESSONS, NOTEBOOKS, lesson
from labkit.workshop.course.exercises import answered, notebook_text, stub
from labkit.workshop.course.progress import State
from labkit.workshop.headless import judged, verdicts

SOURCE = """# %% [markdown]
# ## 01a Busy

# %%
def busy(total, idle):
    # BEGIN 01a
    share = (total - idle) / total
    return share * 100
    # END 01a
"""


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", output_dir=tmp_path / "output", work_dir=tmp_path / "work")


def test_every_notebook_is_in_the_contents_and_the_other_way_round() -> None:
    assert [each.no for each in LESSONS] == sorted({each.no for each in LESSONS})
    assert {each.notebook for each in LESSONS} == set(NOTEBOOKS.glob("*.ipynb"))
    assert {each.exercise_notebook for each in LESSONS if each.exercises} == set(EXERCISES.glob("*.ipynb"))


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)
def test_a_notebook_has_its_title_and_its_minutes(each: object) -> None:
    first = nbformat.read(each.notebook, as_version=4).cells[0].source
    assert first.startswith(f"# {each.no} {each.title}\n")
    assert f"{each.minutes} minutes" in first


def test_a_lesson_is_found_by_its_number_however_it_is_typed() -> None:
    assert lesson("5") is lesson("05")
    with pytest.raises(BadInput, match="There is no lesson 'five'"):
        lesson("five")


def test_who_asks_for_a_lesson_that_there_is_not_hears_of_those_that_there_are() -> None:
    there = r"00, 01, .*07, 08, 09, 10, 11, 12, 13, 14, 20, 21"
    with pytest.raises(BadInput, match=rf"There is no lesson '99'; there are {there}\.$"):
        lesson("99")


def test_a_suffix_gives_a_lesson_topics_jobs_and_rows_of_its_own() -> None:
    mine, main = load_settings(suffix="_nb05"), load_settings()
    assert mine.snapshots_topic == f"{main.snapshots_topic}_nb05"
    assert mine.job_name("enrichment") == "enrichment_nb05"
    assert mine.parquet_dir != main.parquet_dir
    with pytest.raises(BadInput, match="suffix"):
        load_settings(suffix="; rm")


def test_a_lesson_that_is_tidied_takes_the_jobs_of_its_variants_along_and_no_other(own: Settings) -> None:
    folders = {"state_dir": own.state_dir}
    for suffix in ("", "_nb11", "_nb12", "_none_nb12"):
        running_jobs.add(load_settings(suffix=suffix, **folders), ENRICHMENT)
    running_jobs.remove_suffix(load_settings(suffix="_nb12", **folders))
    assert [each.suffix for each, _ in running_jobs.listed(own)] == ["", "_nb11"]


def test_what_a_learner_wrote_is_never_overwritten_and_restore_keeps_it_beside(own: Settings) -> None:
    made = folder.fill(own)
    assert len(made) == sum(len(folder.copies(own, each)) for each in LESSONS)
    copy = own.work_dir / lesson("00").filename
    copy.write_text("mine")
    assert folder.fill(own) == []
    assert copy.read_text() == "mine"
    ((restored, kept),) = folder.restore(own, lesson("00"))
    assert restored.read_text() == folder.fresh(own, lesson("00").notebook)
    assert kept is not None
    assert kept.parent == own.work_dir / "earlier"
    assert kept.read_text() == "mine"
    assert folder.restore(own, lesson("00")) == []


def test_a_copy_has_every_cell_and_no_output_that_would_answer_a_prediction(own: Settings) -> None:
    folder.fill(own)
    for each in LESSONS:
        for original, copy in folder.copies(own, each):
            theirs, mine = (nbformat.read(file, as_version=4).cells for file in (original, copy))
            shown = [cell for cell in theirs if folder.IN_CONTAINERS not in cell.metadata.get("tags", ())]
            assert [(cell.id, cell.source) for cell in mine] == [(cell.id, cell.source) for cell in shown]
            code = [cell for cell in mine if cell.cell_type == "code"]
            assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
            before = copy.stat().st_mtime_ns
            assert folder.restore(own, each) == [], "a copy that nobody touched is not put back"
            assert copy.stat().st_mtime_ns == before


def test_what_is_said_about_containers_is_in_their_copies_only(own: Settings, tmp_path: Path) -> None:
    aside = nbformat.v4.new_markdown_cell("In docker compose …", metadata={"tags": [folder.IN_CONTAINERS]})
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), aside]), tmp_path / "one.ipynb")
    there = own.model_copy(update={"deployment": "compose"})
    assert "docker compose" in folder.fresh(there, tmp_path / "one.ipynb")
    assert "docker compose" not in folder.fresh(own, tmp_path / "one.ipynb")


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.no)
def test_docker_compose_is_spoken_of_in_cells_for_containers_only(each: object) -> None:
    cells = [cell for cell in nbformat.read(each.notebook, as_version=4).cells if cell.cell_type == "markdown"]
    tagged = [cell for cell in cells if folder.IN_CONTAINERS in cell.metadata.get("tags", ())]
    assert [cell.source for cell in cells if "docker compose" in cell.source.lower() and cell not in tagged] == []
    assert all(cell.source.startswith("**In docker compose**") for cell in tagged)


def test_a_lesson_that_is_restored_is_as_if_nobody_had_seen_it_and_the_others_stay(own: Settings) -> None:
    folder.fill(own)
    progress.note(own, "01a", passed=True)
    progress.count_hint(own, "01b", 3)
    progress.note(own, "02a", passed=True)
    folder.exercise_copy(own, lesson("01")).write_text("mine")
    (own.work_dir / lesson("01").filename).write_text("mine as well")
    kept = [str(kept) for _, kept in folder.restore(own, lesson("01"))]
    assert len(set(kept)) == 2
    assert progress.solved(own) == {"02a"}
    assert progress.count_hint(own, "01b", 3) == (1, False)
    progress.note(own, "01a", passed=True)
    assert folder.restore(own, lesson("01")) == [], "nothing was written"
    assert set(progress.states(own)) == {"02a"}


def test_a_folder_that_cannot_be_written_is_one_sentence(own: Settings) -> None:
    own.work_dir.write_text("a file")
    with pytest.raises(BadInput, match="cannot be written"):
        folder.fill(own)


def test_a_tick_once_earned_stays_and_the_last_verdict_is_kept_beside(own: Settings) -> None:
    assert progress.solved(own) == set()
    progress.note(own, "01a", passed=True)
    progress.note(own, "02b", passed=False)
    progress.note(own, "01a", passed=False)
    assert progress.solved(own) == {"01a"}
    kept = json.loads((own.work_dir / ".progress.json").read_text())
    assert (kept["01a"]["solved"], kept["01a"]["passed"]) == (True, False)
    (own.work_dir / ".progress.json").write_text("{")
    assert progress.solved(own) == set(), "a broken file is an empty one"


def test_ticks_of_before_hints_were_counted_are_ticks(own: Settings) -> None:
    own.work_dir.mkdir()
    at = "2026-11-22T20:15:00+00:00"
    kept = {"01a": {"passed": True, "at": at}, "01b": {"passed": False, "at": at}}
    (own.work_dir / ".progress.json").write_text(json.dumps(kept))
    assert progress.states(own) == {"01a": State.SOLVED, "01b": State.OPEN}
    progress.note(own, "01a", passed=False)
    assert progress.solved(own) == {"01a"}


def test_what_others_keep_of_an_exercise_stays(own: Settings) -> None:
    own.work_dir.mkdir()
    (own.work_dir / ".progress.json").write_text('{"01a": {"more": 7}}')
    progress.note(own, "01a", passed=True)
    progress.count_hint(own, "01a", 3)
    progress.see_solution(own, "01a")
    assert json.loads((own.work_dir / ".progress.json").read_text())["01a"]["more"] == 7


def test_the_index_links_every_lesson_and_shows_how_far_one_is(own: Settings) -> None:
    progress.note(own, "03a", passed=True)
    progress.note(own, "04a", passed=False)
    progress.note(own, "04b", passed=False, tried=False)
    progress.count_hint(own, "05a", 3)
    progress.note(own, "05a", passed=True)
    progress.count_hint(own, "05b", 3)
    cells = nbformat.read(index.write(own), as_version=4).cells
    table = cells[-1].outputs[0].data["text/html"]
    for each in LESSONS:
        assert f'<a href="{each.filename}">{each.no} {each.title}</a>' in table
    assert "✓ 03a solved, – 03b open" in table
    assert "… 04a tried, – 04b open" in table, "the stub is no try"
    assert "✓ 05a solved with hints, – 05b open" in table
    assert own.flink_page in table


def test_help_that_came_after_the_tick_is_no_help(own: Settings) -> None:
    progress.note(own, "01a", passed=True)
    progress.count_hint(own, "01a", 3)
    progress.see_solution(own, "01a")
    progress.note(own, "01a", passed=True)
    progress.see_solution(own, "01b")
    progress.note(own, "01b", passed=True)
    assert progress.states(own) == {"01a": State.SOLVED, "01b": State.HELPED}


def test_the_index_is_brought_up_to_date_and_what_a_learner_wrote_into_it_stays(own: Settings) -> None:
    index.refresh(own)
    assert not index.index_file(own).exists()
    notebook = nbformat.read(index.write(own), as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("mine"))
    nbformat.write(notebook, index.index_file(own))
    progress.note(own, "01a", passed=True)
    index.refresh(own)
    _, table, mine = nbformat.read(index.index_file(own), as_version=4).cells
    assert "✓ 01a solved" in table.outputs[0].data["text/html"]
    assert mine.source == "mine"
    for other in ("{", "{}", json.dumps({**notebook, "cells": []})):
        index.index_file(own).write_text(other)
        index.refresh(own)
        assert index.index_file(own).read_text() == other


def test_jupyterlab_finds_the_script_that_keeps_the_index_up_to_date(own: Settings) -> None:
    (folder,) = (
        word.partition("=")[2] for word in jupyter.command(own) if word.startswith("--LabApp.extra_labextensions_path=")
    )
    ((name, found),) = get_federated_extensions([folder]).items()
    script = Path(found["ext_path"]) / found["jupyterlab"]["_build"]["load"]
    assert f'_JUPYTERLAB["{name}"]' in script.read_text()
    assert index.index_file(own).name in script.read_text().replace("\\", "")


def test_a_stub_asks_where_the_solution_was_and_an_answer_stands_there() -> None:
    assert stub(SOURCE).splitlines()[-1] == '    raise NotSolved("01a")  # your answer goes here'
    assert "share" not in stub(SOURCE)
    assert "    share = (total - idle) / total\n    return share * 100\n" in answered(SOURCE)
    assert answered(SOURCE, {"01a": "return 7\n"}).endswith("def busy(total, idle):\n    return 7\n")


def test_the_same_source_gives_the_same_notebook() -> None:
    assert notebook_text(SOURCE) == notebook_text(SOURCE)
    assert "BEGIN" not in notebook_text(stub(SOURCE))


@pytest.mark.parametrize(("raised", "reason", "hint"), [
    (NotSolved("01a"), "not solved yet", "your answer"),
    (NotYet("cpu0 has 3.", "Look at cpu0."), "cpu0 has 3.", "Look at cpu0."),
    (LabkitError("Kafka does not answer.", "Type: labkit up"), "It could not be checked. Kafka", "labkit up"),
    (ZeroDivisionError("division by zero"), "came to ZeroDivisionError: division by zero", "returns"),
])  # fmt: skip
def test_a_verdict_says_why(
    monkeypatch: pytest.MonkeyPatch, own: Settings, raised: Exception, reason: str, hint: str
) -> None:
    def fails(*_: object) -> str:
        raise raised

    class Module:
        JUDGES = {"01a": fails}  # noqa: RUF012

    monkeypatch.setattr(checks.importlib, "import_module", lambda _: Module)
    verdict = checks.judge("01a", None, own)
    assert not verdict.passed
    assert reason in verdict.reason
    assert hint in verdict.hint


def test_an_error_in_a_cell_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch, own: Settings) -> None:
    cell = "def share(total):\n    part = 10\n    return part / total\n"
    name, names = "/tmp/ipykernel_7/70.py", dict[str, Any]()
    monkeypatch.setitem(linecache.cache, name, (len(cell), None, cell.splitlines(keepends=True), name))
    exec(compile(cell, name, "exec"), names)

    class Module:
        JUDGES = {"01a": lambda answer, _: str(answer(0))}  # noqa: RUF012

    monkeypatch.setattr(checks.importlib, "import_module", lambda _: Module)
    verdict = checks.judge("01a", names["share"], own)
    assert verdict.reason == (
        "Your code raised ZeroDivisionError: division by zero, in share, line 3 of its cell: return part / total."
    )
    assert "Print on the line before it" in verdict.hint


def test_a_verdict_shows_as_text_as_html_and_as_data() -> None:
    shown = Verdict("01a", False, "<b>", "look")._repr_mimebundle_()
    assert shown["text/plain"] == "✗ 01a  <b> Hint: look"
    assert "&lt;b&gt;" in shown["text/html"]
    assert shown[VERDICT] == {"exercise": "01a", "passed": False, "reason": "<b>", "hint": "look"}
    json.dumps(shown)


def test_an_exercise_that_there_is_not_is_one_sentence(own: Settings) -> None:
    with pytest.raises(BadInput, match="There is no exercise '1a'"):
        checks.judge("1a", None, own)


def test_a_run_without_a_browser_says_why_there_is_no_verdict(tmp_path: Path) -> None:
    said = [Verdict("01a", True, "seen")._repr_mimebundle_() for _ in range(1)]
    sources = ["1 / 0", f"from IPython.display import publish_display_data\npublish_display_data({said[0]!r})"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, tmp_path / "one.ipynb")
    first, second = judged(tmp_path / "one.ipynb", lesson("01"))
    assert (first.passed, first.reason) == (True, "seen")
    assert (second.passed, second.reason) == (
        False, "It was not checked: a cell before it raised ZeroDivisionError: division by zero.",
    )  # fmt: skip
    assert verdicts(notebook) == {}


@pytest.mark.parametrize(("ends", "said"), [
    ("import os; os._exit(3)", "It was not checked: Python ended while it ran."),
    ("import time; time.sleep(600)", "It was not checked: a cell was still at work after 4 s."),
])  # fmt: skip
def test_an_answer_that_ends_python_or_never_ends_is_a_verdict_and_what_was_said_before_it_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str, said: str
) -> None:
    monkeypatch.setattr(headless, "_CELL_WITHIN_S", 4)
    seen, old = (Verdict(name, True, "seen")._repr_mimebundle_() for name in ("01a", "01b"))
    show = f"from IPython.display import publish_display_data\npublish_display_data({seen!r})"
    cells = [nbformat.v4.new_code_cell(source) for source in (show, ends, "'never run'")]
    cells[-1].outputs = [nbformat.v4.new_output("display_data", data=old)]  # of a run before
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "one.ipynb")
    first, second = judged(tmp_path / "one.ipynb", lesson("01"))
    assert (first.passed, first.reason) == (True, "seen")
    assert (second.passed, second.reason) == (False, said)
    assert second.hint


SHOW = "from IPython.display import publish_display_data\npublish_display_data({!r})"


def in_sections(folder: Path, *sources: str) -> Path:
    """A notebook with a cell of imports, and a section with two cells for each of 01a and 01b."""
    cells = [nbformat.v4.new_code_cell("import math")]
    for name, first, second in zip(("01a", "01b"), sources[::2], sources[1::2], strict=True):
        cells += [nbformat.v4.new_markdown_cell(f"## {name} What it is called"), nbformat.v4.new_code_cell(first)]
        cells.append(nbformat.v4.new_code_cell(second))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "one.ipynb")
    return folder / "one.ipynb"


@pytest.mark.parametrize(("defines", "ends", "said"), [
    ("def helper(): return 2", "import os; os._exit(3)", "Python ended while it ran"),
    ("import os; os._exit(3)", "pass", "Python ended while it ran"),
    ("def helper(): return 2", "import time; time.sleep(600)", "a cell was still at work after 6 s"),
    ("def helper(): return 2", "exit()", "Python ended while it ran"),
    ("exit()", "pass", "Python ended while it ran"),
])  # fmt: skip
def test_where_one_exercise_ends_python_the_next_is_judged_with_what_ran_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, defines: str, ends: str, said: str
) -> None:
    monkeypatch.setattr(headless, "_CELL_WITHIN_S", 6)
    there = "helper() == 2" if "helper" in defines else "'helper' not in dir()"
    passed = Verdict("01b", True, "judged")._repr_mimebundle_()
    sources = (defines, ends, f"assert math.pi > 3 and {there}", SHOW.format(passed) + f"\nassert {there}")
    first, second = judged(in_sections(tmp_path, *sources), lesson("01"))
    assert (first.exercise, first.passed) == ("01a", False)
    assert said in first.reason
    assert (second.exercise, second.passed, second.reason) == ("01b", True, "judged")


def test_one_exercise_is_judged_alone_and_the_other_ones_check_is_left_out(tmp_path: Path) -> None:
    passed = Verdict("01b", True, "judged")._repr_mimebundle_()
    check = 'check("01a", 1 / 0)'
    notebook = in_sections(tmp_path, "helper = 2", check, "helper == 2", SHOW.format(passed))
    (only,) = judged(notebook, lesson("01"), only=["01b"])
    assert (only.exercise, only.reason) == ("01b", "judged")
    first, _ = judged(notebook, lesson("01"))
    assert "ZeroDivisionError" in first.reason or "NameError" in first.reason


def test_verdicts_come_one_by_one(tmp_path: Path) -> None:
    shown = [Verdict(name, True, "judged")._repr_mimebundle_() for name in ("01a", "01b")]
    mark = tmp_path / "second"
    sources = ("pass", SHOW.format(shown[0]), f"open({str(mark)!r}, 'w').close()", SHOW.format(shown[1]))
    coming = judged(in_sections(tmp_path, *sources), lesson("01"))
    assert next(coming).exercise == "01a"
    assert not mark.exists()
    assert next(coming).exercise == "01b"
    assert mark.exists()
