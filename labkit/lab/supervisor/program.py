"""A service as supervisord runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from labkit.settings import Settings

__all__ = ["SCRATCH", "Program", "shared_archive"]


@dataclass(frozen=True, slots=True)
class Program:
    """One service as supervisord runs it."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


#: Java unpacks native libraries there (relative to the state folder), and runs them.
SCRATCH = "-Djava.io.tmpdir=tmp"


def shared_archive(settings: Settings, name: str) -> list[str]:
    """Options that make a JVM keep its loaded classes in a file, and start faster the next time (JEP 350)."""
    folder = settings.install_dir / "class-archives"
    if not os.access(folder, os.W_OK):
        return []
    return ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={folder}/{name}.jsa",
            "-Xlog:cds=off", "-Xlog:cds*=off"]  # fmt: skip
