"""Who asks for a lot and takes nothing: the page stays there, memory and log stay small."""

from __future__ import annotations

import json
import resource
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
import support
from support import REPO, Server, Visitor, canary, serving, wait_for, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(600)]

HALF_OPEN = 500
MADE_UP = 5000
MOST_MEMORY = 150_000_000
FEW_FILES = 400
JOIN = "/gradio_api/queue/join"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.toml"
    return write_catalog(path, canary("alder"), canary("birch"))


@pytest.fixture
def arena(catalog: Path, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, catalog, PACE_CHARS=0) as server:
        yield server


def held_open(arena: Server, stack: ExitStack, count: int = HALF_OPEN) -> list[socket.socket]:
    """Connections that begin a request and never end it, or never begin one."""
    host, port = arena.url.removeprefix("http://").split(":")
    clients = [stack.enter_context(closing(socket.create_connection((host, int(port))))) for _ in range(count)]
    for number, client in enumerate(clients):
        client.settimeout(0.01)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-" if number % 2 else b"")
    return clients


def is_open(client: socket.socket) -> bool:
    try:
        return client.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def page_seconds(arena: Server) -> float:
    begun = time.monotonic()
    httpx.get(arena.url, timeout=60).raise_for_status()
    return time.monotonic() - begun


def memory(arena: Server) -> int:
    statm = Path(f"/proc/{arena.process.pid}/statm").read_text(encoding="utf-8")
    return int(statm.split()[1]) * resource.getpagesize()


def body(function: int, session: str, data: object = (None,)) -> dict[str, object]:
    return {"fn_index": function, "data": data, "session_hash": session, "event_data": None, "trigger_id": None}


def test_half_open_connections_neither_shut_the_page_nor_stay(arena: Server) -> None:
    with ExitStack() as stack:
        clients = held_open(arena, stack)
        print(f"\n{HALF_OPEN} half-open connections: the page after {page_seconds(arena):.3f} s")
        wait_for(lambda: not any(map(is_open, clients)), 60)
    assert Visitor(arena.url).ask("Is anybody there?").success


def test_with_few_files_the_page_comes_back(catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without deadlines such an arena answers nobody any more and writes 30,000 lines a second."""

    def start(folder: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
        with (folder / "server.log").open("ab") as log:
            command = ["prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}", sys.executable, str(REPO / "app.py")]
            return subprocess.Popen(command, env=variables, cwd=folder, stdout=log, stderr=log)

    monkeypatch.setattr(support, "start", start)
    with serving(tmp_path, catalog, PACE_CHARS=0) as arena, ExitStack() as stack:
        held_open(arena, stack)
        time.sleep(2)
        print(f"\n{HALF_OPEN} half-open connections, {FEW_FILES} files: the page after {page_seconds(arena):.3f} s")
        assert len(arena.log.splitlines()) < 200


def test_made_up_sessions_cost_little_memory(arena: Server) -> None:
    """The visitor who does something meanwhile is answered; of one who is idle for as many sessions it says nothing."""
    visitor = Visitor(arena.url)
    assert visitor.ask("Before the flood").success
    vote = visitor.functions["vote-a.click"]
    before = memory(arena)
    with httpx.Client(base_url=arena.url, timeout=60) as http:
        for number in range(MADE_UP - 1):
            http.post(JOIN, json=body(vote, secrets.token_hex(6))).raise_for_status()
            if number % 1000 == 0:
                assert visitor.call("status").success
        grown = memory(arena) - before
        print(f"\n{MADE_UP} made-up sessions: {grown / 1e6:.0f} MB more; the page after {page_seconds(arena):.3f} s")
        assert grown <= MOST_MEMORY
    assert "Quillon" in visitor.vote("a").text


def test_a_session_that_never_reads_its_answers_costs_little(arena: Server) -> None:
    visitor = Visitor(arena.url)
    vote = visitor.functions["vote-a.click"]
    with httpx.Client(base_url=arena.url, timeout=60) as http:
        for _ in range(300):
            http.post(JOIN, json=body(vote, "never")).raise_for_status()
        before = memory(arena)
        for _ in range(2000):
            http.post(JOIN, json=body(vote, "never")).raise_for_status()
    grown = memory(arena) - before
    print(f"\n2,000 unread answers of one session: {grown / 1e6:.0f} MB more")
    assert grown <= MOST_MEMORY / 5
    assert visitor.ask("After the flood").success


def test_made_up_requests_write_few_lines_and_no_trace_past_the_log(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, LOG_FORMAT="json") as arena:
        visitor = Visitor(arena.url)
        listens = visitor.functions["filter-category.input"]
        host, port = arena.url.removeprefix("http://").split(":")
        with httpx.Client(base_url=arena.url, timeout=60) as http:
            for number in range(400):
                assert http.post(JOIN, json=body(9000 + number, f"s{number}")).status_code == 500
                http.post(JOIN, json=body(listens, f"t{number}", [f"no such {number}"] * 9)).raise_for_status()
                assert http.post("/gradio_api/call/made-up", json={"data": []}).status_code >= 400
                assert http.get("/", headers={"upgrade": "websocket", "connection": "upgrade"}).status_code == 200
                with closing(socket.create_connection((host, int(port)))) as client:
                    client.sendall(b"\x00 nonsense\r\n\r\n")
                    assert client.recv(100).startswith(b"HTTP/1.1 400")
        lines = arena.log.splitlines()
        assert len(lines) < 200
        told = [json.loads(line) for line in lines]  # a traceback that was printed would be no JSON
        for sign in ("KeyError: '9000'", "An event failed.", "Invalid HTTP request", "left out for a minute"):
            assert any(sign in one["message"] for one in told), sign
        assert not any("no such" in str(one) for one in told), "what was sent may be a prompt"
