"""A full disk: the sentence names the folder and how much is needed, and what is half there is not taken for whole."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from labkit.settings import REPOSITORY, Settings
from labkit.system.disk_space import STATE_MIB, free_mib
from tests.support.labs import Labkit, lab_environment


def fill(disk: Path) -> None:
    """Write until nothing more goes in."""
    with (disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert free_mib(disk) == 0


def test_up_with_its_state_folder_on_a_full_disk_names_the_folder_and_what_is_needed(
    small_disk: Path, labkit: Labkit
) -> None:
    state = small_disk / "state"
    fill(small_disk)
    done = labkit("up", **{**lab_environment(small_disk), "LABKIT_STATE_DIR": str(state)})
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"0 MiB are free for {state}, {STATE_MIB} are needed; nothing was started.")
    assert not (state / "supervisord.conf").exists()


def test_run_with_its_output_folder_on_a_full_disk_starts_nothing(
    small_disk: Path, labkit: Labkit, second_lab: Settings
) -> None:
    given = {f"LABKIT_{name.upper()}": str(getattr(second_lab, name)) for name in second_lab.model_fields_set}
    done = labkit("run", **{**given, "LABKIT_OUTPUT_DIR": str(small_disk / "output")})
    assert done.returncode == 2
    assert f"MiB are free for {small_disk}/output, 50 are needed; nothing was started." in done.stderr
    assert not (second_lab.state_dir / "supervisord.conf").exists()


def test_a_disk_that_fills_up_on_the_way_is_one_sentence_that_names_the_folder(
    small_disk: Path, labkit: Labkit, second_lab: Settings
) -> None:
    fill(small_disk)
    given = {f"LABKIT_{name.upper()}": str(getattr(second_lab, name)) for name in second_lab.model_fields_set}
    done = labkit("restore", "05", **{**given, "LABKIT_WORK_DIR": str(small_disk / "work")})
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"The disk of {small_disk}/work is full: 0 MiB are free, 20 more are needed.")


def test_the_java_parts_are_not_fetched_where_there_is_no_room_and_the_folder_is_named(
    small_disk: Path, labkit: Labkit
) -> None:
    environment = {**lab_environment(small_disk), "LABKIT_INSTALL_DIR": str(small_disk / "java")}
    done = subprocess.run(
        [sys.executable, "-m", "labkit.setup.install"], env={"PATH": "/usr/bin:/bin", **environment},
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"MiB are free for {small_disk}/java" in done.stdout
    assert "are needed; nothing was fetched" in done.stdout
    assert not (small_disk / "java").exists()
