"""How often votes are cast and battles begun, and whether a vote counts at the moment it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, closing
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from arenas import ANT, BEE, NOW, WINDOW, Arena, again, arena_of, count, database_with, finish, ready_battle, vote_of
from sqlalchemy.orm import Session

from arena.gate import Busy
from arena.integrity.prompt_keys import prompt_key
from arena.view import View
from db.limits import Quotas
from db.outcome import Outcome, Refusal, Refused
from db.session import Database
from db.tables import Battle, Turn, Vote, Voter
from db.votes import record_vote

pytestmark = pytest.mark.integrity

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
QUOTAS = Quotas(votes={MINUTE: 6, DAY: 60}, battles={timedelta(minutes=10): 20, DAY: 200})
SECOND = timedelta(seconds=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


def cast(
    database: Database, battle_id: str, now: datetime = NOW, voter: str = "ann", quotas: Quotas | None = QUOTAS
) -> Refusal | None:
    """One vote on a battle that is ready for it; why it was refused, if it was."""

    def work(session: Session) -> None:
        if session.get(Battle, battle_id) is None:
            ready_battle(session, battle_id, voter, now)
            session.flush()

    database.write(work)
    try:
        database.write(partial(record_vote, battle_id=battle_id, voter=voter, outcome=Outcome.A, now=now,
                               window=WINDOW, quotas=quotas))  # fmt: skip
    except Refused as refused:
        return refused.reason
    return None


# -- votes -----------------------------------------------------------------------------------------


def test_the_seventh_vote_of_a_minute_is_refused_and_can_be_cast_later(database: Database) -> None:
    assert [cast(database, f"b{number}", NOW + number * SECOND) for number in range(6)] == [None] * 6
    assert cast(database, "b6", NOW + 10 * SECOND) is Refusal.TOO_MANY_VOTES
    assert vote_of(database, "b6") is None
    assert cast(database, "b6", NOW + 59 * SECOND) is Refusal.TOO_MANY_VOTES, "the first one is not a minute old"
    assert cast(database, "b6", NOW + MINUTE) is None
    assert cast(database, "b7", NOW + MINUTE) is Refusal.TOO_MANY_VOTES, "no minute holds seven, wherever it begins"


def test_the_sixty_first_vote_of_a_day_is_refused_and_the_next_day_not(database: Database) -> None:
    for number in range(60):
        assert cast(database, f"b{number}", NOW + number * MINUTE) is None
    last = NOW + 60 * MINUTE
    assert cast(database, "last", last) is Refusal.TOO_MANY_VOTES
    assert count(database, Vote) == 60
    assert cast(database, "others", last, voter="bob") is None, "everybody has a day of their own"
    assert cast(database, "again", NOW + DAY) is None


def test_without_quotas_one_votes_as_often_as_one_likes(database: Database) -> None:
    assert {cast(database, f"b{number}", quotas=None) for number in range(100)} == {None}


def test_the_same_vote_again_is_no_further_one(database: Database) -> None:
    for number in range(6):
        cast(database, f"b{number}")
    assert [cast(database, f"b{number}") for number in range(6)] == [None] * 6
    assert count(database, Vote) == 6


def test_votes_stored_in_another_order_than_they_were_cast_in_are_no_way_around(database: Database) -> None:
    for number in range(6):
        assert cast(database, f"b{number}", NOW + 30 * SECOND) is None
    assert cast(database, "earlier", NOW) is Refusal.TOO_MANY_VOTES


@pytest.mark.parametrize("quota", [{MINUTE: 6}, {DAY: 60}])
def test_however_many_are_cast_at_once_no_more_than_the_quota_are_stored(
    database: Database, database_url: str, quota: dict[timedelta, int]
) -> None:
    """On PostgreSQL by four arenas; on SQLite one process writes at a time."""
    [most] = quota.values()
    battles = [f"b{number}" for number in range(most + 20)]
    for battle in battles:
        database.write(partial(ready_battle, battle_id=battle))
    arenas = [Database(database_url) for _ in range(4)] if database.shared else [database]

    def press(battle: str, arena: Database) -> bool:
        return cast(arena, battle, quotas=Quotas(quota, {})) is None

    try:
        with ThreadPoolExecutor(16) as threads:
            counted = sum(threads.map(press, battles * 2, cycle(arenas)))
    finally:
        if database.shared:
            for arena in arenas:
                arena.close()
    assert count(database, Vote) == most
    assert most <= counted <= 2 * most, "whoever pressed twice was answered twice"


# -- whether a vote counts -------------------------------------------------------------------------


def named(side: str | None = None, *, probe: bool = False) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        turn = session.get_one(Turn, ("b", 0, 0))
        turn.named, turn.probe = side, probe

    return work


def known(**facts: object) -> Callable[[Session], None]:
    def work(session: Session) -> None:
        session.add(Voter(**{"id": "ann", "verified": False, "created_at": NOW, **facts}))

    return work


ASKED, TOLD = named(probe=True), named("b")
ESTABLISHED, CLEARED, VERIFIED = known(established_at=NOW), known(cleared_at=NOW), known(verified=True)
EXCLUDED = known(excluded_at=NOW, reason="a rigger", established_at=NOW, verified=True)
STATUSES: list[tuple[list[Callable[[Session], None]], Quotas | None, tuple[str, str | None]]] = [
    ([], None, ("counted", None)),
    ([], QUOTAS, ("held", "new")),
    ([known()], QUOTAS, ("held", "new")),
    ([ESTABLISHED], QUOTAS, ("counted", None)),
    ([CLEARED], QUOTAS, ("counted", None)),
    ([VERIFIED], QUOTAS, ("counted", None)),
    ([ASKED], None, ("excluded", "identity_asked")),
    ([ASKED], QUOTAS, ("excluded", "identity_asked")),
    ([TOLD], None, ("excluded", "identity_told")),
    ([named("ab"), VERIFIED], QUOTAS, ("excluded", "identity_told")),
    ([named("a", probe=True), CLEARED], QUOTAS, ("excluded", "identity_asked")),
    ([EXCLUDED], None, ("excluded", "a rigger")),
    ([EXCLUDED, ASKED], QUOTAS, ("excluded", "a rigger")),
]


@pytest.mark.parametrize(("before", "quotas", "verdict"), STATUSES)
def test_a_vote_says_at_once_whether_it_counts_and_why_not(
    database: Database,
    before: list[Callable[[Session], None]],
    quotas: Quotas | None,
    verdict: tuple[str, str | None],
) -> None:
    database.write(partial(ready_battle, battle_id="b"))
    for work in before:
        database.write(work)
    assert cast(database, "b", quotas=quotas) is None
    stored = vote_of(database, "b")
    assert stored is not None
    assert (stored.status, stored.reason) == verdict
    assert (stored.settled, stored.rules) == (False, None)


def test_a_model_that_named_itself_is_known_however_often_it_answers_again(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="b"))
    database.write(TOLD)
    database.write(partial(again, battle_id="b"))
    database.write(partial(finish, battle_id="b"))
    assert cast(database, "b", quotas=None) is None
    stored = vote_of(database, "b")
    assert stored is not None
    assert (stored.reason, stored.turns) == ("identity_told", 1)


def test_of_several_turns_one_that_leaked_is_enough(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="b"))

    def second(session: Session) -> None:
        session.add(Turn(battle_id="b", position=1, attempt=0, prompt="Who are you?", probe=True, seed=1,
                         status="finished", started_at=NOW))  # fmt: skip

    database.write(second)
    cast(database, "b", quotas=None)
    stored = vote_of(database, "b")
    assert stored is not None
    assert (stored.reason, stored.turns) == ("identity_asked", 2)


# -- battles ---------------------------------------------------------------------------------------

HERE, NEXT_DOOR, ELSEWHERE = "93.184.216.34", "93.184.216.200", "93.184.217.34"


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arena(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    """Three battles in ten minutes from one network, five in a day."""
    quotas = Quotas(votes=QUOTAS.votes, battles={timedelta(minutes=10): 3, DAY: 5})
    arena = arena_of(tmp_path, ANT, BEE, quotas=quotas)
    monkeypatch.setattr(arena.battles, "_now", clock)
    monkeypatch.setattr(arena.battles.networks, "_now", clock)
    with closing(arena.database):
        yield arena


def begin(arena: Arena, voter: str, address: str, prompt: str = "Why?") -> Refusal | None:
    async def read() -> None:
        async for _ in arena.battles.ask(None, voter, prompt, address):
            pass

    try:
        asyncio.run(read())
    except Refused as refused:
        return refused.reason
    return None


def test_one_more_battle_from_a_network_is_refused_whoever_begins_it(arena: Arena, clock: Clock) -> None:
    assert [begin(arena, f"voter {number}", HERE) for number in range(3)] == [None] * 3
    assert begin(arena, "somebody new", NEXT_DOOR) is Refusal.TOO_MANY_BATTLES
    assert begin(arena, "somebody new", ELSEWHERE) is None
    assert count(arena.database, Battle) == 4, "what is refused is not stored"
    assert arena.battles.gate.inside == 0
    clock.now += timedelta(minutes=10)
    assert begin(arena, "somebody new", NEXT_DOOR) is None


def test_a_new_day_and_its_new_names_begin_nothing_anew(arena: Arena, clock: Clock) -> None:
    clock.now = NOW.replace(hour=23, minute=59)
    assert [begin(arena, f"voter {number}", HERE) for number in range(3)] == [None] * 3
    clock.now += 2 * MINUTE  # past midnight
    assert begin(arena, "ann", HERE) is Refusal.TOO_MANY_BATTLES
    clock.now += timedelta(minutes=10)
    assert [begin(arena, f"voter {number}", HERE) for number in range(3)] == [None, None, Refusal.TOO_MANY_BATTLES]
    with arena.database.read() as session:
        assert len({battle.network for battle in session.query(Battle)}) == 2
    clock.now = NOW.replace(hour=23, minute=59) + DAY
    assert begin(arena, "ann", HERE) is None


def test_where_nobody_is_a_stranger_battles_have_no_limit_and_no_network(tmp_path: Path) -> None:
    arena = arena_of(tmp_path, ANT, BEE)
    with closing(arena.database):
        assert {begin(arena, "ann", HERE) for _ in range(8)} == {None}
        with arena.database.read() as session:
            assert {battle.network for battle in session.query(Battle)} == {None}


def test_a_battle_keeps_its_networks_name_and_its_prompts_key_and_no_address(arena: Arena, tmp_path: Path) -> None:
    begin(arena, "ann", HERE, "Why is the sky blue?")
    with arena.database.read() as session:
        [battle] = session.query(Battle)
        assert battle.network == arena.battles.networks.of(NEXT_DOOR)
        assert battle.prompt_key == prompt_key("why is the sky BLUE")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert HERE.encode() not in kept
    assert HERE.rpartition(".")[0].encode() not in kept


def test_asking_on_and_regenerating_begin_no_battle(arena: Arena) -> None:
    battle = asyncio.run(arena.ask())[-1].battle_id
    for number in range(3):
        begin(arena, f"voter {number}", HERE)

    async def go_on() -> list[Any]:
        asked = [view async for view in arena.battles.ask(battle, "ann", "And then?", HERE)]
        return [*asked, *[view async for view in arena.battles.regenerate(battle, "ann", HERE)]]

    assert all(isinstance(view, View) for view in asyncio.run(go_on()))


def test_whoever_asks_on_or_regenerates_stands_in_line_as_its_network_too(tmp_path: Path) -> None:
    arena = arena_of(tmp_path, ANT, BEE, quotas=QUOTAS, max_battles=2, max_waiting=2)

    async def let_in(views: AsyncGenerator[object, None], held: AsyncExitStack) -> bool:
        await held.enter_async_context(aclosing(views))
        try:
            await anext(views)
        except Busy:
            return False
        return True

    async def crowd() -> list[bool]:
        voters = [f"voter {number}" for number in range(3)]
        ids = [(await arena.ask(voter=voter))[-1].battle_id for voter in voters]
        async with AsyncExitStack() as held:
            here = [arena.battles.regenerate(ids[0], voters[0], HERE), arena.battles.ask(ids[1], voters[1], "?", HERE)]
            more = [arena.battles.regenerate(ids[2], voters[2], NEXT_DOOR), arena.battles.ask(None, "x", "?", HERE)]
            away = [arena.battles.ask(None, "somebody else", "Why?", ELSEWHERE)]
            return [await let_in(views, held) for views in (*here, *more, *away)]

    with closing(arena.database):
        assert asyncio.run(crowd()) == [True, True, False, False, True]


def test_battles_begun_at_once_are_counted_exactly(arena: Arena) -> None:
    """All of them pass the look before the line; what is stored is counted once more."""

    async def rush() -> list[Refusal | None]:
        async def one(number: int) -> Refusal | None:
            try:
                async for _ in arena.battles.ask(None, f"voter {number}", "Why?", HERE):
                    pass
            except Refused as refused:
                return refused.reason
            return None

        return await asyncio.gather(*(one(number) for number in range(12)))

    came_to = asyncio.run(rush())
    assert came_to.count(None) == 3
    assert came_to.count(Refusal.TOO_MANY_BATTLES) == 9
    assert count(arena.database, Battle) == 3
