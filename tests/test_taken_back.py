"""A vote can be taken back for some seconds, and is stored once however its page behaves meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE, Arena, arena_of, count, status_of, vote_of
from support import wait_for

from arena.ballots import Ballot, Ballots
from arena.gate import Closed
from arena.view import View
from db.outcome import Outcome, Refusal, Refused
from db.session import DatabaseProblem
from db.tables import Vote
from db.votes import newest_vote

pytestmark = pytest.mark.integrity

HOUR = 3600.0
SOON = 0.3


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Arena]:
    """An arena in which a vote can be taken back for longer than any test takes."""
    arena = arena_of(tmp_path, ANT, BEE, undo_seconds=HOUR)
    yield arena
    arena.database.close()


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Arena]:
    arena = arena_of(tmp_path, ANT, BEE, undo_seconds=SOON)
    yield arena
    arena.database.close()


def run(visit: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(visit, 60))


async def votable(arena: Arena) -> str:
    return (await arena.ask())[-1].battle_id


async def choices(arena: Arena, battle: str, outcome: Outcome, voter: str = "ann") -> list[View]:
    return [view async for view in arena.battles.choose(battle, voter, outcome)]


def test_the_choice_is_told_at_once_and_the_names_only_with_the_stored_vote(quick: Arena) -> None:
    async def visit() -> None:
        battle = await votable(quick)
        before = quick.battles.view(battle, "ann")
        async with aclosing(quick.battles.choose(battle, "ann", Outcome.A)) as views:
            assert await anext(views) == replace(before, chosen=Outcome.A)
            chosen_by = datetime.now(UTC)
            assert vote_of(quick.database, battle) is None
            last = await anext(views)
        assert last.revealed
        assert (last.status, last.outcome, last.chosen) == ("voted", Outcome.A, None)
        vote = vote_of(quick.database, battle)
        assert vote is not None
        assert vote.created_at <= chosen_by, "the moment of a vote is that of the choice"

    run(visit())


def test_what_is_taken_back_was_never_there(patient: Arena) -> None:
    async def visit() -> None:
        battle = await votable(patient)
        before = patient.battles.view(battle, "ann")
        async with aclosing(patient.battles.choose(battle, "ann", Outcome.A)) as views:
            await anext(views)
            assert patient.battles.ballots.take_back(battle, "ann")
            assert [view async for view in views] == [before]
        patient.settle()
        assert count(patient.database, Vote) == 0
        with patient.database.read() as session:
            assert newest_vote(session) == 0
        assert not patient.battles.ballots.take_back(battle, "ann"), "there is nothing left to take back"
        assert (await patient.battles.vote(battle, "ann", Outcome.B)).outcome == Outcome.B

    run(visit())


def test_a_stored_vote_is_not_taken_back(quick: Arena) -> None:
    async def visit() -> None:
        battle = await votable(quick)
        await choices(quick, battle, Outcome.TIE)
        assert not quick.battles.ballots.take_back(battle, "ann")
        assert status_of(quick.database, battle) == "voted"

    run(visit())


def test_who_leaves_has_voted_at_once(patient: Arena) -> None:
    async def visit() -> None:
        closed, cancelled = await votable(patient), await votable(patient)
        views = patient.battles.choose(closed, "ann", Outcome.A)
        await anext(views)
        await views.aclose()
        waiting = asyncio.create_task(choices(patient, cancelled, Outcome.B))
        await asyncio.to_thread(wait_for, lambda: patient.battles.ballots.chosen(cancelled) is not None)
        await asyncio.sleep(0.05)  # until it waits for what becomes of it
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        patient.settle()
        assert [status_of(patient.database, battle) for battle in (closed, cancelled)] == ["voted", "voted"]

    run(visit())


def test_a_page_that_never_reads_on_has_voted_when_the_seconds_are_over(quick: Arena) -> None:
    async def visit() -> None:
        battle = await votable(quick)
        views = quick.battles.choose(battle, "ann", Outcome.A)
        await anext(views)
        await asyncio.to_thread(wait_for, lambda: vote_of(quick.database, battle) is not None)
        assert not quick.battles.ballots.take_back(battle, "ann")
        await views.aclose()
        assert count(quick.database, Vote) == 1

    run(visit())


def test_sixteen_clicks_at_the_same_moment_are_one_vote(quick: Arena) -> None:
    async def visit() -> None:
        battle = await votable(quick)
        clicks = [list(Outcome)[number % 4] for number in range(16)]
        came = await asyncio.gather(*(choices(quick, battle, click) for click in clicks), return_exceptions=True)
        vote = vote_of(quick.database, battle)
        assert vote is not None
        for click, views in zip(clicks, came, strict=True):
            if click == vote.outcome:
                assert isinstance(views, list)
                assert views[-1].revealed
            else:
                assert isinstance(views, Refused)
                assert views.reason == Refusal.ALREADY_VOTED
        assert count(quick.database, Vote) == 1

    run(visit())


def test_a_stranger_neither_votes_nor_takes_back(patient: Arena) -> None:
    async def visit() -> None:
        battle = await votable(patient)
        with pytest.raises(Refused) as refused:
            await choices(patient, battle, Outcome.A, "bob")
        assert refused.value.reason == Refusal.NOT_YOURS
        async with aclosing(patient.battles.choose(battle, "ann", Outcome.A)) as views:
            await anext(views)
            assert not patient.battles.ballots.take_back(battle, "bob")
            assert patient.battles.ballots.chosen(battle) == Outcome.A

    run(visit())


def test_an_orderly_stop_stores_what_could_still_be_taken_back(patient: Arena) -> None:
    async def visit() -> None:
        battle, other = await votable(patient), await votable(patient)
        async with aclosing(patient.battles.choose(battle, "ann", Outcome.B)) as views:
            await anext(views)
            await asyncio.to_thread(patient.battles.end_voting)
            assert status_of(patient.database, battle) == "voted"
            assert (await anext(views)).revealed
        for refused in (choices(patient, other, Outcome.A), patient.battles.vote(other, "ann", Outcome.A)):
            with pytest.raises(Closed):
                await refused

    run(visit())


def test_while_a_vote_can_be_taken_back_its_battle_goes_no_other_way(patient: Arena) -> None:
    async def visit() -> None:
        battle = await votable(patient)
        assert patient.battles.unfinished("ann"), "a reloaded page goes on with it"
        async with aclosing(patient.battles.choose(battle, "ann", Outcome.A)) as views:
            await anext(views)
            for other in (patient.battles.ask(battle, "ann", "And?"), patient.battles.regenerate(battle, "ann")):
                with pytest.raises(Refused) as refused:
                    await anext(other)
                assert refused.value.reason == Refusal.ALREADY_VOTED
            assert patient.battles.unfinished("ann") is None
            assert patient.battles.view(battle, "ann").chosen == Outcome.A
            patient.battles.ballots.take_back(battle, "ann")
        assert len(await patient.ask("And?", battle)) > 1

    run(visit())


@pytest.mark.slow
def test_of_taking_back_and_storing_at_the_same_moment_one_wins() -> None:
    stored: list[Ballot] = []
    taken: list[bool] = []

    def store(ballot: Ballot) -> Future[bool]:
        stored.append(ballot)
        written: Future[bool] = Future()
        written.set_result(True)
        return written

    ballots = Ballots(store, lambda battle, _: View(battle, "open", ()), 0.001)

    async def visit() -> None:
        for number in range(300):
            battle, begun = f"b{number}", threading.Event()

            def take_back(battle: str = battle, begun: threading.Event = begun) -> None:
                begun.wait()
                taken.append(ballots.take_back(battle, "ann"))

            hand = threading.Thread(target=take_back)
            hand.start()
            async with aclosing(ballots.choose(Ballot(battle, "ann", Outcome.A, datetime.now(UTC)))) as views:
                await anext(views)
                asyncio.get_running_loop().call_later(0.0005 * (number % 4), begun.set)
                await anext(views)
            await asyncio.to_thread(hand.join)

    run(visit())
    assert len(stored) + sum(taken) == len(taken) == 300
    assert stored, "the seconds were never over first"
    assert any(taken), "nothing was ever taken back"


def test_a_vote_that_can_not_be_stored_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def store(_: Ballot) -> Future[bool]:
        full: Future[bool] = Future()
        full.set_exception(DatabaseProblem("The disk is full."))
        return full

    ballots = Ballots(store, lambda battle, _: View(battle, "open", ()), 0.01)

    async def visit() -> None:
        async with aclosing(ballots.choose(Ballot("b", "ann", Outcome.A, datetime.now(UTC)))) as views:
            await anext(views)
            with pytest.raises(DatabaseProblem, match="full"):
                await anext(views)

    with caplog.at_level(logging.ERROR):
        run(visit())
    assert "could not be stored: The disk is full." in caplog.text


def test_a_choice_that_is_refused_after_its_page_was_left_is_logged_without_whose_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def store(_: Ballot) -> Future[bool]:
        too_late: Future[bool] = Future()
        too_late.set_exception(Refused(Refusal.EXPIRED))
        return too_late

    ballots = Ballots(store, lambda battle, _: View(battle, "open", ()), HOUR)

    async def visit() -> None:
        async with aclosing(ballots.choose(Ballot("b-17", "ann-of-17", Outcome.A, datetime.now(UTC)))) as views:
            await anext(views)  # and leaves

    with caplog.at_level(logging.INFO):
        run(visit())
    (said,) = [record for record in caplog.records if record.name == "paddock.battle"]
    assert (said.levelname, said.getMessage()) == ("INFO", "A choice was refused when it was to be stored: expired")
