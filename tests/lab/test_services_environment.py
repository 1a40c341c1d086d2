"""What the services find in their environment: what the lab makes, and little else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.flink import gateway
from labkit.flink.home import java
from labkit.flink.jvm import clean, replaced
from labkit.lab.supervisor.environment import for_services, scratch_dir
from labkit.settings import REPOSITORY, Settings
from tests.support.foreign import FOREIGN


def test_what_other_installations_keep_in_a_shell_reaches_no_service(settings: Settings) -> None:
    own = {"HOME": "/home/me", "TZ": "Asia/Tokyo", "LABKIT_SUFFIX": "_x", "AWS_ACCESS_KEY_ID": "k"}
    found = for_services(settings, {**FOREIGN, **own})
    assert own.items() <= found.items()
    assert not found.keys() & FOREIGN.keys() - {"TMPDIR"}
    assert found["TMPDIR"] == str(scratch_dir(settings))
    assert found["LC_ALL"] == "C.UTF-8"
    assert found["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert {"127.0.0.1", "localhost"} <= set(found["NO_PROXY"].split(","))


def test_a_service_finds_the_same_folders_wherever_it_runs(settings: Settings) -> None:
    found = for_services(settings, {"LABKIT_STATE_DIR": "relative"})
    assert found["LABKIT_STATE_DIR"] == str(settings.state_dir)
    assert found["LABKIT_OUTPUT_DIR"] == str(settings.output_dir)


def test_a_copy_of_labkit_is_the_one_that_workers_import(settings: Settings) -> None:
    assert for_services(settings, {"PYTHONPATH": f"/opt/x:{REPOSITORY}"})["PYTHONPATH"] == str(REPOSITORY)
    assert "PYTHONPATH" not in for_services(settings, {"PYTHONPATH": "/opt/x"})


def test_an_environment_is_another_one_for_a_while_and_then_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    before = dict(os.environ)
    with replaced(clean()):
        within = dict(os.environ)
    assert within == clean(before)
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["plain", 'it\'s "a" $HOME 100%', "Übung 1"])
def test_the_clients_jvm_unpacks_in_the_state_folder_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    own = gateway.environment(tmp_path / "share", tmp_path / name, tmp_path / name / "tmp" / "flink-client-x")
    done = subprocess.run(
        [java(), "-XshowSettings:properties", "-version"], env=own,
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert f"java.io.tmpdir = {tmp_path / name}/tmp/flink-client-x\n" in done.stderr
