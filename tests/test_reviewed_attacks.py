"""What was tried against the review itself: each attack, and that it gains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest
from arenas import ANT, BEE, NOW, WINDOW, contestant, database_with
from polled import SIZE, Poll, honest, line_up, poll, review_of, states
from simulate import spaced
from sqlalchemy import update

from arena.enrolment import enrol_all
from arena.integrity import review as reviewing
from arena.integrity.histories import Ground
from arena.integrity.prompt_keys import prompt_key
from arena.integrity.review import Review
from arena.integrity.reviewer import Reviewer
from arena.ui import services
from arena.ui.texts import examples
from db.outcome import Outcome
from db.queries import Side, finish_turn
from db.session import Database, Session
from db.tables import Battle, Turn, Voter
from db.votes import record_vote

pytestmark = [pytest.mark.integrity, pytest.mark.slow]

__all__ = ["poll"]  # a fixture: a database of contestants without votes


def test_the_reviewer_looks_at_what_waits_and_at_what_is_new_on_both_databases(
    database_url: str, rng: np.random.Generator
) -> None:
    specs = line_up(SIZE)
    with closing(database_with(database_url, *specs)) as database:
        poll = Poll(database, specs, spaced(SIZE, 140), rng)
        reviewer = Reviewer(database, review_of(poll))
        assert reviewer.look().votes == {}
        poll.fight("ann", 0, 1, "a", seconds=1)
        poll.store()
        assert reviewer.look().votes == {"too_fast": 1}
        assert reviewer.look().votes == {}
        again = Reviewer(database, review_of(poll)).look()
        assert (again.votes, again.changed) == ({"too_fast": 1}, 0)
        assert states(database) == [("held", "too_fast")]


def test_a_vote_and_a_contestant_that_come_while_a_review_runs_do_not_make_it_fail(
    poll: Poll, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest(poll, 5, 40)
    for number in range(6):
        poll.fight("ann", number, (number + 1) % SIZE, "a", prompt_key=str(number))
    poll.store()
    review = review_of(poll, timedelta(days=2))
    review.everybody()
    newcomer = contestant("newcomer")
    poll.specs = (*poll.specs, newcomer)
    ground_of = reviewing._ground

    def overtaken(session: Session) -> Ground:
        ground = ground_of(session)
        enrol_all(poll.database, [newcomer], NOW)
        for number in range(4):
            poll.fight("ann", 7, 0, "a", prompt_key=f"later-{number}")
        poll.fight("ann", 7, SIZE, "a", prompt_key="newcomer")
        poll.store()
        return ground

    monkeypatch.setattr(reviewing, "_ground", overtaken)
    review.judge(["ann"], [])
    assert states(poll.database, "ann") == [("counted", None)] * 11


def voted_after(database: Database, lengths: Sequence[int], seconds: float) -> None:
    """A battle with a turn of each length, the last of which ended so long before the vote."""

    def work(session: Session) -> None:
        sides = {"contestant_a": ANT.fingerprint, "contestant_b": BEE.fingerprint}
        session.add(Battle(id="b", voter="ann", probability=1, status="generating", created_at=NOW, **sides))
        for position, length in enumerate(lengths):
            turn = {"prompt": "?", "seed": 1, "status": "generating", "started_at": NOW}
            session.add(Turn(battle_id="b", position=position, attempt=0, **turn))
            session.flush()
            session.execute(update(Battle).values(status="generating"))
            side = Side("x" * length, "stop", 2, length=length, headings=0, lists=0, bold=0)
            finish_turn(session, ("b", position, 0), side, side, NOW)
        record_vote(session, "b", "ann", Outcome.A, NOW + timedelta(seconds=seconds), WINDOW)

    database.write(work)


@pytest.mark.parametrize(
    ("lengths", "reason"), [((300, 300, 50), None), ((50, 50, 300), "too_fast"), ((50,), None), ((300,), "too_fast")]
)
def test_of_several_turns_the_last_answers_are_those_that_take_time_to_read(
    database_url: str, lengths: Sequence[int], reason: str | None
) -> None:
    with closing(database_with(database_url, ANT, BEE)) as database:
        voted_after(database, lengths, seconds=4)
        Review(database, now=lambda: NOW + timedelta(days=2)).everybody()
        assert states(database) == [("held" if reason else "counted", reason)]


def established(poll: Poll, voter: str) -> None:
    poll.database.write(
        lambda session: session.add(Voter(id=voter, verified=False, created_at=NOW, established_at=NOW))
    )


def ask(poll: Poll, voter: str, prompt: str) -> None:
    """A vote on the prompt; of a newcomer it is stored as held."""
    with poll.database.read() as session:
        known = session.get(Voter, voter) is not None
    held = {} if known else {"status": "held", "reason": "new"}
    poll.fight(voter, 0, 1, "a", prompt_key=prompt_key(prompt), **held)
    poll.store()


def test_newcomers_whose_votes_are_held_keep_nobody_from_a_prompt(poll: Poll) -> None:
    for number in range(5):
        ask(poll, f"troll-{number}", "hello")
    for number in range(7):
        established(poll, f"honest-{number}")
        ask(poll, f"honest-{number}", "hello")
    review_of(poll).everybody()
    full = [("counted", None)] * 5 + [("held", "prompt_repeated")] * 2
    assert states(poll.database)[5:] == full
    # A day later the first ones would count: there is no place left, and nobody has to give up one.
    later = review_of(poll, timedelta(days=2))
    assert later.everybody().changed == 0
    assert states(poll.database) == [("held", "prompt_repeated")] * 5 + full


def test_of_newcomers_who_come_to_count_together_five_have_a_place(poll: Poll) -> None:
    for number in range(7):
        ask(poll, f"voter-{number}", "hello")
    later = review_of(poll, timedelta(days=2))
    later.everybody()
    five = [("counted", None)] * 5 + [("held", "prompt_repeated")] * 2
    assert states(poll.database) == five
    assert later.everybody().changed == 0


def test_what_the_page_proposes_any_number_may_ask_though_each_voter_once(poll: Poll) -> None:
    reviewer = services._reviewer(poll.database)
    for number, prompt in enumerate(examples()):
        voters = [f"{number}-{voter}" for voter in range(7)]
        for voter in voters:
            established(poll, voter)
        for voter in 2 * voters:
            ask(poll, voter, prompt)
    reviewer.look()
    assert len(examples()) == 8
    assert states(poll.database) == ([("counted", None)] * 7 + [("held", "prompt_repeated")] * 7) * 8


def test_fresh_cookies_cannot_have_the_votes_of_neighbours_held_who_earned_trust_elsewhere(poll: Poll) -> None:
    honest(poll, 50, 1000)
    known, new = (poll.person(name, network="yesterday") for name in ("known", "new"))
    for _ in range(6):
        poll.vote(known)
    known.network = new.network = "today"
    for _ in range(3):
        poll.vote(known)
        poll.vote(new)
    poll.store()
    review_of(poll).everybody()
    for number in range(30):
        poll.vote(poll.person(f"fresh-{number // 3}", target=3, network="today"))
    poll.store()
    found = review_of(poll).everybody()
    assert found.networks == {"today"}
    assert states(poll.database, "fresh-0") == [("held", "network_biased")] * 3
    assert states(poll.database, "known") == [("counted", None)] * 9
    # Nothing tells a newcomer of the same network and day from the cookies yet.
    assert states(poll.database, "new") == [("held", "network_biased")] * 3
