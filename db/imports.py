"""Votes of others, written many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from db.outcome import Outcome
from db.parts import parts
from db.queries import Side
from db.tables import STYLES, Base, Battle, Contestant, Voter, VoteStatus
from db.votes import VOTES, count_up

VOTES_AT_ONCE = 2000
# The columns of a vote that are called what the fields are.
_SAME = ("battle_id", "voter", "turns", "category", "language", *STYLES, "status", "reason", "verified")
_BATTLE, _TURN, _VOTE = (Base.metadata.tables[name] for name in ("battle", "turn", "vote"))


@dataclass(frozen=True)
class ImportedTurn:
    """One prompt and both answers of a battle fought elsewhere; None is what is not known of it."""

    prompt: str
    a: Side
    b: Side
    category: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class ImportedVote:
    """A vote cast elsewhere, at `created_at`; `a` and `b` are contestants' fingerprints.

    `source` says what it comes from; None is a battle of this arena that comes back. Labels and styles are the vote's,
    as `db.tables.Vote` has them; where texts came along, labelling their turns replaces them. A vote that counts there
    does not count here if its voter is excluded here.
    """

    battle_id: str
    voter: str
    a: str
    b: str
    outcome: Outcome
    turns: int
    category: str | None
    language: str | None
    source: str | None
    created_at: datetime
    conversation: tuple[ImportedTurn, ...] = ()
    length_a: int | None = None
    length_b: int | None = None
    headings_a: int | None = None
    headings_b: int | None = None
    lists_a: int | None = None
    lists_b: int | None = None
    bold_a: int | None = None
    bold_b: int | None = None
    status: VoteStatus = "counted"
    reason: str | None = None
    verified: bool = False


def import_votes(
    session: Session, votes: Iterable[ImportedVote], contestants: Mapping[str, Contestant]
) -> tuple[int, int]:
    """Store votes with their battles, in their order; how many were added, how many were known by their battle's id.

    `contestants` gives those that the database does not know, by fingerprint; it may grow while the votes are read.
    Raises `KeyError` for a contestant that neither knows, and what reading the votes raises. All of it is part of the
    caller's transaction: no other vote's number comes between, and what raises leaves nothing once that is undone.
    """
    known_contestants = set(session.scalars(select(Contestant.fingerprint)))
    added = known = 0
    for part in parts(votes, VOTES_AT_ONCE):
        fresh = _unknown(session, part)
        for fingerprint in dict.fromkeys(name for vote in fresh for name in (vote.a, vote.b)):
            if fingerprint not in known_contestants:
                session.add(contestants[fingerprint])
                known_contestants.add(fingerprint)
        session.flush()
        if fresh:
            _store(session, fresh)
        added, known = added + len(fresh), known + len(part) - len(fresh)
    return added, known


def _unknown(session: Session, votes: list[ImportedVote]) -> list[ImportedVote]:
    """The first vote of each battle that is not there."""
    named = {vote.battle_id: vote for vote in reversed(votes)}
    there = set(session.scalars(select(Battle.id).where(Battle.id.in_(named))))
    return [vote for vote in votes if vote.battle_id not in there and named[vote.battle_id] is vote]


def _store(session: Session, votes: list[ImportedVote]) -> None:
    last = count_up(session, VOTES, len(votes))
    rows = [_vote_row(vote, last - len(votes) + number) for number, vote in enumerate(votes, 1)]
    excluded = _excluded(session, votes)
    for row in rows:
        if row["status"] == "counted" and row["voter"] in excluded:
            row |= {"status": "excluded", "reason": excluded[row["voter"]]}
    turns = [_turn_row(vote, position) for vote in votes for position in range(len(vote.conversation))]
    session.execute(insert(_BATTLE), [_battle_row(vote) for vote in votes])
    if turns:
        session.execute(insert(_TURN), turns)
    session.execute(insert(_VOTE), rows)


def _excluded(session: Session, votes: list[ImportedVote]) -> dict[str, str | None]:
    """Those of the votes' voters that are excluded, and why."""
    named = {vote.voter for vote in votes}
    rows = session.execute(select(Voter.id, Voter.reason).where(Voter.excluded_at.is_not(None), Voter.id.in_(named)))
    return {row.id: row.reason for row in rows}


def _battle_row(vote: ImportedVote) -> dict[str, Any]:
    return {
        "id": vote.battle_id,
        "voter": vote.voter,
        "contestant_a": vote.a,
        "contestant_b": vote.b,
        "probability": None,
        "status": "voted",
        "created_at": vote.created_at,
        "finished_at": vote.created_at,
        "source": vote.source,
    }


def _turn_row(vote: ImportedVote, position: int) -> dict[str, Any]:
    turn = vote.conversation[position]
    sides = {f"{name}_{side}": value for side in "ab" for name, value in asdict(getattr(turn, side)).items()}
    return sides | {
        "battle_id": vote.battle_id,
        "position": position,
        "attempt": 0,
        "prompt": turn.prompt,
        "seed": 0,
        "status": "finished",
        "superseded": False,
        "started_at": vote.created_at,
        "finished_at": vote.created_at,
        "category": turn.category,
        "language": turn.language,
    }


def _vote_row(vote: ImportedVote, sequence: int) -> dict[str, Any]:
    return {name: getattr(vote, name) for name in _SAME} | {
        "contestant_a": vote.a,
        "contestant_b": vote.b,
        "outcome": vote.outcome.value,
        "sequence": sequence,
        "created_at": vote.created_at,
        "settled": True,  # when it was cast, from where and after what is known there alone
    }
