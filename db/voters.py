"""What administrators decide of voters and votes, and who is verified.

An excluded voter's votes stay where they are and count no more, until the voter is included again. Of a cleared voter
the rules hold no vote. A single vote that an administrator counts or excludes is settled: the rules leave it alone.
Each raises the version of the rules, so that whoever follows votes begins anew, and whoever keeps copies makes a new
one. Each can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from db.tables import Turn, Vote, Voter, VoteStatus
from db.votes import IDENTITY, raise_rules

ADMINISTRATOR = "administrator"
"""The reason of a vote that an administrator excluded by itself."""


class UnknownVote(LookupError):
    """No battle of this id has a vote."""


class VoterIsExcluded(Exception):
    """None of the voter's votes can count before the voter is included again."""


def remember_voter(session: Session, voter: str, source: str, verified: bool, now: datetime) -> None:
    """Who signed in through `source`; `verified` holds of votes from now on, earlier ones stay what they were."""
    known = _known(session, voter, now)
    known.source, known.verified = source, verified


def exclude_voter(session: Session, voter: str, reason: str, now: datetime) -> int:
    """Let none of a voter's votes count, neither those there are nor those to come; how many counted so far.

    Of one who is excluded already only the reason changes. Raises `ValueError` without a reason.
    """
    if not reason.strip():
        raise ValueError("excluding a voter needs a reason")
    known = _known(session, voter, now)
    if known.excluded_at is None:
        known.excluded_at = now
        counted = _restate(session, voter, ("counted", None), ("excluded", reason))
    else:
        counted = 0
        _restate(session, voter, ("excluded", known.reason), ("excluded", reason))
    known.reason = reason
    raise_rules(session)
    return counted


def include_voter(session: Session, voter: str) -> int:
    """Let a voter's votes count again, but for those that something else speaks against; how many count anew.

    Votes that were cast meanwhile are looked at as if they came now: by the review where there is one (`rules` is
    null), and a model that named itself speaks against a vote that nobody settled.
    """
    known = session.get(Voter, voter)
    if known is None or known.excluded_at is None:
        return 0
    before: Verdict = ("excluded", known.reason)
    for reason, turns in IDENTITY.items():
        named = exists().where(Turn.battle_id == Vote.battle_id, turns)
        _restate(session, voter, before, ("excluded", reason), Vote.settled.is_(False), named)
    counted = _restate(session, voter, before, ("counted", None))
    known.excluded_at = known.reason = None
    raise_rules(session)
    return counted


def clear_voter(session: Session, voter: str, now: datetime) -> int:
    """Let the rules hold none of a voter's votes from now on; how many held ones count anew.

    What a model said of itself speaks against a vote still. Raises `VoterIsExcluded`.
    """
    known = _known(session, voter, now)
    if known.excluded_at is not None:
        raise VoterIsExcluded
    known.cleared_at = known.cleared_at or now
    # Those that stayed held because what spoke against them is forgotten too: nothing does any more.
    free = {"status": "counted", "reason": None, "settled": False}
    counted = _changed(session, voter, free, Vote.status == "held")
    raise_rules(session)
    return counted


def watch_voter(session: Session, voter: str) -> bool:
    """Leave a cleared voter's votes to the rules again, whose next review judges them; whether it was cleared."""
    known = session.get(Voter, voter)
    if known is None or known.cleared_at is None:
        return False
    known.cleared_at = None
    _changed(session, voter, {"rules": None}, Vote.settled.is_(False))
    raise_rules(session)
    return True


def settle_vote(session: Session, battle_id: str, *, counts: bool) -> bool:
    """Decide on one vote, which the rules leave alone from now on; whether it counted otherwise before.

    Raises `UnknownVote`; to count a vote of an excluded voter, `VoterIsExcluded`.
    """
    vote = session.get(Vote, battle_id)
    if vote is None:
        raise UnknownVote
    voter = session.get(Voter, vote.voter)
    if voter is not None and voter.excluded_at is not None:
        raise VoterIsExcluded
    changed = (vote.status == "counted") != counts
    vote.status, vote.reason = ("counted", None) if counts else ("excluded", ADMINISTRATOR)
    if changed or not vote.settled:
        raise_rules(session)
    vote.settled = True
    return changed


def excluded_voters(session: Session) -> Sequence[Voter]:
    """The latest first."""
    return session.scalars(
        select(Voter).where(Voter.excluded_at.is_not(None)).order_by(Voter.excluded_at.desc(), Voter.id)
    ).all()


def _known(session: Session, voter: str, now: datetime) -> Voter:
    known = session.get(Voter, voter)
    if known is None:
        known = Voter(id=voter, verified=False, created_at=now)
        session.add(known)
    return known


Verdict = tuple[VoteStatus, str | None]
"""A vote's status, and the reason for it."""


def _restate(session: Session, voter: str, before: Verdict, after: Verdict, *only: ColumnElement[bool]) -> int:
    """Change the verdict on those of a voter's votes on which it is exactly `before`; how many these are."""
    status, reason = before
    now = {"status": after[0], "reason": after[1], "rules": None}
    return _changed(session, voter, now, Vote.status == status, Vote.reason.is_not_distinct_from(reason), *only)


def _changed(session: Session, voter: str, values: Mapping[str, object], *only: ColumnElement[bool]) -> int:
    changed = session.execute(
        update(Vote).where(Vote.voter == voter, *only).values(**values).execution_options(synchronize_session=False)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]
