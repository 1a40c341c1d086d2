"""Whether the services have room here: memory, CPUs, open files and processes that this process may use.

    memory(settings, running=False)
    ->  Room(False, "431 MiB of memory are available of 512 MiB, the limit of this container's cgroup; …", "Raise …")

`require(settings)` is what `up` asks before it writes anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labkit.errors import BadInput
from labkit.settings import Settings
from labkit.system import limits

__all__ = ["Room", "address_space", "cpus", "memory", "open_files", "require", "threads"]

#: With both jobs at work, and some notebooks beside them.
NEEDED_MEMORY_MIB = 3_000
#: The services alone, idle (1,145 MiB were measured): with less than that the kernel ends one of them.
LEAST_MEMORY_MIB = 1_200
#: `task_heap_mib` is in the numbers above with this much.
_USUAL_HEAP_MIB = 256
#: supervisord wants that many, and does not start with less.
NEEDED_FILES = 1_024
#: The services have 330 with both jobs at work, on two CPUs; then come the client that submits, and notebooks.
NEEDED_THREADS, LEAST_THREADS = 600, 400
#: Each JVM reserves a gigabyte for its classes, whatever it has of them, and does not start with 2 GB in all.
NEEDED_ADDRESSES_MIB = 8_000
_RAISE = "Raise that limit (of a container: --memory or mem_limit; of systemd: MemoryMax)."


@dataclass(frozen=True, slots=True)
class Room:
    """One thing that there has to be enough of: what there is, in a sentence, and what to do where it is not `ok`."""

    ok: bool
    what: str
    todo: str = ""


def require(settings: Settings) -> None:
    """Raise `BadInput` where the services would not come up, or be ended by the kernel: nothing was started."""
    found = limits.memory()
    least = LEAST_MEMORY_MIB + _more_heap(settings)
    memory_is_enough = found.available_mib + found.swap_mib >= least
    for room in (
        Room(memory_is_enough, f"{_available(found)}, {least:,} are needed at least.", _more_memory(found, least)),
        open_files(),
        threads(LEAST_THREADS),
        address_space(),
    ):
        if not room.ok:
            raise BadInput(f"{room.what.removesuffix('.')}; nothing was started.", room.todo)


def memory(settings: Settings, *, running: bool) -> Room:
    """Memory for the services, jobs and notebooks; services that run have taken their part of it already."""
    found = limits.memory()
    needed = NEEDED_MEMORY_MIB + _more_heap(settings)
    if settings.in_containers:
        return Room(True, f"{_available(found)}; docker-compose.yml has the limit of each container.")
    ok = found.limit_mib >= needed if running else found.available_mib >= needed
    return Room(ok, f"{_available(found)}; with notebooks open {needed:,} are wanted.", _more_memory(found, needed))


def cpus() -> Room:
    """CPUs; with less than one whole CPU everything works, and takes minutes."""
    found = limits.cpus()
    number = f"{found.usable:g} {'CPU' if found.usable <= 1 else 'CPUs'}"
    if not found.set_by:
        return Room(True, f"{number} may be used.")
    what = f"{number} may be used, by {found.set_by}; the machine has {found.machine}."
    return Room(found.usable >= 1, what, "Everything takes minutes so. Raise that quota (of a container: --cpus).")


def open_files() -> Room:
    """Files that a service may have open."""
    found = limits.open_files()
    if found.most == math.inf:
        return Room(True, f"Open files have no limit, the lab wants {NEEDED_FILES:,} in a program.")
    what = f"{_counted(found.most)} files may be open in a program, the lab wants {NEEDED_FILES:,}."
    if found.most >= NEEDED_FILES:
        return Room(True, what)
    return Room(False, what, "Open a new terminal, or type: ulimit -n 4096; where that is refused, root sets nofile in "
                "/etc/security/limits.conf (of a container: --ulimit nofile=4096).")  # fmt: skip


def threads(needed: int = NEEDED_THREADS) -> Room:
    """Processes and threads that may still be started."""
    found = limits.threads()
    if found.left == math.inf:
        return Room(True, f"Processes and threads have no limit, the lab takes about {needed:,}.")
    what = f"{_counted(found.left)} more processes and threads may be started"
    if found.left >= needed:
        return Room(True, f"{what}, the lab takes about {needed:,}.")
    what += f" of {_counted(found.most)} ({found.set_by}), the lab takes about {needed:,}."
    if found.set_by == "ulimit -u":
        return Room(False, what, "End programs of yours, or open a new terminal; root sets nproc in "
                    "/etc/security/limits.conf.")  # fmt: skip
    return Room(False, what, "Raise that limit (of a container: --pids-limit; of systemd: TasksMax).")


def address_space() -> Room:
    """Addresses that a program may have; a shared machine sometimes sets a limit."""
    most = limits.address_space_mib()
    if most == math.inf:
        return Room(True, f"Addresses have no limit, Java wants {NEEDED_ADDRESSES_MIB:,} MiB of them.")
    what = f"{_counted(most)} MiB of addresses may be taken by a program, Java wants {NEEDED_ADDRESSES_MIB:,}."
    return Room(most >= NEEDED_ADDRESSES_MIB, what, "Type: ulimit -v unlimited; where that is refused, open a new "
                "terminal, or ask who runs this machine.")  # fmt: skip


def _available(found: limits.Memory) -> str:
    what = f"{found.available_mib:,} MiB of memory are available"
    if found.set_by:
        what += f" of {found.limit_mib:,}, {found.set_by} (the machine has {found.machine_mib:,})"
    return what


def _more_memory(found: limits.Memory, needed: int) -> str:
    if found.set_by and found.limit_mib < needed:
        return _RAISE
    return "Close other programs" + (" in that group." if found.set_by else ".")


def _more_heap(settings: Settings) -> int:
    return settings.task_heap_mib - _USUAL_HEAP_MIB


def _counted(number: float) -> str:
    return f"{max(0, int(number)):,}"
