"""What a snapshot is, seen beside the last good one of its host: the words and rules that every stream shares.

before 13:00:00   now 13:00:01   GOOD, one interval
before 13:00:01   now 13:00:00   REJECTED, and 13:00:01 is kept
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["FORGET_AFTER_MS", "LAST_TIMESTAMP", "MAX_HOSTNAME", "Comparison", "Verdict", "by_time", "in_time"]

#: A host that was silent for longer than 30 days is a new one, so that nobody has to remember it for ever.
FORGET_AFTER_MS = 30 * 86_400_000

#: The last ms of the year 9999: no date of four digits is later, and Kafka takes no time before 1970.
LAST_TIMESTAMP = 253_402_300_799_999
MAX_HOSTNAME = 255

S = TypeVar("S")
R = TypeVar("R")


class Verdict(Enum):
    """What a snapshot is, seen beside the last good one of its host."""

    FIRST = "first of host"
    REBOOT = "reboot"
    REJECTED = "rejected"
    GOOD = "good"


class Comparison(NamedTuple, Generic[S, R]):
    """`next_state` is what the next snapshot is compared with; `result` is None unless `verdict` is GOOD."""

    verdict: Verdict
    next_state: S
    result: R | None


def in_time(before_ms: int | None, now_ms: int) -> Verdict:
    """By their times (ms since the epoch) alone: FIRST, REJECTED or GOOD.

    - No snapshot before, or more than `FORGET_AFTER_MS` ago: FIRST, nothing is emitted.
    - Not newer than the last good one: REJECTED, and the last good one is kept.
    - Otherwise GOOD: one interval.
    """
    if before_ms is None or now_ms - before_ms > FORGET_AFTER_MS:
        return Verdict.FIRST
    return Verdict.REJECTED if now_ms <= before_ms else Verdict.GOOD


def by_time(before_ms: int | None, now: Any, result: Callable[[Any, int], R]) -> Comparison[int, R]:
    """The `compare` of a stream whose readings stand for themselves: a gauge, not a counter.

    The state of a host is the time of its last good reading. `result(now, time_delta_ms)` makes what is emitted.
    """
    verdict = in_time(before_ms, now.timestamp)
    if before_ms is None or verdict is Verdict.FIRST:
        return Comparison(Verdict.FIRST, now.timestamp, None)
    if verdict is Verdict.REJECTED:
        return Comparison(verdict, before_ms, None)
    return Comparison(verdict, now.timestamp, result(now, now.timestamp - before_ms))
