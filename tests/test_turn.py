from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from arenas import ANT, BEE, SLOW, Arena, arena_of, contestant, status_of, until_text
from support import wait_for

from arena.ui.texts import Language, say
from arena.view import View
from db import queries
from db.outcome import Outcome, Refusal, Refused
from db.tables import Battle
from db.usage import Took, took
from models.chat import Done, Event, Message, Notice, Sampling
from models.pool import NotReady
from models.scripted import ScriptedModel
from models.spec import ModelSpec

Build = Callable[..., Arena]
ENDLESS = (contestant("ant", **SLOW), contestant("bee", **SLOW))


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made: list[Arena] = []

    def build(*specs: ModelSpec, **limits: Any) -> Arena:
        made.append(arena_of(tmp_path, *specs, **limits))
        return made[-1]

    yield build
    for arena in made:
        arena.database.close()


async def refusal(arena: Arena, battle_id: str) -> Refusal:
    with pytest.raises(Refused) as raised:
        await arena.battles.vote(battle_id, "ann", Outcome.A)
    return raised.value.reason


# -- stopping --------------------------------------------------------------------------------------


def test_stop_ends_both_sides_and_regenerating_opens_the_battle_again(build: Build) -> None:
    arena = build(*ENDLESS)

    async def play() -> None:
        views = arena.battles.ask(None, "ann", "Why?")
        shown = await until_text(views)
        with pytest.raises(Refused):
            await arena.battles.stop(shown.battle_id, "bob")
        await arena.battles.stop(shown.battle_id, "ann")
        last = [view async for view in views][-1]
        assert isinstance(last, View)
        assert (last.status, last.can_regenerate) == ("stopped", True)
        assert last.exchanges[0].a, "what came stays"
        assert await refusal(arena, last.battle_id) is Refusal.STOPPED
        arena.residents.instead = {"ant": ANT, "bee": BEE}
        again = [view async for view in arena.battles.regenerate(last.battle_id, "ann")]
        assert isinstance(again[-1], View)
        assert again[-1].status == "open"
        assert (await arena.battles.vote(last.battle_id, "ann", Outcome.TIE)).status == "voted"

    asyncio.run(play())


def test_a_page_that_is_closed_leaves_a_stopped_battle(build: Build) -> None:
    arena = build(*ENDLESS)

    async def play() -> str:
        async with aclosing(arena.battles.ask(None, "ann", "Why?")) as views:
            return (await until_text(views)).battle_id

    battle = asyncio.run(play())
    assert status_of(arena.database, battle) == "stopped"
    turn = arena.turns(battle)[0]
    assert (turn.status, turn.reason_a, turn.failure) == ("stopped", None, None)
    assert turn.answer_a


def test_a_page_closed_before_the_first_word_leaves_a_stopped_battle(build: Build) -> None:
    arena = build(contestant("ant", hang=True), BEE)

    async def play() -> str:
        async with aclosing(arena.battles.ask(None, "ann", "Why?")) as views:
            first = await anext(views)
            assert isinstance(first, View)
            return first.battle_id

    assert status_of(arena.database, asyncio.run(play())) == "stopped"


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_a_task_cancelled_at_any_moment_leaves_nothing_being_generated(build: Build, steps: int) -> None:
    """The loop takes `steps` more steps, then the visitor is gone, twice for good measure."""
    arena = build(*ENDLESS)

    async def play() -> None:
        asking = asyncio.create_task(arena.ask())
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        asking.cancel()
        await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    asyncio.run(play())
    arena.settle()
    assert not +arena.residents.held
    with arena.database.read() as session:
        assert {battle.status for battle in session.query(Battle)} <= {"stopped"}


def test_a_visitor_who_leaves_while_asking_on_can_still_regenerate_and_vote(build: Build) -> None:
    """The commit had come through when the task was cancelled, and nothing had begun to answer."""
    arena = build(ANT, BEE)

    async def play() -> None:
        battle = (await arena.ask())[-1].battle_id
        asking = asyncio.create_task(arena.ask("And?", battle))
        while status_of(arena.database, battle) == "open":  # noqa: ASYNC110 - nothing tells of a row
            await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        arena.settle()
        assert status_of(arena.database, battle) == "stopped"
        async for _ in arena.battles.regenerate(battle, "ann"):
            pass
        assert (await arena.battles.vote(battle, "ann", Outcome.A)).status == "voted"

    asyncio.run(asyncio.wait_for(play(), 20))


# -- what answers took -----------------------------------------------------------------------------


class Measured(ScriptedModel):
    """Says what its answer took, as an engine on a GPU does."""

    def __init__(self, spec: ModelSpec, **took: Any) -> None:
        super().__init__(spec)
        self.took = took or {"prompt_tokens": 17, "joules": 2.5}

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, seed: int, conversation: str = ""
    ) -> AsyncGenerator[Event, None]:
        async for event in super().stream(messages, sampling, seed, conversation):
            yield replace(event, **self.took) if isinstance(event, Done) else event


def test_what_the_answers_took_is_in_the_row(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = build(ANT, BEE)
    models = {"ant": Measured(ANT), "bee": ScriptedModel(BEE)}
    monkeypatch.setattr(arena.residents, "model", models.__getitem__)
    battle = asyncio.run(arena.ask())[-1].battle_id
    turn = arena.turns(battle)[0]
    with arena.database.read() as session:
        first = session.get_one(Battle, battle).contestant_a
    measured, plain = (took(turn, side) for side in (("a", "b") if first == ANT.fingerprint else ("b", "a")))
    assert (measured.reason, measured.tokens, measured.prompt_tokens, measured.joules) == ("stop", 3, 17, 2.5)
    assert (plain.reason, plain.tokens, plain.prompt_tokens, plain.joules) == ("stop", 3, None, None)
    for one in (measured, plain):
        assert one.first_token_seconds is not None
        assert one.seconds is not None
        assert 0 <= one.first_token_seconds <= one.seconds


def test_of_a_stopped_answer_nothing_is_said_to_be_measured(build: Build) -> None:
    arena = build(*ENDLESS)

    async def play() -> str:
        async with aclosing(arena.battles.ask(None, "ann", "Why?")) as views:
            return (await until_text(views)).battle_id

    turn = arena.turns(asyncio.run(play()))[0]
    assert took(turn, "a") == took(turn, "b") == Took(None, None, None, None, None, None)


# -- waiting for models to come into memory --------------------------------------------------------


def test_both_panes_are_empty_until_both_models_are_there_and_the_time_begins_then(build: Build) -> None:
    arena = build(ANT, BEE, answer_seconds=0.3)
    arena.residents.there = False

    async def play() -> list[View]:
        shown: list[View] = []
        began = asyncio.get_running_loop().time()
        async for view in arena.battles.ask(None, "ann", "Why?"):
            assert isinstance(view, View)
            shown.append(view)
            if not arena.residents.there:
                assert (view.status, view.exchanges[-1].a, view.exchanges[-1].b) == ("generating", "", "")
                assert arena.residents.heard == []
                assert sum(arena.residents.held.values()) == 2
                arena.residents.there = asyncio.get_running_loop().time() - began > 0.6
        return shown

    shown = asyncio.run(play())
    assert len(shown) > 10, "who waits is told again and again, to notice that they have left"
    assert shown[-1].status == "open"
    assert not +arena.residents.held


def test_a_battle_whose_models_wait_can_be_stopped(build: Build) -> None:
    arena = build(ANT, BEE)
    arena.residents.there = False

    async def play() -> list[View]:
        shown: list[View] = []
        async for view in arena.battles.ask(None, "ann", "Why?"):
            assert isinstance(view, View)
            shown.append(view)
            if len(shown) == 3:
                await arena.battles.stop(view.battle_id, "ann")
        return shown

    shown = asyncio.run(asyncio.wait_for(play(), 20))
    assert (shown[-1].status, shown[-1].can_regenerate) == ("stopped", True)
    assert not +arena.residents.held


def test_who_leaves_while_models_come_holds_them_no_longer(build: Build) -> None:
    arena = build(ANT, BEE)
    arena.residents.there = False

    async def play() -> str:
        async with aclosing(arena.battles.ask(None, "ann", "Why?")) as views:
            await anext(views)
            view = await anext(views)
            assert isinstance(view, View)
            return view.battle_id

    assert status_of(arena.database, asyncio.run(play())) == "stopped"
    assert not +arena.residents.held


def test_models_that_do_not_come_void_the_battle_and_nobody_sees_which(build: Build) -> None:
    arena = build(ANT, BEE)
    arena.residents.there = False

    async def play() -> list[View]:
        shown: list[View] = []
        async for view in arena.battles.ask(None, "ann", "Why?"):
            assert isinstance(view, View)
            shown.append(view)
            arena.residents.trouble = NotReady("The Ant was not there within 600 s.")
        return shown

    shown = asyncio.run(play())
    assert shown[-1].status == "void"
    assert "Ant" not in repr(shown)
    assert "The Ant was not there" in (arena.turns(shown[-1].battle_id)[0].failure or "")
    assert not +arena.residents.held


# -- failing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [("bad", "good"), ("good", "bad"), ("bad", "bad")])
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({"fail_after": 4}, "the script fails after 4 characters"),
        ({"fail_after": 0}, "the script fails after 0 characters"),
        ({"replies": [""]}, "the model answered nothing"),
        ({"replies": ["  \n "]}, "the model answered nothing"),
        ({"replies": ["<think>for ever and ever"]}, "the model answered nothing"),
        ({"replies": ["<think>briefly</think>  "]}, "the model answered nothing"),
    ],
)
def test_a_side_that_fails_voids_the_battle_and_nobody_sees_why(
    build: Build, script: dict[str, object], why: str, sides: tuple[str, str]
) -> None:
    pairs = {"bad": script, "good": {}}
    arena = build(*(contestant(name, **pairs[side]) for name, side in zip(("ant", "bee"), sides, strict=True)))
    views = asyncio.run(arena.ask())
    assert views[-1].status == "void"
    assert not views[-1].can_regenerate
    assert why in (arena.turns(views[-1].battle_id)[-1].failure or "")
    assert why not in repr(views)
    assert asyncio.run(refusal(arena, views[-1].battle_id)) is Refusal.FAILED


def test_a_model_that_never_ends_is_ended_by_its_tokens_and_can_be_voted_on(build: Build) -> None:
    arena = build(contestant("ant", endless=True, max_tokens=50), BEE)
    views = asyncio.run(arena.ask())
    assert views[-1].status == "open"
    turn = arena.turns(views[-1].battle_id)[0]
    ends = {(turn.reason_a, turn.tokens_a), (turn.reason_b, turn.tokens_b)}
    assert ("length", 50) in ends


def test_a_model_that_hangs_voids_the_battle_when_its_time_is_up(build: Build) -> None:
    arena = build(contestant("ant", hang=True), BEE, answer_seconds=0.05)
    views = asyncio.run(arena.ask())
    assert views[-1].status == "void"
    assert arena.turns(views[-1].battle_id)[0].failure == "no answer within 0.05 s"


def test_an_answer_that_is_there_in_time_may_be_shown_slowly(build: Build) -> None:
    arena = build(
        *(contestant(model, replies=["word " * 20]) for model in ("ant", "bee")), answer_seconds=0.2, pace_chars=200
    )
    views = asyncio.run(arena.ask())
    assert views[-1].status == "open"


def test_a_contestant_that_went_away_voids_the_battle_and_is_not_named(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    arena = build(ANT, BEE)

    async def play() -> list[View]:
        views: list[View] = []
        async for view in arena.battles.ask(None, "ann", "Why?"):
            arena.residents.specs[:] = [BEE]  # its process ends just after the turn was stored
            assert isinstance(view, View)
            views.append(view)
        return views

    views = asyncio.run(play())
    assert views[-1].status == "void"
    assert "is not ready" in (arena.turns(views[-1].battle_id)[-1].failure or "")
    assert "ant" not in repr(views[-1]).replace("ant speaks", "")
    assert not any(record.exc_info for record in caplog.records)  # an engine's end is no fault of ours


@pytest.mark.parametrize("leaves", [False, True])
def test_a_turn_that_can_not_be_stored_voids_the_battle(
    build: Build, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    """No database holds the number; also where the visitor's task is cancelled while it is written."""
    arena = build(ANT, BEE)
    models = {"ant": Measured(ANT, tokens=2**70), "bee": ScriptedModel(BEE)}
    monkeypatch.setattr(arena.residents, "model", models.__getitem__)
    tasks: list[asyncio.Task[object]] = []
    finish = queries.finish_turn

    def finish_late(*given: Any) -> None:
        if leaves:
            tasks[0].get_loop().call_soon_threadsafe(tasks[0].cancel)
        finish(*given)

    monkeypatch.setattr(queries, "finish_turn", finish_late)

    async def play() -> None:
        tasks.append(asyncio.create_task(arena.ask()))
        await asyncio.wait(tasks)
        await asyncio.to_thread(wait_for, lambda: battle().status != "generating")
        assert tasks[0].cancelled() == leaves

    def battle() -> Battle:
        with arena.database.read() as session:
            return session.query(Battle).one()

    asyncio.run(play())
    assert battle().status == "void"
    turn = arena.turns(battle().id)[0]
    assert (turn.status, turn.answer_a, turn.answer_b) == ("failed", "", "")
    assert turn.failure == "the turn can't be stored (OverflowError)"


def test_an_answer_whose_tokens_nobody_counted_is_stored_without_their_number(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena = build(ANT, BEE)
    models = {spec.id: Measured(spec, tokens=None) for spec in (ANT, BEE)}
    monkeypatch.setattr(arena.residents, "model", models.__getitem__)
    turn = arena.turns(asyncio.run(arena.ask())[-1].battle_id)[0]
    assert (turn.status, turn.tokens_a, turn.tokens_b) == ("finished", None, None)


def test_a_defect_in_an_engine_voids_the_battle(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    arena = build(ANT, BEE)

    def broken(spec_id: str) -> object:
        raise RuntimeError("the engine is broken")

    monkeypatch.setattr(arena.residents, "model", broken)
    views = asyncio.run(arena.ask())
    assert views[-1].status == "void"
    assert "RuntimeError: the engine is broken" in (arena.turns(views[-1].battle_id)[0].failure or "")


# -- what is nobody's fault ------------------------------------------------------------------------


@pytest.mark.parametrize("notice", ["quota", "no_gpu", ""])
def test_a_failure_that_the_visitor_can_do_something_about_is_told_once(build: Build, notice: Notice) -> None:
    arena = build(contestant("ant", fail_after=0, notice=notice), contestant("bee", fail_after=0, notice=notice))
    views = asyncio.run(arena.ask())
    assert views[-1].status == "void"
    assert views[-1].notice == notice
    assert {view.notice for view in views[:-1]} == {""}
    assert arena.battles.view(views[-1].battle_id, "ann").notice == ""
    for language in get_args(Language):
        assert not notice or say(language, f"notice_{notice}")
