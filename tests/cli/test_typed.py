"""What labkit says to type can be typed: by its name where the shell finds it, else by its path."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from labkit.cli.main import app
from labkit.cli.typed import AS_TYPED, Teller, typed, way
from labkit.settings import REPOSITORY
from tests.support.labs import lab_environment

NAMES = [one.name for one in app.registered_commands if one.name]
OWN = Path(sys.executable).with_name("labkit")


@pytest.fixture
def unknown_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_a_shell_that_finds_labkit_is_told_its_name() -> None:
    assert way() == "labkit"
    assert typed("To stop them: labkit down", NAMES) == "To stop them: labkit down"


@pytest.mark.usefixtures("unknown_to_the_shell")
def test_a_shell_that_does_not_is_told_the_path_from_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(OWN.parent.parent.parent)
    assert way() == quote(os.path.relpath(OWN))
    monkeypatch.chdir("/")
    assert way() in (quote(str(OWN)), quote(str(OWN).removeprefix("/")))
    monkeypatch.chdir(OWN.parent)
    assert way() == quote(str(OWN)), "a bare name would be looked for on PATH"


def test_another_labkit_on_path_is_not_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "labkit"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert way() != "labkit"


def test_a_container_tells_what_the_host_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AS_TYPED, "docker/labkit.sh")
    assert typed("Start the services: labkit up", NAMES) == "Start the services: docker/labkit.sh up"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Type: labkit status; then labkit up starts it.", "Type: X status; then X up starts it."),
        ("labkit dead-letters --repair", "X dead-letters --repair"),
        ("See: labkit --help", "See: X --help"),
        ("labkit knows no such thing, labkit alone too", "labkit knows no such thing, labkit alone too"),
        (".venv/bin/labkit down", ".venv/bin/labkit down"),
        ("labkit upwards, mylabkit up, labkit.toml", "labkit upwards, mylabkit up, labkit.toml"),
    ],
)
def test_only_commands_are_changed(said: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AS_TYPED, "X")
    assert typed(said, NAMES) == shown


def test_a_console_says_so_in_each_of_its_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AS_TYPED, "X")
    file = io.StringIO()
    Teller(lambda: NAMES, file=file, width=80).print("labkit up", 3, "[bold]labkit down[/]")
    assert file.getvalue() == "X up 3 X down\n"


def test_what_a_person_is_told_after_make_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    environment = {**os.environ, **lab_environment(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [OWN, "topics"], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    advice = done.stderr.strip().rpartition("Start the services: ")[2]
    assert advice.endswith("labkit up")
    assert advice != "labkit up"
    helped = subprocess.run(
        ["sh", "-c", f"{advice} --help"], cwd=REPOSITORY, env=environment,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert helped.returncode == 0
