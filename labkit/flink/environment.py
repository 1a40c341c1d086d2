"""From Python to the session cluster: an environment that submits there, and resuming a job.

PyFlink's own get_execution_environment() always starts a small cluster inside the client;
`remote_environment` builds the one that reaches ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import BadInput
from labkit.flink.gateway import start_client

__all__ = ["BUNDLE_MS", "Cluster", "Submitted", "newest_state", "remote_environment", "submit"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Flink session cluster at `host`:`port`, and where its jobs keep their state, a folder a job.

    `install_dir` has the connectors' jars, `state_dir` the configuration that the client's JVM reads.
    """

    host: str
    port: int
    install_dir: Path
    state_dir: Path
    checkpoints_dir: Path
    savepoints_dir: Path
    checkpoint_interval_s: float = 10.0


#: How long PyFlink collects records for a Python worker process before it hands them over and takes the results.
#: PyFlink's own value is 1000; see benchmarks/watch_latency.py.
BUNDLE_MS = 200


def remote_environment(
    cluster: Cluster, job: str, *, parallelism: int, resume_from: Path | None, **options: str
) -> tuple[Any, Any]:
    """(StreamExecutionEnvironment, StreamTableEnvironment) that submit `job` to the cluster, with `options`."""
    start_client(cluster.install_dir, cluster.state_dir)

    from pyflink.common import Configuration
    from pyflink.datastream import CheckpointingMode, StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway
    from pyflink.table import StreamTableEnvironment

    checkpoint_ms = int(cluster.checkpoint_interval_s * 1000)
    config = Configuration()
    for key, value in {
        "pipeline.name": job,
        "pipeline.object-reuse": "true",
        # By its name: the services' PATH begins with its folder, and Flink's script for workers cuts a path at spaces.
        "python.executable": Path(sys.executable).name,
        "python.client.executable": sys.executable,
        "python.fn-execution.bundle.time": str(BUNDLE_MS),
        "execution.checkpointing.dir": f"file://{cluster.checkpoints_dir / job}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.interval": f"{checkpoint_ms} ms",
        "execution.checkpointing.timeout": "2 min",
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        "table.local-time-zone": "UTC",
        # Operators of Table plans are known by their place in the job. With uid.generation=ALWAYS they
        # would be numbered over all plans that this JVM has made, and state would not fit the next time.
        "table.exec.uid.generation": "DISABLED",
        **({"execution.state-recovery.path": f"file://{resume_from}"} if resume_from else {}),
        **options,
    }.items():
        config.set_string(key, value)
    jvm = get_gateway().jvm
    no_jars = get_gateway().new_array(jvm.java.lang.String, 0)
    java_env = jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    env = StreamExecutionEnvironment(
        java_env.createRemoteEnvironment(cluster.host, cluster.port, config._j_configuration, no_jars)
    )
    env.set_parallelism(parallelism)
    env.enable_checkpointing(checkpoint_ms, CheckpointingMode.EXACTLY_ONCE)
    return env, StreamTableEnvironment.create(env)


def newest_state(cluster: Cluster, job: str) -> Path | None:
    """The newest complete savepoint or retained checkpoint of `job`, or None. Raises BadInput where it may not look."""
    patterns = {cluster.savepoints_dir / job: "*/_metadata", cluster.checkpoints_dir / job: "*/chk-*/_metadata"}
    newest: tuple[float, Path | None] = (0.0, None)
    for file in (file for folder, pattern in patterns.items() for file in _files(folder) if file.match(pattern)):
        with suppress(FileNotFoundError):  # a newer checkpoint has just taken its place
            newest = max(newest, (file.stat().st_mtime, file.parent), key=lambda one: one[0])
    return newest[1]


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder; `Path.glob` would pass over what may not be read, as if nothing were there."""

    def on_error(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise BadInput(
                f"The saved state in {error.filename} cannot be read: {error.strerror}.",
                "Give it to the user who runs the lab, or set it aside.",
            )

    for found, _, names in os.walk(folder, onerror=on_error):
        yield from (Path(found, name) for name in names)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that the cluster has taken: its id, and the state that it goes on from, if any.

    `set_aside` is where rows of an earlier lab were moved, that lay in the way of a job that begins anew.
    """

    name: str
    job_id: str
    resumed_from: Path | None
    set_aside: Path | None = None


def submit(cluster: Cluster, job: str, build: Callable[[Path | None], Any]) -> Submitted:
    """Hand `job` to the cluster, which then starts it. Raises whatever the planner or the cluster throws.

    `build(resume_from)` returns an environment that is ready to execute.
    """
    resume_from = newest_state(cluster, job)
    client = build(resume_from).execute_async(job)
    return Submitted(job, str(client.get_job_id()), resume_from)
