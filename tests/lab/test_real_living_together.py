"""Runs that are killed, terminals that are closed, labs side by side: a clear state, a clear sentence, no orphan."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil
import pytest

from labkit.errors import BadInput
from labkit.flink.rest import FlinkRest
from labkit.lab import ownership, run_state, services
from labkit.lab.account import measure
from labkit.lab.supervisor.control import processes
from labkit.lab.supervisor.processes import control_address
from labkit.settings import REPOSITORY, Settings, load_settings
from labkit.streams.names import JOBS
from labkit.system import ports
from labkit.system.waiting import patience
from tests.support.commands import at_work, hear
from tests.support.labs import Labkit, environment_of, free_ports
from tests.support.waiting import wait_for


def jobs_at_work(settings: Settings) -> list[str]:
    return [job.name for job in FlinkRest(settings.flink_url).jobs() if not job.is_over]


@pytest.fixture(scope="module")
def killed(lab: Settings) -> tuple[int, list[list[str]]]:
    """(pid of a `labkit run` that was killed in the live part, what a run, a down and a reset said before that)."""
    with at_work("run", "--seconds", "600", "--interval", "0.5", environment=environment_of(lab)) as process:
        hear(process, "submit jobs")
        said = []
        for words in (["run", "--seconds", "1"], ["down"], ["reset", "--yes"]):
            done = subprocess.run(
                [sys.executable, "-m", "labkit.cli", *words],
                cwd=REPOSITORY, env=dict(os.environ), capture_output=True, text=True, check=False,
            )  # fmt: skip
            said.append([str(done.returncode), done.stdout, *done.stderr.splitlines()])
        wait_for(lambda: measure(lab).rows.found > 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return process.pid, said


def test_a_second_run_a_down_and_a_reset_say_that_one_is_at_work_and_which_and_change_nothing(
    lab: Settings, killed: tuple[int, list[list[str]]]
) -> None:
    pid, said = killed
    refused = [
        "2", "",
        f"Another `labkit run` (pid {pid}) is at work in {lab.state_dir}; nothing was changed. "
        f"Wait until it has ended, or press Ctrl-C there (no terminal: kill {pid}).",
    ]  # fmt: skip
    assert said == [refused] * 3


def test_what_a_killed_run_left_at_work_is_told_by_up_status_and_doctor(
    lab: Settings, killed: tuple[int, list[list[str]]], labkit: Labkit
) -> None:
    assert sorted(jobs_at_work(lab)) == sorted(JOBS)
    sentence = f"A `labkit run` (pid {killed[0]}) was killed and left the jobs enrichment and parquet at work."
    for command, status in (("up", 0), ("status", 0), ("doctor", 1)):
        done = labkit(command)
        assert done.returncode == status
        assert sentence in done.stdout
        assert "To go on from there: labkit run. To stop everything: labkit down" in done.stdout


def test_the_next_run_goes_on_from_a_killed_one_and_the_ledger_balances(
    lab: Settings, killed: tuple[int, list[list[str]]], labkit: Labkit
) -> None:
    rows_before = measure(lab).rows.found
    done = labkit("run", "--seconds", "2", "--interval", "0.5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"stopping enrichment, left at work by a run (pid {killed[0]}) that was killed" in done.stdout
    assert "enrichment goes on from savepoint-" in done.stdout
    account = measure(lab)
    assert account.balances
    assert (account.rows.missing, account.rows.duplicates, account.uncommitted) == (0, 0, 0)
    assert account.rows.found > rows_before
    assert jobs_at_work(lab) == []
    assert run_state.read(lab) is None
    assert all(row.healthy for row in services.status(lab)), "services that it did not start stay up"


def test_a_run_whose_terminal_is_closed_ends_in_order_and_leaves_no_job(lab: Settings) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-m", "labkit.cli", "run", "--seconds", "600", "--interval", "0.5"])
    try:
        seen = b""
        while b"snapshots sent" not in seen:
            seen += os.read(terminal, 65536)
        assert sorted(jobs_at_work(lab)) == sorted(JOBS)
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the live part was cut short, the rest was done"
    assert jobs_at_work(lab) == []
    assert measure(lab).balances


def test_an_up_whose_terminal_is_closed_leaves_no_process(second_lab: Settings) -> None:
    with at_work("up", environment=environment_of(second_lab)) as process:
        wait_for(lambda: len(services.processes(second_lab)) > 1)
        process.send_signal(signal.SIGHUP)
        process.wait(patience(60))
    assert services.processes(second_lab) == []
    assert all(ports.is_free(port) for port in second_lab.ports.values())


def test_a_down_that_was_killed_does_not_block_the_next_up(lab: Settings) -> None:
    with at_work("down", environment=environment_of(lab)) as process:
        wait_for(lambda: any(one.state == "STOPPING" for found in processes(lab).values() for one in found))
        process.kill()
        process.wait()
    assert services.up(lab) is True
    assert all(row.healthy for row in services.status(lab))


@pytest.fixture
def ending(second_lab: Settings) -> list[psutil.Process]:
    """What is there of a lab whose `down` was killed: a supervisord that ends once its last program has, in 2 s."""
    conf = services.write_configuration(second_lab)
    slow = "\n[program:slow]\ncommand=sh -c \"trap 'sleep 2; exit' TERM; echo; while :; do sleep 0.1; done\"\n"
    conf.write_text(conf.read_text() + slow)
    services._start_supervisord(second_lab, conf)
    with services.supervisor(control_address(second_lab)) as proxy:
        wait_for(lambda: proxy.supervisor.getProcessInfo("slow")["statename"] == "RUNNING")
        (boss,) = [psutil.Process(proxy.supervisor.getPID())]
        proxy.supervisor.shutdown()
    assert services.is_up(second_lab)
    return [boss, *boss.children(recursive=True)]


def is_left(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def test_a_supervisor_that_is_ending_is_gone_before_the_next_one_starts(
    second_lab: Settings, ending: list[psutil.Process]
) -> None:
    """It removes the control socket at its very end: that would be its successor's."""
    services._let_a_broken_off_down_end(second_lab)
    services._stop_left_behind(second_lab)
    assert not any(is_left(process) for process in ending)


def test_a_second_down_while_the_supervisor_is_ending_is_fine_and_leaves_nothing(
    second_lab: Settings, ending: list[psutil.Process]
) -> None:
    assert services.down(second_lab) is True
    assert not any(is_left(process) for process in ending)
    assert services.processes(second_lab) == []


def test_a_port_that_another_lab_holds_is_named_with_that_lab_before_anything_starts(
    lab: Settings, second_lab: Settings
) -> None:
    same_ports = load_settings(**{**second_lab.model_dump(include=second_lab.model_fields_set), **lab.ports})
    with pytest.raises(BadInput, match=rf"taken by kafka of the lab in {lab.state_dir} \(pid \d+\); nothing was star"):
        services.up(same_ports)
    assert services.processes(same_ports) == []
    assert all(row.healthy for row in services.status(lab))


def test_a_lab_whose_ports_were_changed_while_it_is_up_says_so_at_once(lab: Settings) -> None:
    (other,) = free_ports(1)
    for name, acts in (
        ("flink_port", (services.up, ownership.require_own)),
        ("kafka_port", (services.up, ownership.require_own_topics)),
        ("registry_port", (services.up,)),
    ):
        moved = load_settings(**{name: other})
        said = f"{name} is {getattr(lab, name)}, the settings say {other}"
        for act in acts:
            with pytest.raises(BadInput, match=said):
                act(moved)
    ownership.require_own_topics(lab)
    assert all(row.healthy for row in services.status(lab))


def test_a_registry_that_hangs_at_its_start_is_started_again(
    second_lab: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen where the broker was slow: the registry was up, did not answer, and never would have."""
    monkeypatch.setattr(services, "_REGISTRY_WITHIN_S", 1.0)
    frozen: list[int] = []

    def freeze_the_first(rows: Sequence[services.ServiceStatus]) -> None:
        pid = next((row.pid for row in rows if row.name == "registry"), None)
        if pid and not frozen:
            os.kill(pid, signal.SIGSTOP)
            frozen.append(pid)
        if frozen and pid != frozen[0]:  # the second one may take its time
            monkeypatch.setattr(services, "_REGISTRY_WITHIN_S", 300.0)

    try:
        services.up(second_lab, freeze_the_first)
        (pid,) = [row.pid for row in services.status(second_lab) if row.name == "registry"]
        assert [pid] != frozen
    finally:
        services.down(second_lab)
