"""What could keep the lab from running, each finding with what to type.

Finding(ok=False, what="Port 9092 (kafka_port) is taken by java (pid 4711).", todo="Stop that program, or …")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from find_libpython import find_libpython

from labkit.errors import LabkitError
from labkit.jobs.failure import trouble
from labkit.lab import run_state, services
from labkit.lab.start import room
from labkit.settings import Settings
from labkit.setup import install
from labkit.sources.live import read_snapshot
from labkit.system import ports
from labkit.system.disk_space import existing, free_mib

__all__ = ["Finding", "examine"]

NEEDED_DISK_MIB = 1_000
_PACKAGES = ("apache-flink", "confluent-kafka", "fastavro", "pyarrow", "pandas", "jupyterlab")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `todo` says what to type where it is not `ok`."""

    ok: bool
    what: str
    todo: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything, changing nothing."""
    return [
        _python(),
        _shared_library(),
        _installed(settings),
        _reading(settings),
        *_rooms(settings),
        _disk(settings.state_dir, "state_dir"),
        _disk(settings.output_dir, "output_dir"),
        _writable(settings.state_dir, "LABKIT_STATE_DIR"),
        _writable(settings.output_dir, "LABKIT_OUTPUT_DIR"),
        *_services_or_ports(settings),
    ]


def _python() -> Finding:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return Finding(True, f"Python {sys.version.split()[0]} with {packages}.")


def _shared_library() -> Finding:
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
    if find_libpython() is not None:
        return Finding(True, f"Python has a shared library ({name}): the enrichment runs inside the TaskManager.")
    return Finding(True, f"Python has no shared library ({name}): the enrichment runs in processes, and is slower.")


def _installed(settings: Settings) -> Finding:
    try:
        install.require_installed(settings.install_dir)
    except LabkitError as error:
        return Finding(False, error.what, error.todo)
    return Finding(True, f"Java, the jars and the registry are installed below {settings.install_dir}.")


def _reading(settings: Settings) -> Finding:
    stream = settings.flow.stream
    try:
        snapshot = read_snapshot(settings.hostname, stream)
    except LabkitError as error:
        return Finding(False, error.what, error.todo or f"Look at what stands there: head {stream.reads}")
    return Finding(True, f"{stream.reads} can be read: {stream.describe(snapshot)} of {settings.hostname}.")


def _rooms(settings: Settings) -> Iterator[Finding]:
    running = services.is_up(settings)
    yield _of(room.memory(settings, running=running))
    yield _of(room.cpus())
    if not running:  # what they need, they have
        yield from map(_of, (room.open_files(), room.threads(), room.address_space()))


def _of(one: room.Room) -> Finding:
    return Finding(one.ok, one.what, one.todo)


def _disk(folder: Path, name: str) -> Finding:
    free = free_mib(folder)
    what = f"{free:,} MiB are free for {name} ({folder}); {NEEDED_DISK_MIB:,} are wanted."
    return Finding(free >= NEEDED_DISK_MIB, what, f"Make room, or set LABKIT_{name.upper()} to another disk.")


def _writable(folder: Path, variable: str) -> Finding:
    there = existing(folder)
    ok = os.access(there, os.W_OK | os.X_OK)
    what = f"{folder} is {'' if ok else 'not '}writable."
    return Finding(ok, what, f"Type: chmod u+rwx {there}, or set {variable} to another folder.")


def _services_or_ports(settings: Settings) -> Iterator[Finding]:
    busy = services.at_work(settings)
    if busy is not None:
        yield Finding(False, busy, "Wait until it has ended, and type labkit doctor again.")
        return
    if not settings.in_containers and not services.is_up(settings):
        yield Finding(True, "The services are not running (labkit up starts them).")
        for name, port in settings.ports.items():
            free = ports.is_free(port)
            what = f"Port {port} ({name}) is " + ("free." if free else f"taken by {ports.holder(port)}.")
            yield Finding(free, what, "Stop that program, or put port_offset = 100 into labkit.toml.")
        return
    for row in services.status(settings):
        what = f"{row.name} is {row.state.lower()} at {row.address}: {row.detail}."
        yield Finding(row.healthy, what, f"Type: labkit up. If that does not help, labkit logs {row.name} says why.")
    with suppress(LabkitError):  # a cluster that does not answer was named above
        for one in trouble(settings):
            yield Finding(False, one.what, one.todo)
    left = run_state.left_behind(settings)
    if left is not None:
        yield Finding(False, left.what, left.todo)
