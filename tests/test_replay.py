from __future__ import annotations

import asyncio

import pytest

from models.chat import Done, Event, Message, Sampling, Text
from models.replay import ReplayModel


async def said(model: ReplayModel, question: str = "Why?", seed: int = 7, max_tokens: int = 1) -> list[Event]:
    stream = model.stream([Message("user", question)], Sampling(max_tokens=max_tokens), seed)
    return [event async for event in stream]


@pytest.mark.parametrize("text", ["Because.", "", "1\n\n2 " * 5000, "<think>hm</think> 好"])
def test_a_replay_says_its_text_whole_and_at_once_and_nothing_of_what_it_took(text: str) -> None:
    first, last = asyncio.run(said(ReplayModel(text)))
    assert first == Text(text)
    assert last == Done("stop", None)
    assert isinstance(last, Done)
    assert (last.prompt_tokens, last.first_token_seconds, last.seconds, last.joules) == (None, None, None, None)


def test_a_replay_says_the_same_whatever_it_is_asked_and_however_often() -> None:
    async def play() -> None:
        model = ReplayModel("Because.")
        assert await said(model) == await said(model, "And you?", seed=8, max_tokens=100)
        model.close()

    asyncio.run(play())
