"""The same fleet as `labkit.sources.simulator`, worked out for all hosts at once, with Avro instead of objects.

    EncodedFleet(200, 8, 7, Scenario(), interval_s=1.0, start_ms=…, schema=…)  ->  Encoded("host-000", …, b"…")

What `Host` and `Cpu` do one after the other is done here on arrays, with the same whole numbers in the same order; a
property test holds the two equal, byte for byte. Where a scenario's event begins or ends on a host, that host takes the
step itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyruhvro

from labkit.kafka.avro import Encoded, Schema
from labkit.sources.arrivals import Arrivals
from labkit.sources.simulator import (
    FORKS,
    GUEST,
    IDLE,
    INTERRUPTS,
    MS_PER_TICK,
    PLACES,
    SOFTIRQS,
    SWITCHES,
    WHOLE,
    FleetSource,
    Host,
)
from labkit.streams.procstat.snapshot import CPU_COLUMNS

__all__ = ["EncodedFleet"]

Numbers = npt.NDArray[np.int64]


class EncodedFleet(FleetSource):
    """The snapshots of a `FleetSource` of the same arguments, written with `schema`."""

    def __init__(self, *arguments: Any, schema: Schema, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._schema = json.dumps(schema)

    def __iter__(self) -> Iterator[Encoded]:  # type: ignore[override]
        columns = _Columns(self.fleet())
        arrivals = Arrivals[Encoded](self._scenario.held_back)
        for elapsed_ms in self._clock.moments():
            rows, batch = columns.at(elapsed_ms)
            for encoded in arrivals.at(elapsed_ms, zip(rows, self._encoded(batch), strict=True)):
                if self._stop.is_set():
                    return
                yield encoded

    def _encoded(self, batch: pa.RecordBatch) -> Iterator[Encoded]:
        if not batch.num_rows:
            return
        (bodies,) = pyruhvro.serialize_record_batch(batch, self._schema, 1)
        names, times, lines = (batch.column(name) for name in ("hostname", "timestamp", "cpus"))
        counts = np.diff(lines.offsets.to_numpy()).tolist()
        for name, timestamp, count, body in zip(
            names.to_pylist(), times.to_pylist(), counts, bodies.to_pylist(), strict=True
        ):
            yield Encoded(name, timestamp, range(count), body)


class _Columns:
    """n hosts with c CPUs: their counters as arrays. Each row is that of a host."""

    def __init__(self, hosts: list[Host]) -> None:
        self._hosts = hosts
        shape = len(hosts), len(hosts[0].cpus)
        self._counters = np.zeros((len(CPU_COLUMNS), *shape), np.int64)
        self._parts, self._asked, self._background = (np.zeros((len(PLACES), *shape), np.int64) for _ in range(3))
        self._guest_parts, self._guest = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._online = np.ones(shape, bool)
        self._interrupts = np.zeros((shape[0], len(INTERRUPTS)), np.int64)
        self._softirqs = np.zeros((shape[0], len(SOFTIRQS)), np.int64)
        #: now, btime, switches, forks, running, blocked
        self._now, self._btime, self._switches, self._forks, self._running, self._blocked = np.zeros(
            (6, shape[0]), np.int64
        )
        self._start_ms = np.array([host.start_ms for host in hosts], np.int64)
        self._names = pa.array([host.name for host in hosts], pa.string())
        self._ids = ["cpu", *(cpu.id for cpu in hosts[0].cpus)]
        self._all_ids = pa.array(self._ids * len(hosts), pa.string())
        for row in range(len(hosts)):
            self._take(row)

    def at(self, elapsed_ms: int) -> tuple[list[int], pa.RecordBatch]:
        """Work on until then; returns the rows of the hosts that are heard, and their snapshots."""
        to = elapsed_ms // MS_PER_TICK
        rows = [row for row, host in enumerate(self._hosts) if host.is_heard(elapsed_ms)]
        for row in rows:
            host = self._hosts[row]
            if host.cuts and host.cuts[0] <= to:
                self._give(row)
                host.advance(to)
                self._take(row)
        self._run([row for row in rows if self._now[row] < to], to)
        return rows, self._batch(rows, elapsed_ms)

    def _take(self, row: int) -> None:
        """From the objects of a host."""
        host = self._hosts[row]
        for place, cpu in enumerate(host.cpus):
            self._counters[:, row, place] = cpu.counters
            self._parts[:, row, place] = cpu.parts
            if cpu.rates:
                _, self._asked[:, row, place], self._background[:, row, place] = zip(*cpu.rates, strict=True)
            self._guest_parts[row, place], self._guest[row, place] = cpu.guest_part, cpu.load.get("guest", -1)
            self._online[row, place] = cpu.online
        self._interrupts[row], self._softirqs[row] = host.interrupts, host.softirqs
        self._now[row], self._btime[row] = host.now, host.btime
        self._switches[row], self._forks[row] = host.switches, host.forks
        self._running[row], self._blocked[row] = host.running, host.blocked

    def _give(self, row: int) -> None:
        """To the objects of a host, what has changed since they had it last."""
        host = self._hosts[row]
        for place, cpu in enumerate(host.cpus):
            cpu.counters = self._counters[:, row, place].tolist()
            cpu.parts = self._parts[:, row, place].tolist()
            cpu.guest_part = int(self._guest_parts[row, place])
        host.interrupts, host.softirqs = self._interrupts[row].tolist(), self._softirqs[row].tolist()
        host.now, host.switches, host.forks = int(self._now[row]), int(self._switches[row]), int(self._forks[row])

    def _run(self, rows: Sequence[int], to: int) -> None:
        """`Host` runs its CPUs: `Cpu.run` for each, and what happens meanwhile."""
        if not rows:
            return
        pick: Any = slice(None) if len(rows) == len(self._hosts) else np.array(rows)
        cpus = self._online.shape[1]
        draws = (self._hosts[row].random for row in rows)
        drawn = np.fromiter((draw() for draw in draws for _ in range(cpus + 1)), np.float64, len(rows) * (cpus + 1))
        drawn = drawn.reshape(len(rows), cpus + 1)
        ticks = (to - self._now[pick])[:, None] * self._online[pick]
        self._now[pick] = to
        self._spend(pick, ticks, (drawn[:, :cpus] * 2**53).astype(np.int64))
        weight = ticks.sum(axis=1) * (512 + (drawn[:, cpus] * 1024).astype(np.int64))
        self._interrupts[pick] += weight[:, None] * np.array(INTERRUPTS) >> 20
        self._softirqs[pick] += weight[:, None] * np.array(SOFTIRQS) >> 20
        self._switches[pick] += weight * SWITCHES >> 20
        self._forks[pick] += weight * FORKS >> 10

    def _spend(self, pick: Any, ticks: Numbers, noise: Numbers) -> None:
        free, user_before = ticks.copy(), self._counters[0, pick].copy()
        for column, place in enumerate(PLACES):
            wavering = self._background[column, pick] * (noise & 127) >> 6
            noise = noise >> 7
            part = self._parts[column, pick] + ticks * (self._asked[column, pick] + wavering)
            whole = np.minimum(part // WHOLE, free)
            self._counters[place, pick] += whole
            self._parts[column, pick] = part - whole * WHOLE
            free -= whole
        self._counters[IDLE, pick] += free
        asked = self._guest[pick]
        if (asked >= 0).any():
            guest = self._guest_parts[pick] + ticks * np.maximum(asked, 0)
            whole = np.minimum(guest // WHOLE, self._counters[0, pick] - user_before) * (asked >= 0)
            self._counters[GUEST, pick] += whole
            self._guest_parts[pick] = guest - whole * WHOLE

    def _batch(self, rows: Sequence[int], elapsed_ms: int) -> pa.RecordBatch:
        """Of these hosts, as the schema has it."""
        pick: Any = slice(None) if len(rows) == len(self._hosts) else np.array(rows, dtype=np.int64)
        counters = self._counters[:, pick]
        lines = np.concatenate((counters.sum(axis=2, keepdims=True), counters), axis=2).reshape(len(CPU_COLUMNS), -1)
        there = np.concatenate((np.ones((len(rows), 1), bool), self._online[pick]), axis=1)
        ids = self._all_ids[: there.size]
        if not there.all():
            lines, ids = lines[:, there.ravel()], ids.filter(pa.array(there.ravel()))
        cpu = pa.StructArray.from_arrays([ids, *map(pa.array, lines)], ["id", *CPU_COLUMNS])
        fields = {
            "hostname": self._names if len(rows) == len(self._hosts) else self._names.take(pa.array(rows, pa.int64())),
            "timestamp": pa.array(self._start_ms[pick] + elapsed_ms),
            "cpus": pa.ListArray.from_arrays(_begins(there.sum(axis=1)), cpu),
            "intr": _with_sum(self._interrupts[pick]),
            "softirq": _with_sum(self._softirqs[pick]),
            "ctxt": pa.array(self._switches[pick]),
            "btime": pa.array(self._btime[pick]),
            "processes": pa.array(self._forks[pick] >> 10),
            "procs_running": pa.array(self._running[pick]),
            "procs_blocked": pa.array(self._blocked[pick]),
        }
        return pa.record_batch(list(fields.values()), list(fields))


def _with_sum(numbers: Numbers) -> pa.ListArray:
    """Each row, after the sum of it."""
    whole = np.concatenate((numbers.sum(axis=1, keepdims=True), numbers), axis=1)
    return pa.ListArray.from_arrays(_begins(np.full(len(whole), whole.shape[1])), pa.array(whole.ravel()))


def _begins(lengths: Numbers) -> pa.Array:
    return pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
