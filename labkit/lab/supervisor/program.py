"""A service as supervisord runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from labkit.flink.jvm import SCRATCH
from labkit.settings import Settings

__all__ = ["SCRATCH_HERE", "Program", "shared_archive"]


@dataclass(frozen=True, slots=True)
class Program:
    """One service as supervisord runs it."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


#: The option of every JVM that runs in the state folder; see `labkit.flink.jvm`.
SCRATCH_HERE = f"-Djava.io.tmpdir={SCRATCH}"


def shared_archive(settings: Settings, name: str) -> list[str]:
    """Options that make a JVM keep its loaded classes in a file, and start faster the next time (JEP 350)."""
    folder = settings.install_dir / "class-archives"
    if not os.access(folder, os.W_OK):
        return []
    return ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={folder}/{name}.jsa",
            "-Xlog:cds=off", "-Xlog:cds*=off"]  # fmt: skip
