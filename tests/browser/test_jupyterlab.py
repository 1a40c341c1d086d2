"""What a learner does first: `labkit lab`, open the address, click a lesson, Run > Run All Cells, solve an exercise.

What the browser showed is kept in test-output/ of the repository, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jupytext
import nbformat
import pytest

from labkit.lab import services
from labkit.settings import REPOSITORY, Settings
from labkit.system.own_http import request
from labkit.system.waiting import NotInTime, wait_until
from labkit.workshop.course.contents import LESSONS, lesson
from labkit.workshop.course.exercises import answered, source_of, stub
from tests.support.jupyterlab import at_work, way_in
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
PICTURES = REPOSITORY / "test-output"
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"
RAISED = f"{SHOWN} .jp-OutputArea-output[data-mime-type*=error]"


@pytest.fixture
def address(lab: Settings, tmp_path: Path) -> Iterator[str]:
    """The address that `labkit lab` says; what JupyterLab remembers about its windows goes to tmp_path."""
    own = {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name) for name in ("WORKSPACES", "SETTINGS")}
    with at_work(**own) as (_, said):
        yield said


class Learner:
    """A person before JupyterLab: opens, clicks, runs, looks."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def opens(self, link: str, heading: str) -> None:
        """Follow that link of the index, and wait until its notebook can run."""
        self._page.locator(f"{SHOWN} .jp-OutputArea-output a", has_text=link).first.click()
        self.is_ready(heading)

    def is_ready(self, title: str) -> None:
        """Wait until the notebook with this heading is on top, its kernel idle, and the menus are about it."""
        self._page.locator(f"{SHOWN} h1", has_text=title).first.wait_for(timeout=60_000)
        self._page.locator(f"{SHOWN} .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
        # A notebook can be seen before JupyterLab makes it the current one; till then Run All would run the one before.
        self._page.wait_for_function(
            f"""() => {{
                const current = document.querySelector("li.lm-TabBar-tab.jp-mod-current");
                const shown = document.querySelector("{SHOWN}");
                return current !== null && shown !== null && current.dataset.id === shown.id;
            }}""",
            timeout=60_000,
        )

    def runs_all(self) -> None:
        """Run > Run All Cells; once more where no cell begins, as a person would.

        Now and then JupyterLab does not take the first click. Why is not known; a picture is kept.
        """
        before = self._numbers()
        for _ in range(3):
            self._page.keyboard.press("Escape")  # a menu whose item was not enabled yet stays open
            self._page.get_by_role("menuitem", name="Run", exact=True).click()
            self._page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            with suppress(NotInTime):
                wait_until(lambda: self._numbers() != before, "A cell that begins", 20)
                return
            self.keeps("no_cell_began")
        pytest.fail("Run All Cells was clicked three times, and no cell began. See test-output/no_cell_began.png")

    def _numbers(self) -> list[str]:
        """What stands left of the cells of the notebook on top that run or have run: "[*]:", "[7]:".

        A cell that never ran ("[ ]:") says nothing: JupyterLab adds such cells to the page for seconds after it has
        opened a notebook, and takes the text of those out of sight away.
        """
        prompts = self._page.locator(f"{SHOWN} .jp-CodeCell .jp-InputPrompt").all_text_contents()
        return [prompt for prompt in prompts if re.search(r"[\d*]", prompt)]

    def sees(self, text: str, *, within_s: int = 180) -> None:
        """Wait until an output of the notebook on top has this text; fail with the words of a cell that raised."""
        wanted = self._page.locator(f"{SHOWN} .jp-OutputArea-output").get_by_text(text).first
        raised = self._page.locator(RAISED).first
        try:
            wanted.or_(raised).first.wait_for(timeout=within_s * 1000)
        except playwright.TimeoutError:
            self.keeps("not_seen")
            ran = " ".join(self._numbers()) or "none"
            pytest.fail(f"{text!r} not seen within {within_s} s; cells that ran: {ran}. See test-output/not_seen.png")
        if not wanted.is_visible():
            pytest.fail(f"{text!r} was waited for; a cell raised:\n{raised.inner_text()}", pytrace=False)

    def has_run(self, *, within_s: int = 240) -> None:
        """Wait until the last code cell of the notebook on top has run; fail with the words of a cell that raised."""
        last = self._page.locator(f"{SHOWN} .jp-CodeCell .jp-InputPrompt").last
        raised = self._page.locator(RAISED).first
        number = last.get_by_text(re.compile(r"\d"))
        number.or_(raised).first.wait_for(timeout=within_s * 1000)
        if raised.count():
            pytest.fail(f"A cell raised:\n{raised.inner_text()}", pytrace=False)

    def cell(self, text: str) -> Locator:
        """The code cell with this text in it."""
        return self._page.locator(f"{SHOWN} .jp-CodeCell", has_text=text).first

    def writes(self, cell: Locator, text: str) -> None:
        """Put `text` in place of what the cell has."""
        cell.locator(".cm-content").click()
        self._page.keyboard.press("Control+A")
        self._page.keyboard.insert_text(text)

    def errors(self) -> int:
        """How many cells of the notebook on top raised."""
        return self._page.locator(RAISED).count()

    def pictures(self) -> int:
        """How many pictures the notebook on top shows, each wide enough to be one."""
        shown = self._page.locator(f"{SHOWN} .jp-OutputArea-output img")
        widths = [shown.nth(number).evaluate("image => image.naturalWidth") for number in range(shown.count())]
        return sum(width > 500 for width in widths)

    def keeps(self, name: str, cell: Locator | None = None) -> None:
        """Keep what is on the screen, `cell` in the middle of it."""
        if cell is not None:
            cell.scroll_into_view_if_needed()
        PICTURES.mkdir(exist_ok=True)
        self._page.screenshot(path=PICTURES / f"{name}.png")


def last_code(lesson_file: Path) -> str:
    """The first line of a notebook's last code cell."""
    cells = nbformat.read(lesson_file, as_version=4).cells
    return next(cell for cell in reversed(cells) if cell.cell_type == "code").source.splitlines()[0]


def open_notebooks(address: str) -> set[str]:
    """The notebooks that have a kernel."""
    base, secret = way_in(address)
    return {one["path"].rsplit("/", 1)[-1] for one in request("GET", f"{base}/api/sessions?token={secret}").json()}


@pytest.mark.usefixtures("chromium")  # before the lab: without a browser nothing is started
def test_a_learner_opens_the_index_runs_00_and_05_and_turns_a_check_green(
    lab: Settings, address: str, page: Page
) -> None:
    elsewhere: set[str | None] = set()
    failures: list[str] = []
    page.on("request", lambda request: elsewhere.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: failures.append(str(error)))
    originals = {each.notebook: each.notebook.read_bytes() for each in LESSONS}
    learner = Learner(page)

    page.goto(address)
    learner.is_ready("The streaming lab")
    assert "token" not in page.url, "the token does not stay in the address bar"
    learner.keeps("1_index")

    learner.opens("00 Preflight", "00 Preflight")
    learner.runs_all()
    learner.sees("the schema still has the id")
    assert learner.errors() == 0
    assert learner.pictures() >= 3, "the status, the registry stopped, all well again"
    learner.keeps("2_preflight", learner.cell(last_code(lesson("00").notebook)))

    page.get_by_role("tab", name="index.ipynb").click()
    learner.opens("05 Enrichment", "05 Enrichment with keyed state")
    learner.runs_all()
    learner.has_run()
    assert learner.errors() == 0
    assert learner.pictures() >= 1
    learner.keeps("3_enrichment", page.locator(f"{SHOWN} .jp-OutputArea-output img").first)

    page.get_by_role("tab", name="index.ipynb").click()
    learner.opens("01a, 01b", "Exercises 01")
    learner.runs_all()
    learner.sees("Exercise 01a is not solved yet.")
    stubs = jupytext.reads(stub(source_of(lesson("01")).read_text()), fmt="py:percent").cells
    solved = jupytext.reads(answered(source_of(lesson("01")).read_text()), fmt="py:percent").cells
    (place,) = (number for number, cell in enumerate(stubs) if 'raise NotSolved("01a")' in cell.source)
    learner.writes(learner.cell('raise NotSolved("01a")'), solved[place].source)
    learner.runs_all()
    learner.sees("✓ 01a")
    learner.keeps("4_solved", learner.cell('check("01a"'))
    page.keyboard.press("Control+S")

    page.get_by_role("tab", name="index.ipynb").click()
    learner.sees("✓ 01a solved")
    learner.sees("– 01b open")
    learner.keeps("5_index_with_a_tick")

    page.get_by_role("tab", name="01_exercises.ipynb").click()
    learner.writes(learner.cell('check("01b"'), 'hint("01b"), check("01b", lambda before, after: None)')
    learner.runs_all()
    learner.sees("hint 1 of 3")
    page.get_by_role("tab", name="index.ipynb").click()
    learner.sees("✓ 01a solved, … 01b tried")
    learner.runs_all()
    page.locator("li.lm-TabBar-tab.jp-mod-current.jp-mod-dirty").wait_for()
    learner.sees("✓ 01a solved, … 01b tried")
    assert page.locator(".jp-Dialog").count() == 0, "nobody is asked which of two versions counts"

    assert "00_preflight.ipynb" in open_notebooks(address)
    page.get_by_role("tab", name="00_preflight.ipynb").click()
    page.keyboard.press("Control+S")
    page.locator("li.lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)").wait_for()
    page.locator("li.lm-TabBar-tab.jp-mod-current .lm-TabBar-tabCloseIcon").click()
    wait_for(lambda: "00_preflight.ipynb" not in open_notebooks(address))
    assert (elsewhere, failures) == ({"127.0.0.1"}, [])
    assert all(row.healthy for row in services.status(lab))
    assert {file: file.read_bytes() for file in originals} == originals, "a learner works on copies"
