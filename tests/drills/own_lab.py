"""The services that a drill runs on: its own, in a new folder, and down at the end however that comes."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from labkit.flink.gateway import close_client
from labkit.lab import services
from labkit.settings import REPOSITORY, Settings, load_settings
from tests.support.labs import lab_environment

OUTPUT = REPOSITORY / "test-output" / "drills"
out = Console(highlight=False, soft_wrap=True, width=None if os.isatty(1) else 200)


@contextmanager
def own_lab(folder: Path, **more: str) -> Iterator[Settings]:
    """The settings of a lab in `folder` with its services up; `more` are further LABKIT_… variables.

    From here on they are in the environment, instead of those of whoever began the drill.
    """
    for name in [name for name in os.environ if name.startswith("LABKIT_")]:
        del os.environ[name]
    os.environ.update(lab_environment(folder), **more)
    settings = load_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # or it would end with the services up
    try:
        services.up(settings)
        yield settings
    finally:
        close_client()
        services.down(settings)


def new_folder() -> Path:
    """Where that lab lives; it stays there to be looked at where a drill has failed."""
    return Path(tempfile.mkdtemp(prefix="labkit-drill-"))


def keep(name: str, text: str) -> None:
    """Write what a drill counted to test-output/drills/."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / name).write_text(text)
