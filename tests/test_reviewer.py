"""The review on a real database: what is held, what counts again, what is left alone, what happens when it fails."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest
from arenas import NOW, database_with
from polled import SIZE, Poll, honest, line_up, poll, review_of, states
from simulate import spaced
from sqlalchemy import update
from support import wait_for

from arena.boards.leaderboard import Leaderboard
from arena.integrity.review import Review
from arena.integrity.reviewer import RECALL_SECONDS, Reviewer, warn_of_held
from arena.integrity.rules import LASTING, RULES_VERSION
from db.forget import forget_texts
from db.session import Database
from db.tables import Battle, Question, Vote, Voter
from db.voters import exclude_voter
from db.votes import rules_version

pytestmark = pytest.mark.integrity

__all__ = ["poll"]  # a fixture: a database of contestants without votes


def votes_of(poll: Poll, voter: str, count: int, **about: object) -> list[str]:
    """So many votes for whoever stands left, on pairs in turn, each with a prompt of its own."""
    names = []
    for number in range(count):
        a, b = number % SIZE, (number + 1 + number // SIZE) % SIZE
        given = {"prompt_key": f"{voter}-{number}"} | about
        names.append(poll.fight(voter, a, b, "a" if number % 2 else "b", **given))  # type: ignore[arg-type]
    poll.store()
    return names


def known(poll: Poll, voter: str) -> Voter | None:
    with poll.database.read() as session:
        return session.get(Voter, voter)


def remember(poll: Poll, voter: str, **about: object) -> None:
    poll.database.write(lambda session: session.add(Voter(id=voter, verified=False, created_at=NOW, **about)))


def test_a_newcomer_is_held_then_established_and_then_all_its_votes_count(poll: Poll) -> None:
    votes_of(poll, "ann", 4)
    found = review_of(poll).everybody()
    assert states(poll.database) == [("held", "new")] * 4
    assert (found.changed, found.votes["new"]) == (4, 4)
    assert known(poll, "ann") is None
    votes_of(poll, "ann", 1, prompt_key="another")
    review_of(poll).judge(["ann"], [])
    assert states(poll.database) == [("counted", None)] * 5
    ann = known(poll, "ann")
    assert ann is not None
    assert ann.established_at == poll.now


def test_a_single_vote_counts_a_day_later(poll: Poll) -> None:
    votes_of(poll, "ann", 1)
    review_of(poll).everybody()
    assert states(poll.database) == [("held", "new")]
    review_of(poll, timedelta(hours=25)).everybody()
    assert states(poll.database) == [("counted", None)]


def test_a_rigger_is_held_and_with_it_every_vote_it_casts(poll: Poll) -> None:
    honest(poll, 50, 1000)
    rigger = poll.person("rigger", target=3)
    for _ in range(25):
        poll.vote(rigger)
    poll.store()
    before = Leaderboard(poll.database, poll.specs).ratings()
    found = review_of(poll).everybody()
    assert found.biased == {"rigger"}
    assert states(poll.database, "rigger") == [("held", "biased")] * 25
    after = Leaderboard(poll.database, poll.specs).ratings()
    target = poll.specs[3].fingerprint
    assert after[target] < before[target] - 10


def test_several_cookies_of_one_network_are_judged_as_one_voter(poll: Poll) -> None:
    honest(poll, 50, 1000)
    for name in ("one", "two", "three"):
        rigger = poll.person(name, target=3, network="n")
        for _ in range(3):  # each for itself has too few votes for any evidence
            poll.vote(rigger)
    for _ in range(6):
        poll.vote(poll.person("neighbour", network="another"))
    poll.store()
    found = review_of(poll).everybody()
    assert found.biased == set()
    assert found.networks == {"n"}
    for name in ("one", "two", "three"):
        assert states(poll.database, name) == [("held", "network_biased")] * 3
    assert states(poll.database, "neighbour") == [("counted", None)] * 6


def test_a_rigger_cannot_have_its_neighbours_votes_held(poll: Poll) -> None:
    honest(poll, 50, 1000)
    neighbours = [poll.person(f"neighbour-{number}", network="n") for number in range(3)]
    for _ in range(8):
        for one in neighbours:
            poll.vote(one)
    rigger = poll.person("rigger", target=3, network="n")
    for _ in range(40):
        poll.vote(rigger)
    poll.store()
    found = review_of(poll).everybody()
    assert found.biased == {"rigger"}
    assert found.networks == set()
    for one in neighbours:
        assert states(poll.database, one.name) == [("counted", None)] * 8


def test_whoever_voted_from_a_network_before_it_was_found_out_is_judged_again(poll: Poll) -> None:
    honest(poll, 50, 1000)
    first = poll.person("first", target=3, network="n")
    for _ in range(3):
        poll.vote(first)
    poll.store()
    review = review_of(poll, timedelta(days=2))
    review.everybody()
    assert states(poll.database, "first") == [("counted", None)] * 3
    for name in ("second", "third"):
        rigger = poll.person(name, target=3, network="n")
        for _ in range(3):
            poll.vote(rigger)
    poll.store()
    review.judge(["second", "third"], ["n"])
    assert states(poll.database, "first") == [("held", "network_biased")] * 3


def test_haste_repeated_prompts_and_too_many_votes_are_held_each_for_its_reason(poll: Poll) -> None:
    votes_of(poll, "hasty", 6, seconds=1)
    votes_of(poll, "parrot", 6, prompt_key="hello")
    votes_of(poll, "fan", 24)
    poll.fight("fan", 0, 1, "a", prompt_key="x")
    poll.store()
    review_of(poll).everybody()
    assert states(poll.database, "hasty") == [("held", "too_fast")] * 6
    # One plausible vote establishes nobody, so even that one waits.
    assert states(poll.database, "parrot") == [("held", "new")] + [("held", "prompt_repeated")] * 5
    assert states(poll.database, "fan") == [("counted", None)] * 20 + [("held", "share")] * 5


def test_a_prompt_counts_for_five_voters_a_day_and_again_on_the_next(poll: Poll) -> None:
    for number in range(7):
        votes_of(poll, f"voter-{number}", 1, prompt_key="hello")
    poll.now += timedelta(days=1)
    votes_of(poll, "tomorrow", 1, prompt_key="hello")
    review_of(poll, timedelta(days=2)).everybody()
    held = [("held", "prompt_repeated")] * 2
    assert states(poll.database) == [("counted", None)] * 5 + held + [("counted", None)]


def test_stored_questions_may_be_answered_by_all(poll: Poll) -> None:
    question = Question(id="q", set="paddock", number="1", category="writing", turns=["Why?"], created_at=NOW)
    poll.database.write(lambda session: session.add(question))
    for number in range(7):
        votes_of(poll, f"voter-{number}", 1, prompt_key="why", question_id="q")
    review_of(poll, timedelta(days=2)).everybody()
    assert set(states(poll.database)) == {("counted", None)}


def test_what_was_imported_settled_cleared_or_excluded_is_left_alone(poll: Poll) -> None:
    votes_of(poll, "imported", 6, seconds=1, source="a file")
    settled = votes_of(poll, "settled", 1, seconds=1)
    poll.database.write(
        lambda session: session.execute(update(Vote).where(Vote.battle_id == settled[0]).values(settled=True))
    )
    votes_of(poll, "cleared", 6, seconds=1)
    remember(poll, "cleared", cleared_at=NOW)
    votes_of(poll, "excluded", 6)
    poll.database.write(lambda session: exclude_voter(session, "excluded", "spam", NOW))
    votes_of(poll, "told", 6, status="excluded", reason="identity_told")
    before = states(poll.database)
    version = rules_version_of(poll.database)
    assert review_of(poll).everybody().changed == 0
    assert states(poll.database) == before
    assert rules_version_of(poll.database) == version


def test_what_is_forgotten_lets_no_rigged_vote_count_and_keeps_no_honest_one_from_it(poll: Poll) -> None:
    honest(poll, 60, 500)
    for name in ("one", "two", "three"):
        rigger = poll.person(name, target=3, network="n")
        for _ in range(5):
            poll.vote(rigger)
    lone = poll.person("lone", target=3)
    for _ in range(9):
        poll.vote(lone)
    poll.store()
    votes_of(poll, "parrot", 6, prompt_key="hello again")
    votes_of(poll, "newcomer", 1)
    review_of(poll).everybody()
    before = Counter(states(poll.database))
    assert {"biased", "network_biased", "prompt_repeated", "new"} <= {reason for _, reason in before}
    with poll.database.read() as session:
        battles = [battle.id for battle in session.query(Battle)]
    poll.database.write(lambda session: forget_texts(session, battles, LASTING))
    review_of(poll, timedelta(days=31)).everybody()
    after = Counter(states(poll.database))
    for reason in LASTING:
        assert after["held", reason] == before["held", reason], reason
    assert after["held", "new"] == 0


@pytest.mark.parametrize("seconds", [-3600, -1])
def test_a_clock_that_was_set_back_makes_nobody_too_fast(poll: Poll, seconds: int) -> None:
    votes_of(poll, "ann", 6, seconds=seconds)
    assert review_of(poll).everybody().votes == {"counted": 6}


def test_a_decision_that_was_made_while_the_votes_were_judged_is_not_overruled(
    poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes_of(poll, "ann", 6, seconds=1)
    write = Database.write

    def late(database: Database, work: object) -> object:
        monkeypatch.setattr(Database, "write", write)
        remember(poll, "ann", cleared_at=NOW)  # an administrator is quicker
        return write(database, work)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "write", late)
    assert review_of(poll).everybody().changed == 0
    assert states(poll.database) == [("counted", None)] * 6


def test_judging_again_changes_nothing_and_disturbs_nobody(poll: Poll) -> None:
    honest(poll, 20, 200)
    votes_of(poll, "hasty", 6, seconds=1)
    first = review_of(poll).everybody()
    version = rules_version_of(poll.database)
    again = review_of(poll).everybody()
    assert first.changed > 0
    assert again.changed == 0
    assert again.votes == first.votes
    assert rules_version_of(poll.database) == version
    with poll.database.read() as session:
        assert {vote.rules for vote in session.query(Vote)} == {RULES_VERSION}


def test_a_dry_review_says_the_same_and_writes_nothing(poll: Poll) -> None:
    votes_of(poll, "hasty", 6, seconds=1)
    found = review_of(poll).everybody(write=False)
    assert found.votes == {"too_fast": 6}
    assert found.changed == 0
    assert states(poll.database) == [("counted", None)] * 6


def test_an_explanation_names_the_contestant_and_what_was_expected(poll: Poll) -> None:
    honest(poll, 50, 1000)
    rigger = poll.person("rigger", target=3)
    for _ in range(25):
        poll.vote(rigger)
    poll.store()
    found = review_of(poll).explain("rigger")
    assert found.biased
    fingerprint, strongest = found.parts[0]
    assert fingerprint == poll.specs[3].fingerprint
    assert (strongest.won, strongest.lost) == (25, 0)
    assert 6 < strongest.expected < 19
    assert strongest.left == 0
    assert not review_of(poll).explain("honest-1").biased


# -- the thread ------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def reviewer_of(poll: Poll, clock: Clock, after: timedelta = timedelta(0)) -> Reviewer:
    return Reviewer(poll.database, review_of(poll, after), seconds=0.02, clock=clock)


def test_the_first_look_takes_up_what_nobody_has_judged_and_the_next_what_is_new(poll: Poll) -> None:
    votes_of(poll, "before", 2, seconds=1)
    reviewer = reviewer_of(poll, Clock())
    assert reviewer.look().votes == {"too_fast": 2}
    assert reviewer.look().votes == {}
    votes_of(poll, "after", 3, seconds=1)
    assert reviewer.look().votes == {"too_fast": 3}
    # The next start looks at what is held, however short the arena ran before, and finds it as it is.
    again = reviewer_of(poll, Clock()).look()
    assert (again.votes, again.changed) == ({"too_fast": 5}, 0)


def test_what_is_held_is_looked_at_again_when_time_has_passed(poll: Poll) -> None:
    votes_of(poll, "ann", 1)
    clock = Clock()
    moment = [poll.now]
    reviewer = Reviewer(poll.database, Review(poll.database, now=lambda: moment[0]), clock=clock)
    assert reviewer.look().votes == {"new": 1}
    moment[0] += timedelta(hours=25)
    assert reviewer.look().votes == {}
    clock.now += RECALL_SECONDS
    assert reviewer.look().votes == {"counted": 1}
    assert states(poll.database) == [("counted", None)]


def test_an_arena_that_never_runs_for_an_hour_looks_at_what_is_held_when_it_starts(poll: Poll) -> None:
    votes_of(poll, "ann", 1)
    assert reviewer_of(poll, Clock()).look().votes == {"new": 1}
    reviewer_of(poll, Clock(), after=timedelta(hours=25)).look()
    assert states(poll.database) == [("counted", None)]


def test_what_is_held_where_nobody_reviews_is_said_in_the_log(poll: Poll, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_held(poll.database)
    assert caplog.text == ""
    votes_of(poll, "ann", 2, status="held", reason="new")
    votes_of(poll, "bob", 2, status="held", reason="new", settled=True)
    warn_of_held(poll.database)
    assert "Votes of 1 voters are held" in caplog.text
    assert "python -m arena integrity review" in caplog.text


def test_a_review_that_fails_changes_no_vote_says_so_and_goes_on_afterwards(
    poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes_of(poll, "hasty", 3, seconds=1)
    broken = [True]
    judge = Review.judge

    def failing(review: Review, *voters: object, **options: object) -> object:
        if broken[0]:
            raise ArithmeticError("the fit did not converge")
        return judge(review, *voters, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Review, "judge", failing)
    clock = Clock()
    with closing(reviewer_of(poll, clock)) as reviewer:
        reviewer.begin()
        wait_for(lambda: reviewer.status().problem == "the fit did not converge")
        assert reviewer.status().age_seconds is None
        assert states(poll.database) == [("counted", None)] * 3
        broken[0] = False
        wait_for(lambda: reviewer.status().at is not None)
        assert reviewer.status().problem == ""
        assert states(poll.database) == [("held", "too_fast")] * 3
        clock.now += 7
        assert reviewer.status().age_seconds is not None


def rules_version_of(database: Database) -> int:
    with database.read() as session:
        return rules_version(session)


def test_it_judges_alike_on_both_databases(database_url: str, rng: np.random.Generator) -> None:
    specs = line_up(SIZE)
    with closing(database_with(database_url, *specs)) as database:
        poll = Poll(database, specs, spaced(SIZE, 140), rng)
        honest(poll, 20, 400)
        for name in ("one", "two"):
            rigger = poll.person(name, target=3, network="n")
            for _ in range(9):
                poll.vote(rigger)
        for number in range(7):
            votes_of(poll, f"voter-{number}", 1, prompt_key="hello")
        votes_of(poll, "parrot", 6, prompt_key="hello again")
        found = review_of(poll, timedelta(days=2)).everybody()
        assert found.changed > 0
        assert found.votes["network_biased"] + found.votes["biased"] == 18
        assert found.votes["prompt_repeated"] == 2 + 5
