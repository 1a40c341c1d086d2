"""One lab for the whole test run: real services, its own folders, free ports, on 127.0.0.1 only."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, KeysView, Set
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from labkit.ops import services
from labkit.settings import REPOSITORY, Settings, load_settings

# Started under `nohup`, pytest would hand an ignored SIGHUP to every command, and tests that send one would wait for
# ever. A handler keeps pytest itself alive; a program that it starts has the default again (signal(7)).
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

PORTS = (
    "kafka_port", "kafka_controller_port", "registry_port", "registry_management_port",
    "flink_port", "flink_rpc_port", "jupyter_port",
)  # fmt: skip

#: Workers of one run take their ports from as many shares.
_SHARES = 16
_GIVEN: set[int] = set()
#: Of a failure, what is said at once.
_LAST_LINES = 25

Labkit = Callable[..., "subprocess.CompletedProcess[str]"]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different, none of them given before, nor in another worker of this run.

    None is among those that the kernel takes for clients: else one of many connections takes a port while its service
    is being started again.
    """
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    share = int(number) % _SHARES if number else os.getpid() % _SHARES
    own = [port for port in range(10_000, 65_536) if not first <= port <= last and port % _SHARES == share]
    found: list[int] = []
    for port in random.SystemRandom().sample(own, len(own)):
        if len(found) == count:
            break
        if port not in _GIVEN and _is_free(port):
            found.append(port)
    assert len(found) == count, f"only {len(found)} ports are free outside {first} to {last}"
    _GIVEN.update(found)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def lab_environment(folder: Path) -> dict[str, str]:
    """LABKIT_… variables of a lab that lives in `folder`, on ports of its own."""
    ports = {f"LABKIT_{name.upper()}": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    return {
        **ports,
        "LABKIT_DEPLOYMENT": "local",  # a compose lab of this folder may be up; it is not to be touched
        "LABKIT_STATE_DIR": str(folder / "state"),
        "LABKIT_OUTPUT_DIR": str(folder / "output"),
        "LABKIT_WORK_DIR": str(folder / "work"),
        "LABKIT_HOSTNAME": "testhost",
        "LABKIT_CHECKPOINT_INTERVAL_S": "2",
    }


#: Tests that need services wait most of the time. Each of these has services of its own, beside the others.
GROUPS = {
    "services": ("browser", "integration/test_1", "integration/test_2", "integration/test_3", "integration/test_4",
                 "integration/test_5"),
    "numbers": ("integration/test_6", "integration/test_7", "integration/test_8", "integration/test_9_semantics"),
    "workshop": ("notebooks", "exercises", "integration/test_9"),
}  # fmt: skip


class Groups(LoadScopeScheduling):
    """`pytest -n 3`: a group stays on one worker, in its order; of the other tests a file does."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        place = file.removeprefix("tests/")
        return next((name for name, places in GROUPS.items() if place.startswith(places)), file)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A set has another order in every process: the workers of pytest-xdist would each collect other tests."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs.get("argvalues")
        if isinstance(values, Set) and not isinstance(values, KeysView):
            raise pytest.UsageError(f"{metafunc.definition.nodeid} runs over a set; sort it")


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once which test failed, and why: a run that is broken off has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        words = "\n".join(report.longreprtext.splitlines()[-_LAST_LINES:])
        print(f"\n── {report.nodeid} ({report.when})\n{words}", file=sys.__stdout__, flush=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Hand out the tests by group, in the order of their files. (The mark xdist_group does nothing in pytest 9.2.)"""
    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(scope="session", autouse=True)
def lab_folder() -> Iterator[Path]:
    """A folder for the test lab; every test, and every command it runs, sees that lab's settings."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-test-"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LABKIT_")]:
            patch.delenv(name)
        for name, value in lab_environment(folder).items():
            patch.setenv(name, value)
        patch.setenv("COLUMNS", "200")
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(lab_folder: Path) -> Settings:
    """The settings of the test lab, whose services may not be up."""
    return load_settings()


@pytest.fixture(scope="session")
def lab(settings: Settings) -> Iterator[Settings]:
    """The settings of the test lab, with its services up until the end of the run."""
    services.up(settings)
    yield settings
    left_before = services.processes(settings)
    services.down(settings)
    assert left_before, "the services were gone before the end of the tests"
    assert services.processes(settings) == []


@pytest.fixture
def second_lab(tmp_path: Path) -> Settings:
    """The settings of a lab beside the test lab; nothing of it is there."""
    values = {name.removeprefix("LABKIT_").lower(): value for name, value in lab_environment(tmp_path).items()}
    return load_settings(**{**values, "hostname": "second"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB, on which nothing is yet; needs root, and a kernel that lets it mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def labkit() -> Labkit:
    """Run the command line as a person does: labkit("status") -> exit status, stdout, stderr."""

    def run(*words: str, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "labkit.cli", *words],
            env={**os.environ, **environment},
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    return run
