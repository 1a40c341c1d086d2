"""How supervisord starts a service: `python -m labkit.lab.supervisor.launch kafka`, in the state folder.

programs.json there has its command, what is added to the environment, and the folders that it finds empty;
supervisord's own file could not hold every path, for it gives a meaning to quotes, `%` and `;`. This process becomes
the service, so that its pid is the one that supervisord watches. What an earlier one left behind is ended first: a
Python worker whose TaskManager died by SIGKILL hears nothing of it and would stay for good, 200 MB each.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from labkit.lab.supervisor.processes import children_of_supervisord

__all__ = ["PROGRAMS", "main"]

PROGRAMS = "programs.json"


def main(name: str) -> None:
    """Become the service `name` of the state folder that this was started in."""
    program = json.loads(Path(PROGRAMS).read_text(encoding="utf-8"))[name]
    _end_left_behind(name)
    folders = [Path(folder).absolute() for folder in program["scratch"]]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    command = program["command"]
    temporary = {"TMPDIR": str(folders[0])} if folders else {}
    os.execve(command[0], command, {**os.environ, **temporary, **program["environment"]})


def _end_left_behind(name: str) -> None:
    for process in children_of_supervisord(os.environ["SUPERVISOR_SERVER_URL"], name):
        if process.pid != os.getpid():
            with suppress(psutil.NoSuchProcess):
                process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
