"""Limits that are not the machine's: doctor says which, and whose, and `up` starts nothing in too little."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.system import limits
from tests.support.cgroups import own_group
from tests.support.labs import lab_environment

LABKIT = [str(Path(sys.executable).with_name("labkit"))]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A lab of the test's own, which is not to come up; where it did, it is taken down."""
    own = {**os.environ, **lab_environment(tmp_path)}
    yield own
    if (tmp_path / "state" / "supervisord.conf").exists():
        run([*LABKIT, "down"], own)


def run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def limited(limit: str, most: int, *words: str, hard: bool = True) -> list[str]:
    """A command with a limit: limited("RLIMIT_NOFILE", 256, "up"); without `hard` it may raise that itself."""
    program = (
        f"import os, resource as r, sys; hard = r.getrlimit(r.{limit})[1]; "
        f"r.setrlimit(r.{limit}, ({most}, {most if hard else 'hard'})); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", program, *LABKIT, *words]


def refused(done: subprocess.CompletedProcess[str], tmp_path: Path) -> str:
    """The one sentence of an `up` that changed nothing."""
    assert done.returncode == 2, done.stdout + done.stderr
    (sentence,) = done.stderr.splitlines()
    assert "; nothing was started. " in sentence
    assert not (tmp_path / "state" / "supervisord.conf").exists()
    return sentence


def test_doctor_goes_by_the_memory_and_cpus_of_a_cgroup_and_names_it(environment: dict[str, str]) -> None:
    with own_group({"memory.max": "512M", "cpu.max": "50000 100000"}) as enter:
        done = run([*enter, *LABKIT, "doctor"], environment)
    assert done.returncode == 1, done.stderr
    text = " ".join(done.stdout.split())
    assert re.search(r"✗ \d{3} MiB of memory are available of 512, the limit of the cgroup [\w/.@:-]+ \(the machine "
                     r"has [\d,]+\); with notebooks open 3,000 are wanted\. Raise that limit", text)  # fmt: skip
    assert re.search(r"✗ 0\.5 CPU may be used, by the quota of the cgroup .* Raise that quota", text)


def test_up_in_a_cgroup_with_too_little_memory_starts_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    with own_group({"memory.max": "1000M"}) as enter:
        sentence = refused(run([*enter, *LABKIT, "up"], environment), tmp_path)
    assert re.match(r"[\d,]+ MiB of memory are available of 1,000, the limit of the cgroup ", sentence)
    assert "1,200 are needed at least" in sentence


def test_a_larger_heap_for_the_jobs_is_asked_for_too(environment: dict[str, str], tmp_path: Path) -> None:
    with own_group({"memory.max": "2000M"}) as enter:
        done = run([*enter, *LABKIT, "up"], {**environment, "LABKIT_TASK_HEAP_MIB": "4096"})
    assert "5,040 are needed at least" in refused(done, tmp_path)


def test_up_in_a_cgroup_with_too_few_processes_starts_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    with own_group({"pids.max": "100"}) as enter:
        sentence = refused(run([*enter, *LABKIT, "up"], environment), tmp_path)
    assert re.match(r"\d+ more processes and threads may be started of 100 \(pids.max of the cgroup ", sentence)


@pytest.mark.parametrize(
    ("limit", "most", "says"),
    [
        ("RLIMIT_NOFILE", 256, r"256 files may be open in a program, the lab wants 1,024; .*ulimit -n 4096"),
        ("RLIMIT_NPROC", 300, r"\d+ more processes and threads may be started of 300 \(ulimit -u\), the lab takes"),
        ("RLIMIT_AS", 6000 * 2**20, r"6,000 MiB of addresses may be taken by a program, Java wants 8,000; .*ulimit -v"),
    ],
)
def test_up_under_a_limit_of_the_shell_starts_nothing_and_names_it(
    limit: str, most: int, says: str, environment: dict[str, str], tmp_path: Path
) -> None:
    if limits.open_files().most == math.inf:
        pytest.skip("no limit holds for this user (CAP_SYS_RESOURCE)")
    if limit == "RLIMIT_NPROC" and limits.threads().set_by != "ulimit -u":
        pytest.skip("the kernel counts no processes of root")
    assert re.match(says, refused(run(limited(limit, most, "up"), environment), tmp_path))
    told = " ".join(run(limited(limit, most, "doctor"), environment).stdout.split())
    assert re.search("✗ " + says.split(r", ")[0], told)


def test_a_soft_limit_of_open_files_is_no_limit_for_services(environment: dict[str, str]) -> None:
    done = run(limited("RLIMIT_NOFILE", 256, "doctor", hard=False), environment)
    assert re.search(r"✓ ([\d,]+ files may be open in a program|Open files have no limit), ", done.stdout)


def test_doctor_says_how_many_cpus_a_process_has(environment: dict[str, str]) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this process has one CPU only")
    one = str(min(os.sched_getaffinity(0)))
    done = run(["taskset", "-c", one, *LABKIT, "doctor"], environment)
    text = " ".join(done.stdout.split())
    assert "✓ 1 CPU may be used, by this process's set of CPUs (taskset or a cpuset); the machine has" in text
