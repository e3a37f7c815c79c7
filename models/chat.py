"""The seam between the arena and every language model.

Local weights, an endpoint and a script all look like a `ChatModel`: given a conversation they
yield `Text` pieces and end with exactly one `Done` or `Failed`. Nothing heavy is imported here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
Side = Literal["a", "b"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Message:
    role: Role
    text: str


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn; part of what a contestant is.

    `temperature` 0 is greedy. `top_k` 0 and `top_p` 1 switch those filters off.
    `max_tokens` bounds one answer, `stop` holds strings that end it and are not shown.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40
    repeat_penalty: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """The next piece of an answer, as the engine happened to cut it."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is complete. `tokens` counts what was generated."""

    reason: FinishReason
    tokens: int


@dataclass(frozen=True)
class Failed:
    """The answer will not be completed. `detail` is for the log, never for a visitor."""

    detail: str


Event = Text | Done | Failed


class ChatModel(Protocol):
    """One model that is ready to answer."""

    def stream(self, messages: Sequence[Message], sampling: Sampling, seed: int) -> AsyncIterator[Event]:
        """Yield `Text` pieces, then one `Done` or `Failed`; never raises for a model's own fault.

        Closing the iterator early stops the generation.
        """
        ...

    def close(self) -> None:
        """Give back memory and processes; safe to call twice."""
        ...


@dataclass(frozen=True)
class Request:
    """What one side of a battle is asked."""

    model: ChatModel
    messages: Sequence[Message]
    sampling: Sampling
    seed: int


async def stream_pair(a: Request, b: Request) -> AsyncGenerator[tuple[Side, Event], None]:
    """Ask both sides at once and yield their events as one stream, each marked with its side.

    The pair is the unit of generation: whoever consumes this stream sees both sides or neither,
    and closing it stops both. Ends after each side has yielded its `Done` or `Failed`.
    """
    events: asyncio.Queue[tuple[Side, Event]] = asyncio.Queue()

    async def pump(side: Side, request: Request) -> None:
        try:
            async with aclosing(request.model.stream(request.messages, request.sampling, request.seed)) as stream:  # type: ignore[type-var]
                async for event in stream:
                    await events.put((side, event))
                    if not isinstance(event, Text):
                        return
            await events.put((side, Failed("the stream ended without saying so")))
        except Exception as error:  # a defect in an engine must fail its side, not hang the pair
            await events.put((side, Failed(f"{type(error).__name__}: {error}")))

    pumps = [asyncio.create_task(pump("a", a)), asyncio.create_task(pump("b", b))]
    try:
        running = 2
        while running:
            side, event = await events.get()
            running -= not isinstance(event, Text)
            yield side, event
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
