"""What a snapshot costs as hosts and CPUs grow, and whether two thousand hosts at 1 Hz are kept up with.

    python -m benchmarks.scale cost          a warm-up, 1 to 100,000 hosts of 8 CPUs, 200 of 2 to 128
    python -m benchmarks.scale fleet         2,000 hosts, 10 minutes, both jobs; the enrichment rests for a minute

`cost` fills a topic for each, as benchmarks/enrichment.py does, and adds the first checkpoint that was begun after the
last snapshot: its size, and how long it took. The warm-up is there for the JVM's compiler, and counts for nothing.
`fleet` sends with `labkit produce --fleet`, prints the lag every five seconds, and the ledger in the end. The results
are in output/bench/scale_cost.json and scale_fleet.json. The lab is one of its own, and is put away in the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import typer

from benchmarks.enrichment import fill, measure
from benchmarks.lab import keep_results, own_lab
from labkit.flink.rest import FlinkRest
from labkit.jobs.reset import delete_topics
from labkit.jobs.stop import drain_and_stop, stop_with_savepoint
from labkit.jobs.submit import submit
from labkit.kafka.offsets import committed_offsets, furthest, unread
from labkit.kafka.topic_ends import Ends
from labkit.ledger import ledger
from labkit.pipeline.run import prepare
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.names import ENRICHMENT, JOBS, PARQUET
from labkit.workshop.waiting import wait_until

HOSTS, CPUS = (1, 20, 200, 2000, 20_000, 100_000), (2, 8, 32, 128)
#: CPU lines of each run, so that all last about as long.
LINES = 5_400_000
_WARM_UP = (20, 8)
_EVERY_S = 5.0
_UNTIL_READ_S = 600.0
_COUNTED_BELOW = 5_000

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def cost(lines: int = LINES) -> None:
    """Cost a snapshot, by hosts and by CPUs."""
    results = []
    with own_lab():
        shapes = [*((hosts, 8) for hosts in HOSTS), *((200, cpus) for cpus in CPUS if cpus != 8)]
        for number, (hosts, cpus) in enumerate([_WARM_UP, *shapes]):
            settings = load_settings(suffix=f"_{number}")
            _, schema_id = prepare(settings)
            snapshots = max(lines // (cpus + 1) // hosts, 10) * hosts
            fill(settings, schema_id, hosts, cpus, snapshots)
            found = measure(settings, snapshots - hosts) | _next_checkpoint(settings)
            stop_with_savepoint(settings, ENRICHMENT)
            results.append({"hosts": hosts, "cpus": cpus, "snapshots": snapshots, **found})
            print(json.dumps(results[-1]), flush=True)
            delete_topics(settings, [settings.snapshots_topic, settings.metrics_topic])
    keep_results("scale_cost.json", results[1:])


@app.command()
def fleet(hosts: int = 2000, cpus: int = 8, minutes: float = 10, rest_s: float = 60) -> None:
    """A fleet at 1 Hz, and a rest of the enrichment in the middle of it."""
    with own_lab() as settings:
        prepare(settings)
        submit(settings, *JOBS)
        words = ["produce", "--fleet", str(hosts), "--cpus", str(cpus), "--seconds", str(minutes * 60), "--speed", "1"]
        producer = subprocess.Popen([sys.executable, "-m", "labkit.cli", *words], cwd=REPOSITORY, env=dict(os.environ))
        begin = time.monotonic()
        rests_from, rests_until = begin + minutes * 30, begin + minutes * 30 + rest_s
        is_resting, seen = False, []
        ends = {
            topic: Ends(settings.kafka_bootstrap, topic) for topic in (settings.snapshots_topic, settings.metrics_topic)
        }
        for now in _every(_EVERY_S):
            if not is_resting and rests_from <= now < rests_until:
                stop_with_savepoint(settings, ENRICHMENT)
                is_resting = True
            elif is_resting and now >= rests_until:
                submit(settings, ENRICHMENT)
                is_resting = False
            seen.append(_sample(settings, ends, now - begin, is_resting=is_resting))
            print(json.dumps(seen[-1]), flush=True)
            lag = seen[-1]["snapshots_unread"] + seen[-1]["metrics_unread"]
            if producer.poll() is not None and (not lag or now > begin + minutes * 60 + _UNTIL_READ_S):
                break
        for job in JOBS:
            drain_and_stop(settings, job)
        account = ledger.measure(settings)
        print(account)
        keep_results("scale_fleet.json", {"hosts": hosts, "cpus": cpus, "minutes": minutes, "rest_s": rest_s,
                                   "ledger": str(account), "balances": account.balances, "samples": seen})  # fmt: skip
    raise typer.Exit(0 if account.balances else 1)


def _every(seconds: float) -> Iterator[float]:
    """The time (monotonic), again and again."""
    while True:
        yield time.monotonic()
        time.sleep(seconds)  # the distance of the samples


def _sample(settings: Settings, ends: dict[str, Ends], at_s: float, *, is_resting: bool) -> dict[str, Any]:
    rest = FlinkRest(settings.flink_url)
    left = {}
    for job, topic in ((ENRICHMENT, settings.snapshots_topic), (PARQUET, settings.metrics_topic)):
        name = settings.job_name(job)
        running = rest.running(name)
        read = rest.read_offsets(running.id, topic) if running else {}
        committed = committed_offsets(settings.kafka_bootstrap, topic, name)
        start = furthest(committed, read)
        left[job] = ends[topic].total() - sum(start.values())
        if left[job] < _COUNTED_BELOW:  # the ends count the markers of transactions, too
            left[job] = unread(settings.kafka_bootstrap, topic, start)
    return {"at_s": round(at_s, 1), "resting": is_resting, "snapshots_unread": left[ENRICHMENT],
            "metrics_unread": left[PARQUET], **(_checkpoint(settings) or {})}  # fmt: skip


def _checkpoint(settings: Settings, since_ms: float = 0) -> dict[str, int] | None:
    """The enrichment's newest one: its size in bytes, and the milliseconds it took. None where none began since."""
    rest = FlinkRest(settings.flink_url)
    running = rest.running(settings.job_name(ENRICHMENT))
    newest = rest.checkpoints(running.id)["latest"]["completed"] if running else None
    if newest is None or newest["trigger_timestamp"] < since_ms:
        return None
    return {"checkpoint_bytes": newest["state_size"], "checkpoint_ms": newest["end_to_end_duration"]}


def _next_checkpoint(settings: Settings) -> dict[str, int]:
    """The first that begins from now on."""
    now_ms = time.time() * 1000
    return wait_until(lambda: _checkpoint(settings, now_ms), "A checkpoint is complete") or {}


if __name__ == "__main__":
    app()
