"""What a review of votes reads, and how its verdicts are written; which votes count is said elsewhere.

Of votes that were cast here alone: what an import brought is judged where it comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, String, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from db.parts import parts
from db.tables import Base, Battle, Turn, Vote, Voter
from db.votes import REVIEWED, count_up, newest_vote

_AT_ONCE = 2000


class Fought(NamedTuple):
    """A battle that could be voted on, with its vote; `sequence` and what follows are None where it was left.

    The lengths are those of its last answers: the voter has read the others by then.
    """

    battle_id: str
    voter: str
    network: str | None
    a: str
    b: str
    question_id: str | None
    prompt_key: str | None
    created_at: datetime
    finished_at: datetime | None
    sequence: int | None
    outcome: str | None
    cast_at: datetime | None
    length_a: int | None
    length_b: int | None
    status: str | None
    reason: str | None
    settled: bool | None
    rules: int | None
    verified: bool | None


class Pairing(NamedTuple):
    """Votes with one outcome on contestant `a` against `b`: how many count, and how many would but for a share."""

    a: str
    b: str
    outcome: str
    counted: int
    total: int


class Asked(NamedTuple):
    """A vote on a prompt."""

    prompt_key: str
    cast_at: datetime
    voter: str
    sequence: int


@dataclass(frozen=True)
class Ruling:
    """What a vote was when it was judged, and what it is to be."""

    battle_id: str
    before: tuple[str, str | None]
    after: tuple[str, str | None]


def voters_after(session: Session, sequence: int) -> tuple[set[str], set[str], int]:
    """Who has voted since a watermark, from which networks, and the next watermark."""
    newest = newest_vote(session)
    rows = session.execute(_here(Vote.voter, Battle.network).where(Vote.sequence > sequence).distinct()).all()
    return {voter for voter, _ in rows}, {network for _, network in rows if network}, newest


def voters_unjudged(session: Session, version: int) -> set[str]:
    """Whose votes these rules, or any, have not judged yet."""
    waiting = or_(Vote.rules.is_(None), Vote.rules < version)
    return set(session.scalars(_here(Vote.voter).where(waiting, Vote.settled.is_(False)).distinct()))


def voters_held(session: Session, reasons: Collection[str]) -> set[str]:
    """Who has votes that are held for one of these reasons."""
    held = (Vote.status == "held", Vote.reason.in_(reasons), Vote.settled.is_(False))
    return set(session.scalars(_here(Vote.voter).where(*held).distinct()))


def all_voters(session: Session) -> set[str]:
    return set(session.scalars(_here(Vote.voter).distinct()))


def fought_by(session: Session, voters: Collection[str]) -> list[Fought]:
    """The battles of these voters, the votes in the order of their commits, what was left behind them."""
    return _fought(session, Battle.voter, voters)


def fought_from(session: Session, networks: Collection[str]) -> list[Fought]:
    """The battles from these networks, likewise."""
    return _fought(session, Battle.network, networks)


def known_voters(session: Session, voters: Collection[str]) -> dict[str, Voter]:
    """Those of the voters of whom more is known than an id."""
    found = (session.scalars(select(Voter).where(Voter.id.in_(part))) for part in parts(sorted(voters), _AT_ONCE))
    return {voter.id: voter for part in found for voter in part}


def pairings(session: Session, capped: Collection[str]) -> Sequence[Pairing]:
    """All votes by pair and outcome; `capped` are the reasons for which a vote is held as one too many."""
    counts = func.sum(case((Vote.status == "counted", 1), else_=0))
    held = func.sum(case((Vote.reason.in_(capped), 1), else_=0))
    columns = (Vote.contestant_a, Vote.contestant_b, Vote.outcome)
    rows = session.execute(select(*columns, counts, counts + held).group_by(*columns))
    return [Pairing(*row) for row in rows]


def counted_on(session: Session, prompts: Collection[str], since: datetime) -> list[Asked]:
    """The votes that count on these prompts since a moment, in the order of their commits; not on stored questions."""
    columns = (Battle.prompt_key, Vote.created_at, Vote.voter, Vote.sequence)
    matters = (Vote.status == "counted", Battle.question_id.is_(None), Vote.created_at >= since)
    found = (
        session.execute(_here(*columns).where(Battle.prompt_key.in_(part), *matters))
        for part in parts(sorted(prompts), _AT_ONCE)
    )
    return sorted((Asked._make(row) for rows in found for row in rows), key=lambda one: one.sequence)


def write_rulings(session: Session, rulings: Sequence[Ruling], stamped: Collection[str], version: int) -> int:
    """Let votes be what the rules say, and remember which rules said it; how many votes changed their status.

    `stamped` are battles whose votes stay what they are. A vote is left alone that has changed since it was judged,
    that an administrator has settled, or whose voter is cleared or excluded by now. Whoever follows votes begins anew
    where one counts that did not, or the other way round.
    """
    moved = [one for one in rulings if one.before[0] != one.after[0]]
    explained = [one for one in rulings if one.before[0] == one.after[0]]
    changed = _rule(session, moved, version)
    _rule(session, explained, version)
    for part in parts(sorted(stamped), _AT_ONCE):
        session.execute(update(_VOTE).where(_VOTE.c.battle_id.in_(part)).values(rules=version))
    if changed:
        count_up(session, REVIEWED)
    return changed


def write_established(session: Session, moments: Mapping[str, datetime | None], now: datetime) -> None:
    """From when on the votes of these voters count at once; None: they are held first.

    Who was forgotten since the votes were read is not made known again.
    """
    known = known_voters(session, moments.keys())
    voted = _voters_among(session, moments.keys())
    for voter, moment in moments.items():
        if voter in known:
            known[voter].established_at = moment
        elif moment is not None and voter in voted:
            session.add(Voter(id=voter, verified=False, created_at=now, established_at=moment))


_VOTE = Base.metadata.tables[Vote.__tablename__]


def _here(*columns: Any) -> Select[Any]:
    return select(*columns).join(Battle, Battle.id == Vote.battle_id).where(Battle.source.is_(None))


def _fought(session: Session, column: Any, names: Collection[str]) -> list[Fought]:
    found = [
        Fought._make(row)
        for part in parts(sorted(names), _AT_ONCE)
        for row in session.execute(_FOUGHT.where(column.in_(part), Battle.source.is_(None)))
    ]
    return sorted(found, key=lambda one: (one.sequence is None, one.sequence or 0, one.created_at, one.battle_id))


# A vote's own lengths are the sums over its turns.
_LENGTHS = [
    case((Vote.turns > 1, last), else_=total).label(last.key)
    for last, total in ((Turn.length_a, Vote.length_a), (Turn.length_b, Vote.length_b))
]
_LAST = and_(Turn.battle_id == Battle.id, Turn.superseded.is_(False), Vote.turns > 1, Turn.position == Vote.turns - 1)
# A battle that never finished, or failed, could not be voted on.
_FOUGHT = (
    select(
        Battle.id, Battle.voter, Battle.network, Battle.contestant_a, Battle.contestant_b, Battle.question_id,
        Battle.prompt_key, Battle.created_at, Battle.finished_at, Vote.sequence, Vote.outcome, Vote.created_at,
        *_LENGTHS, Vote.status, Vote.reason, Vote.settled, Vote.rules, Vote.verified,
    )
    .outerjoin(Vote, Vote.battle_id == Battle.id)
    .outerjoin(Turn, _LAST)
    .where(Battle.status.in_(("open", "stopped", "voted")))
)  # fmt: skip


def _voters_among(session: Session, names: Collection[str]) -> set[str]:
    found = (select(Vote.voter).where(Vote.voter.in_(part)).distinct() for part in parts(sorted(names), _AT_ONCE))
    return {voter for query in found for voter in session.scalars(query)}


def _rule(session: Session, rulings: Sequence[Ruling], version: int) -> int:
    rows = [
        {
            "one": ruling.battle_id,
            "was": ruling.before[0],
            "because": ruling.before[1],
            "new_status": ruling.after[0],
            "new_reason": ruling.after[1],
            "version": version,
        }
        for ruling in rulings
    ]
    return int(session.execute(_RULE, rows).rowcount) if rows else 0  # type: ignore[attr-defined]


_RULE = (
    update(_VOTE)
    .where(
        _VOTE.c.battle_id == bindparam("one"),
        _VOTE.c.settled.is_(False),
        _VOTE.c.status == bindparam("was"),
        _VOTE.c.reason.is_not_distinct_from(bindparam("because", type_=String())),
        ~exists().where(Voter.id == _VOTE.c.voter, or_(Voter.cleared_at.is_not(None), Voter.excluded_at.is_not(None))),
    )
    .values(status=bindparam("new_status"), reason=bindparam("new_reason"), rules=bindparam("version"))
)
