"""From the host into the compose lab: where its containers are up, a command works in JupyterLab's.

There the names of the services, the volumes and the control ports are the same as for a notebook, so
`labkit status` says the same in both places. The setting deployment=local keeps a command on the host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import NoReturn

from labkit.lab.supervisor import control
from labkit.settings import REPOSITORY, Settings

__all__ = ["is_up", "run"]

_COMPOSE = ["docker", "compose", "--project-directory", str(REPOSITORY)]


def is_up(settings: Settings) -> bool:
    """Whether this folder's compose lab is up, and no lab of this machine's own is."""
    made = (REPOSITORY / ".env").exists() or "COMPOSE_PROJECT_NAME" in os.environ  # `make all` has been here
    if settings.deployment != "auto" or not made or shutil.which("docker") is None or control.is_up(settings):
        return False
    asked = subprocess.run(
        [*_COMPOSE, "ps", "-q", "--status", "running", "jupyterlab"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return bool(asked.stdout.strip())


def run(words: list[str], **environment: str) -> NoReturn:
    """Become `labkit` with these words in JupyterLab's container, with these variables."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    given = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    command = [*_COMPOSE, "exec", *([] if terminal else ["-T"]), *given, "jupyterlab", "labkit", *words]
    os.execvp(command[0], command)
