"""The ledger of this lab's own pipeline."""

from __future__ import annotations

from contextlib import suppress

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.ledger.ledger import Ledger, OnProgress, reconcile
from labkit.settings import Settings
from labkit.streams.names import JOBS
from labkit.system.waiting import patience

__all__ = ["measure"]

_SETTLE_S = 5.0


def measure(settings: Settings, on_progress: OnProgress = lambda *_: None) -> Ledger:
    """`reconcile` what this lab's settings name. A pipeline at work has 5 s and a checkpoint to settle (`patience`)."""

    def is_at_work() -> bool:
        rest = FlinkRest(settings.flink_url)
        with suppress(LabkitError):  # a cluster that does not answer runs no job
            return any(rest.running(settings.job_name(job)) for job in JOBS)
        return False

    return reconcile(
        settings.flow,
        settings.parquet_dir,
        settings.state_dir,
        settle_s=patience(_SETTLE_S + settings.checkpoint_interval_s),
        is_at_work=is_at_work,
        on_progress=on_progress,
    )
