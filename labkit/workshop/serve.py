"""JupyterLab of the compose lab: `python -m labkit.workshop.serve` fills work/ and becomes JupyterLab."""

from __future__ import annotations

import os
import sys

from labkit.errors import LabkitError
from labkit.lab import jupyter
from labkit.settings import load_settings
from labkit.workshop.course import folder, glossary, index

__all__ = ["main"]


def main() -> None:
    """Does not return, unless the folder cannot be written."""
    settings = load_settings()
    try:
        folder.fill(settings)
        glossary.write(settings)
        index.write(settings)
    except LabkitError as error:
        sys.exit(str(error))
    command = jupyter.command(settings)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
