"""The pipeline before a test and after it: nobody at work, and an account that balances."""

from __future__ import annotations

from labkit.flink.names import JOBS
from labkit.ops import jobs, pipeline
from labkit.ops.flink_rest import FlinkRest
from labkit.ops.ledger import Ledger, measure
from labkit.settings import Settings


def idle(lab: Settings) -> Settings:
    """The lab, with topics and schema there and no job at work."""
    pipeline.prepare(lab)
    assert not any(FlinkRest(lab.flink_url).running(job) for job in JOBS)
    return lab


def balanced_account(settings: Settings) -> Ledger:
    """The account of what is there; it balances, and nothing is on its way."""
    account = measure(settings)
    assert account.balances, account.faults
    assert account.in_flight == 0
    return account


def finish(settings: Settings) -> Ledger:
    """Everything read, both jobs stopped, and the account of it."""
    for job in JOBS:
        jobs.finish(settings, job)
    return balanced_account(settings)
