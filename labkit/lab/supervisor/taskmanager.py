"""How supervisord starts the TaskManager: without the Python workers of one that was killed.

A worker whose TaskManager died by SIGKILL hears nothing of it and would stay for good, 200 MB each.
Then this process becomes the TaskManager, so that its pid is the one that supervisord watches.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import psutil

from labkit.lab.supervisor.processes import children_of_supervisord

__all__ = ["main"]


def main(socket: str, script: str) -> None:
    """Kill what an earlier TaskManager of this lab left behind, then run Flink's `script`."""
    me = os.getpid()
    for process in children_of_supervisord(socket, "taskmanager"):
        if process.pid != me:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    os.execv(script, [script, "start-foreground"])


if __name__ == "__main__":
    main(*sys.argv[1:])
