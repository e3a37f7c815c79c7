from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count

import pytest
from arenas import (
    ANT,
    BEE,
    LATE,
    MOST_ATTEMPTS,
    MOST_TURNS,
    NOW,
    again,
    ask_on,
    begin,
    database_with,
    fail,
    finish,
    status_of,
    stop,
    vote,
    vote_of,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from db import queries
from db.outcome import Outcome, Refused
from db.session import Database

pytestmark = pytest.mark.slow


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens to a battle in whatever order: one vote at most, for ever the same, only when open."""

    numbers = count()

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.battle = f"any{next(self.numbers)}"
        self.voted: Outcome | None = None
        database.write(partial(begin, battle_id=self.battle))

    def attempt(self, work: Callable[[Session, str], object]) -> bool:
        try:
            self.database.write(lambda session: work(session, self.battle))
        except Refused:
            return False
        return True

    @property
    def status(self) -> str:
        return status_of(self.database, self.battle)

    @precondition(lambda self: self.status == "generating")
    @rule(work=st.sampled_from([finish, finish, stop, fail]))
    def end(self, work: Callable[[Session, str], object]) -> None:
        assert self.attempt(work)

    @rule(work=st.sampled_from([ask_on, again]), voter=st.sampled_from(["ann", "bob"]))
    def go_on(self, work: Callable[..., object], voter: str) -> None:
        before = self.status
        gone = self.attempt(partial(work, voter=voter))
        assert self.status == ("generating" if gone else before)
        assert not gone or (voter == "ann" and before in ("open", "stopped"))

    @rule(outcome=st.sampled_from(Outcome), voter=st.sampled_from(["ann", "bob"]), late=st.booleans())
    def cast(self, outcome: Outcome, voter: str, late: bool) -> None:
        before = self.status
        counted = self.attempt(partial(vote, outcome=outcome, voter=voter, now=LATE if late else NOW))
        repeated = before == "voted" and outcome is self.voted
        assert counted == (voter == "ann" and (repeated or (before == "open" and not late)))
        if counted and self.voted is None:
            self.voted = outcome

    @rule()
    def restart(self) -> None:
        before = self.status
        self.database.write(lambda session: queries.stop_orphans(session, NOW))
        assert self.status == ("stopped" if before == "generating" else before)

    @invariant()
    def at_most_one_vote_and_always_the_same(self) -> None:
        stored = vote_of(self.database, self.battle)
        assert (stored and Outcome(stored.outcome)) == self.voted
        assert (self.status == "voted") == (stored is not None)

    @invariant()
    def the_turns_say_what_the_battle_says(self) -> None:
        with self.database.read() as session:
            turns = queries.turns_of(session, self.battle)
            assert [turn.position for turn in turns] == list(range(len(turns)))
            assert 1 <= len(turns) <= MOST_TURNS
            assert all(turn.attempt <= MOST_ATTEMPTS for turn in turns)
            last = {"generating": "generating", "stopped": "stopped", "void": "failed"}.get(self.status, "finished")
            assert turns[-1].status == last
            assert all(turn.status == "finished" for turn in turns[:-1])


def test_in_any_order_of_events_at_most_one_vote_counts_and_never_changes(database_url: str) -> None:
    with closing(database_with(database_url, ANT, BEE)) as database:

        class Here(AnyOrder):
            def __init__(self) -> None:
                super().__init__(database)

        examples = 8 if database.shared else 25
        run_state_machine_as_test(Here, settings=settings(max_examples=examples, stateful_step_count=15, deadline=None))
