"""One lab for the whole test run: real services, its own folders, free ports, on 127.0.0.1 only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, KeysView, Set
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from labkit.errors import BadInput
from labkit.lab import services
from labkit.lab.code import take_new_code
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.system.waiting import patience
from tests.support import plan
from tests.support.kept_lab import KeptLab, attach
from tests.support.labs import Labkit, keep_ports, lab_environment, settings_of

# Started under `nohup`, pytest would hand an ignored SIGHUP to every command, and tests that send one would wait for
# ever. A handler keeps pytest itself alive; a program that it starts has the default again (signal(7)).
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# As in a shell with an active .venv: messages name `labkit up` then, and not the path to it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# A busy machine of two cores would fail on Hypothesis' deadline of 200 ms, not on the code.
hypothesis.settings.register_profile("unit", deadline=None, database=None)
hypothesis.settings.register_profile("long", deadline=None, database=None, max_examples=20_000)
hypothesis.settings.load_profile("unit")

#: Of a failure, what is said at once.
_LAST_LINES = 25


class Units(LoadScopeScheduling):
    """`pytest -n 3`: a unit of the plan stays on one worker, in its order."""

    def _split_scope(self, nodeid: str) -> str:
        return plan.unit(nodeid)


#: The lab that this run is attached to, if it is.
_KEPT = pytest.StashKey[KeptLab | None]()
#: Tests that a quick run leaves out.
_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--lab=FOLDER`: the services of a lab that `make test-lab` keeps up. `--quick`: what `make test` runs."""
    parser.addoption("--lab", metavar="FOLDER", type=Path, help="a lab that `make test-lab` keeps up; none is started")
    parser.addoption("--quick", action="store_true", help="of the tests on real services some of each package only")


def pytest_configure(config: pytest.Config) -> None:
    """Attach before any test runs, or say in a sentence why not (exit status 4)."""
    config.stash[_KEPT] = None
    config.stash[_LEFT_OUT] = []
    folder = config.getoption("lab")
    if folder is None:
        return
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--lab is one lab, for one process: leave -n out.")
    try:
        config.stash[_KEPT] = attach(folder)
    except BadInput as refused:
        raise pytest.UsageError(str(refused)) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The order of the plan; a quick run leaves out what the plan says."""
    shared_out = hasattr(config, "workerinput")
    items.sort(key=lambda item: plan.turn(item.nodeid, shared_out=shared_out))
    if config.getoption("quick"):
        out = [item for item in items if not plan.is_quick(item.nodeid)]
        config.stash[_LEFT_OUT] += [item.nodeid for item in out]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if plan.is_quick(item.nodeid)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist collects, and its controller does not: tell it what was left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Each worker left out the same."""
    if told := getattr(node, "workeroutput", {}).get("left_out"):
        node.config.stash[_LEFT_OUT] = told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What a quick run left out, and how to run it."""
    for line in plan.left_out_in_words(config.stash[_LEFT_OUT]):
        terminalreporter.write_line(line)


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


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Units:
    """Hand out the tests by unit, in the order of the plan. (The mark xdist_group does nothing in pytest 9.2.)"""
    config.option.loadscopereorder = False
    return Units(config, log)


@pytest.fixture(scope="session")
def kept(pytestconfig: pytest.Config) -> KeptLab | None:
    """The lab of `--lab`."""
    return pytestconfig.stash[_KEPT]


@pytest.fixture(scope="session", autouse=True)
def lab_folder(kept: KeptLab | None) -> Iterator[Path]:
    """A folder for the test lab; every test, and every command it runs, sees that lab's settings."""
    folder = kept.folder if kept else Path(tempfile.mkdtemp(prefix="labkit-test-"))
    environment = kept.environment if kept else lab_environment(folder)
    keep_ports(environment)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LABKIT_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("COLUMNS", "200")
        yield folder
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(lab_folder: Path) -> Settings:
    """The settings of the test lab, whose services may not be up."""
    return load_settings()


@pytest.fixture(scope="session")
def lab(settings: Settings, kept: KeptLab | None) -> Iterator[Settings]:
    """The settings of the test lab, with its services up until the end of the run; those of `--lab` stay up."""
    if kept:
        take_new_code(settings)  # or a job would be tried in a TaskManager that has loaded what was there before
    else:
        services.up(settings)
    yield settings
    left_before = services.processes(settings)
    if not kept:
        services.down(settings)
    assert left_before, "the services were gone before the end of the tests"
    assert kept or services.processes(settings) == []


@pytest.fixture
def second_lab(tmp_path: Path) -> Settings:
    """The settings of a lab beside the test lab; nothing of it is there."""
    return settings_of({**lab_environment(tmp_path), "LABKIT_HOSTNAME": "second"})


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
            cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=patience(timeout),
        )  # fmt: skip

    return run
