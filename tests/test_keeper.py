"""Contestants behind an endpoint: who watches over them, and what happens to one that dies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from models.catalog import Endpoint, ModelSpec
from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.pool import Patience, Pool
from models.watched import Watched

PATIENCE = 60.0
QUICK = Patience(check_pause=0.05, failures=2)


class Server(ThreadingHTTPServer):
    """Lists one model while it is `well`, and answers no question."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.well = True
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
        self._say(400, {"error": {"message": "no"}})

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
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

    def make(key: str = "", **keys: SecretStr) -> Pool:
        spec = ModelSpec(
            id="far", name="Far", engine="endpoint", quantization="unknown", license="none", makers=("us",),
            endpoint=Endpoint(url=server.url, model="parrot", key=key),
        )  # fmt: skip
        pools.append(Pool([spec], cache=tmp_path, keys=keys, patience=QUICK))
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


def test_closing_ends_the_watch(make: Make) -> None:
    pool = make()
    until(pool, "ready")
    pool.close()
    assert not any(keeper.thread.is_alive() for keeper in pool._keepers)


class Scripted:
    """Ends each answer as it is told."""

    def __init__(self, *ends: Done | Failed) -> None:
        self.ends = list(ends)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        yield Text("x")
        yield self.ends.pop(0)

    def close(self) -> None:
        pass


def test_only_failures_in_a_row_count() -> None:
    good, bad = Done("stop", 1), Failed("down")
    model = Watched(Scripted(bad, good, bad, bad, bad, good), 3)

    async def one() -> list[Event]:
        return [event async for event in model.stream((), Sampling(), 0)]

    for _ in range(4):
        asyncio.run(one())
    assert not model._failing.is_set()
    assert asyncio.run(one()) == [Text("x"), bad]
    model.wait_failing()
    assert not model._failing.is_set(), "from here on it counts anew"
