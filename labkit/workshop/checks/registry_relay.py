"""A way to the registry at another address, which writes down what is asked there, and can make its ids larger.

with relay(settings.registry_url, larger_by=70_000) as way:
    framed(way.url, …)
    way.asked           [Asked("POST", "/subjects/x/versions", b'{"schema": …}', 200, b'{"id":70007}')]

Whatever client asks, it is seen; one that goes to the registry's own address is not. Ids in answers are larger by that
number, and those in paths (/schemas/ids/70007) are taken back.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx2

from labkit.system import own_http

__all__ = ["Asked", "Way", "relay"]

_ID = re.compile(r"(?<=/ids/)\d+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer; `path` is that below the registry's address."""

    method: str
    path: str
    body: bytes
    status: int
    answer: bytes


@dataclass(slots=True)
class Way:
    """`url` stands in for the registry's; `asked` grows."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def relay(registry_url: str, larger_by: int = 0) -> Iterator[Way]:
    """Listen on a free port of this machine until the block ends."""
    base = registry_url.rstrip("/")
    below = urlsplit(base).path

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = _ID.sub(lambda found: str(int(found[0]) - larger_by), self.path.removeprefix(below))
            kind = {"Content-Type": self.headers["Content-Type"]} if self.headers["Content-Type"] else {}
            try:
                answered = own_http.request(self.command, f"{base}{path}", content=body, headers=kind)
                status, answer = answered.status_code, _larger(answered.content, larger_by)
                kind = {"Content-Type": answered.headers.get("Content-Type", "application/json")}
            except httpx2.HTTPError as error:
                status, answer, kind = 502, str(error).encode(), {"Content-Type": "text/plain"}
            way.asked.append(Asked(self.command, self.path.removeprefix(below), body, status, answer))
            self.send_response(status)
            for name, value in {**kind, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        way = Way(f"http://127.0.0.1:{server.server_address[1]}{below}")
        serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield way
        finally:
            server.shutdown()
            serving.join()


def _larger(answer: bytes, larger_by: int) -> bytes:
    try:
        said = json.loads(answer)
    except ValueError:
        return answer
    if not isinstance(said, dict) or not isinstance(said.get("id"), int):
        return answer
    return json.dumps({**said, "id": said["id"] + larger_by}).encode()
