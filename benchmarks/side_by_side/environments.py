"""Each program that is not the project's has an environment of its own: `.venv-bench/NAME`, by its requirements.txt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side.running import ENVIRONMENTS, HERE


def make(name: str) -> Path:
    """Make it, or bring it to what the file says; a second call takes a moment."""
    folder = ENVIRONMENTS / name
    uv = str(Path(sys.executable).parent / "uv")
    if not (folder / "bin" / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    words = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(folder / "bin" / "python")]
    subprocess.run([uv, *words, str(HERE / name / "requirements.txt")], check=True)
    return folder
