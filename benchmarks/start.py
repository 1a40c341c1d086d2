"""Where the seconds of a start go: `labkit up`, and `make run` from a fresh clone.

    python -m benchmarks.start up --repeats 5
    python -m benchmarks.start run

`up` starts a lab of its own in an empty folder and notes when each service answers for the first time. `run` clones
this repository (what is committed) into an empty folder, with empty caches of Python packages and jars, types
`make run`, and notes when each of its lines comes. Results: output/bench/start_up.json and start_run.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from benchmarks.lab import keep_results, new_lab
from labkit.lab import services
from labkit.settings import REPOSITORY, Settings

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def up(repeats: int = 5) -> None:
    """Seconds until each service answers, median of the repeats."""
    runs: list[dict[str, float]] = []
    for _ in range(repeats):
        with new_lab() as settings:
            runs.append({name: round(seconds, 1) for name, seconds in _start_and_stop(settings).items()})
        print(json.dumps(runs[-1]), flush=True)
    print("median", json.dumps({name: statistics.median(run[name] for run in runs) for name in runs[0]}))
    keep_results("start_up.json", runs)


def _start_and_stop(settings: Settings) -> dict[str, float]:
    """Seconds until supervisord has started, each service answers, and all are ready; and of the stop."""
    begin = time.monotonic()
    first: dict[str, float] = {}

    def note(rows: Sequence[services.ServiceStatus]) -> None:
        for name in ["started", *(row.name for row in rows if row.healthy)]:
            first.setdefault(name, time.monotonic() - begin)

    services.up(settings, note)
    ready = time.monotonic()
    services.down(settings)
    return {**first, "ready": ready - begin, "down": time.monotonic() - ready}


@app.command()
def run() -> None:
    """`make run` of a fresh clone, line by line."""
    with tempfile.TemporaryDirectory(prefix="labkit-start-") as folder:
        home, clone = Path(folder) / "home", Path(folder) / "clone"
        home.mkdir()
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"),
                       "UV_CACHE_DIR": str(home / ".cache" / "uv"), "LABKIT_PORT_OFFSET": "3300"}  # fmt: skip
        environment.pop("VIRTUAL_ENV", None)
        begin = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        lines: list[tuple[float, str]] = []
        with subprocess.Popen(
            ["make", "run"], cwd=clone, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                lines.append((round(time.monotonic() - begin, 1), line.rstrip()))
                print(f"{lines[-1][0]:7.1f} s  {lines[-1][1]}", flush=True)
        keep_results("start_run.json", {"status": process.returncode, "lines": lines})
    raise typer.Exit(process.returncode)


if __name__ == "__main__":
    app()
