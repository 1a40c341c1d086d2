"""The JVM of Flink's client: what it unpacks goes with it, or with the next one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

START = """
import os, signal, sys
from labkit.flink.environment import remote_environment
from labkit.settings import load_settings

for _ in range(2):
    _, tables = remote_environment(load_settings(state_dir=sys.argv[1]).cluster, "one", parallelism=1, resume_from=None)
tables.execute_sql("CREATE TABLE cups (size INT) WITH ('connector' = 'datagen')")
"""


def files_after(state_dir: Path, then: str, ends: int = 0) -> list[Path]:
    """What there is in the state folder after a process that has started a client, and done `then`."""
    done = subprocess.run([sys.executable, "-c", f"{START}\n{then}", state_dir], check=False)
    assert done.returncode == ends
    return [file for file in (state_dir / "tmp").rglob("*.jar") if file.is_file()]


def test_what_the_clients_jvm_unpacked_goes_at_the_end_and_after_a_kill_with_the_next_one(tmp_path: Path) -> None:
    assert files_after(tmp_path, "") == []
    (left,) = files_after(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)
    assert left.name.startswith("flink-table-planner")
    assert files_after(tmp_path, "from labkit.flink.gateway import close_client; close_client()") == []
