"""A model that replies from a script, so that timing and failures can be repeated at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import chain, repeat
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from models.chat import Done, Event, Failed, Message, Notice, Sampling, Text
from models.spec import ModelSpec

Seconds = Annotated[float, Field(ge=0)]


class Script(BaseModel):
    """What a scripted model does; one piece counts as one token.

    `replies` are taken in turn order (the first user message gets the first) and start again
    from the top; with `by_seed` the seed picks instead. `chunk` is in characters,
    `tokens_per_second` 0 means without any pause, `fail_after` counts characters.
    `endless` repeats its reply until `max_tokens` (None: until the sampling's).
    `hang` yields nothing, ever. With a `notice` the failure is not the model's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    replies: tuple[str, ...] = Field(default=("Hello.",), min_length=1)
    by_seed: bool = False
    chunk: int = Field(default=4, ge=1)
    tokens_per_second: float = Field(default=0, ge=0)
    first_token_seconds: Seconds = 0
    fail_after: int | None = Field(default=None, ge=0)
    notice: Notice = ""
    endless: bool = False
    max_tokens: int | None = Field(default=None, ge=1)
    hang: bool = False

    def reply(self, messages: Sequence[Message], seed: int) -> str:
        turns = sum(message.role == "user" for message in messages)
        number = seed if self.by_seed else max(turns - 1, 0)
        return self.replies[number % len(self.replies)]

    def pieces(self, reply: str) -> Iterator[str]:
        cut = [reply[start : start + self.chunk] for start in range(0, len(reply), self.chunk)]
        return chain.from_iterable(repeat(cut)) if self.endless and cut else iter(cut)


class ScriptedModel:
    """A `ChatModel` without a model. Raises pydantic's `ValidationError` (a ValueError) for a bad script."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.script = Script.model_validate(spec.script)

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        seed: int,
        conversation: str = "",  # noqa: ARG002
    ) -> AsyncGenerator[Event, None]:
        script = self.script
        if script.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(script.first_token_seconds)
        limit = script.max_tokens or sampling.max_tokens
        pause = 1 / script.tokens_per_second if script.tokens_per_second else 0.0
        sent = tokens = 0
        for piece in script.pieces(script.reply(messages, seed)):
            if tokens == limit:
                yield Done("length", tokens)
                return
            if script.fail_after is not None and sent + len(piece) > script.fail_after:
                break
            if tokens:
                await asyncio.sleep(pause)
            yield Text(piece)
            sent, tokens = sent + len(piece), tokens + 1
        if script.fail_after is not None:
            detail = f"the script fails after {script.fail_after} characters"
            yield Failed(detail, fault=not script.notice, notice=script.notice)
            return
        yield Done("stop", tokens)

    def close(self) -> None:
        """Nothing is held."""
