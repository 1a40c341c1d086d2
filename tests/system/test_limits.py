"""What may be used, where that is less than the machine has: trees of /proc and /sys as kernels and containers show."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.system import limits
from labkit.system.limits import Count, Cpus, Memory

MIB = 2**20
MEMINFO = "MemTotal:       18745344 kB\nMemFree:         1000 kB\nMemAvailable:   18000000 kB\nSwapFree:  1048576 kB\n"
MACHINE, AVAILABLE, SWAP = 18_306, 17_578, 1_024
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "35 31 0:32 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "33 31 0:30 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "39 31 0:36 {top} /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
)
V1_GROUPS = "12:memory:{own}\n7:cpu,cpuacct:{own}\n3:pids:{own}\n1:name=systemd:{own}\n"
NO_LIMIT_V1 = str(2**63 - 4096)


def tree(folder: Path, files: dict[str, str]) -> Path:
    """A root with a machine's meminfo, and these files."""
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def v2(folder: Path, own: str, files: dict[str, str]) -> Path:
    named = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    return tree(folder, {"proc/self/cgroup": f"0::{own}\n", "proc/self/mountinfo": V2_MOUNT, **named})


def v1(folder: Path, own: str, top: str, files: dict[str, str]) -> Path:
    named = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    given = {"proc/self/cgroup": V1_GROUPS.format(own=own), "proc/self/mountinfo": V1_MOUNTS.format(top=top)}
    return tree(folder, {**given, **named})


def test_a_machine_without_cgroups_has_what_proc_meminfo_says(tmp_path: Path) -> None:
    assert limits.memory(tree(tmp_path, {})) == Memory(MACHINE, AVAILABLE, MACHINE, SWAP)


def test_a_container_of_cgroup_v2_has_its_own_limit_and_cached_files_are_given_back(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", {
        "memory.max": f"{512 * MIB}\n", "memory.high": "max\n", "memory.current": f"{300 * MIB}\n",
        "memory.stat": f"anon 4096\ninactive_file {120 * MIB}\nactive_file 1\n",
        "memory.swap.max": "0\n", "memory.swap.current": "0\n",
    })  # fmt: skip
    found = limits.memory(root)
    assert found == Memory(512, 332, MACHINE, 0, "the limit of this container's cgroup")


def test_the_lowest_limit_of_all_groups_above_holds_and_max_is_none(tmp_path: Path) -> None:
    root = v2(tmp_path, "/user.slice/user-1000.slice/app.scope", {
        "user.slice/user-1000.slice/app.scope/memory.max": "max\n",
        "user.slice/user-1000.slice/memory.max": f"{4096 * MIB}\n",
        "user.slice/user-1000.slice/memory.current": f"{1000 * MIB}\n",
        "user.slice/memory.max": "max\n", "user.slice/memory.high": f"{2048 * MIB}\n",
        "user.slice/memory.current": f"{1500 * MIB}\n",
    })  # fmt: skip
    assert limits.memory(root) == Memory(2048, 548, MACHINE, SWAP, "the limit of the cgroup user.slice")


def test_a_limit_above_what_the_machine_has_is_none(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", {"memory.max": f"{64_000 * MIB}\n", "memory.current": "0\n"})
    assert limits.memory(root) == Memory(MACHINE, AVAILABLE, MACHINE, SWAP)


def test_a_wide_limit_on_a_full_machine_leaves_what_the_machine_has_left(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", {"memory.max": f"{18_000 * MIB}\n", "memory.current": "0\n"})
    assert limits.memory(root) == Memory(MACHINE, AVAILABLE, MACHINE, SWAP)


@pytest.mark.parametrize(
    ("own", "top", "folder"),
    [
        ("/docker/4f2a", "/docker/4f2a", ""),  # a container without a cgroup namespace: its own part is mounted
        ("/docker/4f2a", "/", "docker/4f2a/"),  # all is mounted
        ("/", "/", ""),  # a container with a namespace
        ("/kubepods/pod1/c2", "/docker/4f2a", ""),  # a container in another: what is seen is its own
        ("/../other", "/", ""),  # moved out of its namespace
    ],
)
def test_a_group_of_cgroup_v1_is_found_wherever_it_is_mounted(tmp_path: Path, own: str, top: str, folder: str) -> None:
    root = v1(tmp_path, own, top, {
        f"memory/{folder}memory.limit_in_bytes": f"{1024 * MIB}\n",
        f"memory/{folder}memory.usage_in_bytes": f"{600 * MIB}\n",
        f"memory/{folder}memory.stat": f"inactive_file 0\ntotal_inactive_file {100 * MIB}\n",
        f"memory/{folder}memory.memsw.limit_in_bytes": f"{1280 * MIB}\n",
    })  # fmt: skip
    found = limits.memory(root)
    assert (found.limit_mib, found.available_mib, found.swap_mib) == (1024, 524, 256)


def test_no_limit_of_cgroup_v1_is_none(tmp_path: Path) -> None:
    root = v1(tmp_path, "/", "/", {"memory/memory.limit_in_bytes": NO_LIMIT_V1})
    assert limits.memory(root).set_by == ""


def test_where_both_kinds_are_mounted_each_controller_is_asked_where_it_is(tmp_path: Path) -> None:
    root = v1(tmp_path, "/lab", "/", {
        "memory/lab/memory.limit_in_bytes": f"{768 * MIB}\n", "memory/lab/memory.usage_in_bytes": "0\n",
        "unified/cgroup.controllers": "\n",
    })  # fmt: skip
    with (root / "proc/self/cgroup").open("a") as file:
        file.write("0::/lab\n")
    with (root / "proc/self/mountinfo").open("a") as file:
        file.write("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n")
    assert limits.memory(root) == Memory(768, 768, MACHINE, SWAP, "the limit of the cgroup lab")


def test_a_group_that_takes_more_than_its_limit_has_nothing_left(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", {"memory.high": f"{100 * MIB}\n", "memory.current": f"{140 * MIB}\n"})
    assert (limits.memory(root).limit_mib, limits.memory(root).available_mib) == (100, 0)


@pytest.mark.parametrize(("text", "share"), [("50000 100000\n", 0.5), ("max 100000\n", None), ("", None)])
def test_the_quota_of_cgroup_v2_is_a_part_of_a_cpu(tmp_path: Path, text: str, share: float | None) -> None:
    found = limits.cpus(v2(tmp_path, "/", {"cpu.max": text}))
    allowed = len(os.sched_getaffinity(0))
    assert found.usable == (share or allowed)
    assert found.set_by == ("the quota of this container's cgroup" if share else limits.cpus(tmp_path).set_by)


@pytest.mark.parametrize(("quota", "share"), [("25000", 0.25), ("-1", None)])
def test_the_quota_of_cgroup_v1_is_a_part_of_a_cpu(tmp_path: Path, quota: str, share: float | None) -> None:
    files = {"cpu,cpuacct/lab/cpu.cfs_quota_us": quota, "cpu,cpuacct/lab/cpu.cfs_period_us": "100000\n"}
    found = limits.cpus(v1(tmp_path, "/lab", "/", files))
    assert found.usable == (share or len(os.sched_getaffinity(0)))
    assert (found.set_by == "the quota of the cgroup lab") == (share is not None)


def test_processes_are_counted_by_every_group_above(tmp_path: Path) -> None:
    files = {
        "a/b/pids.max": "max\n", "a/b/pids.current": "7\n", "a/pids.max": "100\n", "a/pids.current": "60\n",
    }  # fmt: skip
    assert limits.threads(v2(tmp_path, "/a/b", files)) == Count(100, 40, "pids.max of the cgroup a")


def test_threads_of_this_user_are_counted_and_those_of_others_are_not(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this user may start any number of processes")
    own, other = os.getuid(), os.getuid() + 1
    status = "Name:\tx\nUid:\t{0}\t{0}\t{0}\t{0}\nThreads:\t{1}\n"
    root = tree(tmp_path, {"proc/1/status": status.format(own, 40), "proc/2/status": status.format(other, 9)})
    assert limits.threads(root) == Count(hard, hard - 40, "ulimit -u")


@pytest.mark.parametrize(
    ("capabilities", "uid_map", "holds"),
    [
        ("000001ffffffffff", "0 0 4294967295", False),  # root, and no container
        ("00000000a80425fb", "0 0 4294967295", True),  # root in a container
        ("000001ffffffffff", "0 100000 65536", True),  # root of a user namespace only
        ("0000000000000000", "0 0 4294967295", True),
    ],
)
def test_a_hard_limit_holds_for_all_who_may_not_raise_it(
    tmp_path: Path, capabilities: str, uid_map: str, holds: bool
) -> None:
    files = {"proc/self/status": f"Name:\tx\nCapEff:\t{capabilities}\n", "proc/self/uid_map": uid_map}
    hard = limits.own_limit(resource.RLIMIT_NOFILE)
    assert limits.open_files(tree(tmp_path, files)).most == (hard if holds else math.inf)


@pytest.mark.parametrize(("uid", "uid_map", "holds"), [
    (0, "0 0 4294967295", False), (0, "0 100000 65536", True), (1000, "0 0 4294967295", True),
])  # fmt: skip
def test_the_kernel_counts_no_processes_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, uid_map: str, holds: bool
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(limits, "own_limit", lambda _: 500)
    root = tree(tmp_path, {"proc/self/uid_map": uid_map, "proc/self/status": "CapEff:\t00000000a80425fb\n"})
    assert limits.threads(root).most == (500 if holds else math.inf)


def test_what_is_started_may_open_as_many_files_as_the_hard_limit_says() -> None:
    words = "import resource, subprocess; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512)); input(); "
    words += "subprocess.run(['sh', '-c', 'ulimit -Sn'])"
    with subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while resource.prlimit(process.pid, resource.RLIMIT_NOFILE) != (128, 512):
            assert process.poll() is None
        limits.raise_open_files(process.pid)
        said, _ = process.communicate("go\n")
    assert said == "512\n"


def test_this_machine_can_be_asked() -> None:
    assert 0 < limits.memory().available_mib <= limits.memory().limit_mib <= limits.memory().machine_mib
    found = limits.cpus()
    assert found == Cpus(found.usable, os.cpu_count() or 1, found.set_by)
    assert 0 < found.usable <= len(os.sched_getaffinity(0))
    assert limits.open_files().most >= 3
    assert limits.threads().left > 0
