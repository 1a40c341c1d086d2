"""The JVM in which Flink's client plans a job, beside the Python process that asked for it."""

from __future__ import annotations

import atexit
import glob
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from labkit.flink.home import client_environment
from labkit.flink.jvm import clean, replaced
from labkit.flink.jvm_threads import keep_threads_apart
from labkit.system.scratch import scratch_folder
from labkit.system.waiting import patience

__all__ = ["close_client", "environment", "start_client"]


#: The folder in which the JVM unpacks what it needs, 46 MB for each; where it is killed, the next one removes it.
_unpacked = ExitStack()
atexit.register(_unpacked.close)


def start_client(install_dir: Path, state_dir: Path) -> None:
    """Start the client's JVM, where this process has none, with an environment of the lab's own making.

    PyFlink hands it this process's environment, and looks for options of Java, Flink and Hadoop there. So this
    process's own is another one for as long as that takes.
    """
    from pyflink import java_gateway

    if java_gateway._gateway is not None:
        return
    folder = _unpacked.enter_context(scratch_folder(state_dir, "flink-client"))
    keep_threads_apart()
    with replaced(environment(install_dir, state_dir, folder)):
        java_gateway.get_gateway()


def environment(install_dir: Path, state_dir: Path, scratch: Path) -> dict[str, str]:
    """What PyFlink and its JVM, which unpacks libraries in `scratch`, find when that is started."""
    own = client_environment(install_dir, state_dir)
    return {
        **clean(),
        **own,
        # PyFlink looks for jars with a pattern, in which a letter of a folder's name may mean something.
        **{name: glob.escape(own[name]) for name in ("FLINK_LIB_DIR", "FLINK_OPT_DIR")},
        "TMPDIR": str(scratch),
        # The one variable in which a path may have any letter: JVM_ARGS is cut at spaces.
        "JDK_JAVA_OPTIONS": shlex.quote(f"-Djava.io.tmpdir={scratch}"),
    }


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
    _unpacked.close()
