"""How many snapshots a second the enrichment takes, from a topic that is full to the last metrics, exactly once.

    python -m benchmarks.enrichment --snapshots 600000
    python -m benchmarks.enrichment --snapshots 300000 --way record-at-a-time

The job is the lab's own, which is vectorized; or the same with `compare` for each record of a batch, as for a stream
that has no rules on columns (--way compare-per-record); or that of lesson 05, which takes a record at a time. A lab of
its own is started, with a checkpoint every 10 s and 512 MiB of heap for the job. The topic is filled, then the job is
submitted; steady snapshots/s are those between 20 % and 90 % of the records, by the end offsets of procstat_metrics
(uncommitted). CPU seconds are those of each process in that time. With --keep the lab stays up, for `labkit ledger`
to count in it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pyarrow as pa
import pyruhvro
from confluent_kafka import Producer

from benchmarks.lab import own_lab
from benchmarks.ways import VECTORIZED, WAYS
from labkit.flink.gateway import close_client
from labkit.kafka.avro import HEADER_BYTES, read_schema
from labkit.kafka.topic_ends import Ends
from labkit.lab.supervisor import control
from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.streams.procstat.snapshot import CPU_COLUMNS
from labkit.streams.procstat.stream import PROCSTAT

START_MS = 1_795_165_200_000


def steps(hosts: int, cpus: int, snapshots: int, schema: str) -> Iterator[list[bytes]]:
    """Avro bodies of every host, one second after the other; 100 ticks a CPU and second, spread at random."""
    rng = np.random.default_rng(7)
    counters = rng.integers(10**5, 10**7, (hosts, cpus, len(CPU_COLUMNS)))
    names = [f"host-{number:04}" for number in range(hosts)]
    ids = pa.array(["cpu", *(f"cpu{number}" for number in range(cpus))] * hosts)
    begins = pa.array(np.arange(hosts + 1, dtype=np.int32) * (cpus + 1))
    counts = pa.ListArray.from_arrays(
        pa.array(np.arange(hosts + 1, dtype=np.int32) * 11), pa.array(rng.integers(0, 10**8, hosts * 11))
    )
    for step in range(snapshots // hosts):
        busy = rng.multinomial(rng.integers(5, 60), [0.5, 0.05, 0.3, 0, 0.08, 0.01, 0.04, 0.02], (hosts, cpus))
        busy[:, :, 3] = 100 - busy.sum(axis=2)
        counters[:, :, :8] += busy
        lines = np.concatenate((counters.sum(axis=1, keepdims=True), counters), axis=1).reshape(-1, len(CPU_COLUMNS))
        cpu = pa.StructArray.from_arrays([ids, *map(pa.array, lines.T)], ["id", *CPU_COLUMNS])
        one = {name: pa.array(np.full(hosts, 1000 + step)) for name in ("ctxt", "processes")}
        small = pa.array(np.full(hosts, 2))
        batch = pa.record_batch(
            [pa.array(names), pa.array(np.full(hosts, START_MS + 1000 * step)), pa.ListArray.from_arrays(begins, cpu),
             counts, counts, one["ctxt"], pa.array(np.full(hosts, 1_763_000_000)), one["processes"], small, small],
            ["hostname", "timestamp", "cpus", "intr", "softirq", "ctxt", "btime", "processes", "procs_running",
             "procs_blocked"],
        )  # fmt: skip
        (written,) = pyruhvro.serialize_record_batch(batch, schema, 1)
        yield written.to_pylist()


def fill(settings: Settings, schema_id: int, hosts: int, cpus: int, snapshots: int) -> None:
    """Send `snapshots` to the topic, as fast as Kafka takes them."""
    schema = read_schema(settings.schema_dir, PROCSTAT)
    header = bytes([0]) + schema_id.to_bytes(HEADER_BYTES - 1, "big")
    producer = Producer(
        {"bootstrap.servers": settings.kafka_bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000,
         "batch.size": 1_000_000}
    )  # fmt: skip
    keys = [f"host-{number:04}" for number in range(hosts)]
    for step, bodies in enumerate(steps(hosts, cpus, snapshots, json.dumps(schema))):
        for key, body in zip(keys, bodies, strict=True):
            producer.produce(settings.snapshots_topic, header + body, key, timestamp=START_MS + 1000 * step)
        producer.poll(0)
    producer.flush()


def cpu_seconds(settings: Settings) -> dict[str, float]:
    """CPU seconds so far of each service, its workers apart."""
    spent: dict[str, float] = {}
    for service, found in control.processes(settings).items():
        for process in found:
            if process.pid is None:
                continue
            times = psutil.Process(process.pid)
            for one in [times, *times.children(recursive=True)]:
                is_python = "python" in one.name() and service == "taskmanager"
                used = one.cpu_times()
                name = "workers" if is_python else service
                spent[name] = spent.get(name, 0.0) + used.user + used.system
    return spent


def measure(settings: Settings, expected: int, way: str = VECTORIZED) -> dict[str, float]:
    """Submit the job, and look at what comes out until it has read everything."""
    began = time.monotonic()
    WAYS[way](settings)
    close_client()
    out = Ends(settings.kafka_bootstrap, settings.metrics_topic)
    seen: list[tuple[float, int, dict[str, float]]] = []
    while not seen or seen[-1][1] < expected:
        count = out.total()
        if count and (not seen or count > seen[-1][1]):
            seen.append((time.monotonic() - began, count, cpu_seconds(settings)))
            print(f"  {seen[-1][0]:6.1f} s  {count:>9,}", flush=True)
        time.sleep(0.5)
    steady = [one for one in seen if 0.2 * expected <= one[1] <= 0.9 * expected]
    first, last = steady[0], steady[-1]
    records, seconds = last[1] - first[1], last[0] - first[0]
    spent = {name: (last[2][name] - first[2].get(name, 0.0)) / records * 1e6 for name in last[2]}
    return {
        "snapshots_per_s": round(records / seconds),
        "start_s": round(seen[0][0], 1),
        "cpu_us": round(sum(spent.values()), 1),
        **{f"cpu_us_{name}": round(us, 1) for name, us in spent.items()},
    }


def main() -> None:
    """One lab, one job, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, default=600_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--cpus", type=int, default=8)
    parser.add_argument("--way", choices=WAYS, default=VECTORIZED)
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    chosen = parser.parse_args()
    with own_lab(keep=chosen.keep) as settings:
        _, schema_id = prepare(settings)
        begin = time.monotonic()
        fill(settings, schema_id, chosen.hosts, chosen.cpus, chosen.snapshots)
        print(f"{chosen.snapshots:,} snapshots sent in {time.monotonic() - begin:.1f} s", flush=True)
        found = measure(settings, chosen.snapshots // chosen.hosts * chosen.hosts - chosen.hosts, chosen.way)
        print(json.dumps({"way": chosen.way, **found}), flush=True)


if __name__ == "__main__":
    main()
