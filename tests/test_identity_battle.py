"""Who says who it is in a battle: hidden on both sides until the vote, stored as it was said, and never counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from arenas import Arena, arena_of, contestant, vote_of

from arena.battle import Battles
from arena.identity import MASK
from arena.turn import Limits
from arena.view import View
from db.outcome import Outcome

pytestmark = pytest.mark.integrity

SAID = "Hello! I am Qwen, a model made by Alibaba Cloud. Rain falls because clouds cool."
SHOWN = f"Hello! I am {MASK}, a model made by {MASK}. Rain falls because clouds cool."
MENTIONS = "Qwen is made by Alibaba Cloud. Rain falls because clouds cool."
Build = Callable[..., Arena]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made: list[Arena] = []

    def build(*replies: str, **limits: Any) -> Arena:
        specs = [contestant(name, replies=[reply]) for name, reply in zip(("ant", "bee"), replies, strict=True)]
        made.append(arena_of(tmp_path, *specs, **limits))
        return made[-1]

    yield build
    for arena in made:
        arena.database.close()


def ask(arena: Arena, prompt: str = "Why does it rain?", battle: str | None = None) -> list[View]:
    return asyncio.run(arena.ask(prompt, battle))


def vote(arena: Arena, view: View) -> View:
    return asyncio.run(arena.battles.vote(view.battle_id, "ann", Outcome.A))


@pytest.mark.parametrize("pace", [0, 4000])
def test_both_sides_are_masked_alike_until_the_vote_and_then_shown_as_they_were(build: Build, pace: float) -> None:
    arena = build(SAID, SAID, pace_chars=pace)
    views = ask(arena)
    for view in views:
        for side in (view.exchanges[-1].a, view.exchanges[-1].b):
            assert SHOWN.startswith(side)
    last = views[-1]
    assert (last.exchanges[-1].a, last.exchanges[-1].b) == (SHOWN, SHOWN)
    again = arena.battles.view(last.battle_id, "ann")
    assert again.exchanges == last.exchanges, "a page that is opened anew shows no more"
    assert vote(arena, last).exchanges[-1].a == SAID


def test_what_is_stored_is_what_was_said_and_who_said_it_is_known(build: Build) -> None:
    arena = build(SAID, MENTIONS)
    [turn] = arena.turns(ask(arena)[-1].battle_id)
    assert sorted((turn.answer_a, turn.answer_b)) == sorted((SAID, MENTIONS))
    assert turn.named == ("a" if turn.answer_a == SAID else "b")
    assert not turn.probe


@pytest.mark.parametrize(
    ("replies", "prompt", "status", "reason"),
    [
        ((SAID, MENTIONS), "Why does it rain?", "excluded", "identity_told"),
        ((SAID, SAID), "Why does it rain?", "excluded", "identity_told"),
        ((MENTIONS, MENTIONS), "Which model are you?", "excluded", "identity_asked"),
        ((MENTIONS, MENTIONS), "你是谁?", "excluded", "identity_asked"),
        ((MENTIONS, MENTIONS), "Why does it rain?", "counted", None),  # control
    ],
)
def test_such_a_vote_is_kept_and_not_counted(
    build: Build, replies: tuple[str, str], prompt: str, status: str, reason: str | None
) -> None:
    arena = build(*replies)
    view = vote(arena, ask(arena, prompt)[-1])
    stored = vote_of(arena.database, view.battle_id)
    assert stored is not None
    assert (stored.status, stored.reason) == (status, reason)
    assert view.revealed is not None


@pytest.mark.parametrize(("seen", "named"), [(MASK[0], "ab"), ("H", None)])
def test_of_a_stopped_turn_too_is_known_whose_hidden_name_was_seen(build: Build, seen: str, named: str | None) -> None:
    arena = build(SAID, SAID, pace_chars=100)

    async def play() -> str:
        battle = ""
        async for view in arena.battles.ask(None, "ann", "Why does it rain?"):
            if isinstance(view, View) and not battle and seen in view.exchanges[-1].a:
                battle = view.battle_id
                await arena.battles.stop(battle, "ann")
        return battle

    [turn] = arena.turns(asyncio.run(play()))
    assert turn.status == "stopped"
    assert turn.named == named, "of a name that was not shown yet nothing was seen"


def test_an_answer_given_anew_to_a_question_for_the_name_is_one_too(build: Build) -> None:
    arena = build(MENTIONS, MENTIONS)
    view = ask(arena, "Who are you?")[-1]

    async def again() -> None:
        async for _ in arena.battles.regenerate(view.battle_id, "ann"):
            pass

    asyncio.run(again())
    assert [turn.probe for turn in arena.turns(view.battle_id)] == [True, True]


def test_the_models_go_on_from_what_they_said_and_not_from_blocks(build: Build) -> None:
    arena = build(SAID, SAID)
    ask(arena, "And snow?", ask(arena)[-1].battle_id)
    said = [message.text for message in arena.residents.heard[-1].messages if message.role == "assistant"]
    assert said == [SAID]


def test_the_names_of_the_contestants_are_those_of_the_arena_that_plays(build: Build) -> None:
    said = "I am The Ant. Rain falls."
    arena = build(said, said)
    assert ask(arena)[-1].exchanges[-1].a == said, "control: nobody is called that"
    rules, specs = Limits(pace_chars=0, tick_seconds=0.005), list(arena.residents.specs)
    arena.battles = Battles(arena.database, arena.residents, rules, random.Random(1), playing=specs)
    shown = ask(arena)[-1].exchanges[-1]
    assert (shown.a, shown.b) == (f"I am {MASK}. Rain falls.",) * 2


def test_a_mask_keeps_both_sides_in_step(build: Build) -> None:
    rng = random.Random(1)
    words = " ".join(rng.choice(["rain", "cloud", "sea", "I am Qwen.", "snow."]) for _ in range(60))
    for view in ask(build(words, words), "Why?"):
        assert view.exchanges[-1].a == view.exchanges[-1].b
