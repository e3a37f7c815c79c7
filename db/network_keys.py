"""The keys of the days under which networks have their names; each is destroyed with the next day but one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.tables import NetworkKey

KEPT_DAYS = 2
"""A day's key and that of the day before are kept; the names that older ones made can be told from no address."""


def keep_keys(session: Session, today: date, fresh: str) -> Mapping[date, str]:
    """All keys there are from now on, today's among them: of several processes the first to come brings it (`fresh`).

    Older ones are destroyed.
    """
    session.execute(delete(NetworkKey).where(NetworkKey.day <= today - timedelta(days=KEPT_DAYS)))
    if session.get(NetworkKey, today) is None:
        session.add(NetworkKey(day=today, key=fresh))
        session.flush()
    return {row.day: row.key for row in session.scalars(select(NetworkKey))}
