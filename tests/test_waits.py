from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from arenas import ANT, BEE, CAT, arena_of
from test_pacing import run

from arena.view import View
from arena.waits import FEW, LONGEST_SECONDS, Waits
from models.pool import NotReady, Wait

pytestmark = pytest.mark.integrity

TICK = 0.25
LOAD = 0.5


async def waited(waits: Waits, load: float, *, alike: bool = True) -> float:
    """The seconds a battle waits whose models are there after `load`."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with aclosing(waits.until(lambda: clock() - began >= load, alike=alike)) as waiting:
        async for _ in waiting:
            pass
    return clock() - began


def waits_of(loads: Sequence[float], *, short: bool = True, alike: bool = True) -> list[float]:
    async def all_of_them() -> list[float]:
        waits = Waits(TICK, lambda: short)
        return [await waited(waits, load, alike=alike) for load in loads]

    return run(all_of_them())


def test_who_is_there_waits_as_long_as_who_had_to_be_loaded() -> None:
    assert waits_of([7, 0, 3, 7]) == [7] * 4


def test_where_memory_holds_every_pair_nobody_waits_for_others() -> None:
    """The control: what is closed here can be seen."""
    assert waits_of([7, 0, 3], short=False) == [7, 0, 3]
    assert waits_of([7, 0, 3], alike=False) == [7, 0, 3]


def test_a_load_that_takes_minutes_is_not_asked_of_everybody() -> None:
    assert waits_of([300, 0]) == [300, LONGEST_SECONDS]


def test_a_long_wait_is_forgotten_after_some_battles() -> None:
    assert waits_of([9, *[1.0] * 20])[-1] == 1


def test_for_a_single_long_wait_others_wait_no_longer_than_a_few_battles() -> None:
    assert waits_of([9, *[1.0] * FEW, 0])[-2:] == [9, 1]
    assert waits_of([9, *[1.0] * FEW, 9, 0])[-1] == 9, "the control: it is no single one"


def test_models_that_can_not_be_had_teach_nothing() -> None:
    def lost() -> bool:
        raise NotReady("it died")

    async def play() -> float:
        waits = Waits(TICK, lambda: True)
        with pytest.raises(NotReady):
            async for _ in waits.until(lost, alike=True):
                pass
        return await waited(waits, 0)

    assert run(play()) == 0


@pytest.mark.parametrize("alike", [True, False])
def test_a_battle_of_two_that_are_there_begins_no_sooner_than_one_that_had_to_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    arena = arena_of(tmp_path, ANT, BEE, CAT, wait_alike=alike)
    pairs = [(a, b, Wait.FOR_LOADING if b is CAT else Wait.NOT) for a, b, _ in arena.residents.pairs()]
    monkeypatch.setattr(arena.residents, "pairs", lambda: pairs)

    async def play() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        arena.residents.there = False
        async for view in arena.battles.ask(None, "ann", "Who must be loaded?"):
            if isinstance(view, View) and not arena.residents.there:
                loop.call_later(LOAD, setattr, arena.residents, "there", True)
        began = loop.time()
        views = await arena.ask("Who is there?", voter="bob")
        return loop.time() - began, len(views)

    took, views = asyncio.run(play())
    if alike:
        assert took >= LOAD / 2
    else:
        assert views < 10, "the control: it began at once"
    arena.database.close()
