"""Visitors of an arena by the hundred: what the Battle page sends, over real HTTP, from one event loop."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from random import Random
from typing import Any, Literal

import httpx
from support import _functions as functions_of

from arena.ui.texts import TEXTS

PATIENCE = 300.0  # for the next word of the arena, in seconds
AGAIN_SECONDS = (5.0, 20.0)  # after which who was told "busy" comes back
ATTEMPTS = 100
BUSY = TEXTS["en"]["error_busy"]
IN_LINE = TEXTS["en"]["hint_waiting"].split("{")[0].strip()

Sign = Literal["text", "line", "busy"]


class Trouble(Exception):
    """The arena answered otherwise than a visitor may expect; the message says how."""


@dataclass
class Noted:
    """What visitors saw, in seconds: from a prompt to the first sign (a text, a place in line, or "busy"), from a
    prompt to its first text, of whole answers, and from a vote to its reveal."""

    signs: dict[Sign, list[float]] = field(default_factory=lambda: {"text": [], "line": [], "busy": []})
    texts: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    votes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Arena:
    """An arena at an address; one pool of connections for all its visitors."""

    def __init__(self, url: str) -> None:
        unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        headers = {"accept-language": "en"}
        self.http = httpx.AsyncClient(
            base_url=url, timeout=PATIENCE, limits=unlimited, headers=headers, trust_env=False
        )
        self.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # each visitor has its own
        self.functions: dict[str, int] = {}

    async def learn(self) -> None:
        """Read which function of the page is which. Raises `httpx.HTTPError`."""
        config = (await self.http.get("/config")).raise_for_status().json()
        self.functions = functions_of(config["dependencies"], config["components"])

    async def memory(self) -> int:
        """Bytes the arena's process holds, as its health check says."""
        return int((await self.http.get("/healthz")).json()["process"]["memory_bytes"])

    async def newcomer(self, noted: Noted) -> Visitor:
        """Open the page, as somebody who was never there."""
        page = (await self.http.get("/")).raise_for_status()
        found = re.search(r"paddock_voter=([^;]+)", page.headers.get("set-cookie", ""))
        if found is None:
            raise Trouble("the page gave no cookie")
        return Visitor(self, found[0], noted)


class Visitor:
    """One page, open in one browser."""

    def __init__(self, arena: Arena, cookie: str, noted: Noted) -> None:
        self._arena = arena
        self._cookie = {"cookie": cookie}
        self.noted = noted
        self._session = secrets.token_hex(8)

    def another_page(self) -> Visitor:
        """The same person in another tab."""
        return Visitor(self._arena, self._cookie["cookie"], self.noted)

    async def ask(self, prompt: str) -> bool:
        """Send a prompt and read both answers; False where the arena is full. Raises `Trouble`."""
        began, sign = time.perf_counter(), False
        async with aclosing(self._call("prompt.submit", prompt, True, None)) as messages:
            async for message in messages:
                if message["msg"] == "log" and message["log"] == BUSY:
                    self.noted.signs["busy"].append(time.perf_counter() - began)
                    return False
                if message["msg"] == "log":
                    raise Trouble(f"a prompt was answered: {message['log']}")
                if not sign and IN_LINE in json.dumps(message):
                    self.noted.signs["line"].append(time.perf_counter() - began)
                    sign = True
        await self._watch(began, sign)
        return True

    async def ask_until_served(self, prompt: str, rng: Random) -> None:
        """Ask, and come back a little later as often as the arena is full. Raises `Trouble`."""
        for _ in range(ATTEMPTS):
            if await self.ask(prompt):
                return
            await asyncio.sleep(rng.uniform(*AGAIN_SECONDS))
        raise Trouble(f"the arena was full {ATTEMPTS} times")

    async def vote(self, outcome: str, began: float | None = None) -> None:
        """Vote and read the names; `began` is when it was to happen, if not now. Raises `Trouble`."""
        began = began or time.perf_counter()
        revealed = False
        async with aclosing(self._call(f"vote-{outcome}.click", None)) as messages:
            async for message in messages:
                if message["msg"] == "log":
                    raise Trouble(f"a vote was answered: {message['log']}")
                revealed = revealed or bool(message.get("success"))
        if not revealed:
            raise Trouble("a vote was answered without a reveal")
        self.noted.votes.append(time.perf_counter() - began)

    async def show(self) -> None:
        """Have the whole page brought up to date, as the page does after answers and votes."""
        await self._through("show", None)

    async def new(self) -> None:
        await self._through("new-battle.click")

    async def _watch(self, began: float, sign: bool) -> None:
        texts = 0
        async with aclosing(self._call("watch", None)) as messages:
            async for message in messages:
                if message["msg"] != "process_generating":
                    continue
                texts += 1
                if texts == 1:
                    self.noted.texts.append(time.perf_counter() - began)
        if not texts:
            raise Trouble("no answer came")
        if not sign:
            self.noted.signs["text"].append(self.noted.texts[-1])
        self.noted.answers.append(time.perf_counter() - began)

    async def _through(self, event: str, *data: object) -> None:
        async with aclosing(self._call(event, *data)) as messages:
            async for message in messages:
                if message["msg"] == "log":
                    raise Trouble(f"{event} was answered: {message['log']}")

    async def _call(self, event: str, *data: object) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of one event of the page, to its end. Raises `Trouble`."""
        http = self._arena.http
        body = {"fn_index": self._arena.functions[event], "data": data, "session_hash": self._session}
        joined = await http.post("/gradio_api/queue/join", json=body, headers=self._cookie)
        if joined.status_code != httpx.codes.OK:
            raise Trouble(f"{event} was answered with {joined.status_code}")
        number = joined.json()["event_id"]
        address, parameters = "/gradio_api/queue/data", {"session_hash": self._session}
        async with http.stream("GET", address, params=parameters, headers=self._cookie) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "unexpected_error":
                    raise Trouble(f"{event} failed: {message.get('message')}")
                if message.get("event_id") != number:
                    continue
                yield message
                if message["msg"] == "process_completed":
                    return
        raise Trouble(f"the stream of {event} ended before its end")
