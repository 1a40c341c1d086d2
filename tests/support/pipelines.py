"""The pipeline before a test and after it: nobody at work, and an account that balances."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pandas as pd
import psutil

from labkit.flink.rest import FlinkRest
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.lab import services
from labkit.lab.account import measure
from labkit.ledger.ledger import Ledger
from labkit.parquet.read import read_metrics
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.names import JOBS
from tests.support.feeds import in_order


def idle(lab: Settings) -> Settings:
    """The lab, with topics and schema there and no job at work."""
    prepare(lab)
    assert not any(FlinkRest(lab.flink_url).running(job) for job in JOBS)
    return lab


@contextlib.contextmanager
def both_jobs_of(settings: Settings) -> Iterator[Settings]:
    """Both jobs at work; a block that has ended them with `finish` leaves none."""
    submit(settings, *JOBS)
    yield settings
    for job in JOBS:
        stop_with_savepoint(settings, job)


def balanced_account(settings: Settings) -> Ledger:
    """The account of what is there; it balances, and nothing is on its way."""
    account = measure(settings)
    assert account.balances, account.faults
    assert account.uncommitted == 0
    return account


def finish(settings: Settings) -> Ledger:
    """Everything read, both jobs stopped, and the account of it."""
    for job in JOBS:
        drain_and_stop(settings, job)
    return balanced_account(settings)


def rows_of(settings: Settings, names: set[str], since_ms: int = 0) -> pd.DataFrame:
    frame = in_order(read_metrics(settings.parquet_dir))
    return frame[frame["hostname"].isin(names) & (frame["ts"] >= since_ms)].reset_index(drop=True)


def workers(settings: Settings) -> set[int]:
    """The pids of the Python workers of the lab's jobs."""
    found = set()
    for process in services.processes(settings):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "pyflink.fn_execution.beam.beam_boot" in process.cmdline():
                found.add(process.pid)
    return found


def has_checkpoint_since(begin: float, settings: Settings, name: str) -> bool:
    """Whether the job has begun and completed one: Flink says RUNNING for a while after its TaskManager has died."""
    rest = FlinkRest(settings.flink_url)
    job = rest.running(settings.job_name(name))
    newest = rest.checkpoints(job.id)["latest"]["completed"] if job else None
    return newest is not None and newest["trigger_timestamp"] > begin * 1000
