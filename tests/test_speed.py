from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, CAT, NOW, begin, database_with, key_of, prepared, vote
from sqlalchemy.orm import Session

from arena.boards.speed import Speed, Speeds
from db import queries, usage
from db.outcome import Outcome
from db.queries import Side
from db.session import Database
from db.voters import exclude_voter, include_voter

QUICK = Side("an answer", "stop", 21, 7, 0.1, 1.1, 4.2)
SLOW = Side("an answer", "length", 11, 9, 0.3, 5.3)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = database_with(tmp_path, ANT, BEE, CAT)
    yield database
    database.close()


def finish(session: Session, battle_id: str, a: Side = QUICK, b: Side = SLOW) -> None:
    queries.finish_turn(session, key_of(session, battle_id), a, b, NOW)


def played(database: Database, battle_id: str, a: Side = QUICK, b: Side = SLOW) -> None:
    """A battle of ant (side a) and bee with its vote."""
    database.write(partial(begin, battle_id=battle_id))
    database.write(partial(finish, battle_id=battle_id, a=a, b=b))
    database.write(partial(vote, battle_id=battle_id, outcome=Outcome.A))


def named(rows: tuple[Speed, ...]) -> dict[str, Speed]:
    return {row.model: row for row in rows}


def test_rows_say_who_it_is_and_what_the_answers_took(database: Database) -> None:
    played(database, "b1")
    played(database, "b2", a=Side("an answer", "stop", 41, 13, 0.3, 2.3, 1.8))
    ant, bee = Speeds(database, (ANT, BEE, CAT)).refresh()
    assert (ant.model, ant.name, ant.engine, ant.quantization) == ("ant", "The Ant", "scripted", "Q4_K_M")
    assert (ant.answers, ant.prompt_tokens, ant.tokens) == (2, 10, 31)
    assert (ant.first_token_seconds, ant.first_token_p95) == pytest.approx((0.2, 0.3))
    assert ant.tokens_per_second == pytest.approx((20 + 40) / 3.0)
    assert ant.joules_per_1000_tokens == pytest.approx(1000 * 6.0 / 62)
    assert (bee.model, bee.answers, bee.joules_per_1000_tokens) == ("bee", 2, None)
    assert bee.tokens_per_second == pytest.approx(10 / 5.0), "the fastest comes first"


@pytest.mark.parametrize("state", ["generating", "open", "stopped", "void", "asked on", "regenerating"])
def test_a_battle_without_a_vote_moves_nothing(database: Database, state: str) -> None:
    """Whoever looked at the table before and after an answer would know who gave it."""
    speeds = Speeds(database, (ANT, BEE))
    played(database, "b1")
    before = speeds.refresh()
    prepared(database, state)
    assert speeds.refresh() == before == Speeds(database, (ANT, BEE)).refresh()


def test_answers_that_were_generated_again_count_and_stopped_ones_do_not(database: Database) -> None:
    database.write(partial(begin, battle_id="b1"))
    database.write(partial(finish, battle_id="b1"))
    for _ in range(2):
        database.write(lambda session: queries.regenerate(session, "b1", "ann", 9, NOW, 2))
        database.write(partial(finish, battle_id="b1"))
    database.write(partial(vote, battle_id="b1", outcome=Outcome.B))
    stopped = prepared(database, "stopped")
    database.write(lambda session: queries.regenerate(session, stopped, "ann", 9, NOW, 2))
    database.write(partial(finish, battle_id=stopped))
    database.write(partial(vote, battle_id=stopped, outcome=Outcome.B))
    rows = named(Speeds(database, (ANT, BEE)).refresh())
    assert (rows["ant"].answers, rows["bee"].answers) == (3 + 1, 3 + 1)
    assert rows["ant"].tokens == 21


def test_a_refresh_reads_only_new_votes_and_equals_a_count_from_scratch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def reading(session: Session, after: int) -> Iterator[usage.TurnTook]:
        asked.append(after)
        return usage.took_after(session, after)

    monkeypatch.setattr("arena.boards.speed.took_after", reading)
    followed = Speeds(database, (ANT, BEE))
    for part in range(3):
        for number in range(4):
            played(database, f"b{part}{number}", b=Side("x", "stop", 3 + number, 2, 0.1 * number, 1.0 + number))
        rows = followed.refresh()
    assert asked == [0, 4, 8]
    assert rows == followed.refresh() == Speeds(database, (ANT, BEE)).refresh()
    assert rows[0].answers == 12


def test_a_reading_that_broke_off_counts_no_answer_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = Speeds(database, (ANT, BEE))
    for number in range(3):
        played(database, f"b{number}")

    def breaking_off(session: Session, after: int) -> Iterator[usage.TurnTook]:
        yield from list(usage.took_after(session, after))[:2]
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("arena.boards.speed.took_after", breaking_off)
        with pytest.raises(RuntimeError):
            speeds.refresh()
    assert [row.answers for row in speeds.refresh()] == [3, 3]


def test_threads_that_refresh_at_once_count_every_answer_once(database: Database) -> None:
    speeds = Speeds(database, (ANT, BEE))
    threads = [threading.Thread(target=lambda: [speeds.refresh() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        played(database, f"b{number}")
    for thread in threads:
        thread.join()
    assert named(speeds.refresh())["ant"].answers == 20


def test_turns_from_before_answers_were_measured_count_with_what_is_known(database: Database) -> None:
    played(database, "b1", a=Side("an answer", "stop", 8), b=Side("an answer", "stop", 6))
    ant, bee = Speeds(database, (ANT, BEE)).refresh()
    assert [(row.answers, row.tokens, row.prompt_tokens, row.tokens_per_second) for row in (ant, bee)] == [
        (1, 8, None, None),
        (1, 6, None, None),
    ]


def test_a_contestant_that_changed_is_a_row_of_its_own(database: Database) -> None:
    played(database, "b1")
    larger = ANT.model_copy(update={"context": 8192})
    rows = named(Speeds(database, (larger, BEE)).refresh())
    assert set(rows) == {f"ant@{ANT.fingerprint[:8]}", "bee"}, "the new one has answered nothing yet"


def test_speeds_are_of_votes_that_count(database: Database) -> None:
    speeds = Speeds(database, (ANT, BEE))
    played(database, "b1")
    assert named(speeds.refresh())["ant"].answers == 1
    database.write(partial(exclude_voter, voter="ann", reason="spam", now=NOW))
    played(database, "b2")
    assert speeds.refresh() == ()
    database.write(partial(include_voter, voter="ann"))
    assert speeds.refresh() == Speeds(database, (ANT, BEE)).refresh()
    assert named(speeds.refresh())["ant"].answers == 2
