from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from models.chat import Done, Event, Failed, Message, Sampling, Text
from models.watched import Record, Watched

GOOD, BAD, TOO_LONG = Done("stop", 1), Failed("down"), Failed("too long", fault=False)


class Scripted:
    """Ends each answer as it is told."""

    def __init__(self, *ends: Done | Failed) -> None:
        self.ends = list(ends)
        self.closed = False

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        yield Text("x")
        yield self.ends.pop(0)

    def close(self) -> None:
        self.closed = True


class Stay:
    """One stay in the draw of a model whose answers end like this; `ended` counts how often it was ended."""

    def __init__(self, record: Record, *ends: Done | Failed) -> None:
        self.ended = 0
        self.model = Watched(Scripted(*ends), record, self.end)
        for _ in ends:
            asyncio.run(self.ask())

    def end(self) -> None:
        self.ended += 1

    async def ask(self) -> list[Event]:
        return [event async for event in self.model.stream((), Sampling(), 0)]


def test_only_failures_in_a_row_count() -> None:
    stay = Stay(Record(3), BAD, GOOD, BAD, BAD, GOOD, BAD, BAD)
    assert not stay.ended
    assert not stay.model.failure


def test_failures_in_a_row_end_it_once_and_it_knows_why() -> None:
    record = Record(3)
    stay = Stay(record, BAD, BAD, Failed("the third"), BAD, BAD, BAD, BAD)
    assert stay.ended == record.outages == 1
    assert stay.model.failure == "the third"


def test_after_an_outage_one_failure_is_enough_until_an_answer_succeeds() -> None:
    record = Record(3)
    for times in (1, 2, 3):
        assert Stay(record, *[BAD] * (3 if times == 1 else 1)).ended
        assert record.outages == times
    assert not Stay(record, GOOD, BAD, BAD).ended
    assert record.outages == 0


def test_failures_are_remembered_over_stays() -> None:
    record = Record(3)
    assert not Stay(record, BAD, BAD).ended
    assert Stay(record, BAD).ended


def test_a_question_that_was_too_long_counts_neither_way() -> None:
    record = Record(2)
    assert not Stay(record, *[TOO_LONG] * 5).ended
    assert Stay(record, BAD, TOO_LONG, BAD).ended


def test_a_visitor_who_leaves_counts_neither_way() -> None:
    stay = Stay(Record(1))
    stay.model.model = Scripted(BAD, BAD)

    async def leave() -> None:
        async with aclosing(stay.model.stream((), Sampling(), 0)) as events:
            assert await anext(events) == Text("x")

    asyncio.run(leave())
    assert not stay.ended


def test_what_it_says_is_passed_on_and_closing_ends_it() -> None:
    inner, ended = Scripted(BAD), list[bool]()
    model = Watched(inner, Record(2), lambda: ended.append(True))

    async def ask() -> list[Event]:
        return [event async for event in model.stream((), Sampling(), 0)]

    assert asyncio.run(ask()) == [Text("x"), BAD]
    model.close()
    assert inner.closed
    assert ended == [True]
