"""A real browser for the tests: the machine's own Chromium, installed by apt where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser. In CI, root may install it; on a person's machine nothing is installed unasked."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    if found:
        return found[0]
    if os.environ.get("CI") != "true" or os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no Chromium here, and only root with CI=true may install it (apt-get install chromium)")
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run(
            ["apt-get", *words], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, check=True, timeout=600,
        )  # fmt: skip
    return "/usr/bin/chromium"


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Page]:
    """An empty page; where the test fails, see the screenshot in its tmp_path."""
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run its sandbox as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        yield page
        page.screenshot(path=tmp_path / "last.png")
        browser.close()
