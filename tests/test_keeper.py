"""Contestants behind an endpoint: who watches over them, and what happens to one that dies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from models.chat import Done, Event, Failed, Message, Sampling
from models.pool import Patience, Pool
from models.residency import Register
from models.spec import Endpoint, ModelSpec

pytestmark = pytest.mark.slow
PATIENCE = 60.0
QUICK = Patience(check_pause=0.05, fetch_pause=0.05, failures=2)
ANSWER = {"model": "parrot", "choices": [{"delta": {"content": "Hello."}, "finish_reason": "stop"}]}


class Server(ThreadingHTTPServer):
    """Lists one model while it is `well`, and answers no question until it is `willing`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.well, self.willing = True, False
        self.keys: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.keys.add(self.headers["authorization"])
        self._say(200 if self.server.well else 400, {"data": [{"id": "parrot"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.server.willing:
            self._send(200, "text/event-stream", f"data: {json.dumps(ANSWER)}\n\ndata: [DONE]\n\n".encode())
        else:
            self._say(400, {"error": {"message": "no"}})

    def _say(self, status: int, body: object) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Make = Callable[..., Pool]


@pytest.fixture
def make(server: Server, tmp_path: Path) -> Iterator[Make]:
    pools: list[Pool] = []

    def make(key: str = "", patience: Patience = QUICK, **keys: SecretStr) -> Pool:
        spec = ModelSpec(
            id="far", name="Far", engine="endpoint", quantization="unknown", license="none", makers=("us",),
            endpoint=Endpoint(url=server.url, model="parrot", key=key),
        )  # fmt: skip
        pools.append(Pool([spec], cache=tmp_path, keys=keys, patience=patience))
        pools[-1].start()
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def until(pool: Pool, state: str) -> None:
    assert pool.wait(lambda: pool.status()[0].state == state, PATIENCE), pool.status()


def ask(pool: Pool) -> Event:
    async def last() -> Event:
        stream = pool.model("far").stream((Message("user", "Hi"),), Sampling(top_k=0, top_p=1), 0)
        return [event async for event in stream][-1]

    return asyncio.run(asyncio.wait_for(last(), PATIENCE))


def test_an_endpoint_that_answers_is_ready_and_takes_no_memory(make: Make, server: Server) -> None:
    pool = make("FAR_KEY", FAR_KEY=SecretStr("sesame"))
    until(pool, "ready")
    assert server.keys == {"Bearer sesame"}
    with pool.reserve(["far"]) as ready:
        assert ready()


def test_an_endpoint_without_its_key_is_named_with_the_variable(make: Make) -> None:
    pool = make("FAR_KEY", OTHER_KEY=SecretStr("sesame"))
    until(pool, "failed")
    assert pool.status()[0].reason == "Far needs a key; set the variable FAR_KEY."


def test_an_endpoint_that_is_not_there_is_asked_for_again(make: Make, server: Server) -> None:
    server.well = False
    pool = make()
    until(pool, "failed")
    assert server.url in pool.status()[0].reason
    server.well = True
    until(pool, "ready")
    assert pool.status()[0].reason == ""


def test_an_endpoint_that_dies_leaves_the_draw_and_comes_back(make: Make, server: Server) -> None:
    pool = make()
    until(pool, "ready")
    server.well = False
    assert isinstance(ask(pool), Failed)
    assert pool.status()[0].state == "ready", "one failure may be the question's fault"
    assert isinstance(ask(pool), Failed)
    until(pool, "failed")
    assert pool.ready() == ()
    server.well = True
    until(pool, "ready")


def test_an_endpoint_that_lists_its_model_and_answers_nothing_stays_out_of_the_draw(make: Make) -> None:
    pool = make(patience=replace(QUICK, fetch_pause=PATIENCE, longest_pause=PATIENCE))
    until(pool, "ready")
    assert isinstance(ask(pool), Failed)
    assert isinstance(ask(pool), Failed)
    until(pool, "failed")
    assert "no" in pool.status()[0].reason
    assert not pool.wait_ready(1, 0.5), "its list of models does not bring it back"


def test_the_pause_doubles_until_an_answer_succeeds(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(register: Register, seconds: float) -> None:
        pauses.extend([seconds] if seconds else [])
        pausing(register, 0)

    pausing = Register.pause
    monkeypatch.setattr(Register, "pause", pause)
    pool = make(patience=replace(QUICK, fetch_pause=30, longest_pause=100))

    def out(failures: int) -> float:
        before = len(pauses)
        for _ in range(failures):
            until(pool, "ready")
            assert isinstance(ask(pool), Failed)
        assert pool.wait(lambda: len(pauses) > before, PATIENCE)
        until(pool, "ready")
        return pauses[-1]

    assert [out(2), out(1), out(1)] == [30, 60, 100], "until it succeeds one failure is enough"
    server.willing = True
    assert isinstance(ask(pool), Done)
    server.willing = False
    assert out(2) == 30


def test_closing_ends_the_watch(make: Make) -> None:
    pool = make()
    until(pool, "ready")
    pool.close()
    assert not any(keeper.thread.is_alive() for keeper in pool._keepers)
