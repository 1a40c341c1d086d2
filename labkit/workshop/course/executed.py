"""Every notebook run from top to bottom, and what came of it kept to look at: `make notebooks`.

output/notebooks/05_enrichment_with_keyed_state.ipynb   with its outputs
output/notebooks/05_enrichment_with_keyed_state.html    the same for a browser, the pictures inside
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from labkit.errors import LabkitError
from labkit.settings import Settings, load_settings
from labkit.workshop.course.contents import LESSONS, Lesson, lesson
from labkit.workshop.headless import execute

__all__ = ["keep", "main"]


def keep(settings: Settings, chosen: Lesson) -> Path:
    """Run the lesson's notebook and write its executed copy and HTML; returns the copy.

    Raises `LabkitError` with the cell's error where one failed; then there is no copy.
    """
    folder = settings.output_dir / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = execute(chosen.notebook, chosen.notebook.parent)
    except CellExecutionError as error:
        raise LabkitError(f"{chosen.filename}: {error.ename}: {error.evalue}") from None
    copy = folder / chosen.filename
    nbformat.write(done, copy)
    page, _ = HTMLExporter().from_notebook_node(done)
    copy.with_suffix(".html").write_text(page)
    return copy


def main(words: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Run the lessons of `words` ("05"), or all; 1 where one failed."""
    settings = load_settings()
    failed, begin = 0, time.monotonic()
    for chosen in [lesson(word) for word in words] or LESSONS:
        begun = time.monotonic()
        try:
            copy = keep(settings, chosen)
            say(f"✓ {chosen.no} {chosen.title}  {time.monotonic() - begun:.0f} s  {copy.with_suffix('.html')}")
        except LabkitError as error:
            failed += 1
            say(f"✗ {error}")
    say(f"{time.monotonic() - begin:.0f} s in all")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabkitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
