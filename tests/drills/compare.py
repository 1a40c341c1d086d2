"""The same snapshots through three enrichment jobs at once: none, at-least-once, exactly-once, under the same kills.

Exactly-once has to come out with nothing missing and nothing twice. Of the other two the table says what was seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from labkit.chaos import faults as chaos
from labkit.errors import LabkitError
from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.pipeline.run import prepare
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.workshop.lesson import clear
from tests.drills.faults import Bench
from tests.drills.fleet import Feed, Fleet

_KILLS = (0.15, 0.4, 0.65)
_READ_WITHIN_S = 300.0


@dataclass
class Row:
    """What one delivery guarantee came out with."""

    delivery: str
    expected: int
    found: int
    missing: int
    duplicates: int

    @property
    def exact(self) -> bool:
        return not (self.missing or self.duplicates)


def compared(fleet: Fleet, chance: random.Random, say: Callable[[str], None]) -> list[Row]:
    """Run the three side by side; the last row is that of exactly-once."""
    labs: list[Settings] = [
        load_settings(suffix=f"_cmp_{name.replace('-', '_')}", delivery=name, enrichment_parallelism=1)
        for name in ("none", "at-least-once", "exactly-once")
    ]
    feeds = []
    for settings in labs:
        clear(settings)
        prepare(settings)
    for settings in labs:
        submit(settings, ENRICHMENT)
        feeds.append(Feed(settings, fleet))
    bench = Bench(labs[-1], fleet, feeds[-1], chance, say)
    for share in _KILLS:
        bench.wait_until_read(share)
        bench.over(chaos.kill(labs[-1], "taskmanager"))
    rows = []
    for settings, feed in zip(labs, feeds, strict=True):
        feed.wait()
        drain_and_stop(settings, ENRICHMENT, within_s=_READ_WITHIN_S)
        seen = fleet.metrics_of(settings)
        if seen.other and settings.delivery == "exactly-once":
            raise LabkitError(f"{seen.other} metrics have other values.")
        rows.append(Row(settings.delivery, seen.expected, seen.found, seen.missing, seen.duplicates))
        say(f"{settings.delivery}: {seen}")
        clear(settings)
    return rows


def comparison_table(rows: list[Row]) -> Table:
    """delivery, expected, found, missing, twice."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    result.add_column("delivery")
    for title in ("expected", "found", "missing", "twice"):
        result.add_column(title, justify="right")
    for row in rows:
        result.add_row(row.delivery, str(row.expected), str(row.found), str(row.missing), str(row.duplicates))
    return result
