"""How often one voter may vote, and how many battles may begin from one network: counted where they are stored.

Writers of all processes stand in one line (`db.session`), so what is counted inside a transaction is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.outcome import Refusal, Refused
from db.tables import Battle, Vote

Quota = Mapping[timedelta, int]
"""The most that may happen within each of these spans of time, wherever the span begins."""


@dataclass(frozen=True)
class Quotas:
    """`votes` are those of one voter, `battles` those begun from one network."""

    votes: Quota
    battles: Quota


def refuse_votes(session: Session, voter: str, now: datetime, quota: Quota) -> None:
    """Raise `Refused` where one more vote of this voter at `now` would be more than the quota."""
    _refuse(session, Vote.created_at, Vote.voter == voter, now, quota, Refusal.TOO_MANY_VOTES)


def refuse_battles(session: Session, networks: Collection[str], now: datetime, quota: Quota) -> None:
    """Raise `Refused` where one more battle would be too many; a network has another name each day, so it has several.

    Where nobody knows the network, there is none to be counted.
    """
    if networks:
        _refuse(session, Battle.created_at, Battle.network.in_(networks), now, quota, Refusal.TOO_MANY_BATTLES)


def _refuse(
    session: Session,
    moment: InstrumentedAttribute[datetime],
    of: ColumnElement[bool],
    now: datetime,
    quota: Quota,
    why: Refusal,
) -> None:
    for span, most in quota.items():
        # What is later than `now` counts too: votes are stored in another order than they were cast in.
        if (session.scalar(select(func.count()).where(of, moment > now - span)) or 0) >= most:
            raise Refused(why)
