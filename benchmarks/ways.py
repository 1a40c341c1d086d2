"""The enrichment's two ways: the lab's own job, vectorized, and the one of lesson 05, record at a time.

    WAYS["record-at-a-time"](settings)             submits it, and waits until it runs
    python -m benchmarks.ways record-at-a-time     the same, with the settings of the environment

Both have the same name and the same topics. Neither goes on from the other's state.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from labkit.flink import environment
from labkit.flink.gateway import close_client
from labkit.flink.rest import FlinkRest
from labkit.jobs.submit import submit
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.workshop.waiting import wait_for_start

__all__ = ["RECORD_AT_A_TIME", "VECTORIZED", "WAYS"]

VECTORIZED, RECORD_AT_A_TIME = "vectorized", "record-at-a-time"


def _vectorized(settings: Settings) -> None:
    submit(settings, ENRICHMENT)


def _record_at_a_time(settings: Settings) -> None:
    """It is not noted as at work: the lab would bring back the vectorized job in its place."""
    from labkit.workshop import record_job  # PyFlink takes a second to import: that is a part of the start

    job = environment.submit(settings.cluster, settings.job_name(ENRICHMENT), partial(record_job.build, settings))
    wait_for_start(FlinkRest(settings.flink_url), job.job_id)


WAYS: dict[str, Callable[[Settings], None]] = {VECTORIZED: _vectorized, RECORD_AT_A_TIME: _record_at_a_time}


def main() -> None:
    """Submit one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    try:
        WAYS[parser.parse_args().way](load_settings())
    finally:
        close_client()


if __name__ == "__main__":
    main()
