from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from arenas import ANT, BEE, SLOW, Arena, arena_of, contestant, status_of, vote_of
from support import REPO, wait_for

from arena.gate import Closed, Waiting
from arena.stopping import finish, orderly_signals
from arena.view import View
from db.outcome import Outcome

HOUR = 3600.0


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Arena]:
    arena = arena_of(tmp_path, ANT, BEE)
    yield arena
    arena.database.close()


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Arena]:
    """Two that never stop talking, one place, room for one in line."""
    arena = arena_of(tmp_path, contestant("ant", **SLOW), contestant("bee", **SLOW), max_battles=1, max_waiting=1)
    yield arena
    arena.database.close()


async def to_the_end(views: AsyncIterator[View | Waiting]) -> list[View | Waiting]:
    return [view async for view in views]


async def running(arena: Arena) -> View:
    """Begin a battle that goes on in the background; its first view."""
    first: asyncio.Future[View] = asyncio.get_running_loop().create_future()

    async def watch() -> None:
        async for view in arena.battles.ask(None, "ann", "Why?"):
            if isinstance(view, View) and not first.done():
                first.set_result(view)

    arena.residents.heard.clear()
    task = asyncio.create_task(watch())
    task.add_done_callback(lambda done: done.exception())
    return await first


def test_with_nobody_inside_the_stop_is_at_once_and_final(quick: Arena) -> None:
    async def visit() -> None:
        (*_, view) = await quick.ask()
        await asyncio.to_thread(finish, quick.battles, HOUR)
        with pytest.raises(Closed):
            await to_the_end(quick.battles.ask(None, "bob", "Too late?"))
        with pytest.raises(Closed):
            await quick.battles.vote(view.battle_id, "ann", Outcome.A)
        assert vote_of(quick.database, view.battle_id) is None

    asyncio.run(asyncio.wait_for(visit(), 60))


@pytest.mark.slow
def test_a_running_answer_ends_and_is_voted_on_before_the_stop_returns(tmp_path: Path) -> None:
    told = {"replies": ["word " * 40], "chunk": 5, "tokens_per_second": 40}
    arena = arena_of(tmp_path, contestant("ant", **told), contestant("bee", **told))

    async def visit() -> str:
        done = (await arena.ask())[-1].battle_id  # waits for its vote while another battle runs
        view = await running(arena)
        stopping = asyncio.create_task(asyncio.to_thread(finish, arena.battles, HOUR))
        await asyncio.to_thread(wait_for, lambda: arena.battles.gate.closed)
        revealed = await arena.battles.vote(done, "ann", Outcome.TIE)
        assert revealed.revealed is not None
        assert not stopping.done()
        await stopping
        return view.battle_id

    battle = asyncio.run(asyncio.wait_for(visit(), 60))
    assert status_of(arena.database, battle) == "open"
    arena.database.close()


def test_an_answer_that_does_not_end_in_time_is_stored_as_stopped(endless: Arena) -> None:
    async def visit() -> str:
        view = await running(endless)
        await asyncio.to_thread(finish, endless.battles, 0.05)
        return view.battle_id

    battle = asyncio.run(asyncio.wait_for(visit(), 60))
    assert status_of(endless.database, battle) == "stopped"
    assert endless.battles.gate.inside == 0


def test_who_stands_in_line_is_turned_away(endless: Arena) -> None:
    async def visit() -> None:
        await running(endless)
        waiting = endless.battles.ask(None, "bob", "And I?")
        assert isinstance(await anext(waiting), Waiting)
        stopping = asyncio.create_task(asyncio.to_thread(finish, endless.battles, 0.2))
        with pytest.raises(Closed):
            await to_the_end(waiting)
        await stopping

    asyncio.run(asyncio.wait_for(visit(), 60))


def test_votes_are_in_the_database_when_the_ballot_is_closed(quick: Arena) -> None:
    async def visit() -> str:
        (*_, view) = await quick.ask()
        held = threading.Event()
        before = quick.database.submit(lambda _: held.wait(30))  # the writer is busy when the vote comes
        voting = asyncio.create_task(quick.battles.vote(view.battle_id, "ann", Outcome.B))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(quick.battles.end_voting))
        await asyncio.sleep(0.05)
        assert not closing.done()
        held.set()
        assert before.result(30)
        await closing
        assert vote_of(quick.database, view.battle_id) is not None
        await voting
        return view.battle_id

    asyncio.run(asyncio.wait_for(visit(), 60))


def test_a_signal_leaves_the_block_with_exit_code_0_and_gives_the_old_handlers_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left, orderly_signals():
        signal.raise_signal(signal.SIGTERM)
    assert left.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before


SLOW_STOP = """
import time
from arena.stopping import orderly_signals
with orderly_signals():
    try:
        print("up", flush=True)
        time.sleep(600)
    finally:
        print("stopping", flush=True)
        time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(second: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOW_STOP]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(second)
        assert process.wait(30) == -second
