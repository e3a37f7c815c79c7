"""A contestant behind any OpenAI-compatible server: vLLM, llama-server, Ollama, Ray Serve, hosted APIs."""

from __future__ import annotations

import asyncio
import difflib
import html
import json
import logging
import random
import re
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from models.chat import Done, Event, Failed, Message, Sampling, Text, storable
from models.completion import Completion, Unusable, request_body, same_model
from models.echo import without_echo
from models.spec import ModelSpec

if TYPE_CHECKING:
    import ssl

    from models.endpoint_client import Server

LONGEST_SENTENCE = 500  # characters of what is wrong, a server's own words included
SHORT = 1000  # bytes of a conversation that no server which is set up rightly finds too long
TOKENS_A_BYTE = 4  # more than any: normal forms of a text may have thrice its bytes
_END = object()

log = logging.getLogger("paddock.endpoint")


class EndpointUnavailable(Exception):
    """The server can't be used now; the message names it, its address, what is wrong and the remedy."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait, in seconds by the clock on the wall: what trickles in meanwhile prolongs nothing.

    `first_token` counts from the asking: the server's own queue, every retry and every pause included. `usage` is
    for the count of tokens that follows an answer. After an attempt that failed before its first text comes the
    next of `pauses` (give or take a half), or a longer one that the server asks for, `retry_after` at most. Without
    `waits_busy` a server that is too busy is left to whoever asks: the answer fails at once, see `Failed.busy`.
    """

    check: float = 5.0
    connect: float = 5.0
    first_token: float = 120.0
    between_tokens: float = 30.0
    usage: float = 2.0
    pauses: tuple[float, ...] = (0.5, 2.0)
    retry_after: float = 20.0
    waits_busy: bool = True


class Key:
    """What opens a server: goes into the header of a request, and is taken out of whatever is said of one."""

    def __init__(self, variable: str, secret: str) -> None:
        self._variable = variable
        self._secret = secret.strip()

    @property
    def trouble(self) -> str:
        """Why no request can be sent with it; empty: it can."""
        if self._variable and not self._secret:
            return f"its key is not set; put {self._variable} into the environment or into .env"
        # A library's complaint about such a header would repeat the header.
        if not re.fullmatch(r"[!-~]*", self._secret):
            return f"the key in {self._variable} holds white space or letters that no key has; copy it again"
        return ""

    def reveal(self) -> str:
        return self._secret

    def hide(self, text: str) -> str:
        """The text without the key, in whatever guise it came back."""
        if self._secret:
            guises = {self._secret, quote(self._secret, safe=""), html.escape(self._secret), repr(self._secret)[1:-1]}
            for guise in sorted(guises | {json.dumps(self._secret)[1:-1]}, key=len, reverse=True):
                text = text.replace(guise, "(key)")
        return text


class EndpointModel:
    """A `ChatModel` that asks a server. Works from any event loop; holds no connection while nothing is asked."""

    def __init__(self, spec: ModelSpec, key: str, *, timeouts: Timeouts | None = None) -> None:
        """Starts nothing. `key` is the key itself (empty: none). Raises `ValueError` for a spec of another engine."""
        if spec.endpoint is None:
            raise ValueError(f"{spec.id} has no [model.endpoint]")
        self.spec = spec
        self._endpoint = spec.endpoint
        self._key = Key(spec.endpoint.key, key)
        self._timeouts = timeouts or Timeouts()
        self._refused: set[str] = set()
        self._closed = threading.Event()

    def check(self) -> None:
        """Ask the server which models it has; blocks for a few seconds at most, in a thread without an event loop.

        Raises `EndpointUnavailable` where it can't be reached, wants another key, or does not have the model.
        """
        if trouble := self._key.trouble or asyncio.run(self._look()):
            raise EndpointUnavailable(self._sentence(trouble))

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        seed: int,
        conversation: str = "",  # noqa: ARG002
    ) -> AsyncGenerator[Event, None]:
        completion = Completion(self._endpoint)
        body = request_body(self._endpoint.model, messages, sampling, seed)
        sentence = partial(self._sentence, asked=[message.text for message in messages])
        end: Done | Failed
        try:
            async with aclosing(self._texts(completion, body, sentence)) as texts:
                async for text in texts:
                    yield Text(text)
            end = completion.end()
        except TimeoutError:
            seconds = self._timeouts.between_tokens if completion.pieces else self._timeouts.first_token
            end = Failed(sentence(f"it hangs: no text for {seconds:g} s"))
        except Unusable as error:
            busy = error.again if error.busy and self._is_patient(error) else None
            end = Failed(sentence(str(error)), fault=self._is_fault(error, messages, sampling), busy=busy)
        except Exception as error:  # a defect; its words too must not leave with the key in them
            end = Failed(sentence(f"{type(error).__name__}: {error}"))
        yield end

    def close(self) -> None:
        """Take no more questions; an answer under way goes on until its end, or until its generator is closed."""
        self._closed.set()

    async def _texts(
        self, completion: Completion, body: dict[str, object], sentence: Callable[[str], str]
    ) -> AsyncGenerator[str, None]:
        """The answer's pieces; asked for again while nothing of it has arrived."""
        if trouble := "it is closed" if self._closed.is_set() else self._key.trouble:
            raise Unusable(trouble)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeouts.first_token
        # The first time this imports a library and reads certificates: a second that no other visitor may lose.
        async with aclosing(await asyncio.to_thread(self._server)) as server:
            for planned in (*self._timeouts.pauses, None):
                try:
                    async with aclosing(self._attempt(server, completion, body, deadline)) as texts:
                        async for text in texts:
                            yield text
                except Unusable as error:
                    pause = None if completion.pieces or planned is None else self._pause(error, planned)
                    if pause is None or clock() + pause > deadline:
                        raise
                    log.info("%s", sentence(f"to be asked again in {pause:.1f} s: {error}"))
                else:
                    return
                await asyncio.sleep(pause)

    async def _attempt(
        self, server: Server, completion: Completion, body: dict[str, object], deadline: float
    ) -> AsyncGenerator[str, None]:
        """One request's pieces. Raises `TimeoutError` and `Unusable`."""
        clock = asyncio.get_running_loop().time
        async with aclosing(server.events(body)) as events:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events, _END)
                except (TimeoutError, Unusable):
                    if completion.finished:  # the answer is whole, only what it took is not known
                        return
                    raise
                if event is _END:
                    return
                if text := completion.take(event):
                    yield text
                    deadline = clock() + self._timeouts.between_tokens
                if completion.finished:
                    deadline = min(deadline, clock() + self._timeouts.usage)

    def _pause(self, error: Unusable, planned: float) -> float | None:
        """Seconds until the request is sent again; None where that would not help."""
        if error.again is None or not self._is_patient(error) or (error.busy and not self._timeouts.waits_busy):
            return None
        # About as planned, so that those who failed together don't come back together.
        return max(error.again, planned * random.uniform(0.5, 1.5))

    def _is_patient(self, error: Unusable) -> bool:
        return (error.again or 0.0) <= self._timeouts.retry_after

    def _is_fault(self, error: Unusable, messages: Sequence[Message], sampling: Sampling) -> bool:
        """Whether the server is to be looked after: else whoever asks could take the model out of the draw."""
        if error.question == "length":
            # Who finds even this too long has less room than the entry says, and refuses everybody.
            size = sum(len(message.text.encode(errors="replace")) for message in messages)
            return size <= min(SHORT, (self.spec.context - sampling.max_tokens) // TOKENS_A_BYTE)
        return error.question is None

    async def _look(self) -> str:
        """What is wrong with the server, as far as its list of models tells; empty: nothing."""
        ours = {self._endpoint.model, self._endpoint.reported or self._endpoint.model}
        try:
            async with asyncio.timeout(self._timeouts.check), aclosing(self._server()) as server:
                listed = await server.models()
        except TimeoutError:
            return f"it did not answer within {self._timeouts.check:g} s; is it running at this address?"
        except Unusable as error:
            return str(error)
        if listed is None or any(same_model(name, one) for name in listed for one in ours):
            return ""
        near = ", ".join(difflib.get_close_matches(self._endpoint.model, listed, 5, 0)) or "nothing"
        return f"it does not serve '{self._endpoint.model}'; set model to what it lists: {near}"

    def _server(self) -> Server:
        from models.endpoint_client import Server

        return Server(self._endpoint, self._key.reveal(), self._certificates, self._timeouts.connect, self._refused)

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        from models.endpoint_client import read_certificates

        return read_certificates()

    def _sentence(self, trouble: str, asked: Sequence[str] = ()) -> str:
        """Who, where, what is wrong: for the log and the admin, without what the server repeats of what was asked."""
        words = storable(self._key.hide(f"{self.spec.name} at {self._endpoint.url}: {trouble}"))[:LONGEST_SENTENCE]
        return without_echo(words, asked)
