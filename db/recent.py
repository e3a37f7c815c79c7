"""What an administrator looks at: the latest battles, votes that do not count, and what is known of a voter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from db.tables import Battle, Contestant, Turn, Vote, Voter


@dataclass(frozen=True)
class RecentBattle:
    """A battle by its contestants' names; `failure` says why it is void, `outcome` and `vote_status` are its vote's."""

    battle_id: str
    voter: str
    name_a: str
    name_b: str
    status: str
    created_at: datetime
    failure: str | None
    outcome: str | None
    vote_status: str | None


@dataclass(frozen=True)
class VoterSummary:
    """A voter's votes, how many of them count, and what `db.tables.Voter` has of the voter.

    `reasons`: why the others do not count (None where nobody said), and how many for each.
    """

    voter: str
    votes: int
    counted: int
    verified: bool
    source: str | None
    excluded_at: datetime | None
    reason: str | None
    cleared_at: datetime | None = None
    reasons: Mapping[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Uncounted:
    """Votes that do not count, for one reason: how many, and of how many voters."""

    status: str
    reason: str | None
    votes: int
    voters: int


@dataclass(frozen=True)
class UncountedVote:
    """A vote that does not count."""

    battle_id: str
    voter: str
    name_a: str
    name_b: str
    outcome: str
    reason: str | None
    sequence: int
    created_at: datetime


@dataclass(frozen=True)
class Suspect:
    """A voter whose votes are held for one of the reasons asked for: how many, and when the last was cast."""

    voter: str
    votes: int
    last_at: datetime


def recent_battles(session: Session, limit: int, before: datetime | None = None) -> Sequence[RecentBattle]:
    """The last `limit` battles that were fought here, newest first; with `before` those begun earlier than that."""
    rows = session.execute(_BATTLES.where(Battle.created_at < before).limit(limit) if before else _BATTLES.limit(limit))
    return [RecentBattle(*row) for row in rows]


def voter_summary(session: Session, voter: str) -> VoterSummary:
    """Of somebody who never voted and is not known, the same with nothing in it."""
    rows = session.execute(
        select(Vote.status, Vote.reason, func.count()).where(Vote.voter == voter).group_by(Vote.status, Vote.reason)
    ).all()
    counted = sum(votes for status, _, votes in rows if status == "counted")
    reasons: Counter[str | None] = Counter()
    for status, reason, votes in rows:
        if status != "counted":
            reasons[reason] += votes
    votes, known = counted + reasons.total(), session.get(Voter, voter)
    if known is None:
        return VoterSummary(voter, votes, counted, False, None, None, None, None, reasons)
    return VoterSummary(
        voter, votes, counted, known.verified, known.source, known.excluded_at, known.reason, known.cleared_at, reasons
    )


def uncounted(session: Session, limit: int) -> Sequence[Uncounted]:
    """Why votes do not count, the commonest reasons first. Reads every vote that does not."""
    rows = session.execute(
        select(Vote.status, Vote.reason, func.count(), func.count(Vote.voter.distinct()))
        .where(Vote.status != "counted")
        .group_by(Vote.status, Vote.reason)
        .order_by(func.count().desc(), Vote.status, Vote.reason)
        .limit(limit)
    )
    return [Uncounted(*row) for row in rows]


def uncounted_votes(
    session: Session, limit: int, reason: str | None = None, before: int | None = None
) -> Sequence[UncountedVote]:
    """The last `limit` votes that do not count, newest first; with `before` those of a lower sequence.

    `reason`: only those for this one; "" are those without any.
    """
    wanted = _UNCOUNTED if reason is None else _UNCOUNTED.where(func.coalesce(Vote.reason, "") == reason)
    rows = session.execute((wanted if before is None else wanted.where(Vote.sequence < before)).limit(limit))
    return [UncountedVote(*row) for row in rows]


def suspects(session: Session, reasons: Collection[str], limit: int) -> Sequence[Suspect]:
    """Voters whose votes are held for one of these reasons; who voted last comes first."""
    rows = session.execute(
        select(Vote.voter, func.count(), func.max(Vote.created_at))
        .where(Vote.status == "held", Vote.reason.in_(reasons))
        .group_by(Vote.voter)
        .order_by(func.max(Vote.created_at).desc(), Vote.voter)
        .limit(limit)
    )
    return [Suspect(*row) for row in rows]


def names_of(session: Session, fingerprints: Collection[str]) -> dict[str, str]:
    """The contestants' names by fingerprint."""
    rows = session.execute(
        select(Contestant.fingerprint, Contestant.name).where(Contestant.fingerprint.in_(fingerprints))
    )
    return {row.fingerprint: row.name for row in rows}


_A, _B = aliased(Contestant), aliased(Contestant)
_FAILURE = select(func.max(Turn.failure)).where(Turn.battle_id == Battle.id).scalar_subquery()
_BATTLES = (
    select(
        Battle.id,
        Battle.voter,
        _A.name,
        _B.name,
        Battle.status,
        Battle.created_at,
        _FAILURE,
        Vote.outcome,
        Vote.status,
    )
    .join(_A, _A.fingerprint == Battle.contestant_a)
    .join(_B, _B.fingerprint == Battle.contestant_b)
    .outerjoin(Vote, Vote.battle_id == Battle.id)
    .where(Battle.source.is_(None))
    .order_by(Battle.created_at.desc(), Battle.id)
)
_UNCOUNTED = (
    select(
        Vote.battle_id,
        Vote.voter,
        _A.name,
        _B.name,
        Vote.outcome,
        Vote.reason,
        Vote.sequence,
        Vote.created_at,
    )
    .join(_A, _A.fingerprint == Vote.contestant_a)
    .join(_B, _B.fingerprint == Vote.contestant_b)
    .where(Vote.status != "counted")
    .order_by(Vote.sequence.desc())
)
