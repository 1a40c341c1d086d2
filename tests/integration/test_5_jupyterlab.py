"""`labkit lab`: JupyterLab on 127.0.0.1, closed without its token, gone after Ctrl-C."""

from __future__ import annotations

import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from labkit.ops import ports, services
from labkit.ops.jupyter import token
from labkit.settings import Settings
from tests.conftest import Labkit
from tests.jupyterlab import at_work


@pytest.fixture
def jupyterlab(lab: Settings) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """JupyterLab at work, and the address that it said."""
    with at_work() as opened:
        yield opened


def command_lines(family: list[psutil.Process]) -> Iterator[str]:
    """The words of each process that is still there."""
    for member in family:
        with suppress(psutil.NoSuchProcess):
            yield " ".join(member.cmdline())


def test_it_opens_with_its_token_only_listens_on_127_0_0_1_and_ends_with_ctrl_c(
    lab: Settings, jupyterlab: tuple[subprocess.Popen[str], str], labkit: Labkit
) -> None:
    process, address = jupyterlab
    base = f"http://127.0.0.1:{lab.jupyter_port}"
    assert address.startswith(f"{base}/lab/tree/index.ipynb?token=")
    secret = address.split("token=")[1]
    assert httpx.get(f"{base}/api/contents").status_code == 403
    names = {entry["name"] for entry in httpx.get(f"{base}/api/contents?token={secret}").json()["content"]}
    assert {"index.ipynb", "00_preflight.ipynb", "exercises", "logs"} <= names
    kafka_log = httpx.get(f"{base}/api/contents/logs/kafka.log?token={secret}")
    assert "KafkaRaftServer nodeId" in kafka_log.json()["content"]
    assert httpx.get(address).status_code == 200

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert {address for _, address, _ in ports.listening({member.pid for member in family})} == {"127.0.0.1"}
    assert not any(secret in words for words in command_lines(family)), "the token is in no process list"
    assert stat.S_IMODE((lab.state_dir / "jupyter-token").stat().st_mode) == 0o600

    refused = labkit("lab")
    assert refused.returncode == 2
    assert f"Port {lab.jupyter_port} (jupyter_port) is taken by" in refused.stderr

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    psutil.wait_procs(family, timeout=10)
    assert not any(member.is_running() for member in family)
    assert all(row.healthy for row in services.status(lab)), "the services stay up"
    assert token(lab) == secret


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_signal_leaves_it_behind(jupyterlab: tuple[subprocess.Popen[str], str], number: signal.Signals) -> None:
    process, _ = jupyterlab
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.send_signal(number)
    process.communicate(timeout=60)
    psutil.wait_procs(family, timeout=10)
    assert not any(member.is_running() for member in family)
