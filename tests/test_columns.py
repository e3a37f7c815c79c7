from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from arenas import ANT, BEE, NOW, again, ask_on, database_with, finish, key_of, prepared, ready_battle, vote
from sqlalchemy import event
from sqlalchemy.orm import Session

from db import queries
from db.columns import VoteColumns, columns_after
from db.labels import TurnLabels, forget_labels, label_turns, turns_without_labels
from db.outcome import Outcome
from db.queries import Side
from db.session import Database
from db.tables import STYLES, Turn
from db.votes import VoteRow, rules_version, votes_after

EVERY_STYLE = [f"{style}_{side}" for style in ("length", "headings", "lists", "bold") for side in "ab"]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = database_with(database_url, ANT, BEE)
    yield database
    database.close()


def columns(database: Database, after: int = 0, limit: int = 100) -> VoteColumns:
    with database.read() as session:
        found = columns_after(session, after, limit)
    assert found is not None
    return found


def rows(database: Database) -> list[VoteRow]:
    with database.read() as session:
        return votes_after(session, 0)


def styled(size: int) -> Side:
    return Side("x" * size, "stop", 2, length=size, headings=size + 1, lists=size + 2, bold=size + 3)


def talked(session: Session, battle_id: str, *turns: tuple[Side, Side], labelled: bool = True) -> None:
    """A battle of several turns, its first one about code in German, the others about music in English."""
    for position, (a, b) in enumerate(turns):
        if position:
            ask_on(session, battle_id)
        else:
            ready_battle(session, battle_id)
        key = key_of(session, battle_id)
        turn = session.get_one(Turn, key)
        if labelled:
            turn.category, turn.language = ("music", "en") if position else ("coding", "de")
        queries.finish_turn(session, key, a, b, NOW)


def labels(key: tuple[str, int, int], category: str = "coding", size: int = 1) -> TurnLabels:
    return TurnLabels(*key, category, "en", size, size + 1, size + 2, size + 3, size + 4, size + 5, size + 6, size + 7)


# -- what a vote carries ---------------------------------------------------------------------------


def test_a_vote_carries_the_first_turns_labels_and_the_sums_of_the_turns_that_count(database: Database) -> None:
    database.write(lambda session: talked(session, "c", (styled(10), styled(20)), (styled(300), styled(400))))
    database.write(partial(vote, battle_id="c", outcome=Outcome.A))
    found = columns(database)
    assert (found.turns, found.category, found.language) == ((2,), ("coding",), ("de",))
    assert [getattr(found, style) for style in EVERY_STYLE] == [
        (310,), (420,), (312,), (422,), (314,), (424,), (316,), (426,),
    ]  # fmt: skip
    assert [(row.turns, row.category, row.language) for row in rows(database)] == [(2, "coding", "de")]


def test_a_superseded_attempt_counts_in_no_sum_and_its_labels_go_on(database: Database) -> None:
    database.write(lambda session: talked(session, "b", (styled(5), styled(6))))
    database.write(partial(again, battle_id="b"))
    database.write(lambda session: queries.finish_turn(session, key_of(session, "b"), styled(70), styled(80), NOW))
    database.write(partial(vote, battle_id="b", outcome=Outcome.B))
    found = columns(database)
    assert (found.turns, found.length_a, found.length_b) == ((1,), (70,), (80,))
    assert (found.category, found.language) == (("coding",), ("de",))


def test_where_one_turn_was_not_counted_no_sum_is_told(database: Database) -> None:
    half = Side("x", "stop", 1, length=4)
    database.write(lambda session: talked(session, "b", (styled(1), styled(2)), (half, styled(3)), labelled=False))
    database.write(partial(vote, battle_id="b", outcome=Outcome.TIE))
    found = columns(database)
    assert (found.turns, found.category, found.language) == ((2,), (None,), (None,))
    assert (found.length_a, found.length_b) == ((5,), (5,))
    assert (found.headings_a, found.headings_b) == ((None,), (7,))


# -- reading by columns ----------------------------------------------------------------------------


def test_columns_say_what_the_rows_say(database: Database) -> None:
    for number in range(7):
        moment = NOW + timedelta(seconds=number, microseconds=number * 142_857)
        database.write(partial(ready_battle, battle_id=f"b{number}", voter=f"v{number % 3}", now=moment))
        database.write(
            partial(vote, battle_id=f"b{number}", outcome=list(Outcome)[number % 4], voter=f"v{number % 3}", now=moment)
        )
    found = columns(database)
    told = zip(
        found.sequence, found.voter, found.a, found.b, found.outcome, found.turns, found.category, found.language,
        strict=True,
    )  # fmt: skip
    assert list(told) == [
        (row.sequence, row.voter, row.a, row.b, row.outcome, row.turns, row.category, row.language)
        for row in rows(database)
    ]
    assert [round(time * 1e6) for time in found.time] == [
        round(row.created_at.timestamp() * 1e6) for row in rows(database)
    ]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=2))),
        datetime(9999, 12, 31, 12, tzinfo=UTC),
    ],
)
def test_times_are_seconds_since_1970_to_the_microsecond(database: Database, moment: datetime) -> None:
    database.write(partial(ready_battle, battle_id="b", now=moment))
    database.write(partial(vote, battle_id="b", outcome=Outcome.A, now=moment))
    (time,) = columns(database).time
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(time * 1e6)) == moment.astimezone(UTC)


def test_columns_are_read_on_from_a_watermark_in_parts(database: Database) -> None:
    for number in range(5):
        database.write(partial(ready_battle, battle_id=f"b{number}"))
        database.write(partial(vote, battle_id=f"b{number}", outcome=Outcome.A))
    assert columns(database, 0, 2).sequence == (1, 2)
    assert columns(database, 2, 2).sequence == (3, 4)
    assert columns(database, 4, 2).sequence == (5,)
    with database.read() as session:
        assert columns_after(session, 5, 2) is None
        assert [row.sequence for row in votes_after(session, 1, 3)] == [2, 3, 4]


def test_the_styles_are_those_of_a_turn(database: Database) -> None:
    assert list(STYLES) == EVERY_STYLE


# -- labels that come later ------------------------------------------------------------------------


def test_finished_turns_wait_for_labels_and_get_them_once(database: Database) -> None:
    for state in ("open", "stopped", "void", "generating"):
        prepared(database, state)
    database.write(lambda session: talked(session, "known", (styled(1), styled(2))))
    database.write(partial(ready_battle, battle_id="more"))
    with database.read() as session:
        waiting = turns_without_labels(session, 10)
        assert turns_without_labels(session, 1) == waiting[:1]
    assert [(turn.battle_id, turn.prompt, turn.answer_a) for turn in waiting] == [
        ("more", "Why?", "an answer"), ("open", "Why?", "an answer"),
    ]  # fmt: skip
    database.write(lambda session: label_turns(session, [labels(turn[:3]) for turn in waiting]))
    with database.read() as session:
        assert turns_without_labels(session, 10) == []
        turn = session.get_one(Turn, waiting[0][:3])
        assert (turn.category, turn.language, turn.length_a, turn.bold_b) == ("coding", "en", 1, 8)


def test_the_index_of_unlabelled_turns_is_used(database: Database) -> None:
    """Or every start would read every answer there is."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    with database.read() as session:
        connection = session.connection()
        event.listen(
            connection.engine, "before_cursor_execute", lambda c, k, sql, given, *rest: asked.append((sql, given))
        )
        turns_without_labels(session, 10)
        statement, given = asked[0]
        if database.shared:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # an empty table is quicker read whole
        plan = connection.exec_driver_sql(f"EXPLAIN {'' if database.shared else 'QUERY PLAN'} {statement}", given).all()
    assert "ix_turn_unlabelled" in str(plan)


def test_labels_bring_the_vote_along_when_all_its_turns_have_theirs(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="b"))
    database.write(partial(ask_on, battle_id="b"))
    database.write(partial(finish, battle_id="b"))
    database.write(partial(again, battle_id="b"))
    database.write(partial(finish, battle_id="b"))
    database.write(partial(vote, battle_id="b", outcome=Outcome.A))
    before = rules_of(database)
    database.write(lambda session: label_turns(session, [labels(("b", 0, 0), size=100), labels(("b", 1, 0), size=7)]))
    half = columns(database)
    assert (half.turns, half.category, half.length_a) == ((2,), ("coding",), (None,))
    database.write(lambda session: label_turns(session, [labels(("b", 1, 1), "music", size=1000)]))
    whole = columns(database)
    assert (whole.turns, whole.category, whole.language, whole.length_a, whole.bold_b) == (
        (2,), ("coding",), ("en",), (1100,), (1114,),
    )  # fmt: skip
    assert rules_of(database) > before, "whoever follows votes must begin anew"


def test_labels_of_turns_without_a_vote_change_no_rules(database: Database) -> None:
    prepared(database, "open")
    database.write(lambda session: label_turns(session, [labels(("open", 0, 0))]))
    database.write(lambda session: label_turns(session, []))
    assert rules_of(database) == 0


def test_forgotten_labels_are_asked_for_again(database: Database) -> None:
    database.write(lambda session: talked(session, "b", (styled(1), styled(2))))
    database.write(partial(vote, battle_id="b", outcome=Outcome.A))
    database.write(forget_labels)
    found = columns(database)
    assert {getattr(found, name) for name in ("category", "language", *EVERY_STYLE)} == {(None,)}
    assert rules_of(database) == 1
    with database.read() as session:
        assert [turn.battle_id for turn in turns_without_labels(session, 10)] == ["b"]


def rules_of(database: Database) -> int:
    with database.read() as session:
        return rules_version(session)
