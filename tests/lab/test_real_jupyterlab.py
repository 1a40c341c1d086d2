"""`labkit lab`: JupyterLab on 127.0.0.1, closed without its token, gone after Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty

import psutil
import pytest
import zmq
from jupyter_client import BlockingKernelClient
from tornado.websocket import websocket_connect

from labkit.lab import services
from labkit.lab.jupyter import token
from labkit.settings import Settings
from labkit.system.own_http import request
from tests.support.jupyterlab import at_work, way_in
from tests.support.labs import Labkit
from tests.support.sockets import listening
from tests.support.waiting import wait_for


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
    _, secret = way_in(address)
    assert request("GET", f"{base}/api/contents").status_code == 403
    names = {entry["name"] for entry in request("GET", f"{base}/api/contents?token={secret}").json()["content"]}
    assert {"index.ipynb", "00_preflight.ipynb", "exercises", "logs"} <= names
    kafka_log = request("GET", f"{base}/api/contents/logs/kafka.log?token={secret}")
    assert "KafkaRaftServer nodeId" in kafka_log.json()["content"]
    assert request("GET", address).status_code == 200

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert {address for _, address, _ in listening({member.pid for member in family})} == {"127.0.0.1"}
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


def test_a_terminal_of_it_knows_labkit(jupyterlab: tuple[subprocess.Popen[str], str]) -> None:
    _, address = jupyterlab
    base, secret = way_in(address)
    terminal = request("POST", f"{base}/api/terminals?token={secret}").json()["name"]

    async def typed() -> str:
        page = f"{base.replace('http', 'ws')}/terminals/websocket/{terminal}?token={secret}"
        screen = await websocket_connect(page)
        await screen.write_message(json.dumps(["stdin", "command -v labkit; echo done-$((1 + 1))\r"]))
        seen = ""
        while "done-2" not in seen:
            message = await screen.read_message()
            assert message is not None, seen
            kind, *text = json.loads(message)
            seen += text[0] if kind == "stdout" else ""
        return seen

    assert f"{Path(sys.executable).parent}/labkit" in asyncio.run(asyncio.wait_for(typed(), timeout=60))


def is_heard(client: BlockingKernelClient) -> bool:
    """Whether what the kernel publishes comes through: a subscription takes its time."""
    client.kernel_info()
    try:
        client.get_iopub_msg(timeout=1)
    except Empty:
        return False
    return True


def test_what_a_kernel_prints_cannot_be_read_from_its_ports_without_its_keys(lab: Settings, tmp_path: Path) -> None:
    with at_work(JUPYTER_RUNTIME_DIR=str(tmp_path)) as (_, address):
        base, secret = way_in(address)
        kernel = request("POST", f"{base}/api/kernels?token={secret}", json={"name": "python3"}).json()["id"]
        file = tmp_path / f"kernel-{kernel}.json"
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        wait_for(lambda: is_heard(client))
        stranger = zmq.Context.instance().socket(zmq.SUB)
        stranger.subscribe(b"")
        stranger.connect(f"tcp://127.0.0.1:{json.loads(file.read_text())['iopub_port']}")
        printed: list[str] = []
        client.execute_interactive(
            "print('for the learner alone')", timeout=60,
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )  # fmt: skip
        read_by_stranger = stranger.poll(1000)
        stranger.close(linger=0)
        client.stop_channels()
    assert "".join(printed) == "for the learner alone\n"
    assert read_by_stranger == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_signal_leaves_it_behind(jupyterlab: tuple[subprocess.Popen[str], str], number: signal.Signals) -> None:
    process, _ = jupyterlab
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.send_signal(number)
    process.communicate(timeout=60)
    psutil.wait_procs(family, timeout=10)
    assert not any(member.is_running() for member in family)
