from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arenas import ANT, BEE, CAT, SLOW, Arena, arena_of, contestant, count, status_of, until_text, vote_of
from sqlalchemy import text

from arena.battle import ConversationFull, NotEnoughModels
from arena.gate import AlreadyInside, Busy, Waiting
from arena.pairing import chances
from arena.prompts import PromptError
from arena.view import View
from db.contestants import set_state
from db.outcome import Outcome, Refusal, Refused
from db.session import Database, DatabaseProblem
from db.tables import Battle, Turn, Vote
from models.chat import Message
from models.pool import NotReady, Wait
from models.spec import ModelSpec

Build = Callable[..., Arena]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Makes the test's arena; its database is closed afterwards."""
    made: list[Arena] = []

    def build(*specs: ModelSpec, **limits: Any) -> Arena:
        made.append(arena_of(tmp_path, *(specs or (ANT, BEE)), **limits))
        return made[-1]

    yield build
    for arena in made:
        arena.database.close()


@pytest.fixture
def arena(build: Build) -> Arena:
    return build()


def names_in(view: View) -> set[str]:
    """Everything about a contestant that must not be in a view before the vote."""
    said = repr(view).lower()
    return {word for spec in (ANT, BEE) for word in (spec.name, spec.url, spec.fingerprint) if word.lower() in said}


def failure_of(arena: Arena, battle_id: str) -> str:
    return arena.turns(battle_id)[-1].failure or ""


# -- prompt, two answers, vote, names --------------------------------------------------------------


def test_a_prompt_brings_two_answers_and_a_vote_brings_the_names(arena: Arena) -> None:
    async def play() -> tuple[list[View], View]:
        views = await arena.ask("Why?")
        return views, await arena.battles.vote(views[-1].battle_id, "ann", Outcome.A)

    views, revealed = asyncio.run(play())
    assert [views[0].status, views[-1].status, revealed.status] == ["generating", "open", "voted"]
    assert {views[-1].exchanges[0].a, views[-1].exchanges[0].b} == {"ant speaks", "bee speaks"}
    assert revealed.outcome is Outcome.A
    assert revealed.revealed is not None
    for side, one in zip("ab", revealed.revealed, strict=True):
        spec = ANT if getattr(revealed.exchanges[0], side) == "ant speaks" else BEE
        assert (one.name, one.quantization, one.license, one.url) == (
            spec.name, spec.quantization, spec.license, spec.url,
        )  # fmt: skip


def test_no_view_before_the_vote_names_anybody(build: Build) -> None:
    arena = build(*(contestant(model, replies=["same words"], chunk=2) for model in ("ant", "bee")))

    async def play() -> list[View]:
        views = await arena.ask()
        battle = views[-1].battle_id
        again = [view async for view in arena.battles.regenerate(battle, "ann") if isinstance(view, View)]
        more = await arena.ask("And?", battle)
        return [*views, *again, *more, arena.battles.view(battle, "ann")]

    for view in asyncio.run(play()):
        assert names_in(view) == set()
        assert view.revealed is None
        assert view.outcome is None


def test_both_sides_are_asked_the_same_with_the_same_seed(arena: Arena) -> None:
    views = asyncio.run(arena.ask("  Why?\x07 "))
    one, other = arena.residents.heard
    assert {one.model, other.model} == {"ant", "bee"}
    assert one.messages == other.messages == (Message("user", "Why?"),)
    assert one.seed == other.seed == arena.turns(views[-1].battle_id)[0].seed


def test_in_a_second_turn_each_side_has_its_own_answers_before_it(arena: Arena) -> None:
    async def play() -> None:
        views = await arena.ask("First?")
        await arena.ask("Second?", views[-1].battle_id)

    asyncio.run(play())
    for heard in arena.residents.heard[2:]:
        assert heard.messages == (
            Message("user", "First?"),
            Message("assistant", f"{heard.model} speaks"),
            Message("user", "Second?"),
        )


def test_a_battle_stores_who_met_and_how_likely_that_was(build: Build) -> None:
    arena = build(ANT, BEE, CAT)
    views = asyncio.run(arena.ask())
    with arena.database.read() as session:
        battle = session.get_one(Battle, views[-1].battle_id)
        assert battle.probability == pytest.approx(1 / 3)
        pair = {battle.contestant_a, battle.contestant_b}
    assert len(pair & {spec.fingerprint for spec in (ANT, BEE, CAT)}) == 2


def test_reasoning_is_stored_and_neither_shown_nor_shown_to_the_model_again(build: Build) -> None:
    thinker = contestant("thinker", replies=["<think>secret plan</think>Hello."], chunk=3)
    arena = build(thinker, ANT)

    async def play() -> list[View]:
        views = await arena.ask("One?")
        return views + await arena.ask("Two?", views[-1].battle_id)

    views = asyncio.run(play())
    assert "plan" not in repr(views)
    turn = arena.turns(views[-1].battle_id)[0]
    assert "<think>secret plan</think>Hello." in (turn.answer_a, turn.answer_b)
    assert "plan" not in repr(arena.residents.heard)


def test_a_reloaded_page_goes_on_with_the_battle_that_waits(arena: Arena) -> None:
    async def play() -> None:
        views = await arena.ask()
        assert arena.battles.unfinished("ann") == views[-1]
        assert arena.battles.unfinished("bob") is None
        await arena.battles.vote(views[-1].battle_id, "ann", Outcome.TIE)
        assert arena.battles.unfinished("ann") is None

    asyncio.run(play())


def test_a_second_vote_gets_the_first_ones_answer_or_a_refusal(arena: Arena) -> None:
    async def play() -> None:
        battle = (await arena.ask())[-1].battle_id
        first = await arena.battles.vote(battle, "ann", Outcome.B)
        assert await arena.battles.vote(battle, "ann", Outcome.B) == first
        for voter, outcome, reason in (
            ("ann", Outcome.A, Refusal.ALREADY_VOTED),
            ("bob", Outcome.B, Refusal.NOT_YOURS),
        ):
            with pytest.raises(Refused) as raised:
                await arena.battles.vote(battle, voter, outcome)
            assert raised.value.reason is reason
        with pytest.raises(Refused):
            arena.battles.view(battle, "bob")

    asyncio.run(play())
    assert count(arena.database, Vote) == 1


# -- what is refused before anything is stored -----------------------------------------------------


def refused(arena: Arena, error: type[Exception], prompt: str = "Why?", battle_id: str | None = None) -> None:
    before = count(arena.database, Battle), count(arena.database, Turn)
    with pytest.raises(error):
        asyncio.run(arena.ask(prompt, battle_id))
    assert (count(arena.database, Battle), count(arena.database, Turn)) == before


def test_one_contestant_is_no_battle(build: Build) -> None:
    refused(build(ANT), NotEnoughModels)


@pytest.mark.parametrize("prompt", ["", " \n\t ", "\u200b", "x" * 4001])
def test_a_prompt_that_is_empty_or_too_long_stores_nothing(arena: Arena, prompt: str) -> None:
    refused(arena, PromptError, prompt)


def test_a_prompt_that_does_not_fit_into_the_smallest_context_stores_nothing(build: Build) -> None:
    small = CAT.model_copy(update={"context": 1024})
    arena = build(ANT, BEE, small, max_prompt_chars=15_000)
    refused(arena, PromptError, "word " * 500)


def test_a_visitor_has_one_place_and_gets_it_back(build: Build) -> None:
    arena = build(contestant("ant", **SLOW), contestant("bee", **SLOW))

    async def play() -> None:
        async with aclosing(arena.battles.ask(None, "ann", "Why?")) as first:
            await until_text(first)
            with pytest.raises(AlreadyInside):
                await arena.ask(voter="ann")
            assert count(arena.database, Battle) == 1
        assert (await anext(arena.battles.ask(None, "ann", "Again?"))) is not None

    asyncio.run(play())


def test_a_battle_whose_pair_is_not_ready_waits_unharmed(build: Build) -> None:
    arena = build(ANT, BEE)
    battle = asyncio.run(arena.ask())[-1].battle_id
    arena.residents.specs.remove(ANT)
    refused(arena, NotEnoughModels, "And?", battle)

    async def again() -> None:
        async for _ in arena.battles.regenerate(battle, "ann"):
            pass

    with pytest.raises(NotEnoughModels):
        asyncio.run(again())
    assert arena.battles.view(battle, "ann").status == "open"
    assert asyncio.run(arena.battles.vote(battle, "ann", Outcome.A)).status == "voted"


def test_models_that_can_not_be_had_together_store_nothing(build: Build) -> None:
    arena = build(ANT, BEE)
    battle = asyncio.run(arena.ask())[-1].battle_id
    arena.residents.trouble = NotReady("no memory for both")
    refused(arena, NotEnoughModels)
    refused(arena, NotEnoughModels, "And?", battle)
    assert arena.battles.view(battle, "ann").status == "open"
    assert not +arena.residents.held


def test_a_refused_turn_holds_no_model(arena: Arena) -> None:
    battle = asyncio.run(arena.ask())[-1].battle_id
    asyncio.run(arena.battles.vote(battle, "ann", Outcome.A))
    refused(arena, Refused, "And?", battle)
    assert not +arena.residents.held


def test_a_pair_that_must_be_loaded_is_stored_with_how_likely_that_was(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena = build(ANT, BEE, CAT)
    monkeypatch.setattr(arena.residents, "pairs", lambda: [(ANT, BEE, Wait.NOT), (BEE, CAT, Wait.FOR_LOADING)])
    # Of these two pairs, whichever of the two is newer has fought as often as the pair.
    met, unknown, costs = np.zeros(2), np.full(2, np.nan), np.array([1.0, 4.0])
    for _ in range(20):
        battle = asyncio.run(arena.ask())[-1].battle_id
        with arena.database.read() as session:
            row = session.get_one(Battle, battle)
        loaded = int(CAT.fingerprint in (row.contestant_a, row.contestant_b))
        assert row.probability == pytest.approx(chances(met, met, unknown, costs)[loaded])
        met[loaded] += 1
    assert met.min() > 0


def test_a_conversation_that_is_full_stores_no_further_turn_and_can_be_voted_on(build: Build) -> None:
    talkers = [contestant(model, replies=["word " * 700]) for model in ("ant", "bee")]
    arena = build(*(talker.model_copy(update={"context": 1536}) for talker in talkers))
    battle = asyncio.run(arena.ask())[-1].battle_id
    refused(arena, ConversationFull, "word " * 300, battle)
    assert asyncio.run(arena.battles.vote(battle, "ann", Outcome.A)).status == "voted"


def test_somebody_elses_battle_is_not_asked_on(arena: Arena) -> None:
    battle = asyncio.run(arena.ask())[-1].battle_id
    with pytest.raises(Refused):
        asyncio.run(arena.ask("Mine?", battle, voter="bob"))
    assert count(arena.database, Turn) == 1


def test_who_comes_too_many_is_turned_away_and_the_others_wait_their_turn(build: Build) -> None:
    arena = build(contestant("ant", **SLOW), contestant("bee", **SLOW), max_battles=1, max_waiting=1)

    async def play() -> None:
        first, second = arena.battles.ask(None, "ann", "Why?"), arena.battles.ask(None, "bob", "Why?")
        async with aclosing(first), aclosing(second):
            shown = await until_text(first)
            assert await anext(second) == Waiting(1)
            with pytest.raises(Busy):
                await arena.ask(voter="cyd")
            assert count(arena.database, Battle) == 1, "who waits has stored nothing"
            await arena.battles.stop(shown.battle_id, "ann")
            assert [view.status async for view in first if isinstance(view, View)][-1] == "stopped"
            assert (await until_text(second)).status == "generating"

    asyncio.run(play())


# -- trouble with storage --------------------------------------------------------------------------


def fill_disk(database: Database) -> None:
    def limit(session: Any) -> None:
        # Into the pages that migrations left free.
        session.execute(text("CREATE TABLE IF NOT EXISTS filler AS SELECT zeroblob(100000)"))
        session.execute(text(f"PRAGMA max_page_count={session.execute(text('PRAGMA page_count')).scalar_one()}"))

    database.write(limit)


def test_a_prompt_that_can_not_be_stored_is_not_answered(build: Build) -> None:
    arena = build(max_prompt_chars=15_000)
    fill_disk(arena.database)
    with pytest.raises(DatabaseProblem, match="full"):
        asyncio.run(arena.ask("word " * 1500))
    assert arena.residents.heard == []
    assert count(arena.database, Battle) == 0


def test_answers_that_can_not_be_stored_open_no_vote(build: Build) -> None:
    arena = build(*(contestant(model, replies=["word " * 4000]) for model in ("ant", "bee")))

    shown: list[View] = []

    async def play() -> None:
        async for view in arena.battles.ask(None, "ann", "Why?"):
            assert isinstance(view, View)
            shown.append(view)
            fill_disk(arena.database)

    with pytest.raises(DatabaseProblem, match="full"):
        asyncio.run(play())
    assert {view.status for view in shown} == {"generating"}
    battle = shown[0].battle_id
    with pytest.raises(Refused):
        asyncio.run(arena.battles.vote(battle, "ann", Outcome.A))
    assert status_of(arena.database, battle) == "generating"
    assert vote_of(arena.database, battle) is None
    arena.database.write(lambda session: session.execute(text("PRAGMA max_page_count=1000000")) and None)
    freed = asyncio.run(arena.battles.stop(battle, "ann"))
    assert (freed.status, freed.can_regenerate) == ("stopped", True), "with room again, Stop frees the battle"


def test_a_vote_that_can_not_be_stored_reveals_nothing(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    battle = asyncio.run(arena.ask())[-1].battle_id
    arena.database.write(lambda session: session.execute(text("DROP TABLE counter")) and None)
    with pytest.raises(DatabaseProblem):
        asyncio.run(arena.battles.vote(battle, "ann", Outcome.A))
    view = arena.battles.view(battle, "ann")
    assert (view.status, view.revealed) == ("open", None)


# -- who may be drawn ------------------------------------------------------------------------------


def test_who_is_off_begins_no_battle_and_ends_those_begun(build: Build) -> None:
    arena = build(ANT, BEE, CAT)
    battle = asyncio.run(arena.ask())[-1].battle_id
    for spec in (ANT, BEE):
        arena.database.write(partial(set_state, fingerprint=spec.fingerprint, state="archived"))
    arena.battles.refresh()
    refused(arena, NotEnoughModels)
    assert count(arena.database, Battle) == 1
    asyncio.run(arena.ask("And?", battle))
    assert asyncio.run(arena.battles.vote(battle, "ann", Outcome.A)).status == "voted"
