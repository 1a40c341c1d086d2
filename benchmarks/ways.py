"""The enrichment's ways: the lab's own job, vectorized; the same without rules on columns; and lesson 05's.

    WAYS["record-at-a-time"](settings)             submits it, and waits until it runs
    python -m benchmarks.ways record-at-a-time     the same, with the settings of the environment

All have the same name and the same topics. None goes on from another's state.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from labkit.flink import environment
from labkit.flink.gateway import close_client
from labkit.flink.rest import FlinkRest
from labkit.jobs.submit import submit
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.workshop.waiting import wait_for_start

__all__ = ["COMPARE_PER_RECORD", "RECORD_AT_A_TIME", "VECTORIZED", "WAYS"]

VECTORIZED, COMPARE_PER_RECORD, RECORD_AT_A_TIME = "vectorized", "compare-per-record", "record-at-a-time"


def _vectorized(settings: Settings) -> None:
    submit(settings, ENRICHMENT)


def _record_at_a_time(settings: Settings) -> None:
    """It is not noted as at work: the lab would bring back the vectorized job in its place."""
    from labkit.workshop.parts import record_job  # PyFlink takes a second to import: that is a part of the start

    job = environment.submit(settings.cluster, settings.job_name(ENRICHMENT), partial(record_job.build, settings))
    wait_for_start(FlinkRest(settings.flink_url), job.job_id)


def _compare_per_record(settings: Settings) -> None:
    """The engine as it runs a stream that has no rules on columns: batches, and `compare` for each record in them."""
    from labkit.flink import enrichment

    name = settings.job_name(ENRICHMENT)
    flow = replace(settings.flow, stream=replace(settings.flow.stream, columnar=None))

    def build(resume_from: Path | None) -> Any:
        env, tables = environment.remote_environment(
            settings.cluster, name, parallelism=settings.enrichment_parallelism, resume_from=resume_from,
            **enrichment.python_options(),
        )  # fmt: skip
        enrichment.define(tables, flow, enrichment.Options())
        return env

    wait_for_start(FlinkRest(settings.flink_url), environment.submit(settings.cluster, name, build).job_id)


WAYS: dict[str, Callable[[Settings], None]] = {
    VECTORIZED: _vectorized,
    COMPARE_PER_RECORD: _compare_per_record,
    RECORD_AT_A_TIME: _record_at_a_time,
}


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
