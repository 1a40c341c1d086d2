"""A service as supervisord runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from labkit.flink.jvm import SCRATCH
from labkit.settings import Settings

__all__ = ["C2_LATE", "Program", "scratch", "shared_archive", "unpacks_in"]

#: In a lab, which lives for minutes, C2 took a third of what a broker and a TaskManager computed, and gave it back to
#: neither (docs/benchmarks.md). The broker does without (`C1_ONLY`); the TaskManager leaves to it what was called ten
#: times as often as Java asks for (java -XX:+PrintFlagsFinal, Tier4…).
C2_LATE = (
    "-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000", "-XX:Tier4BackEdgeThreshold=400000",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """One service as supervisord runs it.

    `scratch` are folders below the state folder that are its alone, and empty each time that it starts: what an earlier
    one left there that was killed would stay for good, some 25 MB each time.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    scratch: tuple[str, ...] = ()


def scratch(name: str) -> str:
    """Where the JVM of a service unpacks what it needs: "jvm-tmp/kafka"; see `labkit.flink.jvm`."""
    return str(PurePosixPath(SCRATCH, name))


def unpacks_in(folder: str) -> str:
    """The option of a JVM that runs in the state folder."""
    return f"-Djava.io.tmpdir={folder}"


def shared_archive(settings: Settings, name: str) -> list[str]:
    """Options that make a JVM keep its loaded classes in a file, and start faster the next time (JEP 350)."""
    folder = settings.install_dir / "class-archives"
    if not os.access(folder, os.W_OK):
        return []
    return ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={folder}/{name}.jsa",
            "-Xlog:cds=off", "-Xlog:cds*=off"]  # fmt: skip
