"""What an answer finds in its kernel, and whether it left that so. Runs inside the kernel, under no name there."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

#: Modules that answers use, and whose functions one of them may replace: these, and all of labkit.
_WATCHED = (
    "builtins", "datetime", "json", "math", "os", "pathlib", "random", "shutil", "struct", "time", "uuid",
)  # fmt: skip
#: The kernel itself puts others in their place, for each cell.
_OF_THE_KERNEL = ("input", "getpass")


class Surroundings:
    """Names and the folder as they are now. Names of the shell itself (`In`, `_`, `_i3`) are left alone."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._names = self._visible()
        self._folder = os.getcwd()
        #: Functions and classes; what else a module keeps may change by itself.
        self._modules = {name: dict(vars(sys.modules[name])) for name in _watched()}

    def put_back(self) -> str:
        """The names as they were; what else was changed and is not put back, in words, or ""."""
        space = self._shell.user_ns
        for name in self._visible().keys() - self._names.keys():
            del space[name]
        space.update(self._names)
        return "; ".join(self._changed())

    def _visible(self) -> dict[str, Any]:
        hidden = self._shell.user_ns_hidden
        return {name: value for name, value in self._shell.user_ns.items()
                if name not in hidden and not name.startswith("_")}  # fmt: skip

    def _changed(self) -> list[str]:
        found = []
        if os.getcwd() != self._folder:
            found.append("another folder")
        own = [thread for thread in threading.enumerate() if _is_of_a_cell(thread)]
        if own:
            found.append(f"{len(own)} threads of its own")
        for name, before in self._modules.items():
            now = vars(sys.modules[name])
            found += [f"another {name}.{each}" for each, value in before.items()
                      if callable(value) and now.get(each) is not value and each not in _OF_THE_KERNEL]  # fmt: skip
        return found


def _watched() -> list[str]:
    return [name for name in sys.modules if name in _WATCHED or name.partition(".")[0] == "labkit"]


def _is_of_a_cell(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", "") == "__main__"


def mark(shell: Any) -> str:
    """Keep what is there now in `shell.surroundings`."""
    shell.surroundings = Surroundings(shell)
    return ""
