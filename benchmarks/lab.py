"""A lab for measuring, and where the results go."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.flink.gateway import close_client
from labkit.lab import services
from labkit.settings import REPOSITORY, Settings, load_settings

__all__ = ["keep_results", "new_lab", "own_lab"]


@contextmanager
def new_lab(*, keep: bool = False, **settings: object) -> Iterator[Settings]:
    """A lab in a new folder, not started, put away in the end. From here on its settings are in the environment."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-bench-"))
    os.environ |= {
        "LABKIT_STATE_DIR": str(folder / "state"), "LABKIT_OUTPUT_DIR": str(folder / "output"),
        "LABKIT_PORT_OFFSET": "3300", "LABKIT_DEPLOYMENT": "local",
        **{f"LABKIT_{name.upper()}": str(value) for name, value in settings.items()},
    }  # fmt: skip
    chosen = load_settings()
    try:
        yield chosen
    finally:
        close_client()
        if keep:
            print(folder)
        else:
            services.down(chosen)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_lab(*, keep: bool = False) -> Iterator[Settings]:
    """A new lab that is up, with a checkpoint every 10 s, and twice the heap that a lesson has for Flink's jobs."""
    with new_lab(keep=keep, checkpoint_interval_s=10, task_heap_mib=512) as settings:
        services.up(settings)
        yield settings


def keep_results(name: str, results: object) -> None:
    """Write `results` to output/bench/`name`, as JSON."""
    folder = REPOSITORY / "output" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(results, indent=2))
