from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from models.chat import ChatModel, Done, Event, Failed, Message, Request, Sampling, Side, Text, answer, stream_pair
from models.scripted import ScriptedModel
from models.spec import ModelSpec


def scripted(**script: object) -> ScriptedModel:
    spec = ModelSpec(
        id="scripted", name="Scripted", engine="scripted", quantization="none", license="none", makers=("us",),
        script=script,
    )  # fmt: skip
    return ScriptedModel(spec)


def ask(model: ChatModel) -> Request:
    return Request(model, (Message("user", "Hi"),), Sampling(), 0)


def pair(a: ChatModel, b: ChatModel) -> list[tuple[Side, Event]]:
    async def collect() -> list[tuple[Side, Event]]:
        return [item async for item in stream_pair(ask(a), ask(b))]

    return asyncio.run(collect())


class Odd:
    """A model with a defect: it raises, or ends without a last event."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed_early = False

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        try:
            yield Text("x")
            if self.error:
                raise self.error
        except GeneratorExit:
            self.closed_early = True
            raise

    def close(self) -> None: ...


def test_both_sides_arrive_whole_and_each_ends_once() -> None:
    events = pair(scripted(replies=["abcd"], chunk=2), scripted(replies=["xyz"], chunk=1))
    for side, text in (("a", "abcd"), ("b", "xyz")):
        own = [event for at, event in events if at == side]
        assert "".join(event.text for event in own if isinstance(event, Text)) == text
        assert isinstance(own[-1], Done)
        assert sum(not isinstance(event, Text) for event in own) == 1


def test_the_sides_are_asked_at_once_and_not_in_turn() -> None:
    sides = [side for side, _ in pair(scripted(replies=["aaaa"], chunk=1), scripted(replies=["bbbb"], chunk=1))]
    assert sides.index("b") < len(sides) - 1 - sides[::-1].index("a")


def test_one_sides_failure_leaves_the_other_alone() -> None:
    events = pair(scripted(fail_after=0), scripted(replies=["fine"]))
    assert ("b", Done("stop", 1)) in events
    assert [type(event) for side, event in events if side == "a"] == [Failed]


def test_a_defect_in_an_engine_fails_its_side_and_never_hangs_the_pair() -> None:
    events = pair(Odd(ValueError("bent")), scripted())
    assert ("a", Failed("ValueError: bent")) in events


class Saying:
    """A model that says these pieces and ends so."""

    def __init__(self, *pieces: str, end: Done | Failed) -> None:
        self.pieces = pieces
        self.end = end

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        for piece in self.pieces:
            yield Text(piece)
        yield self.end

    def close(self) -> None: ...


def answered(model: ChatModel, max_chars: int = 100) -> tuple[str, Event]:
    async def collect() -> list[Event]:
        return [event async for event in answer(replace(ask(model), max_chars=max_chars))]

    *texts, end = asyncio.run(collect())
    return "".join(event.text for event in texts if isinstance(event, Text)), end


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("plain ", "text"), "plain text"),
        (("散", "射 😀"), "散射 😀"),
        (("a\ud83d", "\ude00b"), "a😀b"),
        (("\ud83d", "", "\ude00"), "😀"),
        (("\ud83d\ude00",), "😀"),
        (("a\ud83d",), "a\ufffd"),
        (("\ude00b",), "\ufffdb"),
        (("\ude00\ud83d",), "\ufffd\ufffd"),
        (("\ud83d", "b"), "\ufffdb"),
        (("\ud83d", "\ud83d", "\ude00"), "\ufffd😀"),
        (("a\0b", "\0"), "a\ufffdb\ufffd"),
    ],
)
@pytest.mark.parametrize("end", [Done("stop", 3), Failed("bent")])
def test_a_text_comes_as_a_database_can_hold_it(pieces: tuple[str, ...], text: str, end: Done | Failed) -> None:
    assert answered(Saying(*pieces, end=end)) == (text, end)


def test_what_is_said_of_a_failure_comes_as_a_database_can_hold_it() -> None:
    assert answered(Saying(end=Failed("no \ud83d, no \0"))) == ("", Failed("no \ufffd, no \ufffd"))
    assert answered(Odd(ValueError("\ude00"))) == ("x", Failed("ValueError: \ufffd"))


def test_of_an_answer_that_is_cut_nobody_knows_how_many_tokens_it_took() -> None:
    model = Saying("abc", "de\ud83d", "\ude00fg", end=Done("stop", 9))
    assert answered(model, 4) == ("abcd", Done("length", None))
    assert answered(model, 6) == ("abcde😀", Done("length", None))
    assert answered(model, 9) == ("abcde😀fg", Done("stop", 9))


def test_a_stream_that_ends_without_a_word_counts_as_failed() -> None:
    events = pair(Odd(), scripted())
    assert [type(event) for side, event in events if side == "a"] == [Text, Failed]


def test_closing_the_pair_stops_both_sides() -> None:
    async def leave() -> int:
        endless = {"replies": ["x"], "endless": True, "max_tokens": 10**9, "tokens_per_second": 1000}
        async with aclosing(stream_pair(ask(scripted(**endless)), ask(scripted(**endless)))) as events:
            await anext(events)
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(leave()) == 0
