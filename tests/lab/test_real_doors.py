"""What is open while everything is at work: a job with its Python workers, its client, JupyterLab and a kernel.

What stays open, and why, is in SECURITY.md. A real browser tries the same in tests/browser/test_doors.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_artifact_api_pb2, beam_artifact_api_pb2_grpc, beam_runner_api_pb2
from apache_beam.portability.common_urns import artifact_types
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from labkit.flink.rest import FlinkRest
from labkit.jobs.submit import submit
from labkit.lab import services
from labkit.lab.supervisor.processes import control_socket
from labkit.pipeline.run import prepare
from labkit.settings import Settings, load_settings
from labkit.streams.names import ENRICHMENT
from labkit.system.own_http import request
from labkit.workshop.lesson import clear
from tests.support import jupyterlab
from tests.support.waiting import wait_for

EVIL = "http://evil.example"
ANOTHER_OF_THIS_MACHINE = ("127.0.0.2", "::1")


@dataclass(frozen=True)
class AtWork:
    """The lab with everything at work."""

    settings: Settings
    job_id: str
    token: str
    kernel_id: str
    jupyterlab: int

    @property
    def jupyter_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.jupyter_port}"

    @property
    def processes(self) -> list[psutil.Process]:
        """The services and their Python workers, JupyterLab and its kernel, this process with Flink's client."""
        roots = [psutil.Process(self.jupyterlab), psutil.Process()]
        family = [process for root in roots for process in [root, *root.children(recursive=True)]]
        return list({process.pid: process for process in [*services.processes(self.settings), *family]}.values())


@pytest.fixture(scope="module")
def at_work(lab: Settings) -> Iterator[AtWork]:
    own = load_settings(suffix="_doors")
    prepare(own)
    with pytest.MonkeyPatch.context() as patch:  # workers in processes, whose servers are doors too
        patch.setattr("labkit.flink.enrichment.find_libpython", lambda: None)
        (job,) = submit(own, ENRICHMENT)
    with jupyterlab.at_work() as (process, address):
        _, token = jupyterlab.way_in(address)
        url = f"http://127.0.0.1:{lab.jupyter_port}/api/kernels"
        login = {"Authorization": f"token {token}"}
        kernel = request("POST", url, headers=login).raise_for_status().json()["id"]
        there = AtWork(lab, job.job_id, token, kernel, process.pid)
        wait_for(lambda: {"ipykernel_launcher", "beam_boot"} <= modules(there.processes))
        yield there
    clear(own)


def modules(processes: list[psutil.Process]) -> set[str]:
    """The last part of each module that one of the processes runs: "pyflink.fn_execution.beam.beam_boot"."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found |= {word.rsplit(".", 1)[-1] for word in process.cmdline()}
    return found


def bound(processes: list[psutil.Process]) -> set[tuple[str, str, int]]:
    """(process, address, port) of every TCP socket that listens and every UDP socket, of IPv4 and IPv6."""
    names = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            names[process.pid] = process.name()
    return {
        (names[one.pid], one.laddr.ip, one.laddr.port)
        for one in psutil.net_connections("inet")
        if one.pid in names and (one.status == psutil.CONN_LISTEN or one.type == socket.SOCK_DGRAM)
    }


# who listens


def test_only_127_0_0_1_listens_while_everything_is_at_work(at_work: AtWork) -> None:
    found = bound(at_work.processes)
    assert len(found) > 25, "Kafka, the registry, Flink, its client and workers, JupyterLab and a kernel"
    assert {address.removeprefix("::ffff:") for _, address, _ in found} == {"127.0.0.1"}, sorted(found)


@pytest.mark.parametrize("address", ANOTHER_OF_THIS_MACHINE)
def test_no_port_answers_at_another_address(at_work: AtWork, address: str) -> None:
    if address == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    answering = []
    for name, _, port in sorted(bound(at_work.processes)):
        with suppress(ConnectionRefusedError), socket.create_connection((address, port), timeout=5):
            answering.append((name, port))
    assert answering == []


def test_the_servers_for_python_workers_hand_out_files_to_this_machine_alone(at_work: AtWork, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    ports = {port for name, _, port in bound(services.processes(at_work.settings)) if name == "java"}
    known = set(at_work.settings.ports.values())
    assert any(handed_out(f"127.0.0.1:{port}", tmp_path / "mine") for port in ports - known), "so SECURITY.md says"
    assert not any(handed_out(f"{ANOTHER_OF_THIS_MACHINE[0]}:{port}", tmp_path / "mine") for port in ports - known)


def handed_out(server: str, file: Path) -> bool:
    """Whether Beam's service for artifacts at `server` gives the content of any file that it is asked for."""
    payload = beam_runner_api_pb2.ArtifactFilePayload(path=str(file)).SerializeToString()
    wanted = beam_runner_api_pb2.ArtifactInformation(type_urn=artifact_types.FILE.urn, type_payload=payload)
    with grpc.insecure_channel(server) as channel:
        service = beam_artifact_api_pb2_grpc.ArtifactRetrievalServiceStub(channel)
        try:
            parts = service.GetArtifact(beam_artifact_api_pb2.GetArtifactRequest(artifact=wanted), timeout=2)
            return b"".join(part.data for part in parts) == file.read_bytes()
        except grpc.RpcError:
            return False


def test_no_unix_socket_is_open_to_other_users(at_work: AtWork) -> None:
    control = control_socket(at_work.settings)
    assert stat.S_IMODE(control.stat().st_mode) == 0o700
    assert stat.S_IMODE(at_work.settings.state_dir.stat().st_mode) == 0o700
    pids = {process.pid for process in at_work.processes}
    named = {one.laddr for one in psutil.net_connections("unix") if one.pid in pids and one.laddr}
    assert any(name.startswith(str(control)) for name in named)
    assert [name for name in named if name.startswith("@")] == [], "those without a file have no permissions"
    files = [Path(name) for name in named if Path(name).exists()]
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o022] == []


# JupyterLab


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong"])
@pytest.mark.parametrize(
    "path",
    ["/lab", "/lab/tree/index.ipynb", "/api/contents", "/api/kernels", "/api/sessions", "/api/terminals", "/api/status",
     "/files/index.ipynb", "/api/contents/logs/kafka.log", "/nbconvert/html/index.ipynb"],
)  # fmt: skip
def test_jupyterlab_shows_nothing_without_its_token(at_work: AtWork, path: str, token: str) -> None:
    answer = request("GET", f"{at_work.jupyter_url}{path}{token}")
    asked_to_log_in = answer.status_code == 302 and answer.headers["Location"].startswith("/login?")
    assert answer.status_code == 403 or asked_to_log_in


def test_jupyterlab_runs_nothing_without_its_token(at_work: AtWork) -> None:
    for path in ("/api/kernels", "/api/terminals", "/api/contents"):
        assert request("POST", at_work.jupyter_url + path, json={}).status_code == 403
    assert request("DELETE", f"{at_work.jupyter_url}/api/kernels/{at_work.kernel_id}").status_code == 403


@pytest.mark.parametrize("wrong", ["", "?token=wrong"])
def test_a_kernels_websocket_is_closed_without_the_token(at_work: AtWork, wrong: str) -> None:
    channels = f"ws://127.0.0.1:{at_work.settings.jupyter_port}/api/kernels/{at_work.kernel_id}/channels"

    async def status(url: str, **headers: str) -> int:
        try:
            (await websocket_connect(HTTPRequest(url, headers=headers))).close()
        except HTTPClientError as error:
            return int(error.code)
        return 101

    assert asyncio.run(status(channels + wrong)) == 403
    assert asyncio.run(status(channels + wrong, Origin=EVIL)) == 403
    assert asyncio.run(status(f"{channels}?token={at_work.token}")) == 101


def test_jupyterlab_answers_to_no_other_host_name_not_even_with_the_token(at_work: AtWork) -> None:
    url = f"{at_work.jupyter_url}/api/contents?token={at_work.token}"
    assert request("GET", url).status_code == 200
    assert request("GET", url, headers={"Host": f"evil.example:{at_work.settings.jupyter_port}"}).status_code == 403


# Flink


def foreign(port: int) -> list[dict[str, str]]:
    """Headers of a request that a page of another origin makes, in one browser or another."""
    return [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8888"},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": f"http://localhost:{port}"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Host": f"evil.example:{port}"},
        {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Host": ""},
    ]


@pytest.mark.parametrize("number", range(len(foreign(0))))
def test_flink_answers_nothing_to_a_page_of_another_origin(at_work: AtWork, number: int) -> None:
    url, headers = at_work.settings.flink_url, foreign(at_work.settings.flink_port)[number]
    graph = {"request": (None, json.dumps({"jobGraphFileName": "evil"})), "file_0": ("evil", b"evil")}
    stop = json.dumps({"targetDirectory": f"file://{at_work.settings.state_dir}/evil", "drain": False})
    as_text = {"Content-Type": "text/plain"}
    answers = [
        request("GET", f"{url}/jobs/overview", headers=headers),
        request("GET", f"{url}/jobmanager/config", headers=headers),
        request("GET", f"{url}/", headers=headers),
        request(
            "OPTIONS", f"{url}/jobs/{at_work.job_id}", headers=headers | {"Access-Control-Request-Method": "PATCH"}
        ),
        request("PATCH", f"{url}/jobs/{at_work.job_id}", headers=headers),
        request("POST", f"{url}/v1/jobs", headers=headers, files=graph),
        request("POST", f"{url}/jobs", headers=headers, files=graph),
        request("POST", f"{url}/jobs/{at_work.job_id}/stop", headers=headers | as_text, content=stop),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert {answer.headers.get("Access-Control-Allow-Origin") for answer in answers} == {None}
    assert FlinkRest(url).state(at_work.job_id) == "RUNNING"
    assert list(at_work.settings.state_dir.rglob("evil*")) == [], "what it sent is not kept"


def test_flink_answers_to_programs_to_its_own_page_and_to_a_link(at_work: AtWork) -> None:
    page = at_work.settings.flink_page
    named = page.replace("127.0.0.1", "localhost").removeprefix("http://")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for headers in (
        {},
        {"Origin": page, "Sec-Fetch-Site": "same-origin"},
        {"Host": named, "Origin": f"http://{named}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        link,
    ):
        assert request("GET", f"{page}/", headers=headers).status_code == 200
    assert request("POST", f"{page}/jobs/{at_work.job_id}/stop", headers=link, json={}).status_code == 403, (
        "a form is no link"
    )


def test_flink_takes_no_jars_and_lets_no_origin_but_its_own_read(at_work: AtWork) -> None:
    page = at_work.settings.flink_page
    jar = {"jarfile": ("evil.jar", b"PK", "application/x-java-archive")}
    assert request("POST", f"{page}/jars/upload", files=jar).is_client_error
    assert request("GET", f"{page}/jars").is_client_error
    assert request("GET", f"{page}/config").headers["Access-Control-Allow-Origin"] == page


# the registry


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:8888", "http://localhost:8888"])
def test_the_registry_answers_nothing_to_a_page_of_another_origin(at_work: AtWork, origin: str) -> None:
    subjects = f"{at_work.settings.registry_url}/subjects"
    before = request("GET", subjects).json()
    ours, headers = f"{subjects}/procstat_snapshots_doors-value", {"Origin": origin}
    schema = json.dumps({"schema": '"string"'})
    may_it = {"Access-Control-Request-Method": "DELETE"}
    for answer in (
        request("GET", subjects, headers=headers),
        request("OPTIONS", ours, headers=headers | may_it),
        request("DELETE", ours, headers=headers),
        request("POST", f"{ours}/versions", headers=headers | {"Content-Type": "application/json"}, content=schema),
        request("POST", f"{ours}/versions", headers=headers | {"Content-Type": "text/plain"}, content=schema),
    ):
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert "procstat_snapshots_doors-value" in before
    assert request("GET", subjects).json() == before


# the rest, and secrets


def test_what_a_browser_can_send_to_the_other_ports_does_no_harm(at_work: AtWork) -> None:
    """A page can send any bytes after the head of an HTTP request; these are py4j's for System.setProperty."""
    from pyflink.java_gateway import get_gateway

    body = b"c\nz:java.lang.System\nsetProperty\nslabkit.evil\nsyes\ne\n"
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Length: %d\r\n\r\n"
    for _, _, port in sorted(bound(at_work.processes)):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as line:
            line.sendall(head % len(body) + body)
            line.shutdown(socket.SHUT_WR)
            while line.recv(1 << 16):
                pass
    assert get_gateway().jvm.java.lang.System.getProperty("labkit.evil") is None
    assert all(row.healthy for row in services.status(at_work.settings))
    assert FlinkRest(at_work.settings.flink_url).state(at_work.job_id) == "RUNNING"


def test_the_token_is_in_no_process_list_no_environment_of_a_kernel_no_log_and_no_output(at_work: AtWork) -> None:
    secret = at_work.token.encode()
    lines = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):  # some end meanwhile, those of other programs too
            lines += [" ".join(process.cmdline())] if process.pid != os.getpid() else []
    assert [line for line in lines if at_work.token in line] == []
    kernels = [process for process in at_work.processes if "ipykernel_launcher" in modules([process])]
    assert kernels
    assert not any(at_work.token in value for kernel in kernels for value in kernel.environ().values())
    settings = at_work.settings
    files = [file for folder in (settings.state_dir, settings.output_dir, settings.work_dir)
             for file in folder.rglob("*") if file.is_file() and "kafka/data" not in str(file)]  # fmt: skip
    assert any(file.name == "taskmanager.log" for file in files)
    assert [file.name for file in files if secret in file.read_bytes()] == ["jupyter-token"]
    assert stat.S_IMODE((settings.state_dir / "jupyter-token").stat().st_mode) == 0o600
