"""Where set-up puts things: before there are settings, and without what they need."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

from labkit.errors import BadInput
from labkit.system.repository import REPOSITORY

__all__ = ["install_dir"]


def install_dir() -> Path:
    """The folder of the Java parts: LABKIT_INSTALL_DIR, or install_dir of labkit.toml, or a folder of this .venv."""
    given = os.environ.get("LABKIT_INSTALL_DIR") or _of_file(REPOSITORY / "labkit.toml")
    return Path(given).expanduser().absolute() if given else Path(sys.prefix) / "share" / "labkit"


def _of_file(file: Path) -> str:
    try:
        return str(tomllib.loads(file.read_text()).get("install_dir", "")) if file.exists() else ""
    except ValueError as error:
        raise BadInput(f"labkit.toml cannot be read: {error}.") from None
