from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import pytest
from arenas import ANT, BEE, CAT, NOW, database_with, ready_battle, vote, vote_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from arena.boards.leaderboard import Leaderboard
from db.imports import ImportedVote, import_votes
from db.outcome import Outcome
from db.session import Database
from db.tables import Vote, Voter
from db.voters import exclude_voter, excluded_voters, include_voter, remember_voter
from db.votes import rules_version
from models.spec import ModelSpec

CATALOG = (ANT, BEE, CAT)
LATER = NOW + timedelta(days=3)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(database_with(database_url, *CATALOG)) as database:
        yield database


def cast(database: Database, battle: str, voter: str = "ann") -> Vote:
    database.write(partial(ready_battle, battle_id=battle, voter=voter))
    database.write(partial(vote, battle_id=battle, outcome=Outcome.A, voter=voter))
    return stored(database, battle)


def stored(database: Database, battle: str) -> Vote:
    found = vote_of(database, battle)
    assert found is not None
    return found


def verdict(database: Database, battle: str) -> tuple[str, str | None]:
    found = stored(database, battle)
    return found.status, found.reason


def exclude(database: Database, voter: str = "ann", reason: str = "spam") -> int:
    return database.write(partial(exclude_voter, voter=voter, reason=reason, now=LATER))


def include(database: Database, voter: str = "ann") -> int:
    return database.write(partial(include_voter, voter=voter))


def sign_in(database: Database, verified: bool, voter: str = "ann", source: str = "huggingface") -> None:
    database.write(partial(remember_voter, voter=voter, source=source, verified=verified, now=NOW))


def known(database: Database, voter: str = "ann") -> Voter | None:
    with database.read() as session:
        return session.get(Voter, voter)


def rules(database: Database) -> int:
    with database.read() as session:
        return rules_version(session)


# -- verified --------------------------------------------------------------------------------------


def test_the_vote_of_a_voter_nobody_knows_counts_and_is_not_verified(database: Database) -> None:
    found = cast(database, "b")
    assert (found.status, found.reason, found.verified) == ("counted", None, False)
    assert known(database) is None


def test_a_vote_is_verified_by_what_its_voter_was_when_it_was_cast(database: Database) -> None:
    sign_in(database, verified=False)
    assert not cast(database, "young").verified
    sign_in(database, verified=True)
    assert cast(database, "old enough").verified
    assert not cast(database, "of another", voter="bob").verified
    sign_in(database, verified=False, source="proxy")
    assert not cast(database, "no more").verified
    assert [stored(database, battle).verified for battle in ("young", "old enough")] == [False, True]
    row = known(database)
    assert row is not None
    assert (row.verified, row.source, row.created_at) == (False, "proxy", NOW)


# -- excluded --------------------------------------------------------------------------------------


def test_an_excluded_voters_votes_stay_and_count_no_more_neither_old_nor_new(database: Database) -> None:
    cast(database, "old")
    cast(database, "another's", voter="bob")
    assert exclude(database) == 1
    cast(database, "new")
    assert verdict(database, "old") == verdict(database, "new") == ("excluded", "spam")
    assert verdict(database, "another's") == ("counted", None)
    assert stored(database, "new").sequence == 3


def test_an_included_voters_votes_count_again_and_so_do_new_ones(database: Database) -> None:
    cast(database, "old")
    exclude(database)
    cast(database, "meanwhile")
    assert include(database) == 2
    cast(database, "new")
    assert {verdict(database, battle) for battle in ("old", "meanwhile", "new")} == {("counted", None)}
    assert include(database) == 0


def test_what_else_speaks_against_a_vote_goes_on_to_do_so(database: Database) -> None:
    for battle in ("held", "bad", "good"):
        cast(database, battle)

    def against(session: Session) -> None:
        session.execute(text("UPDATE vote SET status = 'held', reason = 'odd' WHERE battle_id = 'held'"))
        session.execute(text("UPDATE vote SET status = 'excluded', reason = 'a duplicate' WHERE battle_id = 'bad'"))

    database.write(against)
    assert exclude(database) == 1
    assert [verdict(database, battle) for battle in ("held", "bad", "good")] == [
        ("held", "odd"), ("excluded", "a duplicate"), ("excluded", "spam"),
    ]  # fmt: skip
    assert include(database) == 1
    assert [verdict(database, battle)[0] for battle in ("held", "bad", "good")] == ["held", "excluded", "counted"]


def test_another_reason_takes_the_place_of_the_first_and_is_undone_all_the_same(database: Database) -> None:
    cast(database, "b")
    exclude(database)
    assert exclude(database, reason="a robot") == 0
    assert verdict(database, "b") == ("excluded", "a robot")
    assert include(database) == 1
    assert verdict(database, "b") == ("counted", None)


def test_somebody_who_has_not_voted_yet_can_be_excluded_and_signing_in_changes_nothing(database: Database) -> None:
    assert exclude(database) == 0
    sign_in(database, verified=True)
    found = cast(database, "b")
    assert (found.status, found.verified) == ("excluded", True)
    include(database)
    row = known(database)
    assert row is not None
    assert (row.excluded_at, row.reason, row.verified) == (None, None, True)


def test_excluded_voters_are_listed_the_latest_first(database: Database) -> None:
    exclude(database, "ann")
    database.write(partial(exclude_voter, voter="bob", reason="a robot", now=LATER + timedelta(seconds=1)))
    exclude(database, "cat")
    include(database, "cat")
    with database.read() as session:
        listed = [(row.id, row.reason) for row in excluded_voters(session)]
    assert listed == [("bob", "a robot"), ("ann", "spam")]


def test_without_a_reason_nobody_is_excluded(database: Database) -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        exclude(database, reason="  ")
    assert known(database) is None


def test_each_change_of_who_counts_raises_the_rules_and_nothing_else_does(database: Database) -> None:
    cast(database, "b")
    sign_in(database, verified=True)
    include(database)
    assert rules(database) == 0
    for number, change in enumerate((exclude, exclude, include), 1):
        change(database)
        assert rules(database) == number


# -- what boards make of it ------------------------------------------------------------------------

VOTERS = ("ann", "bob", "cat", "dan")


class Ballot(NamedTuple):
    sides: tuple[ModelSpec, ModelSpec]
    outcome: Outcome
    voter: str


class Change(NamedTuple):
    excludes: bool
    voter: str


voters = st.sampled_from(VOTERS)
ballots = st.builds(Ballot, st.sampled_from([(ANT, BEE), (BEE, CAT), (CAT, ANT)]), st.sampled_from(Outcome), voters)
stories = st.lists(st.one_of(ballots, st.builds(Change, st.booleans(), voters)), max_size=30)


def foreign(number: int, ballot: Ballot) -> ImportedVote:
    a, b = ballot.sides
    return ImportedVote(
        battle_id=f"{number}", voter=ballot.voter, a=a.fingerprint, b=b.fingerprint, outcome=ballot.outcome, turns=1,
        category="coding", language="en", source=None, created_at=NOW + timedelta(seconds=number),
    )  # fmt: skip


def take_in(database: Database, votes: Iterable[ImportedVote]) -> None:
    database.write(lambda session: import_votes(session, votes, {}))


def told(board: Leaderboard) -> dict[tuple[str, str], float | None]:
    """Every number of a board."""
    shown = board.board(wait=True)
    keys = ("rank", "rank_lower", "rank_upper", "rating", "lower", "upper", "votes", "wins", "elo", "elo_lower", "swap")
    numbers = {(row.model, key): getattr(row, key) for row in shown.rows for key in keys}
    return numbers | {("all", "votes"): shown.votes, ("all", "voters"): shown.voters}


def from_scratch(database: Database) -> dict[tuple[str, str], float | None]:
    with closing(Leaderboard(database, CATALOG)) as board:
        return told(board)


@pytest.mark.slow
def test_a_board_is_as_if_the_excluded_had_never_voted_whatever_happened_before(database_url: str) -> None:
    with closing(database_with(database_url, *CATALOG)) as database, closing(Leaderboard(database, CATALOG)) as shown:

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(stories)
        def check(story: list[Ballot | Change]) -> None:
            empty(database)
            votes: list[ImportedVote] = []
            out: set[str] = set()
            for number, step in enumerate(story):
                if isinstance(step, Ballot):
                    votes.append(foreign(number, step))
                    take_in(database, votes[-1:])
                elif step.excludes:
                    exclude(database, step.voter)
                    out.add(step.voter)
                else:
                    include(database, step.voter)
                    out.discard(step.voter)
                shown.refresh()  # one who follows all along, and must not be led astray
            followed, fresh = told(shown), from_scratch(database)
            empty(database)
            take_in(database, (one for one in votes if one.voter not in out))
            assert fresh == from_scratch(database)
            assert followed == pytest.approx(fresh, abs=1e-6)

        check()


def empty(database: Database) -> None:
    """No battles; the counters stay, so that whoever follows votes is told that all have changed."""

    def work(session: Session) -> None:
        for table in ("vote", "turn", "battle", "voter"):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        exclude_voter(session, "nobody", "to raise the rules", NOW)

    database.write(work)
