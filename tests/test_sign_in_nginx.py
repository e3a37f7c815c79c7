"""Debian's nginx with the configuration of docs/administration.md, between stand-ins for oauth2-proxy and the arena."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from support import REPO, free_port, wait_for

pytestmark = pytest.mark.slow
ANN = "ann@example.org"
MUST_SIGN_IN = "error_page 401 = /oauth2/sign_in;"
MAY_STAY_ANONYMOUS = "error_page 401 = @arena;"
FORGED = {"X-Forwarded-User": "eve@example.org"}
SIGNED_IN = {"Cookie": "signed_in=1"}


class OauthProxy(BaseHTTPRequestHandler):
    """Knows one cookie; whoever has none is asked to sign in."""

    def do_GET(self) -> None:
        if self.path != "/oauth2/auth":
            self.answer(200, b"please sign in")
        elif self.headers.get("cookie") == SIGNED_IN["Cookie"]:
            self.answer(202, b"", ANN)
        else:
            self.answer(401, b"")

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, user: str = "") -> None:
        self.send_response(status)
        if user:
            self.send_header("X-Auth-Request-Email", user)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


class Arena(OauthProxy):
    """Tells whom the header names, by which method and with which body they came."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        names = self.headers.get_all("X-Forwarded-User") or []
        self.answer(200, f"{self.command} {names} {body!r}".encode())


@contextmanager
def answering(kind: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def documented(rule: str) -> str:
    """The configuration in the document, with this rule for who has not signed in."""
    text = (REPO / "docs" / "administration.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.+?)```", text, re.DOTALL)
    assert found
    assert MUST_SIGN_IN in found[1]
    assert rule.split()[3].rstrip(";") in found[1], "the document names it"
    return found[1].replace(MUST_SIGN_IN, rule)


Open = Callable[[str], httpx.Client]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Starts nginx with a rule; a client of it."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("There is no nginx on this machine; Debian's package nginx has it.")
    port = free_port()
    running: list[subprocess.Popen[bytes]] = []
    address = f"http://127.0.0.1:{port}"
    with answering(OauthProxy) as entrance, answering(Arena) as arena, httpx.Client(base_url=address) as client:

        def start(rule: str) -> httpx.Client:
            server = documented(rule).replace("127.0.0.1:4180", f"127.0.0.1:{entrance}")
            server = server.replace("127.0.0.1:7860", f"127.0.0.1:{arena}")
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
            (tmp_path / "nginx.conf").write_text(
                f"daemon off;\nmaster_process off;\npid {tmp_path}/nginx.pid;\nevents {{}}\n"
                f"http {{\naccess_log off;\n{paths}server {{\nlisten 127.0.0.1:{port};\n{server}}}\n}}\n"
            )
            command = [nginx, "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")]
            running.append(subprocess.Popen(command))
            wait_for(lambda: running[0].poll() is not None or _answers(client))
            assert running[0].poll() is None, (tmp_path / "error.log").read_text()
            return client

        yield start
        for process in running:
            process.terminate()
            process.wait(10)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/oauth2/sign_in").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("rule", [MUST_SIGN_IN, MAY_STAY_ANONYMOUS])
def test_who_has_signed_in_is_named_and_by_nobody_else(opened: Open, rule: str) -> None:
    client = opened(rule)
    assert client.get("/", headers=SIGNED_IN | FORGED).text == f"GET ['{ANN}'] ''"
    assert client.post("/x", headers=SIGNED_IN, content="a vote").text == f"POST ['{ANN}'] 'a vote'"


def test_who_has_not_signed_in_is_asked_to(opened: Open) -> None:
    client = opened(MUST_SIGN_IN)
    assert client.get("/", headers=FORGED).text == "please sign in"


def test_where_the_document_says_so_one_may_stay_anonymous(opened: Open) -> None:
    client = opened(MAY_STAY_ANONYMOUS)
    assert client.get("/", headers=FORGED).text == "GET [] ''"
    assert client.post("/x", headers=FORGED, content="a vote").text == "POST [] 'a vote'"
