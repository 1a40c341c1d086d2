"""Each program has an environment of its own: `.venv-bench/NAME`, from the requirements.txt in its folder.

Flink SQL has the project's, and a jar more, from the jars.lock in its folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side.running import ENVIRONMENTS, HERE
from labkit.ops.artifacts import fetch_all, missing, read_lock


def make(name: str) -> Path:
    """Make it, or bring it to what the file says; a second call takes a moment."""
    folder = ENVIRONMENTS / name
    lock = HERE / name / "jars.lock"
    if lock.exists():
        fetch_all(missing(read_lock(lock), folder), folder, lambda *_: None)
        return folder
    uv = str(Path(sys.executable).parent / "uv")
    if not (folder / "bin" / "python").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    words = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(folder / "bin" / "python")]
    subprocess.run([uv, *words, str(HERE / name / "requirements.txt")], check=True)
    return folder
