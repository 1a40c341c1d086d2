"""A run that gives no rows says why: what became of its snapshots stands in the topics."""

from __future__ import annotations

from dataclasses import replace

from labkit.jobs.stop import drain_and_stop
from labkit.jobs.submit import submit
from labkit.kafka.producer import produce
from labkit.pipeline.no_rows import why_no_rows
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS
from tests.support.feeds import hosts
from tests.support.pipelines import finish, idle
from tests.support.waiting import wait_for


def test_the_reason_of_the_dead_letters_or_that_nothing_is_counted_here(lab: Settings) -> None:
    own = idle(load_settings(suffix="_no_rows"))
    first = hosts(["here"], 1, seed=41)[0]
    assert why_no_rows(own.flow, 0) == ""
    # a sandbox whose counters stand still
    still = [replace(first, timestamp=first.timestamp + 1000 * second) for second in range(4)]
    submit(own, *JOBS)
    produce(own.flow, still)
    finish(own)
    assert why_no_rows(own.flow, first.timestamp + 1) == (
        "In 3 s nothing was counted: does /proc/stat of this system count at all?"
    )
    submit(own, ENRICHMENT)
    later = still[-1].timestamp + 1000
    produce(own.flow, [replace(first, timestamp=later, cpus=(*first.cpus, first.cpus[0]))])
    wait_for(lambda: why_no_rows(own.flow, later).startswith("1 dead letters: CPU cpu is in it more than once. "))
    drain_and_stop(own, ENRICHMENT)
