"""Does the Parquet job take what the enrichment gives? Alone on a full topic, then both jobs at once.

    python -m benchmarks.both_jobs --snapshots 600000

First the enrichment (in batches) fills procstat_metrics, alone; then the Parquet job reads that, alone. Then both
begin with a full topic of snapshots. Records a second are those between 20 % and 90 % of what each job has to read,
by the ends of a topic or by what Flink says its source has read. A checkpoint every 10 s. The results are in
output/bench/both_jobs.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import typer

from benchmarks.enrichment import fill, measure
from benchmarks.lab import keep_results, own_lab
from labkit import kafka_admin
from labkit.flink.names import ENRICHMENT, JOBS, PARQUET
from labkit.ops import jobs, ledger, pipeline
from labkit.ops.client import close_client
from labkit.ops.flink_rest import FlinkRest
from labkit.settings import Settings, load_settings
from labkit.workshop.speed_picture import Moment, steady

HOSTS, CPUS = 200, 8
_EVERY_S = 1.0

app = typer.Typer(add_completion=False)


@app.command(help=__doc__)
def main(snapshots: int = 600_000) -> None:
    """Three measurements, and the ledger of the last one."""
    expected = snapshots // HOSTS * HOSTS - HOSTS
    results = {}
    with own_lab(in_batches=True) as settings:
        _, schema_id = pipeline.prepare(settings)
        fill(settings, schema_id, HOSTS, CPUS, snapshots)

        results["enrichment alone"] = measure(settings, expected)["snapshots_per_s"]
        jobs.stop_with_savepoint(settings, ENRICHMENT)
        jobs.submit(settings, PARQUET)
        close_client()
        results["parquet alone"] = _speeds({"parquet": _read(settings, PARQUET, settings.metrics_topic)}, expected)

        together = load_settings(suffix="_both", snapshots_topic=settings.snapshots_topic)
        jobs.stop_with_savepoint(settings, PARQUET)
        kafka_admin.create_topics(together, kafka_admin.pipeline_topics(together))
        jobs.submit(together, *JOBS)
        close_client()
        counts = {
            "enrichment": _read(together, ENRICHMENT, together.snapshots_topic),
            "parquet": _read(together, PARQUET, together.metrics_topic),
        }
        results["both at once"] = _speeds(counts, expected)
        for job in JOBS:
            jobs.finish(together, job)
        account = ledger.measure(together)
        results["ledger"] = str(account)
    print(json.dumps(results, indent=2))
    keep_results("both_jobs.json", {"snapshots": snapshots, **results})
    raise typer.Exit(0 if account.balances else 1)


def _read(settings: Settings, job: str, topic: str) -> Callable[[], int]:
    """A function that says how many records the job has read."""
    rest = FlinkRest(settings.flink_url)
    running = rest.running(settings.job_name(job))
    assert running is not None
    return lambda: sum(rest.read_offsets(running.id, topic).values())


def _speeds(counts: dict[str, Callable[[], int]], expected: int) -> dict[str, dict[str, float]]:
    """Of each: records/s between 20 % and 90 %, and seconds until all are read (Flink's figures are a second old)."""
    begin = time.monotonic()
    seen: dict[str, list[Moment]] = {name: [(0.0, 0)] for name in counts}
    while any(moments[-1][1] < expected for moments in seen.values()):
        for name, moments in seen.items():
            there = counts[name]()  # before the clock, as in `timed`
            moments.append((time.monotonic() - begin, there))
            print(f"  {name} {moments[-1][0]:.0f} s {there:,}", flush=True)
        time.sleep(_EVERY_S)
    return {
        name: {
            "per_s": round(steady(moments)),
            "all_after_s": round(next(at for at, there in moments if there >= expected), 1),
        }
        for name, moments in seen.items()
    }


if __name__ == "__main__":
    app()
