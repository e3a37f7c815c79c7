from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.scripted import ScriptedModel
from models.spec import ModelSpec

ONE_TURN = (Message("user", "Hi"),)


def scripted(**script: object) -> ScriptedModel:
    spec = ModelSpec(
        id="scripted", name="Scripted", engine="scripted", quantization="none", license="none", makers=("us",),
        script=script,
    )  # fmt: skip
    return ScriptedModel(spec)


def answer(
    model: ScriptedModel, messages: tuple[Message, ...] = ONE_TURN, seed: int = 0, sampling: Sampling | None = None
) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in model.stream(messages, sampling or Sampling(), seed)]

    return asyncio.run(collect())


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def test_a_reply_arrives_in_pieces_and_ends_with_done() -> None:
    assert answer(scripted(replies=["abcdefg"], chunk=3)) == [Text("abc"), Text("def"), Text("g"), Done("stop", 3)]


def test_each_turn_gets_the_next_reply() -> None:
    model = scripted(replies=["one", "two"])
    second = (*ONE_TURN, Message("assistant", "one"), Message("user", "More"))
    assert text_of(answer(model)) == "one"
    assert text_of(answer(model, second)) == "two"


def test_by_seed_the_seed_picks_the_reply() -> None:
    model = scripted(replies=["one", "two"], by_seed=True)
    assert [text_of(answer(model, seed=seed)) for seed in (0, 1, 2)] == ["one", "two", "one"]


def test_an_endless_reply_stops_at_the_samplings_limit() -> None:
    events = answer(scripted(replies=["ab"], chunk=2, endless=True), sampling=Sampling(max_tokens=5))
    assert text_of(events) == "ababababab"
    assert events[-1] == Done("length", 5)


def test_the_scripts_own_limit_wins() -> None:
    events = answer(scripted(replies=["abcd"], chunk=1, max_tokens=2))
    assert events == [Text("a"), Text("b"), Done("length", 2)]


def test_it_fails_after_the_given_characters() -> None:
    events = answer(scripted(replies=["abcdef"], chunk=2, fail_after=4))
    assert events[:2] == [Text("ab"), Text("cd")]
    assert isinstance(events[2], Failed)
    assert len(events) == 3


def test_it_can_fail_before_the_first_character() -> None:
    (event,) = answer(scripted(fail_after=0))
    assert isinstance(event, Failed)


def test_it_can_hang_and_still_be_cancelled() -> None:
    async def wait() -> None:
        async with aclosing(scripted(hang=True).stream(ONE_TURN, Sampling(), 0)) as stream:
            await asyncio.wait_for(anext(stream), timeout=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="repplies"):
        scripted(repplies=["x"])
