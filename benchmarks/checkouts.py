"""Two checkouts of this project beside each other: seconds of `labkit submit`, and the memory of all services.

    python -m benchmarks.checkouts old=../before new=. --repeats 3
    python -m benchmarks.checkouts "old=../before,LABKIT_ENRICHMENT_IN_BATCHES=1" new=.

Each name=folder has been installed (`make install`) and is used by its own commands alone; `,NAME=value` are variables
of its environment. In rounds, each in turn: `labkit up` in an empty folder, then the seconds that each `labkit submit`
takes from the command until the job is RUNNING (the first one in a new TaskManager, the second one beside it). Then 200
hosts are simulated at one snapshot a second, and after a minute the memory of all services is added up: PSS, where a
page that several processes share counts once. Results: output/bench/checkouts.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import typer

from benchmarks.lab import keep_results

HOSTS, MINUTE_S = 200, 60

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def main(checkouts: list[str], repeats: int = 3) -> None:
    """Measure each, in rounds."""
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        for one in checkouts:
            name, _, rest = one.partition("=")
            folder, *variables = rest.split(",")
            found = _measure(Path(folder).resolve(), dict(variable.split("=", 1) for variable in variables))
            runs.setdefault(name, []).append(found)
            print(name, json.dumps(found), flush=True)
    for name, found_of in runs.items():
        medians = {what: round(statistics.median(one[what] for one in found_of), 1) for what in found_of[0]}
        print("median", name, json.dumps(medians))
    keep_results("checkouts.json", runs)


def _measure(checkout: Path, variables: dict[str, str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LABKIT_")},
            "LABKIT_STATE_DIR": f"{folder}/state", "LABKIT_OUTPUT_DIR": f"{folder}/output",
            "LABKIT_PORT_OFFSET": "3300", "LABKIT_DEPLOYMENT": "local", **variables,
        }  # fmt: skip

        def labkit(*arguments: str | int) -> subprocess.Popen[bytes]:
            command = [str(checkout / ".venv/bin/labkit"), *map(str, arguments)]
            return subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)

        try:
            for needed in ("up", "topics", "register-schema"):
                _seconds(labkit, needed)
            found = {f"submit_{job}_s": _seconds(labkit, "submit", job) for job in ("enrichment", "parquet")}
            producer = labkit("produce", "--fleet", HOSTS, "--seconds", 10 * MINUTE_S, "--speed", 1)
            time.sleep(MINUTE_S)  # the minute is what is measured
            found["memory_mib"] = round(sum(_pss(folder).values()) / 2**20)
            producer.terminate()
            producer.wait()
            return found
        finally:
            _seconds(labkit, "down")


def _seconds(labkit: Callable[..., subprocess.Popen[bytes]], *arguments: str) -> float:
    """How long a command takes; raises `CalledProcessError` where it fails."""
    begin = time.monotonic()
    if status := labkit(*arguments).wait():
        raise subprocess.CalledProcessError(status, arguments)
    return round(time.monotonic() - begin, 1)


def _pss(folder: str) -> dict[int, int]:
    """Bytes of each process of the lab in `folder`: its supervisor, and all that came from it."""
    supervisor = psutil.Process(int(Path(folder, "state", "supervisord.pid").read_text()))
    return {one.pid: one.memory_full_info().pss for one in [supervisor, *supervisor.children(recursive=True)]}


if __name__ == "__main__":
    app()
