"""A test lab that stays up between test runs, and how a run attaches to it.

    make test-lab                         services of its own in a new folder; prints the folder, down with Ctrl-C
    python -m pytest --lab=FOLDER tests/kafka     a run that neither starts nor stops services

A file in the folder says who keeps it: {"pid": 4711, "started": 1764000000.12, "environment": {"LABKIT_…": …}}.
Without it a folder is no test lab: no test touches a lab that tests did not start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from labkit.errors import BadInput, LabkitError
from labkit.lab import services
from labkit.settings import Settings, load_settings
from labkit.system.signals import ends_in_order
from tests.support.labs import lab_environment, settings_of

MARKER = "test-lab.json"
_START = "To keep a test lab up: make test-lab"
_ANEW = "Press Ctrl-C where make test-lab runs, and type it again."


@dataclass(frozen=True)
class KeptLab:
    """A lab that `make test-lab` keeps up: its folder, its LABKIT_… variables, and the lock of the run that uses it."""

    folder: Path
    environment: dict[str, str]
    lock: IO[str]


def attach(folder: Path) -> KeptLab:
    """The lab in `folder`, for one test run at a time.

    Raises `BadInput` where tests did not start it, nobody keeps it up any more, a service does not answer, or another
    run uses it.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.", _START)
    marker = folder / MARKER
    if not marker.is_file():
        raise BadInput(f"{folder} is not a lab that make test-lab keeps up, and tests touch no other.", _START)
    said = json.loads(marker.read_text())
    settings = settings_of(said["environment"])
    if settings.state_dir != folder / "state":
        raise BadInput(f"{marker} is that of another lab, in {settings.state_dir}; tests do not touch it.", _START)
    if not _is_alive(said["pid"], said["started"]):
        left = services.processes(settings)
        raise BadInput(
            f"The make test-lab that kept {folder} up (pid {said['pid']}) is gone, "
            f"its services {'are left' if left else 'too'}.",
            f"To stop them: LABKIT_STATE_DIR={settings.state_dir} .venv/bin/labkit down" if left else _START,
        )
    lock = marker.open()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BadInput(f"Another test run uses the lab in {folder}; wait until it has ended.") from None
    gone = [row.name for row in services.status(settings) if not row.healthy]
    if gone:
        lock.close()
        raise BadInput(f"Of the lab in {folder} these services do not answer: {', '.join(gone)}.", _ANEW)
    return KeptLab(folder, said["environment"], lock)


def _is_alive(pid: int, started: float) -> bool:
    """Whether it is still that process; its number may be another's by now."""
    try:
        return abs(psutil.Process(pid).create_time() - started) < 1
    except psutil.NoSuchProcess:
        return False


@contextmanager
def kept_lab(folder: Path) -> Iterator[Settings]:
    """A lab in `folder` that test runs may attach to until the block ends; then it is down, and the folder gone."""
    for name in [name for name in os.environ if name.startswith("LABKIT_")]:
        del os.environ[name]
    environment = lab_environment(folder)
    os.environ.update(environment)
    settings = load_settings()
    try:
        services.up(settings)
        said = {"pid": os.getpid(), "started": psutil.Process().create_time(), "environment": environment}
        (folder / f"{MARKER}.part").write_text(json.dumps(said, indent=1))
        (folder / f"{MARKER}.part").rename(folder / MARKER)
        yield settings
    finally:
        services.down(settings)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Keep a lab up until Ctrl-C."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-test-lab-"))
    with ends_in_order():
        try:
            print("Starting services for tests …", flush=True)
            with kept_lab(folder) as settings:
                print(f"A test lab is up in {folder}; Flink's page: {settings.flink_page}")
                print(f"In another terminal:\n    .venv/bin/python -m pytest --lab={folder} tests/kafka")
                print("Ctrl-C takes it down.", flush=True)
                threading.Event().wait()
        except KeyboardInterrupt:
            print("\nThe test lab is down, its folder removed.", flush=True)
        except LabkitError as error:
            print(error, file=sys.stderr)
            return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
