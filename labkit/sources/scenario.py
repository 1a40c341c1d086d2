"""What happens to a simulated fleet, and when: a short TOML file, written by people.

    [background]            # what every CPU always does, on average; the keys are those of `Background`
    user = 0.03

    [[burn]]                # kind: user, system, nice or guest (a virtual machine's time, which is in user as well)
    host = "0-9,12"         # a number, a list as the kernel writes it, or "all"
    cpu = 3                 # the same
    kind = "user"
    share = 0.8             # of the time of each of these CPUs, more than 0 and at most 1
    from = 10               # seconds after the start; until is the first moment after it
    until = 25

    [[disk_wait]]           # iowait:  host, cpu, share, from, until
    [[noisy_neighbour]]     # steal:   host, cpu, share, from, until
    [[offline]]             # CPUs that go away:  host, cpu, from, until (without it they stay away); never cpu 0
    [[silence]]             # nothing comes from a host that works on:  host, from, until (without it: no more)
    [[reboot]]              # counters and btime start over:  host, at, silent (seconds until it is heard again)
    [[held_back]]           # it works on, and sends all of it when its network is back:  host, from, until
    [[clock]]               # it is wrong by so many seconds, all the time:  host, ahead (below 0: behind)

Where shares of one moment come to more than 1, those higher up in the file get theirs first. Burns come before disk
waits, and these before neighbours. The background gets its share of what is left.
Lists: the kernel's Documentation/admin-guide/kernel-parameters.rst, "cpu lists".
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from labkit.errors import BadInput

__all__ = [
    "BURN_KINDS", "Background", "HeldBack", "Load", "Offline", "Reboot", "Scenario", "Silence", "WrongClock",
    "load_scenario",
]  # fmt: skip

#: What a burn may count as. guest is time of a virtual machine: the kernel counts it in user as well.
BURN_KINDS = ("user", "system", "nice", "guest")
#: The background wavers up to two and a half times its mean, and has to fit into a CPU's time even then.
MOST_BACKGROUND = 0.4
#: A reboot has to move btime by more than the second that clock adjustments may move it.
SHORTEST_REBOOT_S = 2

_LONGEST_S = 366 * 86_400
_MOST_AHEAD_S = 86_400
_LIST = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*")
_Event = TypeVar("_Event")


@dataclass(frozen=True, slots=True)
class Background:
    """What every CPU always does: mean shares of its time, 0…1. The rest is idle."""

    user: float = 0.02
    nice: float = 0.001
    system: float = 0.01
    iowait: float = 0.001
    irq: float = 0.0005
    softirq: float = 0.001
    steal: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """A share (0…1) of the time of some CPUs; `kind` is one of BURN_KINDS, "iowait" or "steal"."""

    hosts: tuple[int, ...]
    cpus: tuple[int, ...]
    kind: str
    share: float
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Offline:
    """CPUs that are not there for a while; `until_s` may be infinite."""

    hosts: tuple[int, ...]
    cpus: tuple[int, ...]
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Hosts that work on, but are not heard; `until_s` may be infinite."""

    hosts: tuple[int, ...]
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Reboot:
    """Hosts whose kernel starts over at `at_s`, and who are heard again `silent_s` later."""

    hosts: tuple[int, ...]
    at_s: float
    silent_s: float


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Hosts whose network is away: what they make meanwhile arrives at `until_s`, all at once and in its order.

    With an infinite `until_s` it never arrives.
    """

    hosts: tuple[int, ...]
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class WrongClock:
    """Hosts whose clock is `ahead_s` seconds ahead of the others', all the time; below 0 it is behind.

    The kernel works btime out from its clock, so btime is wrong by as much.
    """

    hosts: tuple[int, ...]
    ahead_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that happens; `Scenario()` is a fleet with nothing to do."""

    background: Background = Background()
    loads: tuple[Load, ...] = ()
    offline: tuple[Offline, ...] = ()
    silences: tuple[Silence, ...] = ()
    reboots: tuple[Reboot, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    clocks: tuple[WrongClock, ...] = ()


def load_scenario(path: Path, hosts: int, cpus: int) -> Scenario:
    """The scenario in `path`, for a fleet of `hosts` hosts with `cpus` CPUs each.

    Raises `BadInput` that names the file, the table and the key: for text that is no TOML, an unknown or missing key,
    a value that is not right, and a host or CPU that the fleet has not.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise BadInput(f"{path} is not TOML: {str(error).splitlines()[0].rstrip('.')}.") from None
    known = ["background", *_KEYS]
    for name in content:
        if name not in known:
            raise BadInput(f"{path}: there is no table {name!r}; there is {', '.join(known)}.")
    return Scenario(
        background=_background(path, content.get("background", {})),
        loads=(
            *_events(path, content, "burn", hosts, cpus, lambda table: table.load(table.one_of("kind", BURN_KINDS))),
            *_events(path, content, "disk_wait", hosts, cpus, lambda table: table.load("iowait")),
            *_events(path, content, "noisy_neighbour", hosts, cpus, lambda table: table.load("steal")),
        ),
        offline=_events(path, content, "offline", hosts, cpus, _Table.offline),
        silences=_events(path, content, "silence", hosts, cpus, _Table.silence),
        reboots=_events(path, content, "reboot", hosts, cpus, _Table.reboot),
        held_back=_events(path, content, "held_back", hosts, cpus, _Table.held_back),
        clocks=_events(path, content, "clock", hosts, cpus, _Table.clock),
    )


#: The keys of one table of each kind of event.
_KEYS = {
    "burn": ("host", "cpu", "kind", "share", "from", "until"),
    "disk_wait": ("host", "cpu", "share", "from", "until"),
    "noisy_neighbour": ("host", "cpu", "share", "from", "until"),
    "offline": ("host", "cpu", "from", "until"),
    "silence": ("host", "from", "until"),
    "reboot": ("host", "at", "silent"),
    "held_back": ("host", "from", "until"),
    "clock": ("host", "ahead"),
}


def _background(path: Path, values: object) -> Background:
    if not isinstance(values, dict):
        raise BadInput(f"{path}: background has to be one table, written [background].")
    names = tuple(field.name for field in fields(Background))
    table = _Table(f"{path}, [background]", values, names, 0, 0)
    background = Background(**{name: table.number(name, 0, 1) for name in values})
    total = sum(getattr(background, name) for name in names)
    if total > MOST_BACKGROUND:
        raise BadInput(f"{path}, [background]: the shares come to {total:.3g}, at most {MOST_BACKGROUND} is possible.")
    return background


def _events(
    path: Path, content: dict[str, Any], name: str, hosts: int, cpus: int, read: Callable[[_Table], _Event]
) -> tuple[_Event, ...]:
    tables = content.get(name, [])
    if not (isinstance(tables, list) and all(isinstance(values, dict) for values in tables)):
        raise BadInput(f"{path}: {name} has to be tables, each written [[{name}]].")
    return tuple(
        read(_Table(f"{path}, [[{name}]] number {number}", values, _KEYS[name], hosts, cpus))
        for number, values in enumerate(tables, start=1)
    )


class _Table:
    """One table of the file: its values, checked. Errors say where in the file it is."""

    def __init__(self, where: str, values: dict[str, Any], keys: tuple[str, ...], hosts: int, cpus: int) -> None:
        self._where, self._values = where, values
        self._hosts, self._cpus = hosts, cpus
        for key in values:
            if key not in keys:
                raise BadInput(f"{where}: there is no key {key!r}; there is {', '.join(keys)}.")

    def load(self, kind: str) -> Load:
        share = self.number("share", 0, 1)
        if share == 0:
            raise self._wrong("share", "has to be more than 0")
        return Load(self.hosts(), self.cpus(), kind, share, *self.span())

    def offline(self) -> Offline:
        cpus = self.cpus()
        if 0 in cpus:
            raise self._wrong("cpu", "has cpu 0 in it, which never goes offline")
        return Offline(self.hosts(), cpus, *self.span(math.inf))

    def silence(self) -> Silence:
        return Silence(self.hosts(), *self.span(math.inf))

    def reboot(self) -> Reboot:
        at_s, silent_s = self.number("at", 0, _LONGEST_S), self.number("silent", SHORTEST_REBOOT_S, _LONGEST_S)
        return Reboot(self.hosts(), at_s, silent_s)

    def held_back(self) -> HeldBack:
        return HeldBack(self.hosts(), *self.span(math.inf))

    def clock(self) -> WrongClock:
        return WrongClock(self.hosts(), self.number("ahead", -_MOST_AHEAD_S, _MOST_AHEAD_S))

    def span(self, end: float | None = None) -> tuple[float, float]:
        """from and until; `end` stands for an until that is not there."""
        from_s = self.number("from", 0, _LONGEST_S)
        until_s = end if end is not None and "until" not in self._values else self.number("until", 0, _LONGEST_S)
        if until_s <= from_s:
            raise self._wrong("until", f"is {until_s:g} and has to be after from, which is {from_s:g}")
        return from_s, until_s

    def number(self, key: str, low: float, high: float) -> float:
        value = self._value(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(key, f"has to be a number, not {value!r}")
        if not low <= value <= high:  # nan is not, either
            raise self._wrong(key, f"has to be a number from {low} to {high}, not {value!r}")
        return value

    def one_of(self, key: str, names: tuple[str, ...]) -> str:
        value = self._value(key)
        if value not in names:
            raise self._wrong(key, f"has to be one of {', '.join(names)}, not {value!r}")
        return str(value)

    def hosts(self) -> tuple[int, ...]:
        return self._numbers("host", self._hosts, "the fleet has hosts")

    def cpus(self) -> tuple[int, ...]:
        return self._numbers("cpu", self._cpus, "the fleet's hosts have CPUs")

    def _numbers(self, key: str, count: int, who: str) -> tuple[int, ...]:
        value = self._value(key)
        if value == "all":
            return tuple(range(count))
        if isinstance(value, int) and not isinstance(value, bool):
            ranges = [(value, value)]
        elif isinstance(value, str) and _LIST.fullmatch(value):
            ends = [part.partition("-") for part in value.split(",")]
            ranges = [(int(first), int(last or first)) for first, _, last in ends]
        else:
            raise self._wrong(key, f'has to be a number, a list such as "0-3,8" or "all", not {value!r}')
        for first, last in ranges:
            if last < first:
                raise self._wrong(key, f"has {first}-{last} in it, which ends before it begins")
            if not 0 <= first <= last < count:
                outside = last if 0 <= first < count else first
                raise self._wrong(key, f"is {outside}, but {who} 0 to {count - 1}")
        return tuple(sorted({number for first, last in ranges for number in range(first, last + 1)}))

    def _value(self, key: str) -> Any:
        if key not in self._values:
            raise self._wrong(key, "is missing")
        return self._values[key]

    def _wrong(self, key: str, why: str) -> BadInput:
        return BadInput(f"{self._where}: {key} {why}.")
