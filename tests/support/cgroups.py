"""A cgroup of a test's own, with limits, below the one that the tests run in; a skip where none can be made.

with own_group({"memory.max": "512M"}) as enter:
    subprocess.run([*enter, "labkit", "doctor"])
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from labkit.system.limits import groups

__all__ = ["own_group"]

#: cgroup v2's name of a limit -> controller, and what cgroup v1 calls it.
_V1 = {"memory.max": ("memory", "memory.limit_in_bytes"), "pids.max": ("pids", "pids.max"),
       "cpu.max": ("cpu", "cpu.cfs_quota_us")}  # fmt: skip


@contextmanager
def own_group(limits: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield the words before a command that run it with these limits, named as cgroup v2 does; skip where none can be.

    A group is made for each controller where cgroup v1 has it, and all are removed; what ran there has to be gone.
    """
    name, known, entered = f"labkit-test-{uuid.uuid4().hex[:8]}", groups(), []
    with ExitStack() as stack:
        for limit, value in limits.items():
            controller, v1 = _V1[limit]
            of_v1 = controller in known
            folder = known.get(controller, known.get("", [Path("/nowhere")]))[0] / name
            try:
                if not folder.is_dir():
                    folder.mkdir()
                    stack.callback(folder.rmdir)
                (folder / (v1 if of_v1 else limit)).write_text(value.split()[0] if of_v1 else value)
            except OSError as error:
                pytest.skip(f"no cgroup with {limit} can be made here ({error})")
            entered.append(f"echo $$ > {folder}/cgroup.procs")
        yield ["sh", "-c", f'{" && ".join(entered)} && exec "$@"', os.devnull]
