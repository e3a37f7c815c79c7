"""Whether contestants are drawn, and how often; and those of whom files of others tell no more than a name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import Contestant, ContestantState

MOST_WEIGHT = 1000.0


class UnknownContestant(Exception):
    """There is no contestant of this fingerprint."""


def imported_fingerprint(name: str) -> str:
    """Under which a contestant of this name is remembered, whatever file it comes from."""
    return hashlib.sha256(f"imported\n{name}".encode()).hexdigest()


def imported_contestant(name: str, now: datetime, called: str = "") -> Contestant:
    """A contestant that others name so; pages may show it as `called`."""
    return Contestant(
        fingerprint=imported_fingerprint(name),
        model_id=name,
        name=called or name,
        engine="imported",
        quantization="",
        license="",
        url="",
        identity={"imported": name},
        created_at=now,
    )


def set_state(session: Session, fingerprint: str, state: ContestantState) -> None:
    """Draw a contestant or not; its votes stay. Raises `UnknownContestant`."""
    _contestant(session, fingerprint).state = state


def set_weight(session: Session, fingerprint: str, weight: float) -> float:
    """Draw a contestant `weight` times as often as others, 0: never; what is kept of it, which is to 0.001.

    Raises `UnknownContestant`, and `ValueError` for what is no number from 0 to `MOST_WEIGHT`.
    """
    if not 0 <= weight <= MOST_WEIGHT:
        raise ValueError(f"a weight must be a number from 0 to {MOST_WEIGHT:g}")
    kept = _contestant(session, fingerprint).weight = round(weight, 3)
    return kept


def weights(session: Session) -> Mapping[str, float]:
    """What the draws go by: the weight of everybody whose weight is not 1; 0 for who is off or archived."""
    rows = session.execute(select(Contestant.fingerprint, Contestant.state, Contestant.weight))
    drawn = {fingerprint: weight if state == "on" else 0.0 for fingerprint, state, weight in rows}
    return {fingerprint: weight for fingerprint, weight in drawn.items() if weight != 1}


def _contestant(session: Session, fingerprint: str) -> Contestant:
    found = session.get(Contestant, fingerprint)
    if found is None:
        raise UnknownContestant(f"There is no contestant {fingerprint[:12]}.")
    return found
