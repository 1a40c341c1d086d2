"""The environment in which a JVM is started: made from a list of what may pass, not of what may not.

    clean({"HOME": "/home/me", "JAVA_TOOL_OPTIONS": "-Xmx1g"})   {"HOME": "/home/me", "LC_ALL": "C.UTF-8", "PATH": …}

What other installations keep in a shell (options of Java, Flink, Kafka, Hadoop, Quarkus and Python, proxies) stays out.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping

__all__ = ["SCRATCH", "SYSTEM_PATH", "clean", "replaced"]

#: Below the state folder: where JVMs unpack libraries, and run them. /tmp may be tiny, or mounted so that nothing runs.
#: (Not tmp, which commands clear when they end.)
SCRATCH = "jvm-tmp"

#: Who somebody is, what their time zone is, and where the system's libraries and certificates lie.
_NAMES = {"HOME", "USER", "LOGNAME", "SHELL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
#: The lab's own settings, the keys of a bucket, and JupyterLab's token in a container.
_BEGINNINGS = ("LABKIT_", "AWS_", "JUPYTER_")
#: Where a system keeps its programs.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def clean(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """What of `given` (unless told, of this process's environment) may pass, a PATH and a locale.

    A JVM takes the bytes of a path for letters as the locale says, so the locale is one that has all letters.
    """
    given = os.environ if given is None else given
    found = {name: value for name, value in given.items() if name in _NAMES or name.startswith(_BEGINNINGS)}
    return {**found, "PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@contextlib.contextmanager
def replaced(other: Mapping[str, str]) -> Iterator[None]:
    """Until the end of the block this process's environment is `other`, and its folder for temporary files too.

    For a library that starts a program and hands it this process's environment.
    """
    before, folder = dict(os.environ), tempfile.tempdir
    _replace(other)
    tempfile.tempdir = None  # it is looked up anew
    try:
        yield
    finally:
        _replace(before)
        tempfile.tempdir = folder


def _replace(other: Mapping[str, str]) -> None:
    for name in os.environ.keys() - other.keys():
        del os.environ[name]
    os.environ.update(other)
