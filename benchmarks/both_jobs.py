"""Does the Parquet job take what the enrichment gives? Alone on a full topic, then both jobs at once.

    python -m benchmarks.both_jobs --snapshots 2000000

First the enrichment fills procstat_metrics, alone; then the Parquet job reads that, alone. Then both begin with a full
topic of snapshots. Records a second are those between 20 % and 90 % of what each job has to read, by the ends of a
topic or by what Flink says its source has read; the clock starts before a job is submitted. A checkpoint every 10 s.
The results are in output/bench/both_jobs.json.
"""

from __future__ import annotations

import json
import threading
import time
from functools import partial

import typer

from benchmarks.enrichment import fill, measure
from benchmarks.lab import keep_results, own_lab
from labkit.flink.gateway import close_client
from labkit.flink.rest import FlinkRest
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.topics import create_topics, pipeline_topics
from labkit.ledger import ledger
from labkit.pipeline.run import prepare
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.workshop.pictures.speed import STEADY, Moment, steady, watched_while

HOSTS, CPUS = 200, 8
_EVERY_S = 1.0

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(snapshots: int = 2_000_000) -> None:
    """Three measurements, and the ledger of the last one."""
    expected = snapshots // HOSTS * HOSTS - HOSTS
    results = {}
    with own_lab() as settings:
        _, schema_id = prepare(settings)
        fill(settings, schema_id, HOSTS, CPUS, snapshots)

        results["enrichment alone"] = measure(settings, expected)["snapshots_per_s"]
        stop_with_savepoint(settings, ENRICHMENT)
        results["parquet alone"] = _speeds({PARQUET: (settings, settings.metrics_topic)}, expected)
        stop_with_savepoint(settings, PARQUET)

        together = load_settings(suffix="_both", snapshots_topic=settings.snapshots_topic)
        create_topics(together.kafka_bootstrap, pipeline_topics(together.flow))
        of = {ENRICHMENT: (together, together.snapshots_topic), PARQUET: (together, together.metrics_topic)}
        results["both at once"] = _speeds(of, expected)
        for job in JOBS:
            drain_and_stop(together, job)
        account = ledger.measure(together)
        results["ledger"] = str(account)
    print(json.dumps(results, indent=2))
    keep_results("both_jobs.json", {"snapshots": snapshots, **results})
    raise typer.Exit(0 if account.balances else 1)


def _speeds(of: dict[str, tuple[Settings, str]], expected: int) -> dict[str, dict[str, float]]:
    """Submit the jobs, and look at what each has read of its topic, from here on (Flink's figures are seconds old).

    Of each: records/s between 20 % and 90 %, and when it had read the first, 20 %, 90 % and all of them.
    """
    settings = next(iter(of.values()))[0]

    def start() -> None:
        submit(settings, *of)
        close_client()

    seen = watched_while(start, partial(_watch, of, expected))
    return {
        job: {
            "per_s": round(steady(moments)),
            **{
                f"{share:.0%}_after_s": round(next(at for at, there in moments if there >= max(share * expected, 1)), 1)
                for share in (0, *STEADY, 1)
            },
        }
        for job, moments in seen.items()
    }


def _watch(
    of: dict[str, tuple[Settings, str]], expected: int, begun: float, given_up: threading.Event
) -> dict[str, list[Moment]]:
    seen: dict[str, list[Moment]] = {job: [(0.0, 0)] for job in of}
    while any(moments[-1][1] < expected for moments in seen.values()) and not given_up.wait(_EVERY_S):
        for job, moments in seen.items():
            there = _read(job, *of[job])  # before the clock, as in `timed`
            moments.append((time.monotonic() - begun, there))
            print(f"  {job} {moments[-1][0]:.0f} s {there:,}", flush=True)
    return seen


def _read(job: str, settings: Settings, topic: str) -> int:
    """How many records the job has read; 0 before it is there."""
    rest = FlinkRest(settings.flink_url)
    running = rest.running(settings.job_name(job))
    return sum(rest.read_offsets(running.id, topic).values()) if running else 0


if __name__ == "__main__":
    app()
