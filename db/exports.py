"""What files say of votes beside the votes themselves."""

from __future__ import annotations

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from db.tables import Battle, Vote


def voted_contestants(session: Session) -> set[str]:
    """The fingerprints of all contestants that votes are about."""
    return set(session.scalars(union(select(Vote.contestant_a), select(Vote.contestant_b))))


def sources_between(session: Session, first: int, last: int) -> dict[str, str]:
    """What the battles of the votes from sequence `first` to `last` were imported from; none fought here is in it."""
    rows = session.execute(
        select(Battle.id, Battle.source)
        .join(Vote, Vote.battle_id == Battle.id)
        .where(Vote.sequence.between(first, last), Battle.source.is_not(None))
    )
    return {battle_id: str(source) for battle_id, source in rows}
