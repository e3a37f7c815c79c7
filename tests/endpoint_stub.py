"""An OpenAI-compatible server with faults: raw HTTP from a thread of its own, so that it can break every rule."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

MODEL = "stub-1"


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; `headers` in lower case, `at` by the monotonic clock."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float


class Wire:
    """The server's end of one connection; whatever is sent on it is sent as it is."""

    def __init__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked = asked
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, status: int = 200, content_type: str = "text/event-stream", **headers: str) -> None:
        lines = [
            f"HTTP/1.1 {status} So",
            f"content-type: {content_type}",
            "transfer-encoding: chunked",
            "connection: close",
        ]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def part(self, data: bytes) -> None:
        """One chunk of a chunked response."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def event(self, said: object) -> None:
        await self.part(f"data: {json.dumps(said)}\n\n".encode())

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")


Reply = Callable[[Wire], Awaitable[None]]


def event(
    text: str | None = None, finish: str | None = None, model: str | None = MODEL, **delta: object
) -> dict[str, object]:
    """One event of a stream, as most servers send it."""
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def usage(prompt: int, completion: int) -> dict[str, object]:
    tokens = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"id": "1", "object": "chat.completion.chunk", "model": MODEL, "choices": [], "usage": tokens}


def events(*said: object, done: bool = True, then: Reply | None = None) -> Reply:
    """These events, `[DONE]` and the end of the response; or `then` in place of both."""

    async def reply(wire: Wire) -> None:
        await wire.head()
        for one in said:
            await wire.event(one)
        if then:
            await then(wire)
            return
        if done:
            await wire.part(b"data: [DONE]\n\n")
        await wire.end()

    return reply


def says(*texts: str, finish: str = "stop", took: tuple[int, int] | None = None, model: str | None = MODEL) -> Reply:
    """An answer without any fault."""
    pieces = [event(text, model=model) for text in texts]
    return events(*pieces, event(finish=finish, model=model), *([usage(*took)] if took else []))


def status(code: int, body: object = "", content_type: str = "application/json", **headers: str) -> Reply:
    """A response without events; `body` as JSON where it is no string."""

    async def reply(wire: Wire) -> None:
        await wire.head(code, content_type, **headers)
        await wire.part((body if isinstance(body, str) else json.dumps(body)).encode() or b" ")
        await wire.end()

    return reply


def refuses(code: int, message: str, name: str | None = None, **headers: str) -> Reply:
    return status(code, {"error": {"message": message, "type": "stub", "code": name}}, **headers)


def raw(data: bytes) -> Reply:
    """The body of a stream as it is."""

    async def reply(wire: Wire) -> None:
        await wire.head()
        await wire.part(data)
        await wire.end()

    return reply


async def hang(wire: Wire) -> None:
    """Nothing more, for as long as the other side waits."""
    await asyncio.Event().wait()


async def cut(wire: Wire) -> None:
    """The connection ends in the middle of the response."""


async def trickle(wire: Wire) -> None:
    """A sign of life again and again, and never a token."""
    while True:
        await wire.part(b": still here\n\n")
        await asyncio.sleep(0.02)


async def slow_head(wire: Wire) -> None:
    """A head that comes letter by letter and has no end."""
    await wire.send(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        await wire.send(b"y")
        await asyncio.sleep(0.02)


async def for_ever(wire: Wire) -> None:
    """Output without end."""
    while True:
        await wire.event(event("and on "))
        await asyncio.sleep(0)


async def line_for_ever(wire: Wire) -> None:
    """One line without end."""
    await wire.head()
    while True:
        await wire.part(b"x" * 65536)


def lists(*names: str) -> Reply:
    return status(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


@dataclass
class Stub:
    """A server while its block lasts. Answers the questions with `replies` in order, the last one again and again."""

    replies: Sequence[Reply] = ()
    models: Reply = field(default_factory=lambda: lists(MODEL))
    asked: list[Asked] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client went before its response was over
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def questions(self) -> list[Asked]:
        return [one for one in self.asked if one.method == "POST"]

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and one response; then the connection is closed."""
        try:
            asked = await self._read(reader)
            replying = asyncio.ensure_future(self._reply(asked)(Wire(asked, writer)))
            leaving = asyncio.ensure_future(reader.read(1))
            await asyncio.wait({replying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not replying.done() or isinstance(replying.exception(), ConnectionError):
                self.left.set()
            replying.cancel()
            leaving.cancel()
            await asyncio.gather(replying, leaving, return_exceptions=True)
        except asyncio.IncompleteReadError:  # no question came
            self.left.set()
        finally:
            writer.close()

    def _reply(self, asked: Asked) -> Reply:
        match asked.method, asked.path:
            case "GET", "/v1/models":
                return self.models
            case "POST", "/v1/chat/completions":
                return self.replies[min(len(self.questions), len(self.replies)) - 1]
        return status(404, {"detail": "Not Found"})

    async def _read(self, reader: asyncio.StreamReader) -> Asked:
        begin = await reader.readexactly(4)
        if begin not in (b"GET ", b"POST"):  # a handshake of TLS, for one
            raise asyncio.IncompleteReadError(begin, None)
        first, *lines = (begin + await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split()
        asked = Asked(method, path, headers, json.loads(body) if body else None, time.monotonic())
        self.asked.append(asked)
        return asked
