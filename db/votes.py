"""Votes: written once, read as ratings and exports need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Integer,
    SQLColumnExpression,
    String,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from db.limits import Quotas, refuse_votes
from db.outcome import Outcome, Refused
from db.queries import own_battle, why_not
from db.tables import STYLES, Base, Battle, Counter, Turn, UtcDateTime, Vote, Voter
from db.usage import Took

VOTES = "votes"
RULES = "rules"
REVIEWED = "reviewed"
NEW = "new"
"""The reason of a vote that is held because its voter is a newcomer."""
IDENTITY: Mapping[str, SQLColumnExpression[bool]] = {
    "identity_asked": Turn.probe,
    "identity_told": Turn.named.is_not(None),
}
"""The reasons of votes on contestants that the voter may know, the first that applies; of which turns each is said."""
# The columns of a vote that the turns of its battle say, and how; null where it is not known of every turn.
FROM_TURNS = {
    "turns": func.count(Turn.battle_id),
    "category": func.max(case((Turn.position == 0, Turn.category))),
    "language": func.max(case((Turn.position == 0, Turn.language))),
    **{
        style: case((func.count(column) == func.count(Turn.battle_id), func.sum(column)))
        for style, column in ((name, getattr(Turn, name)) for name in STYLES)
    },
}
_MEASURED = tuple(f"{name}_{side}" for name in Took._fields for side in "ab")


@dataclass(frozen=True)
class VoteRow:
    """One vote as files tell it; `a` and `b` are contestants' fingerprints."""

    sequence: int
    battle_id: str
    voter: str
    a: str
    b: str
    outcome: Outcome
    turns: int
    category: str | None
    language: str | None
    created_at: datetime
    status: str
    reason: str | None
    verified: bool


def record_vote(
    session: Session,
    battle_id: str,
    voter: str,
    outcome: Outcome,
    now: datetime,
    window: timedelta,
    quotas: Quotas | None = None,
) -> bool:
    """Store the one vote of a battle; whether it is new. One that does not count is stored too, and says why.

    With `quotas` strangers can reach the arena: voters may vote so often, and the votes of new ones are held. The same
    voter with the same outcome again gets the same answer. Anything else on a battle that is not open, not this
    voter's, or finished longer than `window` ago raises `Refused`.
    """
    won = session.execute(_WIN, {"one": battle_id, "by": voter, "since": now - window})
    if won.rowcount == 1:  # type: ignore[attr-defined]
        if quotas:
            refuse_votes(session, voter, now, quotas.votes)
        sequence = count_up(session, VOTES)
        row = {
            "one": battle_id,
            "verdict": outcome.value,
            "number": sequence,
            "moment": now,
            "holds_new": quotas is not None,
        }
        session.execute(_VOTE, row)
        return True
    battle = own_battle(session, battle_id, voter)
    stored = session.get(Vote, battle_id)
    if stored is None or stored.outcome != outcome:
        raise Refused(why_not(battle))
    return False


def vote_on(session: Session, battle_id: str) -> Vote | None:
    return session.get(Vote, battle_id)


def votes_after(session: Session, sequence: int, limit: int | None = None) -> list[VoteRow]:
    """Votes newer than a watermark, counted or not, in the order of their commits; 0 gives all, `limit` the first ones.

    Whoever wants all of many votes reads on from the last one's sequence, in a session for each part.
    """
    rows = session.execute(_ROWS.where(Vote.sequence > sequence).limit(limit))
    return [
        VoteRow(number, battle_id, voter, a, b, Outcome(outcome), *rest)
        for number, battle_id, voter, a, b, outcome, *rest in rows
    ]


def newest_vote(session: Session) -> int:
    """The sequence of the newest vote, 0 where there is none: the watermark of who has looked at all of them."""
    return count_of(session, VOTES)


def rules_version(session: Session) -> int:
    """How often labels, or the rules which votes count, have changed; whoever follows votes then begins anew."""
    changes = select(func.sum(Counter.value)).where(Counter.name.in_((RULES, REVIEWED)))
    return int(session.scalar(changes) or 0)


def decided(session: Session) -> int:
    """How often that changed otherwise than by the review, which comes to its verdicts anew wherever it finds votes."""
    return count_of(session, RULES)


def raise_rules(session: Session) -> int:
    """Tell whoever follows votes that those read so far are not what they were; the new number of such decisions."""
    return count_up(session, RULES)


def texts_of(session: Session, battle_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """For each battle its turns that count: `prompt`, `answer_a`, `answer_b`, and what the answers took.

    The latter are the fields of `db.usage.Took`, each with its side: `reason_a`, `reason_b`, `tokens_a`, …
    """
    rows = session.scalars(
        select(Turn)
        .where(Turn.battle_id.in_(battle_ids), Turn.superseded.is_(False))
        .order_by(Turn.battle_id, Turn.position)
    )
    texts: dict[str, list[dict[str, Any]]] = {battle_id: [] for battle_id in battle_ids}
    for turn in rows:
        measured = {name: getattr(turn, name) for name in _MEASURED}
        texts[turn.battle_id].append(
            {"prompt": turn.prompt, "answer_a": turn.answer_a, "answer_b": turn.answer_b, **measured}
        )
    return texts


def count_of(session: Session, name: str) -> int:
    """Where a counter stands; 0 where nobody raised it yet."""
    return session.scalar(select(Counter.value).where(Counter.name == name)) or 0


def count_up(session: Session, name: str, by: int = 1) -> int:
    """Raise a counter; its row stays locked until the commit, so numbers follow the order of commits."""
    value = session.execute(_RAISE, {"one": name, "more": by}).scalar_one_or_none()
    if value is None:
        session.add(Counter(name=name, value=by))
        session.flush()
        return by
    return int(value)


# The vote's statements, made once: many voters wait for them together. They pass by the session's
# objects, so whoever reads a battle afterwards reads it anew.
_AROUND = {"synchronize_session": False}
_WIN = (
    update(Battle)
    .where(
        Battle.id == bindparam("one"),
        Battle.voter == bindparam("by"),
        Battle.status == "open",
        Battle.finished_at >= bindparam("since"),
    )
    .values(status="voted")
    .execution_options(**_AROUND)
)
_RAISE = (
    update(Counter)
    .where(Counter.name == bindparam("one"))
    .values(value=Counter.value + bindparam("more"))
    .returning(Counter.value)
    .execution_options(**_AROUND)
)
# What is known of its voter and of its turns decides whether a vote counts; the first that applies says why not. Of a
# model that named itself before its answer was regenerated the visitor knows the name still: superseded turns tell too.
_EXCLUDED = Voter.excluded_at.is_not(None)
_KNOWN = {
    reason: select(Turn.battle_id).where(Turn.battle_id == Battle.id, turns).correlate(Battle).exists()
    for reason, turns in IDENTITY.items()
}
_NEW = and_(
    bindparam("holds_new", type_=Boolean()),
    func.coalesce(Voter.verified, false()).is_(False),
    Voter.established_at.is_(None),
    Voter.cleared_at.is_(None),
)
_JUDGED = {
    "status": case(
        (or_(_EXCLUDED, *_KNOWN.values()), literal("excluded")), (_NEW, literal("held")), else_=literal("counted")
    ),
    "reason": case(
        (_EXCLUDED, Voter.reason),
        *((applies, literal(reason)) for reason, applies in _KNOWN.items()),
        (_NEW, literal(NEW)),
    ),
    "verified": func.coalesce(Voter.verified, false()),
    "settled": false(),
}
_GIVEN = ("battle_id", "voter", "outcome", "sequence", "created_at", "contestant_a", "contestant_b")
# Into the table itself: the session's own bulk insert takes no SELECT with parameters.
_VOTE = insert(Base.metadata.tables[Vote.__tablename__]).from_select(
    [*_GIVEN, *FROM_TURNS, *_JUDGED],
    select(
        Battle.id,
        Battle.voter,
        bindparam("verdict", type_=String()),
        bindparam("number", type_=Integer()),
        bindparam("moment", type_=UtcDateTime()),
        Battle.contestant_a,
        Battle.contestant_b,
        *FROM_TURNS.values(),
        *_JUDGED.values(),
    )
    .outerjoin_from(Battle, Turn, and_(Turn.battle_id == Battle.id, Turn.superseded.is_(False)))
    .outerjoin(Voter, Voter.id == Battle.voter)
    .where(Battle.id == bindparam("one"))
    .group_by(Battle.id, Voter.id),
)
_ROWS = select(
    Vote.sequence,
    Vote.battle_id,
    Vote.voter,
    Vote.contestant_a,
    Vote.contestant_b,
    Vote.outcome,
    Vote.turns,
    Vote.category,
    Vote.language,
    Vote.created_at,
    Vote.status,
    Vote.reason,
    Vote.verified,
).order_by(Vote.sequence)
