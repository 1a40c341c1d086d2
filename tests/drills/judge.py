"""One drill from its topics to its verdict: prepare, load, fault, read to the end, count."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from labkit.errors import LabkitError
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.lab.account import measure
from labkit.ledger.ledger import Ledger
from labkit.pipeline.run import prepare
from labkit.settings import load_settings
from labkit.streams.names import JOBS
from labkit.workshop.lesson import clear, tidy
from tests.drills.faults import DRILLS, Bench
from tests.drills.fleet import Difference, Feed, Fleet
from tests.drills.watchers import Reader, left_over

_READ_WITHIN_S = 300.0


@dataclass
class Verdict:
    """What a drill counted; `faults` has a sentence for each thing that is not as it must be."""

    drill: str
    records_in: int = 0
    metrics: Difference | None = None
    rows: Difference | None = None
    recovered_s: list[float] = field(default_factory=list)
    looks: int = 0
    took_s: float = 0.0
    ledger: str = ""
    faults: list[str] = field(default_factory=list)


def run(drill: str, fleet: Fleet, seed: int, say: Callable[[str], None]) -> Verdict:
    """Run one drill in topics of its own, and judge it. Whatever goes wrong is a fault of the verdict."""
    begin = time.monotonic()
    verdict = Verdict(drill)
    settings = load_settings(suffix=f"_{drill.replace('-', '_')}")
    try:
        clear(settings)
        prepare(settings)
        with Reader(settings.parquet_dir) as reader:
            feed = Feed(settings, fleet)
            submit(settings, *JOBS)
            bench = Bench(settings, fleet, feed, random.Random(f"{seed} {drill}"), say)
            bench.recovered_s = verdict.recovered_s
            DRILLS[drill](bench)
            feed.wait()
            for job in JOBS:
                drain_and_stop(settings, job, within_s=_READ_WITHIN_S)
            say("both jobs have read everything and are stopped; counting")
            _count(verdict, fleet, settings)
        verdict.looks = reader.looks
        verdict.faults += [f"reader: {fault}" for fault in reader.faults[:3]]
        verdict.faults += left_over(settings)
    except Exception as error:  # the table has a row for each drill, also for one that broke off
        verdict.faults.append(f"{type(error).__name__}: {error}")
    verdict.took_s = time.monotonic() - begin
    if not verdict.faults:
        clear(settings)
        return verdict
    # Topics and rows stay there to be looked at; jobs would only be a load to the next drill.
    with suppress(LabkitError):
        tidy(settings)
    return verdict


def _count(verdict: Verdict, fleet: Fleet, settings: object) -> None:
    ledger = measure(settings)  # type: ignore[arg-type]
    verdict.ledger = str(ledger)
    verdict.records_in = ledger.snapshots
    verdict.faults += in_the_books(ledger)
    verdict.metrics = fleet.metrics_of(settings)  # type: ignore[arg-type]
    verdict.rows = fleet.rows_of(settings)  # type: ignore[arg-type]
    for what, difference in (("metrics", verdict.metrics), ("rows", verdict.rows)):
        if not difference.exact:
            verdict.faults.append(f"{what} are not those of an undisturbed run: {difference}")


def in_the_books(ledger: Ledger) -> list[str]:
    """What is wrong with the ledger of a pipeline that has read everything and is stopped."""
    faults = [] if ledger.balances else ledger.faults[:3] or ["the ledger does not balance"]
    return faults + ([f"{ledger.uncommitted} results are still in flight"] if ledger.uncommitted else [])
