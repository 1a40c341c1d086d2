"""What can be typed here. Every text says `labkit down`; on its way to the terminal it becomes what the shell takes.

labkit down               the shell finds this labkit: .venv is active, a terminal of JupyterLab, a container
.venv/bin/labkit down     it does not: the person came by `make lab`, or typed the path as well
docker/labkit.sh down     said in a container, to somebody on the host, by whom AS_TYPED names the way
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

__all__ = ["AS_TYPED", "Teller", "typed", "way"]

#: How the host calls the labkit of a container. Not LABKIT_…, which an image made before would take for a setting.
AS_TYPED = "AS_TYPED"


def way() -> str:
    """How this labkit is called from the shell: "labkit", or its path as seen from the working folder."""
    if told := os.environ.get(AS_TYPED):
        return told
    own, found = Path(sys.executable).with_name("labkit"), shutil.which("labkit")
    if not own.exists() or (found is not None and own.samefile(found)):
        return "labkit"
    near = os.path.relpath(own) if own.is_relative_to(Path.cwd()) else ""
    return shlex.quote(near if "/" in near else str(own))


def typed(text: str, commands: Iterable[str]) -> str:
    """`text` with "labkit down", "labkit --help" and the like as they are typed here; "labkit" alone is a name."""
    names = "|".join(map(re.escape, ("--help", *commands)))
    called = way()
    return re.sub(rf"(?<![\w./-])labkit(?= (?:{names})(?![\w-]))", lambda _: called, text)


class Teller(Console):
    """A console whose sentences name commands as they are typed here; `commands` gives their names."""

    def __init__(self, commands: Callable[[], Iterable[str]], **how: Any) -> None:
        super().__init__(**how)
        self._commands = commands

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich's, for each string of `objects`; tables and the like are shown as they are."""
        names = list(self._commands())
        super().print(*(typed(one, names) if isinstance(one, str) else one for one in objects), **how)
