"""What this process may use, which may be less than what the machine has.

memory()      Memory(limit_mib=512, available_mib=431, machine_mib=18306, set_by="the limit of this container's cgroup")
cpus()        Cpus(usable=1.5, machine=8, set_by="the quota of this container's cgroup")
open_files()  Count(most=256, left=256, set_by="ulimit -n")
threads()     Count(most=4096, left=3871, set_by="pids.max of this container's cgroup")

A cgroup's limit holds for all groups below it, so every group from this process's own up to the root is asked. A
container sees its own group as the root. Sources: the kernel's "Control Group v2" and "cgroup-v1/memory", cgroups(7),
proc_meminfo(5), getrlimit(2), sched_setaffinity(2). Only the standard library is needed: set-up asks here, too.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Count", "Cpus", "Memory", "address_space_mib", "cpus", "groups", "memory", "open_files", "own_limit",
    "raise_open_files", "threads",
]  # fmt: skip

_ROOT = Path("/")
_MIB = 2**20
#: cgroup v1 writes "no limit" as the largest number of whole pages.
_NO_LIMIT = 2**60
#: Of capabilities(7): who has the second may raise a hard limit, and RLIMIT_NPROC holds for neither, nor for root.
_SYS_ADMIN, _SYS_RESOURCE = 21, 24
#: More than any service opens; who closes all that may be open would be long at it with a hard limit of 10^9.
_ENOUGH_FILES = 65_536


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB: at most, what can still be had, and what the machine has; `set_by` is "" where nothing but the machine
    sets the limit. `swap_mib` is free swap, on top of what is available."""

    limit_mib: int
    available_mib: int
    machine_mib: int
    swap_mib: int = 0
    set_by: str = ""


@dataclass(frozen=True, slots=True)
class Cpus:
    """CPUs: how many may be used, in whole ones or a part, and how many the machine has."""

    usable: float
    machine: int
    set_by: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Of something counted: how many at most, and how many can still be had; infinite where nothing sets a limit."""

    most: float
    left: float
    set_by: str = ""


def memory(root: Path = _ROOT) -> Memory:
    """Memory by /proc/meminfo and by the memory.max, memory.high or memory.limit_in_bytes of each group above.

    What a group has cached of files that nobody used for long (inactive_file) is given back when it is wanted, and
    counts as available. `root` is where /proc and /sys are.
    """
    machine = _table(_text(root / "proc/meminfo"))
    total, available = machine.get("MemTotal:", 0) // 1024, machine.get("MemAvailable:", 0) // 1024
    found = Memory(total, available, total, machine.get("SwapFree:", 0) // 1024)
    unified, memory_v1 = (groups(root).get(name, []) for name in ("", "memory"))
    for folder in unified:
        most = min(_number(folder / "memory.max"), _number(folder / "memory.high"))
        used = _number(folder / "memory.current", 0) - _cached(folder, "inactive_file")
        swap = _number(folder / "memory.swap.max") - _number(folder / "memory.swap.current", 0)
        found = _lower(found, most, used, swap, _named(unified, folder))
    for folder in memory_v1:
        most = _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.usage_in_bytes", 0) - _cached(folder, "total_inactive_file")
        both = _number(folder / "memory.memsw.limit_in_bytes")  # memory and swap together
        found = _lower(found, most, used, both - most if both < math.inf else math.inf, _named(memory_v1, folder))
    return found


def cpus(root: Path = _ROOT) -> Cpus:
    """CPUs by this process's affinity (taskset, a cpuset) and by the quota of each group above."""
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0))
    found = Cpus(allowed, machine, "this process's set of CPUs (taskset or a cpuset)" if allowed < machine else "")
    known = groups(root)
    for above, read in ((known.get("", []), _quota_v2), (known.get("cpu", []), _quota_v1)):
        for folder in above:
            if (share := read(folder)) < found.usable:
                found = Cpus(share, machine, f"the quota of {_named(above, folder)}")
    return found


def open_files(root: Path = _ROOT) -> Count:
    """Files that a service may have open: the hard limit, since `raise_open_files` takes the soft one up to it."""
    hard = own_limit(resource.RLIMIT_NOFILE)
    return Count(math.inf, math.inf) if _may(root, _SYS_RESOURCE) else Count(hard, hard, "ulimit -n")


def threads(root: Path = _ROOT) -> Count:
    """Processes and threads (Linux counts both alike): this user's limit, and the pids.max of each group above."""
    free = _may(root, _SYS_RESOURCE, _SYS_ADMIN) or (os.getuid() == 0 and _sees_all_users(root))
    hard = own_limit(resource.RLIMIT_NPROC)
    found = Count(math.inf, math.inf) if free else Count(hard, hard - _threads_of_user(root), "ulimit -u")
    unified, pids_v1 = (groups(root).get(name, []) for name in ("", "pids"))
    for above in (unified, pids_v1):
        for folder in above:
            most = _number(folder / "pids.max")
            left = most - _number(folder / "pids.current", 0)
            if left < found.left:
                found = Count(most, left, f"pids.max of {_named(above, folder)}")
    return found


def raise_open_files(pid: int) -> None:
    """Take the soft limit of open files of a process up to its hard one; what it starts from now on inherits that."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    enough = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (enough, hard))


def address_space_mib() -> float:
    """MiB of addresses that a program may have (ulimit -v): a JVM reserves some thousand that it never fills."""
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if soft == resource.RLIM_INFINITY else soft / _MIB


def own_limit(which: int) -> float:
    """This process's hard limit of one of resource.RLIMIT_…; infinite where there is none."""
    hard = resource.getrlimit(which)[1]
    return math.inf if hard == resource.RLIM_INFINITY else hard


def groups(root: Path = _ROOT) -> dict[str, list[Path]]:
    """The folders of this process's cgroups by controller, its own first and then each above; "" is cgroup v2.

    /proc/self/cgroup names a group from the root of its hierarchy, and /proc/self/mountinfo says what part of that
    hierarchy is to be seen, and where. A group outside that part is the container's own: the part's top.
    """
    mounts: dict[str, tuple[str, Path]] = {}
    for line in _text(root / "proc/self/mountinfo").splitlines():
        mount, _, filesystem = line.partition(" - ")
        places, kind = mount.split(), filesystem.split()
        if len(places) > 4 and len(kind) > 2 and kind[0] in ("cgroup", "cgroup2"):
            seen = (_unescaped(places[3]), root / _unescaped(places[4]).lstrip("/"))
            for controller in [""] if kind[0] == "cgroup2" else kind[2].split(","):
                mounts.setdefault(controller, seen)
    found: dict[str, list[Path]] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        for controller in controllers.split(","):
            if controller in mounts:
                top, folder = mounts[controller]
                found[controller] = list(_upwards(folder, top, group))
    return found


def _upwards(folder: Path, top: str, group: str) -> Iterator[Path]:
    inside = group.removeprefix(top.rstrip("/")) if f"{group}/".startswith(f"{top.rstrip('/')}/") else ""
    names = [name for name in inside.split("/") if name]
    own = folder.joinpath(*names)
    if ".." in names or not own.is_dir():
        names, own = [], folder
    yield own
    for depth in range(1, len(names) + 1):
        yield own.parents[depth - 1]


def _lower(found: Memory, most: float, used: float, swap: float, whose: str) -> Memory:
    """`found`, or less where a group of `most` bytes leaves less; `used` of them are taken, and `swap` may be had."""
    if most >= _NO_LIMIT:
        return found
    limit, left = int(most) // _MIB, max(0, int(most - max(used, 0))) // _MIB
    swap_mib = found.swap_mib if swap >= _NO_LIMIT else min(found.swap_mib, max(0, int(swap)) // _MIB)
    if limit >= found.machine_mib or left + swap_mib >= found.available_mib + found.swap_mib:
        return found
    return Memory(limit, left, found.machine_mib, swap_mib, f"the limit of {whose}")


def _quota_v2(folder: Path) -> float:
    return _share(_text(folder / "cpu.max").split())


def _quota_v1(folder: Path) -> float:
    return _share([_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")])


def _share(words: list[str]) -> float:
    """["50000", "100000"] -> 0.5 of a CPU; infinite for ["max", "100000"], ["-1", "100000"] and for nothing."""
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return math.inf
    return int(words[0]) / int(words[1])


def _named(above: list[Path], folder: Path) -> str:
    """A group by its name, which systemd and people give; a container does not see the name of its own."""
    name = folder.relative_to(above[-1])
    return f"the cgroup {name}" if name.parts else "this container's cgroup"


def _cached(folder: Path, name: str) -> float:
    return _table(_text(folder / "memory.stat")).get(name, 0)


def _may(root: Path, *capabilities: int) -> bool:
    """Whether this process has one of these capabilities; those of a user namespace count for no limit."""
    line = next((line for line in _text(root / "proc/self/status").splitlines() if line.startswith("CapEff:")), "")
    own = int(line.split()[1], 16) if line else 0
    return _sees_all_users(root) and any(own >> one & 1 for one in capabilities)


def _sees_all_users(root: Path) -> bool:
    """Whether this process is in no user namespace of its own, by user_namespaces(7)."""
    return _text(root / "proc/self/uid_map").split() == ["0", "0", str(2**32 - 1)]


def _threads_of_user(root: Path) -> int:
    """How many threads run with this process's user id: RLIMIT_NPROC counts those."""
    found = 0
    for status in (root / "proc").glob("[0-9]*/status"):
        rows = dict(line.split(":", 1) for line in _text(status).splitlines() if ":" in line)
        if rows.get("Uid", "").split()[:1] == [str(os.getuid())]:
            found += int(rows.get("Threads", "1"))
    return found


def _table(text: str) -> dict[str, int]:
    """Lines of a name and a number ("MemTotal:  16310452 kB", "inactive_file 4096") by their names."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(file: Path, otherwise: float = math.inf) -> float:
    text = _text(file).strip()
    if not text.isdigit():  # "max", or not there
        return otherwise
    return int(text)


def _text(file: Path) -> str:
    """ "" for a file that is not there, or may not be read."""
    with suppress(OSError):
        return file.read_text(errors="replace")
    return ""


def _unescaped(word: str) -> str:
    """mountinfo writes a space as \\040."""
    return word.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
