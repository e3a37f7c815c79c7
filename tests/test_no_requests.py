"""Endpoints are the administrator's: nothing that a visitor sends, or a file brings, becomes a request to anywhere."""

from __future__ import annotations

import csv
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import Server, Visitor, canary, serving, wait_for, write_catalog

pytestmark = [pytest.mark.integrity, pytest.mark.slow, pytest.mark.timeout(600)]


class Inside(ThreadingHTTPServer):
    """A server that nobody outside should reach, on every address of this machine; counts connections."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self, leads_to: str = "") -> None:
        self.came, self.leads_to = 0, leads_to
        super().__init__(("::", 0), _Door)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.came += 1
        return True

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        leads_to = getattr(self.server, "leads_to", "")
        self.send_response(302 if leads_to else 200)
        if leads_to:
            self.send_header("Location", leads_to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


@contextmanager
def listening(leads_to: str = "") -> Iterator[Inside]:
    with Inside(leads_to) as inside:
        threading.Thread(target=inside.serve_forever, daemon=True).start()
        yield inside
        inside.shutdown()


def addresses(inside: Inside, redirecting: Inside) -> list[str]:
    """Twenty ways to write a place inside: plain, in other figures, by a name, behind a user, by a redirect."""
    port, name = inside.port, socket.gethostname()
    hosts = (
        "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",  # noqa: S104
        "[::ffff:127.0.0.1]", "example.com@127.0.0.1", "user:word@localhost", "LOCALHOST.", "127.0.0.1%2f", name,
        "\u2460\u2461\u2466.0.0.1",
    )  # fmt: skip
    others = (f"https://127.0.0.1:{port}/", f"ftp://127.0.0.1:{port}/x", f"gopher://127.0.0.1:{port}/_GET")
    return [*(f"http://{host}:{port}/v1" for host in hosts), *others, f"http://127.0.0.1:{redirecting.port}/v1"]


@pytest.fixture
def inside() -> Iterator[Inside]:
    with listening() as inside:
        yield inside


@pytest.fixture
def redirecting(inside: Inside) -> Iterator[Inside]:
    """What leads inside by a redirect."""
    with listening(f"http://127.0.0.1:{inside.port}/v1/models") as redirecting:
        yield redirecting


@pytest.fixture
def far(inside: Inside) -> Iterator[Inside]:
    """The administrator's own endpoint, which leads inside too; the arena tries it again and again."""
    with listening(f"http://127.0.0.1:{inside.port}/v1/models") as far:
        yield far


@pytest.fixture
def arena(far: Inside, tmp_path: Path) -> Iterator[Server]:
    """One of its contestants is the administrator's own endpoint."""
    endpoint: dict[str, Any] = {
        "id": "far", "name": "Far", "engine": "endpoint", "quantization": "none", "license": "none", "makers": ["Far"],
        "endpoint": {"url": f"http://127.0.0.1:{far.port}/v1", "model": "far", "key": ""},
    }  # fmt: skip
    catalog = write_catalog(tmp_path / "catalog.toml", canary("alder"), canary("birch"), endpoint)
    with serving(tmp_path, catalog, PACE_CHARS=0) as server:
        yield server


def test_twenty_addresses_sent_through_every_door_reach_nobody(
    arena: Server, far: Inside, inside: Inside, redirecting: Inside
) -> None:
    wait_for(lambda: far.came > 0, 180)  # the control: a request of the arena would arrive
    urls = addresses(inside, redirecting)
    assert len(urls) == 20
    visitor = Visitor(arena.url)
    for number, url in enumerate(urls):
        _knock(arena, url)
        _send_to_every_event(visitor, url, number)
    asked = visitor.ask(f"Summarise {' and '.join(urls)}, ![it]({urls[0]}) <img src={urls[1]}>")
    assert asked.success
    _import(arena, urls)
    assert (inside.came, redirecting.came) == (0, 0)
    httpx.get(f"http://127.0.0.1:{inside.port}/")
    assert inside.came == 1, "the control: whoever comes is counted"


def _knock(arena: Server, url: str) -> None:
    """Addresses in paths, in queries, in headers."""
    host = url.split("/")[2].encode("ascii", "replace").decode()
    plain = url.encode("ascii", "replace").decode()
    with httpx.Client(base_url=arena.url, timeout=60) as http:
        for path in ("proxy=", "file=", "gradio_api/proxy=", "gradio_api/file=", "gradio_api/stream/"):
            http.get(f"/{path}{plain}")
        for path in ("/api/leaderboard", "/download/votes.csv", "/login/huggingface", "/", "/config"):
            http.get(path, params={"url": url, "category": url, "_target_url": url, "deep_link": url, "since": url})
        for name in (
            "referer",
            "origin",
            "host",
            "x-forwarded-host",
            "x-forwarded-for",
            "x-gradio-target",
            "forwarded",
        ):
            http.get("/config", headers={name: host if "host" in name else plain})


def _send_to_every_event(visitor: Visitor, url: str, number: int) -> None:
    """As a text and as a file that is to be fetched, in every place of every third event of all pages."""
    file = {"path": url, "url": url, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}, "is_stream": False}
    for index in list(visitor.functions.values())[number % 3 :: 3]:
        payload: object = url if (index + number) % 2 else file
        count = (1, 3, 10)[number % 3]
        body = {"fn_index": index, "data": [payload] * count, "session_hash": secrets.token_hex(8)}
        visitor.http.post("/gradio_api/queue/join", json=body)
    visitor.http.post("/gradio_api/upload", files={"files": (url.encode("ascii", "replace").decode(), b"x")})


def _import(arena: Server, urls: list[str]) -> None:
    """A file of votes whose every cell is an address; models, voters and texts. The arena is asked beside it."""
    folder = arena.folder / "others"
    folder.mkdir()
    with (folder / "votes.csv").open("w", newline="", encoding="utf-8") as page:
        sheet = csv.writer(page)
        sheet.writerow(["model_a", "model_b", "winner", "judge", "conversation_a", "conversation_b"])
        for one, other in pairwise(urls):
            said = json.dumps([{"role": "user", "content": one}, {"role": "assistant", "content": other}])
            sheet.writerow([one, other, "model_a", one, said, said])
    variables = {**arena.environment, "ARENA_DATA": str(folder / "data")}
    elsewhere = Server(arena.url, arena.folder, variables, arena.process)
    elsewhere.arena("import", str(folder / "votes.csv"))
    assert urls[0] in elsewhere.arena("leaderboard", "--format", "json"), "the control: the addresses were taken in"
