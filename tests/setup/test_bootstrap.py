"""Set-up begins on whatever Python is there: an unfit one is told so, a finished set-up is left alone."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from labkit.settings import REPOSITORY
from tests.support.cgroups import own_group

SCRIPT = REPOSITORY / "labkit" / "setup" / "bootstrap.py"
PYENV = Path.home() / ".pyenv" / "versions"


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that set-up is told to make; it is not there."""
    monkeypatch.setenv("LABKIT_VENV", str(tmp_path / "venv"))
    return tmp_path / "venv"


@pytest.fixture
def bootstrap(venv: Path) -> ModuleType:
    """The script as a module, loaded by its path as nothing of labkit may be there yet."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(python: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(python), str(SCRIPT), *options], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.13", "3.14"])
def test_another_python_is_refused_in_one_sentence_and_nothing_is_made(version: str, venv: Path) -> None:
    python = next(PYENV.glob(f"{version}.*/bin/python"), None)
    if python is None:
        pytest.skip(f"there is no Python {version} below {PYENV}")
    done = run(python)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert f"needs Python 3.11 or 3.12, this is {version}; nothing was changed" in sentence
    assert "make PYTHON=" in sentence
    assert not venv.exists()


def test_a_finished_set_up_is_left_alone(venv: Path, bootstrap: ModuleType) -> None:
    venv.mkdir()
    (venv / ".labkit-installed").write_text(bootstrap.fingerprint(bootstrap.LOCKS))
    done = run(sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(venv) == [".labkit-installed"]


def test_what_only_the_tests_need_is_a_set_up_of_its_own(bootstrap: ModuleType) -> None:
    lab, dev = (set(one_name(file)) for file in ("requirements.txt", "requirements-dev.txt"))
    assert {"apache-flink", "jupyterlab", "nbval"} <= lab
    assert {"ruff", "mypy", "playwright"} <= dev - lab
    assert set(bootstrap.DEV_LOCKS) - set(bootstrap.LOCKS) == {"requirements-dev.txt"}


def one_name(lock: str) -> list[str]:
    """The names of the packages that a lock file pins."""
    return re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / lock).read_text(), re.M)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "jars.lock", "pyproject.toml"])
def test_set_up_begins_anew_where_a_lock_file_changes(
    name: str, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
    before = bootstrap.fingerprint(bootstrap.DEV_LOCKS)
    assert bootstrap.fingerprint(bootstrap.DEV_LOCKS) == before
    (tmp_path / name).write_text("other")
    assert bootstrap.fingerprint(bootstrap.DEV_LOCKS) != before


@pytest.mark.parametrize(("limit", "word"), [("NEEDED_DISK_MB", "disk"), ("NEEDED_MEMORY_MB", "memory")])
def test_a_machine_that_is_too_small_is_told_so_and_nothing_is_made(
    limit: str, word: str, bootstrap: ModuleType, venv: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(bootstrap, limit, 10**12)
    assert bootstrap.main() == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert word in sentence
    assert "nothing was changed" in sentence
    assert not venv.exists()


def test_set_up_goes_by_the_memory_of_a_cgroup_and_names_it(venv: Path) -> None:
    with own_group({"memory.max": "1000M"}) as enter:
        done = subprocess.run([*enter, sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert re.match(
        r"1048 MB of memory may be used, the limit of the cgroup .* \(the machine has \d+ MB\); the lab needs 3000\. "
        r"Nothing was changed\. Raise that limit", sentence,
    )  # fmt: skip
    assert not venv.exists()


def test_set_up_looks_at_the_disk_that_it_writes_to_and_names_the_folder(
    bootstrap: ModuleType, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_VENV", str(small_disk / "venv"))
    done = run(sys.executable)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    needed = bootstrap.NEEDED_DISK_MB
    assert sentence.startswith(f"1 MB are free on the disk of {small_disk}/venv, set-up needs {needed} there; nothing")
    assert os.listdir(small_disk) == []


def test_a_disk_that_fills_up_during_set_up_is_named_with_what_is_needed_and_leaves_no_stamp(
    bootstrap: ModuleType, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "VENV", str(small_disk / "venv"))
    monkeypatch.setattr(bootstrap, "PYTHON", str(small_disk / "venv" / "bin" / "python"))
    monkeypatch.setattr(bootstrap, "machine_problem", lambda: None)  # another program fills the disk after that look
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    assert bootstrap.main() == 1
    *_, stopped, full = capfd.readouterr().err.splitlines()
    assert stopped.startswith("Set-up stopped (")
    assert "goes on where this one was" in stopped
    assert full.startswith(f"The disk of {small_disk}/venv is full: ")
    assert full.endswith(" are needed. Make room there first.")
    assert not (small_disk / "venv" / ".labkit-installed").exists()


def test_a_stamp_that_could_not_be_written_whole_is_no_stamp(bootstrap: ModuleType, small_disk: Path) -> None:
    stamp = small_disk / ".labkit-installed"
    with pytest.raises(OSError, match="No space left on device"):
        bootstrap.stamp(str(stamp), "x" * 2**21)
    assert not stamp.exists()


@pytest.mark.parametrize("name", ["a:b", "a\\b", "[a]", "{a}", "a\tb", "\U0001f600", "a\udcff"])
def test_a_folder_that_java_cannot_take_is_refused(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", f"/somewhere/{name}/lab")
    said = bootstrap.machine_problem()
    assert said.startswith("Java cannot take the path of this folder (")
    assert said.endswith("nothing was changed. Clone into another folder.")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, r"is there and cannot be read: Is a directory\. Nothing was changed\. Type: ls -l "),
        (Path.touch, r"is empty: this container hides .* Nothing was changed\. Ask whoever runs this container"),
        (lambda _: None, r"There is no .*a container may hide it\. Nothing was changed\. Ask whoever runs"),
    ],
)
def test_what_is_so_is_said_where_proc_stat_cannot_be_read(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "stat")
    monkeypatch.setattr(bootstrap, "PROC_STAT", str(tmp_path / "stat"))
    assert re.search(words, bootstrap.machine_problem())


def test_a_bundle_that_cannot_be_used_is_refused_in_one_sentence_and_nothing_is_made(venv: Path) -> None:
    done = run(sys.executable, "--bundle", str(venv.parent / "nowhere.tar"))
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence == f"There is no bundle at {venv.parent}/nowhere.tar. Nothing was changed."
    assert os.listdir(venv.parent) == []


@pytest.mark.parametrize("version", ["3.6", "3.10", "3.13"])
def test_an_unfit_python_is_told_so_before_a_bundle_is_looked_at(version: str, venv: Path) -> None:
    python = next(PYENV.glob(f"{version}.*/bin/python"), None)
    if python is None:
        pytest.skip(f"there is no Python {version} below {PYENV}")
    done = run(python, "--bundle", str(venv.parent / "nowhere.tar"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs Python 3.11 or 3.12" in done.stderr


def test_what_is_installed_from_a_bundle_asks_no_index_and_no_settings_of_the_person(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    environment = bootstrap.offline_environment()
    assert "https://index.example/simple" not in environment.values()
    assert (environment["UV_OFFLINE"], environment["PIP_CONFIG_FILE"]) == ("1", os.devnull)
    assert environment["UV_CACHE_DIR"].startswith(bootstrap.SCRATCH)


def test_uv_is_pinned_by_hash_as_requirements_txt_has_it(bootstrap: ModuleType, venv: Path) -> None:
    venv.mkdir()
    first, *hashes = Path(bootstrap.one_requirement("uv")).read_text().splitlines()
    assert first.startswith("uv==")
    assert hashes
    assert all(line.strip().startswith("--hash=sha256:") for line in hashes)


UV_NAMES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST", "SSL_CERT_FILE", "ALL_PROXY")


@pytest.fixture
def uv(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with a Python that has pip, and no settings of pip's or uv's."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name in UV_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(bootstrap, "PYTHON", sys.executable)
    return bootstrap


@pytest.fixture
def pip_conf(uv: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A configuration file of pip's; it is not there yet."""
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    return tmp_path / "pip.conf"


def test_uv_is_told_what_pip_is_told(uv: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example https://two.example")
    monkeypatch.setenv("PIP_FIND_LINKS", "/opt/wheels")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.example")
    monkeypatch.setenv("PIP_CERT", "/etc/own.pem")
    monkeypatch.setenv("PIP_PROXY", "http://proxy.example:3128")
    environment = uv.uv_environment()
    assert {name: environment.get(name) for name in UV_NAMES} == {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "https://one.example https://two.example",
        "UV_FIND_LINKS": "/opt/wheels",
        "UV_INSECURE_HOST": "index.example",
        "SSL_CERT_FILE": "/etc/own.pem",
        "ALL_PROXY": "http://proxy.example:3128",
    }


def test_uv_keeps_what_it_is_told_itself(uv: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example")
    assert uv.uv_environment()["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_pips_environment_wins_over_its_configuration_file(
    uv: ModuleType, pip_conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_conf.write_text("[global]\nindex-url = https://file.example\n")
    assert uv.uv_environment()["UV_DEFAULT_INDEX"] == "https://file.example"
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example")
    assert uv.uv_environment()["UV_DEFAULT_INDEX"] == "https://environment.example"


def test_several_indexes_in_pips_configuration_file_are_several_for_uv(uv: ModuleType, pip_conf: Path) -> None:
    lines = "\n    https://one.example\n    https://two.example\n"
    pip_conf.write_text(f"[global]\nextra-index-url ={lines}")
    assert uv.uv_environment()["UV_INDEX"].split() == ["https://one.example", "https://two.example"]


def test_what_goes_on_by_itself_is_not_told_what_to_type_next() -> None:
    def said(target: str) -> str:
        words = ["make", "-s", target, "PYTHON=true"]  # true in the place of set-up
        return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert said("install") == "All is installed. Next: make run, or make lab\n"
    assert said("installed") == ""
    assert "make -s installed\n" in (REPOSITORY / "docker" / "labkit.sh").read_text()
