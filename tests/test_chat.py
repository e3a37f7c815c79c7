from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from models.catalog import ModelSpec
from models.chat import ChatModel, Done, Event, Failed, Message, Request, Sampling, Side, Text, stream_pair
from models.scripted import ScriptedModel


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
