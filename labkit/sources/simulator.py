"""A fleet that does not exist: /proc/stat of many hosts, worked out from a seed and a scenario.

    FleetSource(2, 2, 7, Scenario(), interval_s=1.0, seconds=1, start_ms=1795165200000)
    ->  t=0 s  host-000  cpu  2614 …  cpu0 1301 …  cpu1 1313 …
        t=0 s  host-001  …
        t=1 s  host-000  …, each CPU 100 ticks later

The same arguments give the very same snapshots, on every machine and every Python: whole numbers, and of `random` only
what its documentation promises to keep. The counters follow the kernel's rules:

- A CPU's first eight columns grow by its ticks and by nothing else: 100 a second, idle being what the others leave. So
  they sum to the time since btime. A part of a tick is carried on. guest is inside user.
- At a reboot btime moves and every counter starts over at 0.
- A CPU that is offline has no line, and its counters rest. When it is back, idle and iowait start over at 0 and the
  others go on: Linux 3.10 (commit 4b0c0f294f60) to 6.7, where both are kept in a structure that is cleared when the CPU
  goes. Linux 6.8 (commit 71fee48fb772) keeps them.
- The line `cpu` is the sum over all CPUs, offline ones included (show_stat in the kernel's fs/proc/stat.c). So it does
  not step back when a CPU goes, but its idle and iowait do when that CPU is back.
"""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import astuple

from labkit.sources.arrivals import Arrivals
from labkit.sources.clock import Clock, host_name
from labkit.sources.recording import Reading
from labkit.sources.scenario import Background, Load, Offline, Scenario
from labkit.streams.procstat.snapshot import CPU_COLUMNS, CpuTimes, Snapshot

__all__ = ["Cpu", "FleetSource", "Host", "as_readings", "as_text", "host_name"]

_TICKS_PER_S = 100
MS_PER_TICK = 1000 // _TICKS_PER_S
#: Shares are whole millionths; so are the parts of a tick that are carried on.
WHOLE = 1_000_000
#: What a CPU's time may go to besides idle, in the order of `Background`, and where its counter is.
_SPENT = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")
PLACES = tuple(CPU_COLUMNS.index(name) for name in _SPENT)
IDLE, _IOWAIT, GUEST = (CPU_COLUMNS.index(name) for name in ("idle", "iowait", "guest"))
_SHORTEST_UPTIME_S, _MORE_UPTIME_S = 3_600, 30 * 86_400
#: How often each happens on a CPU, in 1/1024 a tick: three interrupts, the ten softirqs in the kernel's order
#: (HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER, RCU), context switches, forks.
INTERRUPTS, SOFTIRQS, SWITCHES, FORKS = (1024, 40, 300), (0, 600, 4, 90, 30, 0, 8, 500, 0, 400), 2048, 6


def as_text(snapshot: Snapshot) -> str:
    """The text of /proc/stat that `parse_stat` reads as `snapshot`; lines stand in the kernel's order."""
    lines = [f"{'cpu ' if cpu.id == 'cpu' else cpu.id} {' '.join(map(str, cpu[1:]))}" for cpu in snapshot.cpus]
    if snapshot.intr:
        lines.append(f"intr {' '.join(map(str, snapshot.intr))}")
    for name in ("ctxt", "btime", "processes", "procs_running", "procs_blocked"):
        lines.append(f"{name} {getattr(snapshot, name)}")
    if snapshot.softirq:
        lines.append(f"softirq {' '.join(map(str, snapshot.softirq))}")
    return "\n".join(lines) + "\n"


def as_readings(snapshots: Iterable[Snapshot]) -> Iterator[Reading]:
    """Snapshots as `write_recording` takes them."""
    for snapshot in snapshots:
        yield Reading(snapshot.timestamp, snapshot.hostname, as_text(snapshot))


class FleetSource:
    """The snapshots of `hosts` hosts with `cpus` CPUs each, every `interval_s` seconds, by time and then by host.

    What the scenario holds back comes when that ends, before what is made then.

    The first are of `start_ms` (ms since the epoch), the last of `seconds` later (None: it goes on). They come `speed`
    times as fast as real ones (None: without waiting) and end early when `stop` is set. What is late is not left out.
    """

    def __init__(
        self,
        hosts: int,
        cpus: int,
        seed: int,
        scenario: Scenario,
        *,
        interval_s: float,
        start_ms: int,
        seconds: float | None = None,
        speed: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._hosts, self._cpus, self._seed, self._scenario = hosts, cpus, seed, scenario
        self._start_ms = start_ms
        self._stop = stop or threading.Event()
        self._clock = Clock(interval_s, seconds, speed, self._stop)

    def __iter__(self) -> Iterator[Snapshot]:
        fleet = self.fleet()
        arrivals = Arrivals[Snapshot](self._scenario.held_back)
        for elapsed_ms in self._clock.moments():
            heard = ((number, host) for number, host in enumerate(fleet) if host.is_heard(elapsed_ms))
            made = ((number, host.snapshot(elapsed_ms)) for number, host in heard)
            for snapshot in arrivals.at(elapsed_ms, made):
                if self._stop.is_set():
                    return
                yield snapshot

    def fleet(self) -> list[Host]:
        """The hosts, before anything has happened."""
        return [
            Host(number, host_name(number, self._hosts), self._cpus, self._seed, self._scenario, self._start_ms)
            for number in range(self._hosts)
        ]


class Cpu:
    """The counters of one CPU. Times are ticks since the start of the simulation."""

    def __init__(self, name: str, background: list[int], loads: list[Load], away: list[tuple[float, float]]) -> None:
        self.id = name
        self.counters = [0] * len(CPU_COLUMNS)
        self.online = True
        #: What the scenario asks of it now: {"user": millionths of its time}.
        self.load: dict[str, int] = {}
        self.background, self._loads, self._away = background, loads, away
        self.parts = [0] * len(_SPENT)
        self.guest_part = 0
        self.rates: list[tuple[int, int, int]] = []

    def begin(self, ticks: int) -> None:
        """Have done nothing but its background for `ticks`."""
        self.counters = [0] * len(CPU_COLUMNS)
        for place, share in zip(PLACES, self.background, strict=True):
            self.counters[place] = ticks * share // WHOLE
        self.counters[IDLE] = ticks - sum(self.counters)

    def turn(self, now: int) -> None:
        """Take up what is asked of it from `now` on."""
        online = not any(begin <= now < end for begin, end in self._away)
        if online and not self.online:
            self.counters[IDLE] = self.counters[_IOWAIT] = 0
        self.online = online
        self.load = {}
        free = WHOLE
        for load in self._loads:
            if _tick(load.from_s) <= now < _tick(load.until_s):
                share = min(round(load.share * WHOLE), free)
                self.load[load.kind] = self.load.get(load.kind, 0) + share
                free -= share
        asked = {**self.load, "user": self.load.get("user", 0) + self.load.get("guest", 0)}
        self.rates = [
            (place, asked.get(name, 0), share * free // WHOLE)
            for name, place, share in zip(_SPENT, PLACES, self.background, strict=True)
        ]

    def run(self, ticks: int, noise: int) -> None:
        """Spend `ticks`; of `noise`, seven bits a column make the background waver between 0 and twice its mean."""
        counters, parts = self.counters, self.parts
        user_before, free = counters[0], ticks
        for column, (place, asked, background) in enumerate(self.rates):
            part = parts[column] + ticks * (asked + (background * (noise & 127) >> 6))
            noise >>= 7
            if part >= WHOLE:
                # Never more than there are: what does not fit waits with the parts.
                whole = min(part // WHOLE, free)
                counters[place] += whole
                part -= whole * WHOLE
                free -= whole
            parts[column] = part
        counters[IDLE] += free
        if "guest" in self.load:
            guest = self.guest_part + ticks * self.load["guest"]
            whole = min(guest // WHOLE, counters[0] - user_before)
            counters[GUEST] += whole
            self.guest_part = guest - whole * WHOLE


class Host:
    """One host: its CPUs and its other counters. Times are ticks since the start, but for `elapsed_ms`."""

    def __init__(self, number: int, name: str, cpus: int, seed: int, scenario: Scenario, start_ms: int) -> None:
        self.name = name
        #: By its own clock.
        self.start_ms = start_ms + sum(
            round(clock.ahead_s * 1000) for clock in scenario.clocks if number in clock.hosts
        )
        self.random = random.Random(f"labkit {seed} {number}").random
        loads = [load for load in scenario.loads if number in load.hosts]
        offline = [event for event in scenario.offline if number in event.hosts]
        reboots = [event for event in scenario.reboots if number in event.hosts]
        self._boots = {round(event.at_s * _TICKS_PER_S) for event in reboots}
        self._silences = [
            *((_tick(event.from_s), _tick(event.until_s)) for event in scenario.silences if number in event.hosts),
            *((_tick(event.at_s), _tick(event.at_s + event.silent_s)) for event in reboots),
        ]
        self.cpus = [
            Cpu(
                f"cpu{cpu}",
                self._own_background(scenario.background),
                [load for load in loads if cpu in load.cpus],
                [(_tick(event.from_s), _tick(event.until_s)) for event in offline if cpu in event.cpus],
            )
            for cpu in range(cpus)
        ]
        # Between two cuts nothing of the scenario begins or ends.
        events: list[Load | Offline] = [*loads, *offline]
        ends = {_tick(end) for event in events for end in (event.from_s, event.until_s)} - {math.inf}
        self.cuts = deque(sorted({0, *self._boots, *map(int, ends)}))
        self.now = 0
        uptime_s = _SHORTEST_UPTIME_S + int(self.random() * _MORE_UPTIME_S)
        self._begin(self.start_ms // 1000 - uptime_s, uptime_s * _TICKS_PER_S)

    def is_heard(self, elapsed_ms: int) -> bool:
        """Whether it sends anything then."""
        now = elapsed_ms // MS_PER_TICK
        return not any(begin <= now < end for begin, end in self._silences)

    def snapshot(self, elapsed_ms: int) -> Snapshot:
        """Work on until `elapsed_ms` after the start, and read /proc/stat then."""
        self.advance(elapsed_ms // MS_PER_TICK)
        total = CpuTimes("cpu", *map(sum, zip(*(cpu.counters for cpu in self.cpus), strict=True)))
        return Snapshot(
            self.name,
            self.start_ms + elapsed_ms,
            (total, *(CpuTimes(cpu.id, *cpu.counters) for cpu in self.cpus if cpu.online)),
            intr=(sum(self.interrupts), *self.interrupts),
            softirq=(sum(self.softirqs), *self.softirqs),
            ctxt=self.switches,
            btime=self.btime,
            processes=self.forks >> 10,
            procs_running=self.running,
            procs_blocked=self.blocked,
        )

    @property
    def running(self) -> int:
        """The reader of /proc/stat, and one for each CPU that is asked to work."""
        return 1 + sum(cpu.online and not cpu.load.keys() <= {"iowait", "steal"} for cpu in self.cpus)

    @property
    def blocked(self) -> int:
        """One for each CPU that is asked to wait."""
        return sum(cpu.online and "iowait" in cpu.load for cpu in self.cpus)

    def _own_background(self, mean: Background) -> list[int]:
        """Millionths of a CPU's time: each CPU differs from the mean by up to a quarter."""
        return [round(share * WHOLE) * (75 + int(self.random() * 51)) // 100 for share in astuple(mean)]

    def _begin(self, btime: int, ticks: int) -> None:
        """Have been up for `ticks`, with nothing but the background."""
        self.btime = btime
        self.interrupts = [0] * len(INTERRUPTS)
        self.softirqs = [0] * len(SOFTIRQS)
        self.switches = self.forks = 0
        for cpu in self.cpus:
            cpu.begin(ticks)
        self._happen(ticks * len(self.cpus))

    def advance(self, to: int) -> None:
        """Work on until tick `to`."""
        while self.cuts and self.cuts[0] <= to:
            cut = self.cuts.popleft()
            self._run(cut)
            if cut in self._boots:
                self._begin((self.start_ms + cut * MS_PER_TICK) // 1000, 0)
            for cpu in self.cpus:
                cpu.turn(cut)
        self._run(to)

    def _run(self, to: int) -> None:
        ticks, self.now = to - self.now, to
        if ticks == 0:
            return
        worked = 0
        for cpu in self.cpus:
            noise = int(self.random() * 2**53)
            if cpu.online:
                cpu.run(ticks, noise)
                worked += ticks
        self._happen(worked)

    def _happen(self, ticks: int) -> None:
        """Interrupts and the like in `ticks` of all CPUs together, half to one and a half times as many as usual."""
        weight = ticks * (512 + int(self.random() * 1024))
        self.interrupts = [old + (weight * rate >> 20) for old, rate in zip(self.interrupts, INTERRUPTS, strict=True)]
        self.softirqs = [old + (weight * rate >> 20) for old, rate in zip(self.softirqs, SOFTIRQS, strict=True)]
        self.switches += weight * SWITCHES >> 20
        self.forks += weight * FORKS >> 10


def _tick(seconds: float) -> float:
    return seconds if seconds == math.inf else round(seconds * _TICKS_PER_S)
