"""Invariant 22: bad input to any command is one sentence and exit status 2, and nothing was changed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from labkit.cli.main import app
from labkit.errors import BadInput, LabkitError
from labkit.jobs.origin import Origin, write_origin
from labkit.lab import services
from labkit.lab.reset import what_goes
from labkit.settings import REPOSITORY, Settings, load_settings
from tests.support.labs import PORTS, Labkit, lab_environment, settings_of

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture
def idle_lab(tmp_path: Path) -> dict[str, str]:
    """The environment of a lab whose services were never up."""
    return lab_environment(tmp_path)


def one_sentence(labkit: Labkit, status: int, *words: str, **environment: str) -> str:
    """What the command says about its bad input: one line on stderr, nothing on stdout."""
    done = labkit(*words, timeout=60, **environment)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1), done.stderr
    return done.stderr.strip()


BAD_WORDS = {
    "bogus": "bogus",
    "run --bogus": "--bogus",
    "run --seconds ten": "--seconds",
    "run --seconds 0": "--seconds has to be more than 0",
    "run --seconds -1": "--seconds has to be more than 0",
    "run --seconds inf": "--seconds has to be",
    "produce --seconds nan": "--seconds has to be",
    "run --interval 0": "interval_s",
    "produce --interval -1": "--interval has to be more than 0",
    "produce --interval nan": "--interval has to be more than 0",
    "produce --speed 10": "--speed is for --replay and --fleet",
    "produce --as-now": "--as-now is for --replay",
    "produce --cpus 4": "--cpus is for --fleet",
    "produce --fleet 0": "--fleet",
    "produce --fleet 2 --replay x.gz": "do not go together",
    "produce --fleet 2 --speed max": "--speed max needs --seconds",
    "produce --fleet 2 --scenario nowhere.toml": "nowhere.toml",
    "produce --fleet 2 --start yesterday": "--start",
    "produce --fleet 2 --start 1900-01-01": "--start has to be after the year 1970 (given: 1900-01-01)",
    "produce --heartbeat /nowhere/beat": "There is no folder /nowhere",
    "produce --replay nowhere.gz": "There is no file nowhere.gz",
    "produce --replay x.gz --speed fast": "--speed is a number such as 10, or max",
    "produce --replay x.gz --speed 0": "--speed is a number of more than 0, or max",
    "produce --replay x.gz --interval 1": "has its own interval",
    "record": "FILE",
    "record /nowhere/x.gz --seconds 1": "cannot be written",
    "record x.gz --seconds 0": "--seconds has to be more than 0",
    "watch --seconds 0": "--seconds has to be more than 0",
    "watch --host=": "--host needs a name",
    "chaos": "action",
    "chaos maim kafka": "There is no action 'maim'; there is kill, pause, full-disk",
    "chaos kill": "kill needs to know what: taskmanager, jobmanager, kafka, registry, producer",
    "chaos kill zookeeper": "There is no target 'zookeeper'",
    "chaos pause kafka --seconds 0": "--seconds has to be more than 0",
    "chaos full-disk kafka": "full-disk takes no service",
    "chaos kill kafka": "kafka is not running",
    "chaos kill producer": "producer is not running",
    "compact yesterday": "yesterday",
    "dead-letters --export x.json": "--export is for one letter",
    "dead-letters 17 --export x.json --repair": "--export and --repair do not go together",
    "dead-letters 17 --resend x.json": "goes with nothing else",
    "dead-letters 17 --all": "--all is for the table",
    "dead-letters --resend nowhere.json": "cannot be read",
    "logs": "service",
    "logs zookeeper": "kafka, registry, jobmanager, taskmanager",
    "logs kafka --lines 0": "--lines",
    "submit": "JOB",
    "submit everything": "enrichment, parquet",
    "stop everything": "enrichment, parquet",
    "topics procstat": "procstat_snapshots, procstat_metrics, procstat_dead_letters",
    "status now": "now",
    "hint": "exercise",
    "hint 05": "There is no exercise '05'. Do you mean 05a or 05b?",
    "solution x": "There is no exercise 'x'. An exercise is called like 05a.",
    "solution 05a": "No answer of yours to 05a has been checked yet",
    "submit enrichment everything": "enrichment, parquet",
    "submit parquet --fresh --when-ready": "do not go together",
}


@pytest.mark.parametrize("words", BAD_WORDS)
def test_bad_words_are_answered_with_one_sentence(words: str, labkit: Labkit, idle_lab: dict[str, str]) -> None:
    assert BAD_WORDS[words] in one_sentence(labkit, 2, *words.split(), **idle_lab)
    assert not Path(idle_lab["LABKIT_STATE_DIR"]).exists()
    assert not Path(idle_lab["LABKIT_OUTPUT_DIR"]).exists()


@pytest.mark.parametrize(
    ("words", "todo"), [("reset", "docker compose down --volumes"), ("run", "labkit plot, labkit ledger")]
)
def test_what_containers_cannot_do_says_what_to_type_instead(
    words: str, todo: str, labkit: Labkit, idle_lab: dict[str, str]
) -> None:
    said = one_sentence(labkit, 2, words, **{**idle_lab, "LABKIT_DEPLOYMENT": "compose"})
    assert said.endswith(todo)


def test_a_container_that_is_none_is_refused(idle_lab: dict[str, str]) -> None:
    for environment in ({}, {"LABKIT_DEPLOYMENT": "compose"}, {"LABKIT_DEPLOYMENT": "compose", "service": "zookeeper"}):
        done = subprocess.run(
            [sys.executable, "-m", "labkit.lab.containers.entry", environment.get("service", "kafka")],
            env={**os.environ, **idle_lab, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert not Path(idle_lab["LABKIT_STATE_DIR"]).exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KAFKA_PORT", "abc"), ("KAFKA_PORT", ""), ("INTERVAL_S", "0"), ("PARTITIONS", "many")],
)
def test_a_bad_setting_is_named(variable: str, value: str, labkit: Labkit) -> None:
    said = one_sentence(labkit, 2, "status", **{f"LABKIT_{variable}": value})
    assert variable.lower() in said
    assert repr(value) in said


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ("topics", "Kafka"),
        ("ledger", "Kafka"),
        ("register-schema", "registry"),
        ("submit enrichment", "Flink"),
        ("stop enrichment", "Flink"),
    ],
)
def test_a_service_that_is_not_up_is_named_with_what_to_type(
    words: str, who: str, labkit: Labkit, idle_lab: dict[str, str]
) -> None:
    said = one_sentence(labkit, 1, *words.split(), **idle_lab)
    assert f"{who} does not answer at" in said
    assert said.endswith("Start the services: labkit up")


def test_the_log_of_a_service_that_never_ran_is_one_sentence(labkit: Labkit, idle_lab: dict[str, str]) -> None:
    assert "labkit up" in one_sentence(labkit, 2, "logs", "kafka", **idle_lab)


def test_a_plot_of_nothing_says_what_to_run_first(labkit: Labkit, idle_lab: dict[str, str]) -> None:
    assert "labkit run" in one_sentence(labkit, 1, "plot", **idle_lab)


@pytest.mark.parametrize("port", [name for name in PORTS if name != "jupyter_port"])
def test_who_holds_a_port_is_named_and_nothing_is_started(
    port: str, idle_lab: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(idle_lab)
    with socket.create_server(("127.0.0.1", settings.ports[port])), pytest.raises(BadInput) as caught:
        services.up(settings)
    assert f"Port {settings.ports[port]} ({port}) is taken by" in str(caught.value)
    assert f"(pid {os.getpid()}); nothing was started" in str(caught.value)
    assert_nothing_was_started(settings)


def test_the_command_line_says_so_in_one_sentence(labkit: Labkit, idle_lab: dict[str, str]) -> None:
    settings = settings_of(idle_lab)
    with socket.create_server(("127.0.0.1", settings.flink_port)):
        done = labkit("run", "--seconds", "1", timeout=60, **idle_lab)
    (sentence,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert f"taken by {psutil.Process().name()} (pid {os.getpid()}); nothing was started" in sentence
    assert_nothing_was_started(settings)


def assert_nothing_was_started(settings: Settings) -> None:
    assert services.processes(settings) == []
    assert not (settings.state_dir / "supervisord.conf").exists()
    for port in settings.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("variable", "words"),
    [("LABKIT_OUTPUT_DIR", "run --seconds 1"), ("LABKIT_STATE_DIR", "run --seconds 1"), ("LABKIT_STATE_DIR", "up")],
)
def test_a_folder_that_cannot_be_made_is_one_sentence(
    variable: str, words: str, labkit: Labkit, idle_lab: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "below")
    assert folder in one_sentence(labkit, 2, *words.split(), **{**idle_lab, variable: folder})
    assert services.processes(settings_of(idle_lab)) == []


@pytest.fixture
def used_lab(idle_lab: dict[str, str]) -> Settings:
    """A lab that has run: files where `reset` looks for them."""
    settings = settings_of(idle_lab)
    for file in (
        settings.state_dir / "supervisord.conf",
        settings.parquet_dir / "date=2025-11-22" / "part-0.parquet",
        settings.plots_dir / "cpu_usage.png",
        settings.output_dir / "a_persons_own.txt",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return settings


def everything(settings: Settings) -> set[Path]:
    """What is there, but for the lock that every command may take."""
    return {path for path in settings.state_dir.parent.rglob("*") if path.name != "lock"}


def test_reset_asks_and_where_nobody_can_answer_it_changes_nothing(
    labkit: Labkit, idle_lab: dict[str, str], used_lab: Settings
) -> None:
    before = everything(used_lab)
    said = one_sentence(labkit, 2, "reset", **idle_lab)
    for word in (str(used_lab.parquet_dir), "Nothing was changed", "--yes"):
        assert word in said
    assert everything(used_lab) == before


def test_reset_refuses_a_folder_that_is_no_labs(labkit: Labkit, idle_lab: dict[str, str], used_lab: Settings) -> None:
    (used_lab.state_dir / "supervisord.conf").rename(used_lab.state_dir / "letters.txt")
    before = everything(used_lab)
    assert "does not look like a lab's" in one_sentence(labkit, 2, "reset", "--yes", **idle_lab)
    assert everything(used_lab) == before


def test_reset_removes_what_it_named_and_leaves_a_persons_own_files(
    labkit: Labkit, idle_lab: dict[str, str], used_lab: Settings
) -> None:
    assert labkit("reset", "--yes", **idle_lab).returncode == 0
    assert everything(used_lab) == {used_lab.output_dir, used_lab.output_dir / "a_persons_own.txt"}
    assert "nothing to remove" in labkit("reset", "--yes", **idle_lab).stdout


def test_reset_leaves_the_rows_of_another_lab_in_a_shared_output_folder(
    labkit: Labkit, idle_lab: dict[str, str], used_lab: Settings, tmp_path: Path
) -> None:
    theirs = tmp_path / "their-state"
    theirs.mkdir()
    folder = used_lab.output_dir / f"{used_lab.parquet_dir.name}_nb05"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"rows")
    write_origin(folder / ".made-from.json", Origin(str(theirs), "their-cluster", {}))
    assert str(folder) not in labkit("reset", **idle_lab).stdout
    assert labkit("reset", "--yes", **idle_lab).returncode == 0
    assert (folder / "part-0.parquet").read_bytes() == b"rows"
    theirs.rmdir()  # a lab that is gone has no rows any more
    assert folder in what_goes(used_lab)


def test_reset_after_a_start_that_failed_is_fine(labkit: Labkit, idle_lab: dict[str, str]) -> None:
    settings = settings_of(idle_lab)
    with socket.create_server(("127.0.0.1", settings.kafka_port)), pytest.raises(BadInput):
        services.up(settings)
    done = labkit("reset", "--yes", **idle_lab)
    assert (done.returncode, done.stderr) == (0, "")


def test_reset_never_names_the_notebooks_of_the_course(tmp_path: Path) -> None:
    with suppress(BadInput):
        assert REPOSITORY / "notebooks" not in what_goes(load_settings(state_dir=tmp_path, output_dir=REPOSITORY))


def test_the_help_names_every_command(labkit: Labkit) -> None:
    said = labkit().stdout
    assert said == labkit("--help").stdout
    assert all(f"\n  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_of_it(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert done.stdout.strip().splitlines()[-1].strip().startswith(f"Example: labkit {name}")


def test_down_where_there_is_no_lab_makes_none(labkit: Labkit, tmp_path: Path) -> None:
    done = labkit("down", LABKIT_STATE_DIR=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (0, "No service was running.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("left", "said"), [(True, "still up. To stop them: labkit down"), (False, "down, too.")])
def test_when_jupyterlab_has_ended_lab_looks_whether_the_services_are_up(
    left: bool, said: str, idle_lab: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in idle_lab.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    # The services are known by supervisord's command line. This one only sleeps.
    words = ["supervisor.supervisord", "-c", str(settings.state_dir / "supervisord.conf")]
    asleep = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])

    def serve(*_: object) -> int:
        if not left:  # `labkit down`, in another terminal
            asleep.kill()
            asleep.wait()
        return 0

    monkeypatch.setattr("labkit.cli.lab.up", lambda: None)
    monkeypatch.setattr("labkit.lab.jupyter.serve", serve)
    try:
        done = CliRunner().invoke(app, ["lab"])
    finally:
        asleep.kill()
        asleep.wait()
    assert (done.exit_code, done.stdout) == (0, f"JupyterLab has ended; the services are {said}\n")


def test_no_sentence_ends_in_two_full_stops_whatever_others_say() -> None:
    assert LabkitError("The registry refuses it: Invalid schema..").what == "The registry refuses it: Invalid schema."
    assert str(LabkitError("One..", "Two.")) == "One. Two."
    assert LabkitError("Waiting ...").what == "Waiting ..."
