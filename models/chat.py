"""The seam between the arena and every language model.

Local weights, an endpoint and a script all look like a `ChatModel`: given a conversation they
yield `Text` pieces and end with exactly one `Done` or `Failed`. Nothing heavy is imported here.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
Side = Literal["a", "b"]
FinishReason = Literal["stop", "length"]
Notice = Literal["", "quota", "no_gpu"]


@dataclass(frozen=True)
class Message:
    role: Role
    text: str


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn; part of what a contestant is.

    `temperature` 0 is greedy. `top_k` 0 and `top_p` 1 switch those filters off.
    `max_tokens` bounds one answer, `stop` holds strings that end it and are not shown. `schema` is a JSON schema as
    text: engines that can hold an answer to it do, the others pass it over; no contestant has one, a judge may.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40
    repeat_penalty: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    schema: str = ""


@dataclass(frozen=True)
class Text:
    """The next piece of an answer, as the engine happened to cut it."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is complete; what it took comes with it, where it is known.

    `tokens` were generated (None: nobody counted them) after `prompt_tokens` were read. `first_token_seconds`
    and `seconds` run from the asking to the first text and to the end, waiting included; `joules` are this
    answer's share of what the GPU used. Two answers that say the same are equal, however long they took.
    """

    reason: FinishReason
    tokens: int | None
    prompt_tokens: int | None = field(default=None, compare=False)
    first_token_seconds: float | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)
    joules: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Failed:
    """The answer will not be completed. `detail` is for the log, never for a visitor.

    `fault` is False where it is no reason to look after the model: the question was too long for it, or its
    process has ended, which is noticed anyhow. `notice` is what the visitor can do something about, and has nothing
    to do with the model: the GPU time that Hugging Face lends them is used up, or no GPU was free. `busy` are the
    seconds after which a server to which this was too much wants to be asked again (0: it names none); None: it was
    something else.
    """

    detail: str
    fault: bool = field(default=True, compare=False)
    notice: Notice = field(default="", compare=False)
    busy: float | None = field(default=None, compare=False)


Event = Text | Done | Failed


class ChatModel(Protocol):
    """One model that is ready to answer."""

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        """Yield `Text` pieces, then one `Done` or `Failed`; never raises for a model's own fault.

        What an engine remembers of a prompt it may use again for the same `conversation` (a battle's id)
        and for nothing else; empty: not at all. Closing the generator early stops the generation.
        """
        ...

    def close(self) -> None:
        """Give back memory and processes; safe to call twice."""
        ...


@dataclass(frozen=True)
class Request:
    """What one side of a battle is asked. An answer longer than `max_chars` is ended there, as by its length."""

    model: ChatModel
    messages: Sequence[Message]
    sampling: Sampling
    seed: int
    conversation: str = ""
    max_chars: int = 100_000


class _Storable:
    """Pieces of a text as a database can hold them: no lone surrogates, no NUL (PostgreSQL refuses it)."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")

    def take(self, piece: str, *, last: bool = False) -> str:
        """The piece with U+FFFD for what can't be stored; half a character at its end waits for the other half."""
        # JSON may escape the halves of one character in two events; as UTF-16 they are a pair again.
        text = self._decoder.decode(piece.encode("utf-16-le", "surrogatepass"), last)
        return text.replace("\0", "\ufffd")


def storable(text: str) -> str:
    """The text with U+FFFD in place of each lone surrogate and NUL."""
    return _Storable().take(text, last=True)


async def answer(request: Request) -> AsyncGenerator[Event, None]:
    """Stream one answer within its limit of characters, its `Done` stamped with the time it took.

    Texts and details come as they can be stored; see `storable`. Always ends with one `Done` or `Failed`:
    a defect in an engine fails the answer and nothing else.
    """
    clock = asyncio.get_running_loop().time
    asked, first, left, pieces = clock(), None, request.max_chars, _Storable()
    stream = request.model.stream(request.messages, request.sampling, request.seed, request.conversation)
    end: Done | Failed = Failed("the stream ended without saying so")
    try:
        async with aclosing(stream):
            async for event in stream:
                if not isinstance(event, Text):
                    end = event
                    break
                first = clock() - asked if first is None else first
                if text := pieces.take(event.text)[:left]:
                    yield Text(text)
                left -= len(text)
                if not left:
                    end = Done("length", None)
                    break
    except Exception as error:
        end = Failed(f"{type(error).__name__}: {error}")
    if half := pieces.take("", last=True)[:left]:
        yield Text(half)
    if isinstance(end, Done):
        yield replace(end, first_token_seconds=first, seconds=clock() - asked)
    else:
        yield replace(end, detail=storable(end.detail))


async def stream_pair(a: Request, b: Request) -> AsyncGenerator[tuple[Side, Event], None]:
    """Ask both sides at once and yield their events as one stream, each marked with its side.

    The pair is the unit of generation: whoever consumes this stream sees both sides or neither,
    and closing it stops both. Ends after each side has yielded its `Done` or `Failed`.
    """
    events: asyncio.Queue[tuple[Side, Event]] = asyncio.Queue()

    async def pump(side: Side, request: Request) -> None:
        async with aclosing(answer(request)) as stream:
            async for event in stream:
                await events.put((side, event))

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
