"""The control port of a container: asked with its password, which no message shows."""

from __future__ import annotations

import threading
import traceback
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from xmlrpc.client import ProtocolError

import pytest

from labkit.lab.supervisor.control import supervisor

PASSWORD = "correct horse battery staple"


class Refusing(BaseHTTPRequestHandler):
    """Answers every call with 500, and keeps what it was asked with."""

    logins: list[str]

    def do_POST(self) -> None:
        self.logins.append(self.headers["Authorization"])
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    Refusing.logins = []
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_control_password_goes_along_and_is_in_no_error(refusing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_CONTROL_PASSWORD", PASSWORD)
    with pytest.raises(ProtocolError) as caught, supervisor(refusing) as proxy:
        proxy.supervisor.getPID()
    kind, secret = Refusing.logins[0].split()
    assert (kind, b64decode(secret).decode()) == ("Basic", f"labkit:{PASSWORD}")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PASSWORD not in shown
    assert secret not in shown
