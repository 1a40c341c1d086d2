"""A proxy that is set for downloads is not asked for the lab's own services, by labkit or by what it starts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from labkit.system import own_http
from tests.support.labs import set_proxy


class Service(BaseHTTPRequestHandler):
    """It answers with what was sent to it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    return set_proxy(monkeypatch)


@pytest.mark.usefixtures("proxy")
def test_the_labs_own_services_are_asked_without_a_proxy(service: str) -> None:
    with pytest.raises(httpx2.ConnectError):
        httpx2.post(service, json={"a": 1})
    assert own_http.request("POST", service, json={"a": 1}).json() == {"a": 1}
    with own_http.client() as client:
        assert client.post(service, content=b"text").text == "text"


def test_a_program_that_the_lab_starts_asks_them_without_a_proxy_too(
    service: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_http.environment({"HTTP_PROXY": proxy}, ["127.0.0.1"]).items():
        monkeypatch.setenv(name, value)
    assert httpx2.post(service, content=b"text").text == "text"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "127.0.0.1,localhost"),
        ("", "127.0.0.1,localhost"),
        ("intranet.example", "intranet.example,127.0.0.1,localhost"),
        ("localhost", "localhost,127.0.0.1"),
        ("*", "*"),
    ],
)
def test_what_was_kept_from_the_proxy_before_is_so_still(before: str | None, after: str) -> None:
    given = {"PATH": "/bin"} | ({} if before is None else {"NO_PROXY": before, "no_proxy": before})
    assert own_http.environment(given, ["127.0.0.1", "localhost"]) == {
        "PATH": "/bin", "NO_PROXY": after, "no_proxy": after,
    }  # fmt: skip
