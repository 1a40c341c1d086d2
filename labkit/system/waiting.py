"""Waiting for a thing that is on its way, never for a time.

rows = wait_until(lambda: parquet_files(folder), "A Parquet file is there")      the files, or a sentence why not

A deadline is meant for a quiet machine. Where more programs want a CPU than there are, everything takes longer, and so
does a deadline: `patience(10)` is 10 there, and 62.5 with 25 programs on two CPUs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from labkit.errors import LabkitError
from labkit.system import limits

__all__ = ["WITHIN_S", "NotInTime", "patience", "retry", "slowdown", "wait_until"]

WITHIN_S = 60.0
_POLL_S = 0.1
#: The lab itself keeps so many programs busy on a CPU while it starts; deadlines allow for that already.
_USUAL_LOAD = 2.0
#: No deadline is more than so many times as long: Kafka's client takes none of over 300 s, and most are 10 s.
_MOST = 30.0

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class NotInTime(LabkitError):
    """What was waited for did not come; it may still."""


def slowdown(load: float, cpus: float) -> float:
    """How much longer things take with `load` programs at work on `cpus` CPUs, or a part of one; from 1 to 30.

    slowdown(4, 2) -> 1.0      slowdown(25, 2) -> 6.25      slowdown(0.2, 0.5) -> 2.0      slowdown(500, 2) -> 30.0
    """
    return min(_MOST, max(1.0, load / (_USUAL_LOAD * cpus), 1 / cpus))


def patience(seconds: float) -> float:
    """How long to wait, as busy as this machine is, for what takes at most `seconds` on a quiet one."""
    return seconds * slowdown(_load(), _cpus())


def wait_until(
    condition: Callable[[], T | None],
    what: str,
    within_s: float = WITHIN_S,
    poll_s: float = _POLL_S,
    *,
    seen: Callable[[], str] = lambda: "",
    todo: str = "Look at Flink's page, and at: labkit status",
) -> T:
    """Ask `condition` every `poll_s` seconds until its answer is true, and return that answer.

    Raises `NotInTime` where that takes more than `within_s`: "A Parquet file is there: not within 60 s; SEEN." `what`
    is a sentence without its full stop, and so is what `seen` returns, about what was seen last; `todo` says what to
    type. On a busy machine it takes longer until then, and the sentence says how long. What `condition` raises goes on.
    """
    clock = _Clock(within_s)
    while not (answer := condition()):
        if clock.is_over():
            last = f"; {said}" if (said := seen()) else ""
            raise NotInTime(f"{what}: not within {clock}{last}.", todo)
        time.sleep(poll_s)
    return answer


def retry(call: Callable[[], T], kind: type[E], passes: Callable[[E], bool], within_s: float, poll_s: float = 0.1) -> T:
    """What `call` returns. While it raises an error of that kind that `passes`, it is called again, for `within_s`.

    On a busy machine that is longer, as with `wait_until`.
    """
    clock = _Clock(within_s)
    while True:
        try:
            return call()
        except kind as error:
            if not passes(error) or clock.is_over():
                raise
        time.sleep(poll_s)


class _Clock:
    """Runs slower while the machine is busy: of `within_s`, a second goes in as many as everything takes longer."""

    def __init__(self, within_s: float) -> None:
        self._within_s = self._left_s = within_s
        self._begun = self._asked = time.monotonic()

    def is_over(self) -> bool:
        now = time.monotonic()
        self._left_s -= (now - self._asked) / patience(1)
        self._asked = now
        return self._left_s < 0

    def __str__(self) -> str:
        """How long it took to be over: "60 s", or "310 s on a busy machine (load 24.8, CPUs 2)"."""
        took = self._asked - self._begun
        if took < 1.5 * self._within_s + _POLL_S:
            return f"{self._within_s:g} s"
        return f"{took:.0f} s on a busy machine (load {_load():.1f}, CPUs {_cpus():g})"


def _load() -> float:
    """Programs at work or waiting for a CPU, over the last minute; 0 where nobody counts them."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


@cache
def _cpus() -> float:
    return limits.cpus().usable
