"""The environment of the lab's services: made for them, with what `jvm.clean` lets pass.

for_services(settings)   ->  {"PATH": …, "LC_ALL": "C.UTF-8", "TMPDIR": "…/.lab/jvm-tmp", …}

What other installations keep in a shell never gets there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from labkit.flink.jvm import SCRATCH, SYSTEM_PATH, clean
from labkit.settings import Settings
from labkit.system import own_http
from labkit.system.repository import REPOSITORY

__all__ = ["for_services", "scratch_dir"]

_FOLDERS = ("state_dir", "output_dir", "schema_dir", "install_dir", "work_dir")


def for_services(settings: Settings, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """What supervisord and the services get, of `given` (this process's environment) and of the lab's own making."""
    given = os.environ if given is None else given
    made = {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "PYTHONUNBUFFERED": "1",  # what a worker prints is in the log at once
        "TMPDIR": str(scratch_dir(settings)),
        # A service's working folder is not the shell's: a relative path would be another one there.
        **{f"LABKIT_{name.upper()}": str(getattr(settings, name)) for name in _FOLDERS},
    }
    if str(REPOSITORY) in given.get("PYTHONPATH", "").split(":"):  # a copy of labkit, which no .venv knows
        made["PYTHONPATH"] = str(REPOSITORY)
    return own_http.environment({**clean(given), **made}, settings.own_hosts)


def scratch_dir(settings: Settings) -> Path:
    """Where services unpack libraries, and run them."""
    return settings.state_dir / SCRATCH
