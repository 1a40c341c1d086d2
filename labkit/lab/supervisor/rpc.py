"""What `labkit` asks supervisord beyond its own calls; supervisord loads this as a plugin.

    labkit.processes()  ->  [{"name": "kafka", "state": "RUNNING", "pid": 4711, "memory_mib": 344.2}, …]

Memory has to be asked where the process is: from another container its pid means nothing.
Source: http://supervisord.org/xmlrpc.html#adding-rpc-interfaces
"""

from __future__ import annotations

from typing import Any

import psutil
from supervisor.states import getProcessStateDescription

__all__ = ["Processes", "make"]


class Processes:
    """The namespace `labkit` of supervisord's XML-RPC."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def processes(self) -> list[dict[str, Any]]:
        """Each program: name, state, pid (0 where it has none), MiB of it and its children."""
        return [
            {
                "name": process.config.name,
                "state": getProcessStateDescription(process.get_state()),
                "pid": process.pid,
                "memory_mib": memory_mib(process.pid) if process.pid else 0.0,
            }
            for group in self._supervisord.process_groups.values()
            for process in group.processes.values()
        ]


def memory_mib(pid: int) -> float:
    """Resident memory of a process and everything below it; 0 where it is gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return float(total) / 2**20


def make(supervisord: Any, **_: Any) -> Processes:
    """supervisord calls this at its start."""
    return Processes(supervisord)
