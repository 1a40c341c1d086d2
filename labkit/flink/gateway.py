"""The JVM in which Flink's client plans a job, beside the Python process that asked for it."""

from __future__ import annotations

import sys
from typing import Any

import psutil

from labkit.system.waiting import patience

__all__ = ["close_client"]


def close_client() -> None:
    """End the client's JVM, where this process started one; it would linger for a moment otherwise."""
    gateway: Any = sys.modules.get("pyflink.java_gateway")
    if gateway is None or gateway._gateway is None:
        return
    jvms = [child for child in psutil.Process().children() if "PythonGatewayServer" in " ".join(child.cmdline())]
    gateway._gateway.shutdown()
    gateway._gateway = None
    for jvm in jvms:
        jvm.terminate()
    psutil.wait_procs(jvms, timeout=patience(10))
