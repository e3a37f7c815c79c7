"""Votes of honest people and of riggers, written straight into a database as battles fought and left, for the review.

What people think is drawn as in tests/bench/simulate.py: strengths, personal tastes, ties.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arenas import NOW, contestant, database_with
from scipy.special import expit
from simulate import spaced
from sqlalchemy import insert

from arena.integrity.review import Review
from arena.ratings.tally import Floats
from db.session import Database, Session
from db.tables import Battle, Contestant, Vote
from db.votes import VOTES, count_up
from models.spec import ModelSpec

TASTE, TIES, LEAVES = 0.6, 0.2, 0.3
LATER = timedelta(minutes=2)
SIZE = 8


def line_up(size: int) -> tuple[ModelSpec, ...]:
    return tuple(contestant(f"model-{number}") for number in range(size))


@dataclass
class Person:
    """Somebody with tastes (K,) in logits who votes; `target` is whom a rigger is for, and waits for if `only`."""

    name: str
    taste: Floats
    target: int | None = None
    only: bool = True
    network: str | None = None
    ties: float = TIES
    leaves: float = LEAVES


@dataclass
class Poll:
    """`strength` (K,) in logits is that of the contestants `specs`; `now` moves on with every battle."""

    database: Database
    specs: Sequence[ModelSpec]
    strength: Floats
    rng: np.random.Generator
    now: datetime = NOW
    battles: list[dict[str, Any]] = field(default_factory=list)
    votes: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0

    def person(self, name: str, **about: Any) -> Person:
        return Person(name, self.rng.normal(0, TASTE, len(self.specs)), **about)

    def vote(self, person: Person) -> int:
        """One more vote of this person, and the battles left before; how many battles that took."""
        began = self.number
        while True:
            a, b = (int(one) for one in self.rng.choice(len(self.specs), 2, replace=False))
            waited_for = person.target is None or not person.only or person.target in (a, b)
            rigs = person.target is not None and person.target in (a, b)
            leaves = not waited_for or (person.target is None and self.rng.random() < person.leaves)
            self.fight(person.name, a, b, None if leaves else self._outcome(person, a, b, rigs=rigs), person.network)
            if not leaves:
                return self.number - began

    def fight(self, voter: str, a: int, b: int, outcome: str | None, network: str | None = None, **about: Any) -> str:
        """A battle, left where `outcome` is None; `about` are `seconds` until the vote and columns of either row."""
        self.number += 1
        self.now += LATER
        name = f"{self.number:032x}"
        finished = self.now - timedelta(seconds=about.pop("seconds", 40))
        sides = {"contestant_a": self.specs[a].fingerprint, "contestant_b": self.specs[b].fingerprint}
        of_battle = {key: about.pop(key) for key in ("prompt_key", "source", "question_id") if key in about}
        self.battles.append(
            {"prompt_key": None, "source": None, "question_id": None}
            | {"id": name, "voter": voter, "status": "voted" if outcome else "open", "probability": 1.0}
            | {"created_at": finished - timedelta(seconds=20), "finished_at": finished, "network": network}
            | sides
            | of_battle
        )
        if outcome:
            self.votes.append(
                {"battle_id": name, "voter": voter, "outcome": outcome, "created_at": self.now, "turns": 1}
                | {"length_a": 300, "length_b": 200, "status": "counted", "reason": None, "verified": False}
                | sides
                | about
            )
        return name

    def store(self) -> None:
        """Write what has happened since the last time; votes that are stored count until they are reviewed."""
        battles, votes, self.battles, self.votes = self.battles, self.votes, [], []

        def work(session: Session) -> None:
            if battles:
                session.execute(insert(Battle), battles)
            if votes:
                last = count_up(session, VOTES, len(votes))
                first = last - len(votes) + 1
                session.execute(insert(Vote), [{**vote, "sequence": first + n} for n, vote in enumerate(votes)])

        self.database.write(work)

    def _outcome(self, person: Person, a: int, b: int, *, rigs: bool) -> str:
        if rigs:
            return "a" if a == person.target else "b"
        if self.rng.random() < person.ties:
            return "tie"
        lead = self.strength[a] + person.taste[a] - self.strength[b] - person.taste[b]
        return "a" if self.rng.random() < expit(lead) else "b"


@contextmanager
def poll_in(folder: Path, strength: Floats, rng: np.random.Generator) -> Iterator[Poll]:
    """A database of contestants of these strengths, without votes."""
    specs = line_up(len(strength))
    database = database_with(folder, *specs)
    try:
        yield Poll(database, specs, strength, rng)
    finally:
        database.close()


@pytest.fixture
def poll(tmp_path: Path, rng: np.random.Generator) -> Iterator[Poll]:
    """Of `SIZE` contestants; a module that uses it lists it in `__all__`."""
    with poll_in(tmp_path, spaced(SIZE, 140), rng) as poll:
        yield poll


def review_of(poll: Poll, after: timedelta = timedelta(0)) -> Review:
    """A review at the moment of the last battle, or some time after it."""
    return Review(poll.database, now=lambda: poll.now + after)


def honest(poll: Poll, voters: int, votes: int) -> None:
    """So many votes of so many honest people with tastes of their own, stored."""
    people = [poll.person(f"honest-{number}") for number in range(voters)]
    for number in range(votes):
        poll.vote(people[number % voters])
    poll.store()


def states(database: Database, voter: str = "") -> list[tuple[str, str | None]]:
    """Status and reason of each vote, in order; with `voter` of that one's alone."""
    with database.read() as session:
        found = session.query(Vote).order_by(Vote.sequence)
        return [(vote.status, vote.reason) for vote in found if not voter or vote.voter == voter]


def fingerprints(database: Database) -> list[str]:
    with database.read() as session:
        return [one.fingerprint for one in session.query(Contestant).order_by(Contestant.name)]
