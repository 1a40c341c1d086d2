"""A page of another origin, in a real browser that is logged in to JupyterLab: it reads nothing and does nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labkit.pipeline.run import prepare
from labkit.settings import Settings
from labkit.system.own_http import request
from tests.support.jupyterlab import at_work

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

#: What a page can do with `fetch`: name, address, options; {…} are filled in. A form is a multipart body.
READ = [
    ("Flink's jobs", "{flink}/jobs/overview"),
    ("Flink's configuration", "{flink}/jobmanager/config"),
    ("the log of a TaskManager", "{flink}/taskmanagers"),
    ("the registry's subjects", "{registry}/subjects"),
    ("JupyterLab's files", "{jupyter}/api/contents"),
    ("JupyterLab's kernels", "{jupyter}/api/kernels"),
]
DO: list[tuple[str, str, dict[str, Any]]] = [
    ("a job for Flink", "{flink}/v1/jobs", {"method": "POST", "form": {"request": '{"jobGraphFileName": "evil"}'}}),
    ("a jar for Flink", "{flink}/jars/upload", {"method": "POST", "form": {"jarfile": "PK"}}),
    ("a savepoint wherever it likes", "{flink}/jobs/{job}/savepoints", {"method": "POST", "body": "{}"}),
    ("the end of a job", "{flink}/jobs/{job}", {"method": "PATCH"}),
    ("the end of the cluster", "{flink}/cluster", {"method": "DELETE"}),
    ("a schema", "{registry}/subjects/evil/versions", {"method": "POST", "body": '{"schema": "\\"string\\""}'}),
    ("no schema any more", "{registry}/subjects/procstat_snapshots-value", {"method": "DELETE"}),
    ("a kernel", "{jupyter}/api/kernels", {"method": "POST", "body": "{}"}),
    ("a terminal", "{jupyter}/api/terminals", {"method": "POST", "body": "{}"}),
    ("a file", "{jupyter}/api/contents", {"method": "POST", "body": "{}"}),
    ("something for Kafka", "http://127.0.0.1:{kafka}/", {"method": "POST", "body": "evil"}),
]
FETCH = """async ([url, options, mode, credentials]) => {
    if (options.form) {
        const form = new FormData();
        for (const [name, text] of Object.entries(options.form)) form.append(name, new Blob([text]), "evil");
        options = {method: options.method, body: form};
    }
    try {
        const answer = await fetch(url, {...options, mode, credentials: credentials ?? "include"});
        return [answer.type, await answer.text()];
    } catch (error) {
        return ["refused", String(error)];
    }
}"""
SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""


class Evil(BaseHTTPRequestHandler):
    """A page with a link to Flink, and one that puts Flink and JupyterLab into frames of its own."""

    pages: dict[str, str]

    def do_GET(self) -> None:
        text = self.pages.get(self.path, "").encode()
        self.send_response(200 if text else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["127.0.0.1", "localhost"])
def evil(request: pytest.FixtureRequest, lab: Settings) -> Iterator[str]:
    """The address of the attacker's page."""
    jupyter = f"http://127.0.0.1:{lab.jupyter_port}"
    Evil.pages = {
        "/": f'<h1>A nice page</h1><a href="{lab.flink_page}">Flink</a>',
        "/frames": f'<iframe src="{lab.flink_page}"></iframe><iframe src="{jupyter}/lab"></iframe>',
        "/form": f'<form action="{lab.flink_page}/v1/jobs" method="post" enctype="multipart/form-data">'
        '<input name="request" value="{}"><input type="submit"></form>',
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{request.param}:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def places(lab: Settings, page: Page, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where what is; the person has opened JupyterLab in this browser, which holds its cookie."""
    prepare(lab)
    own = {f"JUPYTERLAB_{name}_DIR": str(tmp_path / name) for name in ("WORKSPACES", "SETTINGS")}
    with at_work(**own) as (_, address):
        page.goto(address)
        base = f"http://127.0.0.1:{lab.jupyter_port}"
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
        assert page.evaluate(FETCH, [f"{base}/api/contents", {}, "cors"])[0] == "basic", "its own page is logged in"
        while not page.evaluate(f"async () => (await (await fetch('{base}/api/sessions')).json()).length"):
            page.wait_for_timeout(100)  # the page starts the kernel of its index by itself; there is to be no other
        yield {
            "flink": lab.flink_page, "registry": lab.registry_url, "jupyter": base, "kafka": str(lab.kafka_port),
            "job": "0" * 32, "token": address.split("token=")[1],
        }  # fmt: skip


def what_there_is(places: dict[str, str]) -> list[Any]:
    """Kernels, terminals, files, subjects, Flink's jobs and whether it takes part at all."""
    login = {"Authorization": f"token {places['token']}"}
    urls = [f"{places['jupyter']}/api/{name}" for name in ("kernels", "terminals", "contents")]
    answers = [request("GET", url, headers=login).raise_for_status().json() for url in urls]
    ids = [[entry.get("id") or entry["name"] for entry in answers[0]], answers[1]]
    assert len(ids[0]) == 1, "the one of the index that is open"
    files = sorted(entry["name"] for entry in answers[2]["content"])
    subjects = request("GET", f"{places['registry']}/subjects").raise_for_status().json()
    return [*ids, files, subjects, request("GET", f"{places['flink']}/jobs").raise_for_status().json()]


@pytest.mark.usefixtures("chromium")  # before the lab: without a browser nothing is started
def test_a_page_of_another_origin_reads_nothing_and_does_nothing(page: Page, places: dict[str, str], evil: str) -> None:
    before = what_there_is(places)
    visitor = page.context.new_page()
    answered: list[tuple[str, str, int]] = []
    visitor.on("response", lambda answer: answered.append((answer.request.method, answer.url, answer.status)))
    visitor.goto(evil)

    for name, url in READ:
        for credentials in ("include", "omit"):  # a browser lets "*" read what needs no cookie, and only that
            kind, text = visitor.evaluate(FETCH, [url.format(**places), {}, "cors", credentials])
            assert kind == "refused", f"it has read {name}: {text[:200]}"
    for name, url, options in DO:
        for mode in ("cors", "no-cors"):
            kind, _ = visitor.evaluate(FETCH, [url.format(**places), dict(options), mode])
            assert kind in ("refused", "opaque"), f"it was told about {name}"
    sockets = f"{places['jupyter'].replace('http', 'ws')}/api/events/subscribe"
    assert visitor.evaluate(SOCKET, sockets) == "refused"

    sent = [(method, url, status) for method, url, status in answered if not url.startswith(evil)]
    assert [one for one in sent if one[2] < 400] == []
    assert {status for method, url, status in sent if url == f"{places['flink']}/v1/jobs"} == {403}
    assert ("POST", f"{places['jupyter']}/api/kernels") in {(method, url) for method, url, _ in sent}, "it was tried"
    assert what_there_is(places) == before


@pytest.mark.usefixtures("chromium")
def test_a_page_of_another_origin_can_neither_frame_the_lab_nor_send_it_a_form(
    page: Page, places: dict[str, str], evil: str
) -> None:
    visitor = page.context.new_page()
    visitor.goto(f"{evil}/frames")
    visitor.wait_for_load_state("networkidle")
    shown = [frame.locator("body").inner_text() for frame in visitor.frames[1:]]
    assert len(shown) == 2
    assert not any("Available Task Slots" in text or "Launcher" in text or "File" in text for text in shown), shown
    assert visitor.frames[1].locator("flink-root").count() == 0

    visitor.goto(f"{evil}/form")
    with visitor.expect_navigation() as sent:
        visitor.locator("input[type=submit]").click()
    assert sent.value is not None
    assert sent.value.status == 403


@pytest.mark.usefixtures("chromium")
def test_flinks_own_page_works_and_a_link_leads_to_it(page: Page, lab: Settings, evil: str) -> None:
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status == 403 else None)
    page.goto(evil)
    page.get_by_role("link", name="Flink").click()
    page.get_by_text("Available Task Slots").first.wait_for(timeout=60_000)
    assert page.url.startswith(lab.flink_page)
    page.goto(f"{lab.flink_page}/#/job-manager/config")
    page.get_by_text("rest.bind-address").first.wait_for(timeout=60_000)
    assert failed == []
    assert json.loads(page.evaluate(FETCH, [f"{lab.flink_page}/config", {}, "cors"])[1])["flink-version"]
