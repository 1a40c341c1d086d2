"""CPU and memory of the same hosts, and the tables over both topics, as lesson 21 builds them.

cpu, memory = readings(settings)                three simulated hosts, two minutes, once a second
cpu, memory = readings(settings, "live")        this machine under three names

tables.execute_sql(source(settings, "cpu", "procs_running BIGINT"))
watermark_of_join(rest, job_id)                 up to which time the job's join has nothing more to say
"""

from __future__ import annotations

import threading
from dataclasses import replace

from labkit.errors import LabkitError
from labkit.flink.rest import FlinkRest
from labkit.settings import Settings
from labkit.sources.clock import Clock
from labkit.sources.live import read_snapshot, ticks
from labkit.sources.scenario import Load, Scenario
from labkit.sources.simulated import SimulatedHosts
from labkit.sources.simulator import FleetSource
from labkit.streams.meminfo import MEMINFO, MemorySnapshot
from labkit.streams.procstat.snapshot import Snapshot
from labkit.streams.procstat.stream import PROCSTAT

__all__ = ["SECONDS", "readings", "source", "watermark_of_join"]

#: So many readings of each host.
SECONDS = 120
_HOSTS, _SEED, _START_MS = 3, 21, 1_795_168_800_000
#: /proc/meminfo is read by another program, a moment after /proc/stat.
_LATER_MS = 200
#: The last host's memory is not read from the start.
_BEGINS_S = 10
#: On one host both CPUs have work for a while.
_SCENARIO = Scenario(loads=(Load((1,), (0, 1), "user", 0.9, 40, 80),))
#: The metric of a planned join: 0.IntervalJoin[54].currentOutputWatermark
_AFTER_JOIN = r"^\d+\.\w*Join\[\d+\]\.currentOutputWatermark$"


def readings(settings: Settings, source: str = "replay") -> tuple[list[Snapshot], list[MemorySnapshot]]:
    """(/proc/stat, /proc/meminfo) of three hosts, once a second, by time; of the third no memory in the first 10 s.

    "replay" is simulated, and the same for everybody; "live" takes two minutes.
    """
    cpu, memory = _live(settings.hostname) if source == "live" else _simulated()
    last, begins_ms = cpu[-1].hostname, cpu[0].timestamp + 1000 * _BEGINS_S - _LATER_MS
    return cpu, [one for one in memory if one.hostname != last or one.timestamp >= begins_ms]


def _simulated() -> tuple[list[Snapshot], list[MemorySnapshot]]:
    clock = Clock(1.0, SECONDS - 1, None, threading.Event())
    cpu = FleetSource(_HOSTS, 2, _SEED, _SCENARIO, interval_s=1.0, start_ms=_START_MS, seconds=SECONDS - 1)
    return list(cpu), list(SimulatedHosts(MEMINFO, _HOSTS, _SEED, _START_MS + _LATER_MS, clock))


def _live(hostname: str) -> tuple[list[Snapshot], list[MemorySnapshot]]:
    names = [f"{hostname}-{number}" for number in range(_HOSTS)]
    cpu, memory = list[Snapshot](), list[MemorySnapshot]()
    for _ in ticks(1.0, threading.Event(), SECONDS - 1):
        stat, meminfo = read_snapshot(hostname, PROCSTAT), read_snapshot(hostname, MEMINFO)
        cpu += [replace(stat, hostname=name) for name in names]
        memory += [replace(meminfo, hostname=name) for name in names]
    return cpu, memory


def source(settings: Settings, name: str, columns: str, more: str = "") -> str:
    """A table `name` over the snapshots topic of the settings' stream; `more` are further options, after a comma.

    `ts` is the snapshot's own time, with a watermark three quarters of a second behind it, that moves at each record.
    """
    return f"""
        CREATE TABLE {name} (hostname STRING, `timestamp` BIGINT, {columns},
            ts AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
            WATERMARK FOR ts AS ts - INTERVAL '0.75' SECOND)
        WITH ('connector' = 'kafka', 'topic' = '{settings.snapshots_topic}',
            'properties.bootstrap.servers' = '{settings.kafka_bootstrap}',
            'scan.startup.mode' = 'earliest-offset', 'scan.watermark.emit.strategy' = 'on-event',
            'format' = 'avro-confluent', 'avro-confluent.url' = '{settings.registry_url}'{more})"""


def watermark_of_join(rest: FlinkRest, job_id: str) -> int | None:
    """The watermark (ms) that the job's join gives on: of rows up to it nothing comes out any more. None before any.

    An interval join holds back by its bound what it has been given. (Flink's metric of what a join is given is the
    lower one of both sides, also where it no longer waits for a side that is idle.) The answer can be a second old.
    Raises `LabkitError` where the job has no join. Source: Flink, Metrics, currentOutputWatermark.
    """
    job = rest.job(job_id)
    joins = [node["id"] for node in job["plan"]["nodes"] if len(node.get("inputs", ())) == 2]
    if not joins:
        raise LabkitError("This job has no operator with two inputs.")
    vertex = next(vertex["name"] for vertex in job["vertices"] if vertex["id"] == joins[0])
    found = rest.metrics(job_id, _AFTER_JOIN)
    values = [int(value) for name, value in found.items() if name.startswith(f"{vertex}: ")]
    return max(min(values, default=0), 0) or None
