"""A voted battle becomes a line, and lines become the same votes again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arenas import NOW, WINDOW, ask_on, database_with, finish, ready_battle, vote_of
from judged_rows import battle_on, both_answered, judge, of_battle
from sqlalchemy import select
from voted import CATALOG, VOTER, battle_id, cast

from arena.enrolment import enrol_all
from db.journal import Entry, Replayed, all_told_until, beside_votes, lines_after, read_journal, replay
from db.judging import judged, record_judgment, votes_and_judgments
from db.outcome import Outcome
from db.review import Ruling, voters_unjudged, write_rulings
from db.session import Database, DatabaseProblem
from db.tables import Base, Question, Vote
from db.voters import clear_voter, exclude_voter, include_voter, settle_vote, watch_voter
from db.votes import newest_vote, record_vote, rules_version


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "one").mkdir()
    with closing(database_with(tmp_path / "one", *CATALOG)) as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "other").mkdir()
    with closing(database_with(tmp_path / "other")) as opened:
        yield opened


def lines(database: Database, after: int = 0, limit: int = 1000) -> list[str]:
    with database.read() as session:
        return [line.text for line in lines_after(session, after, limit)]


def journal(folder: Path, *texts: str) -> Path:
    path = folder / "00000001-0001.jsonl"
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())
    return path


def entries(folder: Path, *texts: str) -> list[Entry]:
    return read_journal(journal(folder, *texts))[0]


def told(database: Database, read: list[Entry]) -> Replayed:
    return database.write(lambda session: replay(session, read))


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of what a journal tells."""
    with database.read() as session:
        return {
            name: [dict(row) for row in session.execute(select(table).order_by(*table.primary_key.columns)).mappings()]
            for name, table in Base.metadata.tables.items()
            if name in ("battle", "turn", "vote", "counter")
        }


def test_every_row_of_a_voted_battle_comes_back_as_it_was(database: Database, other: Database, tmp_path: Path) -> None:
    for number in range(5):
        cast(database, number)
    database.write(partial(ready_battle, battle_id="two turns"))
    database.write(lambda session: ask_on(session, "two turns", prompt="Warum?\u2028\x85 \N{HORSE}"))
    database.write(lambda session: finish(session, "two turns"))
    database.write(lambda session: record_vote(session, "two turns", "ann", Outcome.TIE, NOW, WINDOW))
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(6, 0)
    expected, found = everything(database), everything(other)
    counters = [{row["name"]: row["value"] for row in rows.pop("counter")} for rows in (expected, found)]
    assert found == expected
    assert counters[0]["votes"] == counters[1]["votes"] == 6


def test_a_second_time_adds_nothing(database: Database, other: Database, tmp_path: Path) -> None:
    cast(database, 1)
    read = entries(tmp_path, *lines(database))
    assert told(other, read + read) == Replayed(1, 0)
    before = everything(other)
    assert told(other, read) == Replayed(0, 1)
    assert everything(other) == before
    assert told(database, read) == Replayed(0, 1)


def test_battles_without_a_vote_are_not_told(database: Database) -> None:
    database.write(partial(ready_battle, battle_id="open"))
    assert lines(database) == []


def test_lines_follow_a_watermark_in_parts(database: Database) -> None:
    for number in range(5):
        cast(database, number)
    numbers = [json.loads(line)["vote"]["sequence"] for line in lines(database, after=1, limit=3)]
    assert numbers == [2, 3, 4]


def test_a_battle_that_was_copied_before_its_vote_gets_it(database: Database, other: Database, tmp_path: Path) -> None:
    enrol_all(other, CATALOG, NOW)
    for one in (database, other):
        one.write(partial(ready_battle, battle_id="b"))
    database.write(lambda session: record_vote(session, "b", "ann", Outcome.B, NOW, WINDOW))
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(1, 0)
    assert everything(other)["battle"] == everything(database)["battle"]
    stored = vote_of(other, "b")
    assert stored is not None
    assert stored.outcome == Outcome.B


def test_a_number_that_is_taken_is_not_given_twice(database: Database, other: Database, tmp_path: Path) -> None:
    """Two processes of one arena overlapped for a moment, each on a disk of its own."""
    enrol_all(other, CATALOG, NOW)
    for number in range(3):
        cast(database, number)
    for number in range(10, 12):
        cast(other, number)
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(3, 0)
    with other.read() as session:
        votes = {vote.battle_id: vote.sequence for vote in session.scalars(select(Vote))}
        assert newest_vote(session) == max(votes.values())
    assert votes[battle_id(10)] == 1
    assert votes[battle_id(11)] == 2
    assert votes[battle_id(2)] == 3
    assert sorted(votes.values()) == [1, 2, 3, 4, 5]
    cast(other, 20)
    with other.read() as session:
        assert newest_vote(session) == 6


def test_what_is_known_of_a_contestant_stays(database: Database, other: Database, tmp_path: Path) -> None:
    cast(database, 1)
    line = json.loads(lines(database)[0])
    told(other, entries(tmp_path, json.dumps(line)))
    cast(database, 2)
    later = json.loads(lines(database, after=1)[0])
    for contestant in later["contestants"]:
        contestant["name"] = "Another name"
    told(other, entries(tmp_path, json.dumps(later)))
    assert "Another name" not in lines(other)[1]


def test_a_battle_on_a_question_brings_its_question(database: Database, other: Database, tmp_path: Path) -> None:
    for number in (1, 2):
        database.write(partial(both_answered, number=number))
    for battle in ("first", "second"):
        database.write(partial(battle_on, number=1, battle_id=battle))
        database.write(partial(record_vote, battle_id=battle, voter="ann", outcome=Outcome.A, now=NOW, window=WINDOW))
    cast(database, 1)
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(3, 0)
    assert everything(other)["battle"] == everything(database)["battle"]
    with database.read() as session, other.read() as found:
        (question,) = found.scalars(select(Question))
        whole = session.get_one(Question, "question 1")
        columns = Question.__table__.columns.keys()
        assert [getattr(question, name) for name in columns] == [getattr(whole, name) for name in columns]
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(0, 3)


def test_a_line_from_before_there_were_questions_is_read(database: Database, other: Database, tmp_path: Path) -> None:
    cast(database, 1)
    line = json.loads(lines(database)[0])
    del line["questions"], line["battle"]["question_id"]
    assert told(other, entries(tmp_path, json.dumps(line))) == Replayed(1, 0)
    assert everything(other)["battle"] == everything(database)["battle"]


def test_a_battle_that_was_judged_before_its_vote_keeps_what_was_said(
    database: Database, other: Database, tmp_path: Path
) -> None:
    enrol_all(other, CATALOG, NOW)
    for one in (database, other):
        one.write(partial(ready_battle, battle_id="b"))
    other.write(lambda session: session.add(judge()))
    other.write(lambda session: record_judgment(session, of_battle("b")))
    database.write(lambda session: record_vote(session, "b", "ann", Outcome.B, NOW, WINDOW))
    assert told(other, entries(tmp_path, *lines(database))) == Replayed(1, 0)
    assert everything(other)["battle"] == everything(database)["battle"]
    with other.read() as session:
        assert len(judged(session)) == len(votes_and_judgments(session)) == 1


def test_what_judges_did_is_part_of_what_no_journal_tells(database: Database) -> None:
    def now() -> str:
        with database.read() as session:
            return beside_votes(session)

    told_of = [now()]
    database.write(lambda session: session.add(judge()))
    told_of.append(now())
    database.write(partial(both_answered, number=1))
    told_of.append(now())
    database.write(partial(ready_battle, battle_id="b"))
    assert now() == told_of[-1], "a battle is not"
    database.write(lambda session: record_judgment(session, of_battle("b")))
    told_of.append(now())
    assert len(set(told_of)) == len(told_of)


def test_what_the_review_comes_to_asks_for_no_snapshot_and_is_come_to_again_after_a_replay(
    database: Database, other: Database, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        cast(database, number)
    database.write(lambda session: write_rulings(session, [], [battle_id(number) for number in (1, 2, 3)], 1))
    database.write(lambda session: settle_vote(session, battle_id(3), counts=False))
    told_of = lines(database)
    with database.read() as session:
        before, version = beside_votes(session), rules_version(session)
    late = Ruling(battle_id(1), ("counted", None), ("held", "biased"))
    assert database.write(lambda session: write_rulings(session, [late], [], 1)) == 1
    with database.read() as session:
        assert beside_votes(session) == before
        assert rules_version(session) == version + 1, "whoever follows votes begins anew all the same"
        assert voters_unjudged(session, 1) == set()
    told(other, entries(tmp_path, *told_of))
    with other.read() as session:
        assert voters_unjudged(session, 1) == {VOTER}
        votes = {vote.battle_id: (vote.status, vote.settled) for vote in session.query(Vote)}
    assert votes[battle_id(1)] == ("counted", False)
    assert votes[battle_id(3)] == ("excluded", True), "what an administrator decided stays"


def test_each_decision_of_an_administrator_is_part_of_what_no_journal_tells(database: Database) -> None:
    cast(database, 1)
    seen = []
    for decide in (
        lambda _: None,
        lambda session: settle_vote(session, battle_id(1), counts=True),  # as it did: now the rules leave it alone
        lambda session: settle_vote(session, battle_id(1), counts=False),
        lambda session: clear_voter(session, VOTER, NOW),
        lambda session: watch_voter(session, VOTER),
        lambda session: exclude_voter(session, VOTER, "spam", NOW),
        lambda session: include_voter(session, VOTER),
    ):
        database.write(decide)
        with database.read() as session:
            seen.append(beside_votes(session))
    assert len(set(seen)) == len(seen)


def test_a_line_of_an_older_schema_gets_what_columns_say_by_themselves(
    database: Database, other: Database, tmp_path: Path
) -> None:
    cast(database, 1)
    line = json.loads(lines(database)[0])
    del line["turns"][0]["superseded"], line["turns"][0]["joules_a"]
    told(other, entries(tmp_path, json.dumps(line)))
    assert everything(other)["turn"] == everything(database)["turn"]


@pytest.mark.parametrize("rest", ['{"vote": {"battle', '{"vote": {}}', "null", "[1]", "\x00\x00\x00", '"'])
def test_a_broken_last_line_is_left_out_and_said(database: Database, tmp_path: Path, rest: str) -> None:
    cast(database, 1)
    read, said = read_journal(journal(tmp_path, *lines(database), rest))
    assert [entry.battle_id for entry in read] == [battle_id(1)]
    assert said == "The last line of 00000001-0001.jsonl is broken and was left out: it was never whole."


def test_a_file_that_ends_in_the_middle_of_a_character_keeps_its_whole_lines(
    database: Database, tmp_path: Path
) -> None:
    cast(database, 1)
    path = journal(tmp_path, *lines(database))
    path.write_bytes(path.read_bytes() + '{"vote": "\N{HORSE}'.encode()[:-2])
    read, said = read_journal(path)
    assert len(read) == 1
    assert said


def test_a_broken_line_in_the_middle_is_named(database: Database, tmp_path: Path) -> None:
    cast(database, 1)
    whole = lines(database)[0]
    with pytest.raises(DatabaseProblem, match=r"00000001-0001\.jsonl is broken in line 2; take that line out"):
        read_journal(journal(tmp_path, whole, whole[:50], whole))


@pytest.mark.parametrize("part", ["vote", "battle"])
def test_a_column_of_a_newer_paddock_is_named(database: Database, tmp_path: Path, part: str) -> None:
    cast(database, 1)
    line = json.loads(lines(database)[0])
    line[part]["colour"] = "red"
    with pytest.raises(DatabaseProblem, match=rf"line 1, knows {part}\.colour, which this code does not; update"):
        read_journal(journal(tmp_path, json.dumps(line)))


def test_the_watermark_is_the_last_vote_before_the_first_that_is_not_told(database: Database) -> None:
    for number in range(6):
        cast(database, number)
    with database.read() as session:
        assert all_told_until(session, 0, {battle_id(number) for number in (0, 1, 3)}) == 2
        assert all_told_until(session, 2, ()) == 2
        assert all_told_until(session, 0, {battle_id(number) for number in range(6)}) == 6
