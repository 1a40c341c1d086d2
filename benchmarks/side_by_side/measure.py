"""A program at work, looked at five times a second: how much its topic has grown, its memory, its CPU seconds.

    Sample(at_s=31.2, records=120_000, resident=412_000_000, cpu_s=44.1)

Records are counted by the ends of the output topic's partitions, with what no transaction has committed yet
(read_uncommitted). Each committed transaction adds one marker to each partition that it wrote to: a few in a thousand
seconds' worth of records, counted with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from labkit.kafka.topic_ends import Ends

POLL_S = 0.2
#: How often it is asked whether it is still at work: Flink's answer costs it something.
TROUBLE_S = 2.0
#: Steady is between these parts of the records: start-up is over, and there is still enough to read.
STEADY = (0.2, 0.9)
FIRST_WITHIN_S = 180
STANDS_STILL_S = 90
QUIET_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`at_s` since the start of the command; memory in bytes over all its processes; CPU seconds of them so far."""

    at_s: float
    records: int
    resident: int
    cpu_s: float


class Stuck(Exception):
    """The program writes nothing any more, or has ended."""


class Processes:
    """Some processes with all that they start. CPU seconds of those that have ended are kept."""

    def __init__(self, roots: Callable[[], Iterable[psutil.Process]]) -> None:
        self._roots = roots
        self._cpu_s: dict[tuple[int, float], float] = {}
        self._before: dict[tuple[int, float], float] = {}

    def begin(self) -> None:
        """CPU seconds count from here on."""
        self.look()
        self._before = dict(self._cpu_s)

    def look(self) -> tuple[int, float]:
        """(bytes of resident memory, CPU seconds since `begin`); shared pages count in each process."""
        resident = 0
        for root in self._roots():
            with suppress(psutil.Error):
                for process in (root, *root.children(recursive=True)):
                    with suppress(psutil.Error), process.oneshot():
                        times = process.cpu_times()
                        self._cpu_s[process.pid, process.create_time()] = times.user + times.system
                        resident += process.memory_info().rss
        return resident, sum(self._cpu_s.values()) - sum(self._before.values())


def watch(ends: Ends, processes: Processes, begin: float, records: int, trouble: Callable[[], str]) -> list[Sample]:
    """Samples until all `records` are there and nothing more comes. Raises `Stuck`."""
    samples: list[Sample] = []
    grown_at = asked_at = begin
    while True:
        now = time.monotonic()
        total = ends.total()
        if not samples or total > samples[-1].records:
            grown_at = now
        samples.append(Sample(now - begin, total, *processes.look()))
        if total >= records and now - grown_at >= QUIET_S:
            return samples
        if now - asked_at >= TROUBLE_S:
            asked_at = now
            if reason := trouble():
                raise Stuck(reason)
        if now - grown_at > (STANDS_STILL_S if total else FIRST_WITHIN_S):
            raise Stuck(f"it has written {total} of {records} records, and nothing more for {now - grown_at:.0f} s")
        time.sleep(max(0.0, POLL_S - (time.monotonic() - now)))


def wait_until_still(ends: Ends, records: int, still_s: float, trouble: Callable[[], str]) -> str:
    """Until `records` are there, or nothing has come for `still_s`; returns what the trouble was, or ""."""
    begin = grown_at = time.monotonic()
    before = 0
    while True:
        now, total = time.monotonic(), ends.total()
        if total > before:
            before, grown_at = total, now
        if reason := trouble():
            return reason
        if (total >= records or now - begin > FIRST_WITHIN_S or total) and now - grown_at >= still_s:
            return ""
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is made of the samples of one run."""

    start_up_s: float
    steady_per_s: float
    steady_s: float
    peak_mib: float
    cpu_ms_a_snapshot: float
    cores: float


def figures(samples: Sequence[Sample], records: int) -> Figures:
    """Samples of a whole run -> its figures; rate and CPU between 20 % and 90 % of the records."""
    first = next(sample.at_s for sample in samples if sample.records)
    low, high = (_when(samples, part * records) for part in STEADY)
    wanted = (STEADY[1] - STEADY[0]) * records
    return Figures(
        start_up_s=first,
        steady_per_s=wanted / (high.at_s - low.at_s),
        steady_s=high.at_s - low.at_s,
        peak_mib=max(sample.resident for sample in samples) / 2**20,
        cpu_ms_a_snapshot=(high.cpu_s - low.cpu_s) / wanted * 1000,
        cores=(high.cpu_s - low.cpu_s) / (high.at_s - low.at_s),
    )


def _when(samples: Sequence[Sample], records: float) -> Sample:
    """The moment at which so many records were there, on the straight line between the samples around it."""
    after = next(place for place, sample in enumerate(samples) if sample.records >= records)
    if after == 0:
        return samples[0]
    one, two = samples[after - 1], samples[after]
    part = (records - one.records) / (two.records - one.records)
    at_s = one.at_s + part * (two.at_s - one.at_s)
    return Sample(at_s, round(records), two.resident, one.cpu_s + part * (two.cpu_s - one.cpu_s))
