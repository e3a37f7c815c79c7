from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from arenas import ANT, BEE, CAT, NOW, database_with, ready_battle, vote
from sqlalchemy import text
from sqlalchemy.orm import Session

from arena.boards import ledger as ledger_module
from arena.boards.following import chosen
from arena.boards.ledger import Columns, Ledger
from arena.boards.selection import Selection
from db.columns import VoteColumns, columns_after
from db.imports import ImportedVote, import_votes
from db.outcome import Outcome
from db.session import Database, DatabaseProblem
from db.voters import exclude_voter, remember_voter
from db.votes import raise_rules

ARRAYS = ("a", "b", "outcome", "voter", "category", "language", "turns", "time", "verified", "style")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = database_with(tmp_path, ANT, BEE, CAT)
    yield database
    database.close()


def one(number: int) -> ImportedVote:
    pairs = ((ANT, BEE), (CAT, ANT), (BEE, CAT))
    a, b = pairs[number % 3]
    return ImportedVote(
        battle_id=f"b{number}", voter=f"v{number % 5}", a=a.fingerprint, b=b.fingerprint,
        outcome=list(Outcome)[number % 4], turns=1 + number % 2, category=("coding", None, "writing")[number % 3],
        language=None if number % 4 else "de", source=None, created_at=NOW + timedelta(seconds=0.25 * number),
        length_a=number, length_b=2 * number, headings_a=0, headings_b=0, lists_a=None, lists_b=1, bold_a=3, bold_b=1,
    )  # fmt: skip


def add(database: Database, numbers: range) -> None:
    database.write(lambda session: import_votes(session, map(one, numbers), {}))


def told(columns: Columns) -> list[tuple[object, ...]]:
    """Every vote in words."""
    verdicts = tuple(Outcome)
    return [
        (
            columns.contestants[columns.a[n]], columns.contestants[columns.b[n]], verdicts[columns.outcome[n]],
            columns.categories[columns.category[n]], columns.languages[columns.language[n]], int(columns.turns[n]),
            float(columns.time[n]),
        )
        for n in range(columns.size)
    ]  # fmt: skip


def expected(numbers: range) -> list[tuple[object, ...]]:
    return [
        (
            vote.a,
            vote.b,
            vote.outcome,
            vote.category or "",
            vote.language or "",
            vote.turns,
            vote.created_at.timestamp(),
        )
        for vote in map(one, numbers)
    ]


def same(one: Columns, other: Columns) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "style") for name in ARRAYS
    ) and all(
        getattr(one, field.name) == getattr(other, field.name) for field in fields(Columns) if field.name not in ARRAYS
    )


def test_an_empty_ledger_has_columns_of_no_votes(database: Database) -> None:
    ledger = Ledger(database)
    for columns in (ledger.columns, ledger.follow()):
        assert (columns.size, columns.voters, columns.contestants, columns.generation) == (0, 0, (), 0)
        assert columns.style.shape == (0, 4)


def test_the_columns_say_what_was_voted(database: Database) -> None:
    add(database, range(40))
    columns = Ledger(database).follow()
    assert told(columns) == expected(range(40))
    assert columns.voters == 5
    assert columns.voter.tolist() == [number % 5 for number in range(40)]
    kinds = {name: getattr(columns, name).dtype for name in ARRAYS}
    assert kinds == {
        "a": np.int16, "b": np.int16, "outcome": np.int8, "voter": np.int32, "category": np.int16, "language": np.int16,
        "turns": np.int16, "time": np.float64, "verified": np.bool_, "style": np.float32,
    }  # fmt: skip


def test_a_style_is_the_difference_relative_to_the_sum_and_unknown_where_either_is(database: Database) -> None:
    add(database, range(3))
    style = Ledger(database).follow().style
    assert style.shape == (3, 4)
    assert style[:, 0] == pytest.approx([0, -1 / 4, -2 / 7])
    assert style[:, 1].tolist() == [0, 0, 0]
    assert np.isnan(style[:, 2]).all()
    assert style[:, 3] == pytest.approx([2 / 5] * 3)


def test_following_in_many_steps_gives_what_one_step_gives(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "VOTES_AT_ONCE", 7)
    ledger = Ledger(database)
    for first in range(0, 60, 15):
        add(database, range(first, first + 15))
        columns = ledger.follow()
        assert columns is ledger.columns
        assert told(columns) == expected(range(first + 15))
    assert same(columns, Ledger(database).follow())
    assert ledger.follow() is columns, "nothing new, nothing made"


def test_what_was_read_stays_as_it_was_while_the_ledger_grows(database: Database) -> None:
    ledger = Ledger(database)
    add(database, range(10))
    early = ledger.follow()
    kept = replace(early, **{name: getattr(early, name).copy() for name in ARRAYS})
    add(database, range(10, 500))
    ledger.follow()
    assert same(early, kept)


def test_nobody_can_write_into_the_columns(database: Database) -> None:
    add(database, range(3))
    columns = Ledger(database).follow()
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(columns, name)[0] = 0


def test_after_a_change_of_the_rules_the_next_generation_has_the_votes_as_they_are_now(database: Database) -> None:
    add(database, range(10))
    ledger = Ledger(database)
    before = ledger.follow()

    def change(session: Session) -> None:
        session.execute(text("UPDATE vote SET category = 'music'"))
        session.execute(text("DELETE FROM vote WHERE sequence > 4"))

    database.write(change)
    assert ledger.follow() is before, "nobody said that the votes read so far have changed"
    database.write(raise_rules)
    after = ledger.follow()
    assert (before.generation, after.generation) == (0, 1)
    assert (after.size, after.categories, after.voters) == (4, ("music",), 4)
    assert told(before) == expected(range(10)), "who still works on the old ones is not disturbed"
    assert ledger.follow() is after


def test_votes_that_do_not_count_are_left_out_and_are_not_looked_through_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "VOTES_AT_ONCE", 3)
    add(database, range(20))
    database.write(lambda session: exclude_voter(session, "v4", "spam", NOW))
    held = text("UPDATE vote SET status = 'held' WHERE sequence > 15")
    database.write(lambda session: session.execute(held) and None)
    ledger = Ledger(database)
    counted = [number for number in range(15) if number % 5 != 4]
    assert told(ledger.follow()) == [fact for number in counted for fact in expected(range(number, number + 1))]
    asked: list[int] = []

    def noting(session: Session, sequence: int, limit: int) -> VoteColumns | None:
        asked.append(sequence)
        return columns_after(session, sequence, limit)

    monkeypatch.setattr(ledger_module, "columns_after", noting)
    ledger.follow()
    assert asked == [20]


def test_a_ledger_tells_whose_votes_are_verified(database: Database) -> None:
    for voter, verified in (("ann", True), ("bob", False)):
        database.write(partial(remember_voter, voter=voter, source="proxy", verified=verified, now=NOW))
    for number, voter in enumerate(("ann", "bob", "cat", "ann")):
        database.write(partial(ready_battle, battle_id=f"r{number}", voter=voter))
        database.write(partial(vote, battle_id=f"r{number}", outcome=Outcome.A, voter=voter))
    columns = Ledger(database).follow()
    assert columns.verified.tolist() == [True, False, False, True]
    assert chosen(Selection(verified=True), columns).tolist() == [0, 3]


def test_a_ledger_opened_after_a_change_of_the_rules_reads_each_vote_once(database: Database) -> None:
    database.write(raise_rules)
    add(database, range(5))
    ledger = Ledger(database)
    assert told(ledger.follow()) == expected(range(5))
    add(database, range(5, 8))
    assert told(ledger.follow()) == expected(range(8))


def test_where_reading_fails_nothing_is_taken_in_by_half(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "VOTES_AT_ONCE", 4)
    ledger = Ledger(database)
    add(database, range(3))
    before = ledger.follow()
    add(database, range(3, 20))

    def spoilt(session: Session, sequence: int, limit: int) -> VoteColumns | None:
        rows = columns_after(session, sequence, limit)
        if rows is None or sequence < 7:
            return rows
        return replace(rows, outcome=("draw", *rows.outcome[1:]))

    with monkeypatch.context() as broken:
        broken.setattr(ledger_module, "columns_after", spoilt)
        for _ in range(2):
            with pytest.raises(KeyError, match="draw"):
                ledger.follow()
            assert ledger.columns is before
    assert told(ledger.follow()) == expected(range(20))
    assert ledger.columns.voters == 5


def test_a_database_that_can_not_be_read_is_said_and_the_columns_stay(database: Database) -> None:
    add(database, range(3))
    ledger = Ledger(database)
    before = ledger.follow()
    database.write(lambda session: session.execute(text("ALTER TABLE vote RENAME TO elsewhere")) and None)
    with pytest.raises(DatabaseProblem, match="can't be read"):
        ledger.follow()
    assert ledger.columns is before


def test_more_turns_than_fit_count_as_many(database: Database) -> None:
    database.write(lambda session: import_votes(session, [replace(one(0), turns=10**9)], {}))
    assert Ledger(database).follow().turns.tolist() == [32767]


def test_readers_always_see_whole_columns_while_votes_come_in(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "VOTES_AT_ONCE", 16)
    ledger = Ledger(database)
    done = threading.Event()

    def read() -> int:
        seen = 0
        while not done.is_set():
            columns = ledger.follow()
            assert columns.size >= seen
            assert told(columns) == expected(range(columns.size))
            seen = columns.size
        return seen

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        for first in range(0, 200, 10):
            add(database, range(first, first + 10))
        done.set()
        for reader in readers:
            reader.result(timeout=60)
    assert told(ledger.follow()) == expected(range(200))


def test_one_who_waits_for_another_reads_nothing_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(database, range(50))
    ledger = Ledger(database)
    asked: list[int] = []

    def noting(session: Session, sequence: int, limit: int) -> VoteColumns | None:
        asked.append(sequence)
        return columns_after(session, sequence, limit)

    monkeypatch.setattr(ledger_module, "columns_after", noting)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: ledger.follow(), range(4)))
    assert asked == [0, 50, 50, 50]
    assert all(columns is found[0] for columns in found)
