"""No secret is in what is committed, and SECURITY.md is where a reader looks for it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from labkit.settings import REPOSITORY

#: A name as secrets have them, and a value as long as theirs; ${…} and $(…) are none.
SECRET = re.compile(rb"(?i)(token|password|secret)\w*[\"']?\s*[=:]\s*[\"']?(?=[A-Za-z+/]*[0-9_-])[A-Za-z0-9_+/-]{24,}")


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    return [REPOSITORY / name for name in listed.decode().split("\0") if name]


def test_no_secret_is_in_a_committed_file() -> None:
    assert SECRET.search(b"JUPYTER_TOKEN=ab-dOKJxCzdLVeYyhqmIu_dqoWY_-ZMZ"), "one would be found"
    assert SECRET.search(b"http://127.0.0.1:8888/lab?token=ab-dOKJxCzdLVeYyhqmIu_dqoWY_-ZMZ")
    files = [file for file in committed() if file.is_file()]
    assert len(files) > 200
    assert [file.name for file in files if SECRET.search(file.read_bytes()) and file != Path(__file__)] == []


def test_what_holds_secrets_is_not_committed() -> None:
    names = {str(file.relative_to(REPOSITORY)) for file in committed()}
    assert [name for name in names if re.search(r"(^|/)\.env$|jupyter-token|^\.lab/|^work/|^output/", name)] == []


def test_security_md_is_linked_from_the_readme_and_names_files_that_are_there() -> None:
    assert "[SECURITY.md](SECURITY.md)" in (REPOSITORY / "README.md").read_text()
    named = re.findall(r"`((?:tests|labkit)/[\w/]+\.\w+)`", (REPOSITORY / "SECURITY.md").read_text())
    assert len(named) > 4
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
