"""What the rules or an administrator decided of votes is seen, and taken back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from arenas import ANT, BEE, CAT, NOW, database_with, ready_battle, vote
from sqlalchemy import text

from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection
from arena.exchange.exports import votes_rows
from arena.integrity.appeals import CODES, Appeals, NotDone
from arena.ui.admin_tables import (
    about_voter,
    suspects_table,
    uncounted_table,
    uncounted_votes_table,
)
from arena.ui.headline import uncounted
from arena.ui.reasons import whose_votes_count, why
from arena.ui.texts import TEXTS, Language
from db.outcome import Outcome
from db.review import voters_unjudged
from db.session import Database, Session
from db.tables import Vote
from db.votes import rules_version

pytestmark = pytest.mark.integrity


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, ANT, BEE, CAT)) as database:
        yield database


@pytest.fixture
def appeals(database: Database) -> Appeals:
    return Appeals(database, lambda: NOW)


def cast(
    database: Database,
    battle: str,
    voter: str = "ann",
    status: str = "counted",
    reason: str | None = None,
    rules: int | None = None,
) -> None:
    """A vote of which the rules said this."""
    database.write(partial(ready_battle, battle_id=battle, voter=voter))
    database.write(partial(vote, battle_id=battle, outcome=Outcome.A, voter=voter))
    if status != "counted" or rules:
        verdict = "UPDATE vote SET status = :status, reason = :reason, rules = :rules WHERE battle_id = :battle"
        change(database, verdict, battle=battle, status=status, reason=reason, rules=rules)


def change(database: Database, sql: str, **values: object) -> None:
    def work(session: Session) -> None:
        session.execute(text(sql), values)

    database.write(work)


def held(database: Database, battle: str, reason: str, voter: str = "ann") -> None:
    cast(database, battle, voter, status="held", reason=reason, rules=1)


def stands(database: Database, battle: str) -> tuple[str, str | None, bool]:
    with database.read() as session:
        found = session.get_one(Vote, battle)
        return found.status, found.reason, found.settled


def version(database: Database) -> int:
    with database.read() as session:
        return rules_version(session)


def waiting(database: Database) -> set[str]:
    with database.read() as session:
        return voters_unjudged(session, 1)


# -- seeing --------------------------------------------------------------------------------------


def test_votes_that_do_not_count_are_told_by_reason_and_one_by_one(database: Database, appeals: Appeals) -> None:
    cast(database, "good")
    for number, voter in enumerate(("ann", "bob", "bob")):
        held(database, f"new{number}", "new", voter)
    cast(database, "told", status="excluded", reason="identity_told")
    cast(database, "odd", status="held", reason=None)
    groups = [(one.status, one.reason, one.votes, one.voters) for one in appeals.uncounted()]
    assert sorted(groups, key=str) == sorted(
        [("held", "new", 3, 2), ("excluded", "identity_told", 1, 1), ("held", None, 1, 1)], key=str
    )
    assert groups[0][2] == 3
    assert [one.battle_id for one in appeals.votes()] == ["odd", "told", "new2", "new1", "new0"]
    assert [one.battle_id for one in appeals.votes("new", appeals.votes("new")[0].sequence)] == ["new1", "new0"]
    assert [one.battle_id for one in appeals.votes("")] == ["odd"]


def test_voters_held_for_bias_are_suspects_and_newcomers_are_not(database: Database, appeals: Appeals) -> None:
    held(database, "b1", "biased", "rig")
    held(database, "b2", "network_biased", "rig")
    held(database, "b3", "new", "ann")
    assert [(one.voter, one.votes) for one in appeals.suspects()] == [("rig", 2)]
    explanation, _ = appeals.evidence("rig")
    assert explanation.votes == {"biased": 1, "network_biased": 1}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_reason_has_its_sentence_and_every_table_its_headings(
    database: Database, appeals: Appeals, language: Language
) -> None:
    said = {why("held", code, language) for code in CODES}
    assert len(said) == len(CODES)
    assert not [one for one in said if "{" in one]
    assert why("excluded", "votes for A only", language) == TEXTS[language]["reason_excluded"]
    for code in CODES[:-1]:  # what an administrator does is told apart
        assert why("held", code, language) in whose_votes_count(language, guarded=True)
    assert why("held", "new", language) not in whose_votes_count(language, guarded=False)
    held(database, "b", "biased")
    for table in (
        uncounted_table(appeals.uncounted(), language),
        uncounted_votes_table(appeals.votes(), language),
        suspects_table(appeals.suspects(), language),
    ):
        assert {len(row) for row in table["data"]} == {len(table["headers"])}


def test_the_leaderboard_says_how_many_do_not_count_whatever_the_filters(database: Database) -> None:
    leaderboard = Leaderboard(database, (ANT, BEE, CAT))
    assert leaderboard.board().votes == leaderboard.uncounted == 0
    assert not uncounted(0, "en")
    cast(database, "good")
    held(database, "b1", "new")
    assert (leaderboard.board().votes, leaderboard.uncounted) == (1, 1)
    assert "1 vote is kept but not counted" in uncounted(1, "en")
    cast(database, "b2", status="excluded", reason="identity_told")
    assert (leaderboard.board(Selection(verified=True)).votes, leaderboard.uncounted) == (0, 2)
    Appeals(database).settle("bea", "b1", counts=True)
    assert (leaderboard.board().votes, leaderboard.uncounted) == (2, 1)


# -- taking back ---------------------------------------------------------------------------------


def test_a_single_vote_is_counted_and_left_out_and_the_rules_leave_it_alone(
    database: Database, appeals: Appeals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held(database, "b", "too_fast")
    before = version(database)
    appeals.settle("bea", " b ", counts=True)
    assert stands(database, "b") == ("counted", None, True)
    assert version(database) == before + 1
    appeals.settle("bea", "b", counts=True)
    assert version(database) == before + 1, "nothing changed, nobody begins anew"
    appeals.settle("bea", "b", counts=False)
    assert stands(database, "b") == ("excluded", "administrator", True)
    assert waiting(database) == set()
    assert "bea: the vote of battle 'b' is counted\n" in caplog.text
    assert "bea: the vote of battle 'b' is excluded\n" in caplog.text


def test_what_can_not_be_settled_changes_nothing(database: Database, appeals: Appeals) -> None:
    cast(database, "b")
    appeals.exclude("bea", "ann", "a robot")
    for battle, counts, said in (("none", True, "admin_no_vote"), ("b", True, "admin_include_first")):
        with pytest.raises(NotDone) as raised:
            appeals.settle("bea", battle, counts=counts)
        assert raised.value.key == said
    with pytest.raises(NotDone, match="admin_include_first"):
        appeals.clear("bea", "ann")
    assert stands(database, "b") == ("excluded", "a robot", False)


def test_a_cleared_voter_s_held_votes_count_and_others_stay(database: Database, appeals: Appeals) -> None:
    held(database, "b1", "biased")
    held(database, "b2", "new")
    held(database, "another's", "new", "bob")
    cast(database, "told", status="excluded", reason="identity_told")
    appeals.settle("bea", "b2", counts=False)
    assert appeals.clear("bea", "ann") == 1
    assert stands(database, "b1") == ("counted", None, False)
    assert stands(database, "b2")[:2] == ("excluded", "administrator")
    assert stands(database, "told")[:2] == ("excluded", "identity_told")
    assert stands(database, "another's")[0] == "held"
    assert "Cleared since 2026-03-01 12:00:00." in about_voter(appeals.voter("ann"), "en")


def test_a_voter_who_is_left_to_the_rules_again_is_judged_anew(database: Database, appeals: Appeals) -> None:
    held(database, "b1", "biased")
    change(database, "UPDATE vote SET settled = true")  # as what forgetting leaves held
    appeals.clear("bea", "ann")
    change(database, "UPDATE vote SET rules = 1")
    assert waiting(database) == set()
    appeals.watch("bea", "ann")
    assert waiting(database) == {"ann"}
    with pytest.raises(NotDone, match="admin_not_cleared"):
        appeals.watch("bea", "ann")


def test_what_was_cast_while_excluded_is_looked_at_when_included(database: Database, appeals: Appeals) -> None:
    cast(database, "before", rules=1)
    appeals.exclude("bea", "ann", "a robot")
    for battle in ("asked", "told", "meanwhile", "settled"):
        cast(database, battle)
    change(database, "UPDATE turn SET probe = true WHERE battle_id = 'asked'")
    change(database, "UPDATE turn SET named = 'a' WHERE battle_id IN ('told', 'settled')")
    change(database, "UPDATE vote SET settled = true WHERE battle_id = 'settled'")
    assert appeals.include("bea", "ann") == 3
    assert stands(database, "asked")[:2] == ("excluded", "identity_asked")
    assert stands(database, "told")[:2] == ("excluded", "identity_told")
    assert stands(database, "settled") == ("counted", None, True)
    assert stands(database, "meanwhile")[0] == stands(database, "before")[0] == "counted"
    assert waiting(database) == {"ann"}, "the review looks at them"


@pytest.mark.parametrize("code", CODES)
def test_no_voter_is_excluded_under_a_name_of_the_rules(database: Database, appeals: Appeals, code: str) -> None:
    cast(database, "told", status="excluded", reason=code)
    with pytest.raises(NotDone, match="admin_reason_taken"):
        appeals.exclude("bea", "ann", f" {code} ")
    appeals.exclude("bea", "ann", "a robot")
    appeals.include("bea", "ann")
    assert stands(database, "told")[:2] == ("excluded", code), "including brings back what excluding took alone"


def test_files_tell_every_vote_with_its_reason(database: Database, appeals: Appeals) -> None:
    held(database, "b1", "biased")
    cast(database, "b2")
    appeals.settle("bea", "b2", counts=False)
    told = [(row["status"], row["reason"]) for row in votes_rows(database, [], b"key")]
    assert told == [("held", "biased"), ("excluded", "administrator")]
