from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import combinations, count
from pathlib import Path
from random import Random

import pytest
from arenas import ANT, BEE, CAT, begin, database_with

from arena.matchmaking import RENEW_SECONDS, WEIGHTS_SECONDS, Matchmaker
from arena.pairing import Draw, draw_pair
from db.contestants import set_state, set_weight, weights
from db.session import Database, DatabaseProblem, Session
from models.pool import Wait

READY = dict.fromkeys(combinations((ANT.fingerprint, BEE.fingerprint, CAT.fingerprint), 2), Wait.NOT)
MET = (ANT.fingerprint, BEE.fingerprint)
numbers = count()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(database_with(tmp_path, ANT, BEE, CAT)) as database:
        yield database


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


def fight(database: Database, battles: int) -> None:
    """Store so many battles of ant and bee."""
    for _ in range(battles):
        database.write(partial(begin, battle_id=f"match{next(numbers)}"))


def prepared(matchmaker: Matchmaker) -> None:
    """Ready for a draw, and whatever is renewed behind it is done."""

    async def prepare() -> None:
        await matchmaker.prepare()
        if matchmaker.renewing:
            await matchmaker.renewing

    asyncio.run(prepare())


def as_of(matchmaker: Matchmaker, battles: int, ratings: Mapping[str, float] | None = None) -> bool:
    """Whether it draws as one does who knows of so many battles of ant and bee, and of these ratings."""
    state = Random(3)
    expected = [draw_pair(READY, {MET: battles}, ratings or {}, state) for _ in range(20)]
    matchmaker.rng.seed(3)
    return [matchmaker.draw(READY) for _ in range(20)] == expected


def test_battles_of_earlier_runs_count_from_the_first_draw(database: Database) -> None:
    fight(database, 4)
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    assert as_of(matchmaker, 4)


def test_a_battle_counts_from_the_moment_it_began_and_the_table_is_not_read_again(database: Database) -> None:
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    with matchmaker.storing(Draw(*MET, 0.3)):
        assert as_of(matchmaker, 1)
        fight(database, 3)
    prepared(matchmaker)
    assert as_of(matchmaker, 1)


def test_what_other_processes_began_is_counted_after_a_while(database: Database) -> None:
    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    prepared(matchmaker)
    fight(database, 3)
    clock.now += RENEW_SECONDS - 1
    prepared(matchmaker)
    assert as_of(matchmaker, 0)
    clock.now += 1
    prepared(matchmaker)
    assert as_of(matchmaker, 3)


def test_ratings_come_behind_the_draws_and_are_asked_for_again_after_a_while(database: Database) -> None:
    clock, asked = Clock(), count()
    ratings = {ANT.fingerprint: 1400.0, BEE.fingerprint: 800.0, CAT.fingerprint: 800.0}
    matchmaker = Matchmaker(database, Random(1), lambda: ratings if next(asked) else {}, clock)
    prepared(matchmaker)
    assert as_of(matchmaker, 0)
    clock.now += RENEW_SECONDS
    prepared(matchmaker)
    assert as_of(matchmaker, 0, ratings)
    assert next(asked) == 2


def test_nobody_waits_for_ratings_and_they_are_asked_for_once_at_a_time(database: Database) -> None:
    asked, answer = threading.Semaphore(0), threading.Event()
    clock = Clock()

    def slow() -> Mapping[str, float]:
        asked.release()
        assert answer.wait(10)
        return {}

    matchmaker = Matchmaker(database, Random(1), slow, clock)

    async def play() -> bool:
        await matchmaker.prepare()
        assert await asyncio.to_thread(asked.acquire, timeout=10)
        clock.now += 2 * RENEW_SECONDS
        for _ in range(3):
            await matchmaker.prepare()
            matchmaker.draw(READY)
        answer.set()
        return asked.acquire(blocking=False)

    assert not asyncio.run(play())


def test_a_battle_that_is_on_its_way_while_the_table_is_read_is_not_forgotten(database: Database) -> None:
    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    prepared(matchmaker)
    with matchmaker.storing(Draw(*MET, 0.3)):
        clock.now += RENEW_SECONDS
        prepared(matchmaker)
        assert as_of(matchmaker, 1)
        fight(database, 1)
    clock.now += RENEW_SECONDS
    prepared(matchmaker)
    assert as_of(matchmaker, 1)


def test_what_begins_while_the_table_is_read_is_not_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    prepared(matchmaker)

    def meanwhile(session: object) -> dict[tuple[str, str], int]:
        with matchmaker.storing(Draw(*MET, 0.3)):
            return {MET: 5}

    monkeypatch.setattr("arena.matchmaking.battle_counts", meanwhile)
    clock.now += RENEW_SECONDS
    prepared(matchmaker)
    assert as_of(matchmaker, 6)


def test_where_the_table_can_not_be_read_the_first_draw_says_so_and_later_ones_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(session: object) -> dict[tuple[str, str], int]:
        raise DatabaseProblem("the disk is gone")

    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    with monkeypatch.context() as patched:
        patched.setattr("arena.matchmaking.battle_counts", broken)
        with pytest.raises(DatabaseProblem, match="the disk is gone"):
            prepared(matchmaker)
    fight(database, 2)
    prepared(matchmaker)
    monkeypatch.setattr("arena.matchmaking.battle_counts", broken)
    clock.now += RENEW_SECONDS
    prepared(matchmaker)
    assert as_of(matchmaker, 2)
    assert "the disk is gone" in caplog.text


# -- who is drawn ----------------------------------------------------------------------------------


def names(matchmaker: Matchmaker) -> set[str]:
    return {name for pair in matchmaker.drawable(READY) for name in pair}


def put_off(database: Database) -> None:
    database.write(partial(set_state, fingerprint=CAT.fingerprint, state="off"))


def test_who_is_off_is_drawn_no_more_from_the_first_draw_on(database: Database) -> None:
    put_off(database)
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    assert names(matchmaker) == {ANT.fingerprint, BEE.fingerprint}
    assert {frozenset((draw.a, draw.b)) for draw in (matchmaker.draw(READY) for _ in range(50))} == {frozenset(MET)}


def test_after_a_refresh_the_next_draw_knows_who_is_on(database: Database) -> None:
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    put_off(database)
    assert CAT.fingerprint in names(matchmaker)
    matchmaker.refresh()
    assert CAT.fingerprint not in names(matchmaker)
    database.write(partial(set_state, fingerprint=CAT.fingerprint, state="on"))
    matchmaker.refresh()
    assert CAT.fingerprint in names(matchmaker)


def test_a_renewal_that_was_slow_does_not_undo_a_refresh(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    has_read, goes_on = threading.Event(), threading.Event()

    def slow(session: Session) -> Mapping[str, float]:
        found = weights(session)
        if not has_read.is_set():
            has_read.set()
            assert goes_on.wait(10)
        return found

    monkeypatch.setattr("db.contestants.weights", slow)
    renewal = threading.Thread(target=matchmaker.refresh)
    renewal.start()
    assert has_read.wait(10)
    put_off(database)
    refresh = threading.Thread(target=matchmaker.refresh)
    refresh.start()
    refresh.join(0.2)  # without a lock it is done by now, and the renewal comes last
    goes_on.set()
    for thread in (renewal, refresh):
        thread.join(10)
    assert CAT.fingerprint not in names(matchmaker)


def test_what_another_process_has_changed_is_known_within_half_a_minute(database: Database) -> None:
    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    prepared(matchmaker)
    put_off(database)
    clock.now += WEIGHTS_SECONDS
    assert WEIGHTS_SECONDS < 30
    prepared(matchmaker)
    assert CAT.fingerprint not in names(matchmaker)


def test_a_weight_changes_the_draws(database: Database) -> None:
    database.write(partial(set_weight, fingerprint=CAT.fingerprint, weight=8))
    matchmaker = Matchmaker(database, Random(1))
    prepared(matchmaker)
    without = sum(CAT.fingerprint not in (draw.a, draw.b) for draw in (matchmaker.draw(READY) for _ in range(400)))
    assert 400 / 17 - 20 < without < 400 / 17 + 20, "one in seventeen, in place of one in three"


def test_where_weights_can_not_be_read_the_first_draw_says_so_and_later_ones_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(session: object) -> Mapping[str, float]:
        raise DatabaseProblem("the disk is gone")

    clock = Clock()
    matchmaker = Matchmaker(database, Random(1), clock=clock)
    with monkeypatch.context() as patched:
        patched.setattr("db.contestants.weights", broken)
        for _ in range(2):
            with pytest.raises(DatabaseProblem, match="the disk is gone"):
                prepared(matchmaker)
    put_off(database)
    prepared(matchmaker)
    monkeypatch.setattr("db.contestants.weights", broken)
    clock.now += WEIGHTS_SECONDS
    prepared(matchmaker)
    assert CAT.fingerprint not in names(matchmaker)
    assert "the weights known before: the disk is gone" in caplog.text
