"""What a person does first: `labkit lab`, open the address, run notebook 00 with Run > Run All Cells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nbformat
import pytest

from labkit.ops import services
from labkit.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
NOTEBOOK = REPOSITORY / "notebooks" / "00_preflight.ipynb"


@pytest.fixture
def address(lab: Settings, tmp_path: Path) -> Iterator[str]:
    """The address that `labkit lab` says; what JupyterLab remembers about its windows goes to tmp_path."""
    own = {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name) for name in ("WORKSPACES", "SETTINGS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit.cli", "lab"], env={**os.environ, **own},
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = next((line for line in process.stdout if line.startswith("JupyterLab: ")), "")
    try:
        assert said, f"JupyterLab never said its address, exit status {process.wait(timeout=60)}"
        yield said.split()[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def never_save(route: Route) -> None:
    """JupyterLab saves by itself every two minutes; the notebook in the repository stays as it is."""
    if route.request.method != "PUT":
        route.continue_()
    else:
        route.abort()


@pytest.mark.usefixtures("chromium")  # before the lab: without a browser nothing is started
def test_notebook_00_opens_in_a_browser_and_run_all_cells_ends_in_its_check(
    lab: Settings, address: str, page: Page
) -> None:
    before = NOTEBOOK.read_bytes()
    cells = nbformat.reads(before.decode(), as_version=4).cells
    last = next(cell for cell in reversed(cells) if cell.cell_type == "code")
    elsewhere: set[str | None] = set()
    failures: list[str] = []
    page.on("request", lambda request: elsewhere.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.route("**/api/contents/**", never_save)

    page.goto(address)
    page.locator(".jp-MarkdownCell h1", has_text="00 Preflight").wait_for(timeout=60_000)
    page.locator(".jp-CodeCell", has_text="load_settings()").first.wait_for()
    assert "token" not in page.url, "the token does not stay in the address bar"
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    done = page.locator(".jp-CodeCell", has_text=last.source.splitlines()[0]).locator(".jp-OutputArea-output")
    done.get_by_text("the schema still has the id").wait_for(timeout=120_000)

    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    pictures = page.locator(".jp-OutputArea-output img")
    assert pictures.count() >= 3, "the status, the registry stopped, all well again"
    assert pictures.first.evaluate("image => image.naturalWidth") > 500
    assert (elsewhere, failures) == ({"127.0.0.1"}, [])
    assert all(row.healthy for row in services.status(lab))
    assert NOTEBOOK.read_bytes() == before
