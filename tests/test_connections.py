"""Slow and idle clients over real sockets, before a small application under the server that the arena runs on."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from support import wait_for

from arena.connections import (
    FEWEST_CONNECTIONS,
    GRACE,
    MOST_CONNECTIONS,
    Connections,
    Patience,
    hurry,
    room_for_connections,
)

pytestmark = [pytest.mark.integrity, pytest.mark.slow]

SHORT = Patience(head=0.4, body=0.6, taking=0.8)
LONG = 5.0  # after which a connection that is still open stays so
BIG = 40_000_000  # more than sockets hold
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Says how long the body was; /later takes its time, /big has no end to speak of, /early reads nothing."""
    length, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/later":
        await asyncio.sleep(2.5 * SHORT.taking)
    if scope["path"].startswith("/gradio_api/"):  # a stream of Gradio's, without an end
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here", "more_body": True})
        await asyncio.sleep(10 * LONG)
    body = b"x" * BIG if scope["path"] == "/big" else str(length).encode()
    size = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
    await send({"type": "http.response.body", "body": body})


class Served(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """None: a test's thread may not."""


@contextmanager
def serving(patience: Patience | None) -> Iterator[tuple[int, Connections | None]]:
    """A server in a thread; its port, and what it knows of its connections (None without deadlines)."""
    server = Served(uvicorn.Config(told, port=0, log_config=None, lifespan="off", timeout_keep_alive=60))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    connections = hurry(server.config, patience) if patience else None
    try:
        yield server.servers[0].sockets[0].getsockname()[1], connections
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(SHORT) as (port, _):
        yield port


@contextmanager
def connected(port: int, *sent: bytes, receives: int = 0) -> Iterator[socket.socket]:
    with socket.socket() as client:
        if receives:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        client.settimeout(LONG)
        client.connect(("127.0.0.1", port))
        for piece in sent:
            client.sendall(piece)
        yield client


def answer(client: socket.socket) -> bytes:
    """The body of one answer of the small kind."""
    got = b""
    while b"\r\n\r\n" not in got or got.endswith(b"\r\n\r\n"):
        got += client.recv(65536) or b"\r\n\r\nended"
    return got.split(b"\r\n\r\n")[1]


def ended(client: socket.socket) -> bool:
    """Whether the server ends the connection, before LONG is over."""
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", POST + b"abc", POST])
def test_half_a_request_is_not_waited_for(port: int, sent: bytes) -> None:
    with connected(port, sent) as client:
        assert ended(client)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", POST])
def test_without_deadlines_it_would_be(sent: bytes) -> None:
    with serving(None) as (port, _), connected(port, sent) as client:
        client.settimeout(4 * SHORT.body)
        assert not ended(client)


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"), (b"POST / HTTP/1.1\r\nHost: x\r\n" + CHUNKED, b"1\r\na\r\n")],
)
def test_a_request_that_trickles_in_is_cut_off(port: int, head: bytes, piece: bytes) -> None:
    with connected(port, head) as client:
        begun = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT012
            while time.monotonic() - begun < LONG:
                client.sendall(piece)
                time.sleep(SHORT.head / 10)
        assert time.monotonic() - begun < LONG


def test_a_second_request_has_its_own_deadline(port: int) -> None:
    """Any byte ends the server's own timer for connections that are kept."""
    with connected(port, REQUEST) as client:
        assert answer(client) == b"0"
        client.sendall(b"G")
        assert ended(client)


def test_a_body_that_nobody_reads_ends_with_its_answer(port: int) -> None:
    """The answer was early; what comes after it is not listened to for ever."""
    head = b"POST /early HTTP/1.1\r\nHost: x\r\n" + CHUNKED
    with connected(port, head, b"1\r\na\r\n") as client:
        assert b"200 OK" in client.recv(65536)
        with pytest.raises(OSError):  # noqa: PT012
            for _ in range(int(LONG / SHORT.head * 10)):
                client.sendall(b"1\r\na\r\n")
                time.sleep(SHORT.head / 10)


@pytest.mark.parametrize("kept", [b"", b"Connection: close\r\n"])
def test_who_takes_nothing_of_an_answer_is_let_go(kept: bytes) -> None:
    request = b"GET /big HTTP/1.1\r\nHost: x\r\n" + kept + b"\r\n"
    with serving(SHORT) as (port, connections), connected(port, request, receives=2048):
        assert connections is not None
        wait_for(lambda: len(connections) == 1, LONG)
        wait_for(lambda: len(connections) == 0, LONG)


def test_who_takes_it_slowly_gets_all_of_it(port: int) -> None:
    with connected(port, b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as client:
        begun, got = time.monotonic(), 0
        while piece := client.recv(BIG // 100):
            got += len(piece)
            time.sleep(SHORT.taking / 40)
        assert got >= BIG
        assert time.monotonic() - begun > SHORT.taking


def test_an_answer_may_take_its_time_and_a_connection_be_used_again(port: int) -> None:
    with connected(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert answer(client) == b"0"
        for _ in range(4):
            client.sendall(POST + b"0123456789")
            assert answer(client) == b"10"
            time.sleep(SHORT.head / 2)


def test_of_too_many_those_go_first_that_ask_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.connections.room_for_connections", lambda: 10)
    with ExitStack() as stack:
        port, connections = stack.enter_context(serving(Patience()))
        assert connections is not None
        busy = [stack.enter_context(connected(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(3)]
        wait_for(lambda: len(connections) == 3)
        idle = [stack.enter_context(connected(port, b"GET ")) for _ in range(40)]
        assert all(ended(client) for client in idle[7:])
        time.sleep(GRACE)
        last = stack.enter_context(connected(port, REQUEST))
        assert answer(last) == b"0"
        assert [answer(client) for client in busy] == [b"0"] * 3
        assert ended(idle[0])
        assert len(connections) <= 10


def stream(path: str) -> bytes:
    return f"GET /gradio_api/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_idle_streams_make_room_for_who_comes_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """First who asks for nothing, then heartbeats, then who listens longest; who waits for an answer never."""
    monkeypatch.setattr("arena.connections.room_for_connections", lambda: 7)
    paths = ("queue/data?session_hash=a", "call/vote/b", "heartbeat/c", "heartbeat/d")
    with serving(Patience()) as (port, connections), ExitStack() as stack:
        assert connections is not None
        streams = [stack.enter_context(connected(port, stream(path))) for path in paths]
        for client in streams:
            assert b"200 OK" in client.recv(65536)
        half = stack.enter_context(connected(port, b"GET "))
        wait_for(lambda: len(connections) == 5)
        time.sleep(1.2 * GRACE)
        busy = [stack.enter_context(connected(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(2)]
        wait_for(lambda: len(connections) == 7)
        for goes in (half, streams[2], streams[3], streams[0], streams[1]):
            assert len(connections) == 7
            goes.settimeout(0.01)
            assert not ended(goes), "it is not its turn"
            goes.settimeout(LONG)
            busy.append(stack.enter_context(connected(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")))
            assert ended(goes)
        assert [answer(client) for client in busy] == [b"0"] * 7


def test_newcomers_of_one_moment_take_the_places_of_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    class Transport(asyncio.Transport):
        gone = False

        def abort(self) -> None:
            self.gone = True

    now = [0.0]
    monkeypatch.setattr("arena.connections.monotonic", lambda: now[0])
    connections = Connections(3)
    idle = [Transport() for _ in range(3)]
    for transport in idle:
        connections.admit(transport)
        connections.is_in(transport, "heartbeat")
    now[0] = 2 * GRACE
    new = [Transport() for _ in range(2)]
    for transport in new:
        connections.admit(transport)
    assert [transport.gone for transport in [*idle, *new]] == [True, True, False, False, False]
    assert len(connections) == 3


def test_where_all_ask_for_something_the_newcomer_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.connections.room_for_connections", lambda: 3)
    with serving(Patience()) as (port, connections), ExitStack() as stack:
        assert connections is not None
        busy = [stack.enter_context(connected(port, b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(3)]
        wait_for(lambda: len(connections) == 3)
        assert ended(stack.enter_context(connected(port, REQUEST)))
        assert [answer(client) for client in busy] == [b"0"] * 3


def test_as_many_files_may_be_open_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    for limits, room in {(256, 1024): 824, (1024, 1 << 20): MOST_CONNECTIONS, (100, 100): FEWEST_CONNECTIONS}.items():
        monkeypatch.setattr(resource, "getrlimit", lambda _, limits=limits: limits)
        assert room_for_connections() == room
    assert given == [(1024, 1024), (65_536, 1 << 20)]
