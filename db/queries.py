"""Contestants and battles: every read and write, named as one says it.

Writers take the moment as an argument and never ask a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db.outcome import Refusal, Refused
from db.tables import Battle, BattleStatus, Contestant, Turn


@dataclass(frozen=True)
class Side:
    """How one side of a turn came out; each field is the column of that name and of its side.

    `reason` says why it ended (None: it did not), the others what it took (None: not known): tokens generated,
    tokens read, seconds from the asking to the first text and to the end, joules of the GPU; and how the answer
    looks: characters, headings, list items, bold passages.
    """

    answer: str
    reason: str | None
    tokens: int | None
    prompt_tokens: int | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None
    joules: float | None = None
    length: int | None = None
    headings: int | None = None
    lists: int | None = None
    bold: int | None = None


# -- contestants ---------------------------------------------------------------------------------


def enrol(session: Session, contestant: Contestant) -> None:
    """Remember a contestant under its fingerprint; of one that is known only what it is called may change."""
    known = session.get(Contestant, contestant.fingerprint)
    if known is None:
        session.add(contestant)
    else:
        known.name, known.license, known.url = contestant.name, contestant.license, contestant.url


def contestants(session: Session) -> Sequence[Contestant]:
    return session.scalars(select(Contestant).order_by(Contestant.created_at, Contestant.fingerprint)).all()


def battle_counts(session: Session) -> dict[tuple[str, str], int]:
    """All battles by (contestant of side a, contestant of side b).

    Void ones too: a pair whose battles all fail would else stay the least compared one, and be drawn for ever.
    Imported ones too: they inform the ratings, so a pair known from elsewhere needs fewer battles here.
    """
    rows = session.execute(
        select(Battle.contestant_a, Battle.contestant_b, func.count()).group_by(
            Battle.contestant_a, Battle.contestant_b
        )
    )
    return {(a, b): count for a, b, count in rows}


# -- the life of a battle ------------------------------------------------------------------------


def open_battle(session: Session, battle: Battle, turn: Turn) -> None:
    session.add(battle)
    session.flush()
    session.add(turn)


def own_battle(session: Session, battle_id: str, voter: str) -> Battle:
    """The battle, if it is this voter's; else `Refused`, the same for a foreign id as for one that never was."""
    battle = session.get(Battle, battle_id, populate_existing=True)
    if battle is None or battle.voter != voter:
        raise Refused(Refusal.NOT_YOURS)
    return battle


def waiting_battle(session: Session, voter: str, since: datetime) -> str | None:
    """The id of the voter's newest battle, if it is open or stopped and ended after `since`."""
    newest = session.scalar(
        select(Battle)
        .where(Battle.voter == voter, Battle.source.is_(None))
        .order_by(Battle.created_at.desc(), Battle.id)
        .limit(1)
    )
    if newest is None or newest.status not in ("open", "stopped"):
        return None
    return newest.id if newest.finished_at is not None and newest.finished_at >= since else None


def turns_of(session: Session, battle_id: str) -> Sequence[Turn]:
    """The turns that count, in order; superseded attempts are left out."""
    return session.scalars(
        select(Turn).where(Turn.battle_id == battle_id, Turn.superseded.is_(False)).order_by(Turn.position)
    ).all()


def next_turn(session: Session, battle_id: str, voter: str, turn: Turn, max_turns: int) -> None:
    """Add a turn to an open battle. `turn.position` is set here."""
    position = len(turns_of(session, battle_id))
    if position >= max_turns:
        raise Refused(Refusal.TOO_MANY_TURNS)
    _move(session, battle_id, voter, ("open",), "generating")
    turn.battle_id, turn.position, turn.attempt = battle_id, position, 0
    session.add(turn)


def regenerate(session: Session, battle_id: str, voter: str, seed: int, now: datetime, max_attempts: int) -> Turn:
    """Supersede the last turn by a new attempt at the same prompt.

    Raises `Refused` where the battle is not open or stopped, or after `max_attempts` regenerations.
    """
    _move(session, battle_id, voter, ("open", "stopped"), "generating")
    last = turns_of(session, battle_id)[-1]
    if last.attempt >= max_attempts:
        raise Refused(Refusal.TOO_MANY_ATTEMPTS)
    last.superseded = True
    again = Turn(
        battle_id=battle_id,
        position=last.position,
        attempt=last.attempt + 1,
        prompt=last.prompt,
        category=last.category,
        language=last.language,
        probe=last.probe,
        seed=seed,
        status="generating",
        started_at=now,
    )
    session.add(again)
    return again


def finish_turn(
    session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime, named: str | None = None
) -> None:
    """Both sides are complete: the battle is open for its vote. `named`: the sides that said who they are."""
    _end_turn(session, key, a, b, now, "finished", "open", named=named)


def stop_turn(
    session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime, named: str | None = None
) -> None:
    """The visitor stopped, or left: what there is stays, and can't be voted on. `named` as for `finish_turn`."""
    _end_turn(session, key, a, b, now, "stopped", "stopped", named=named)


def fail_turn(session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime, failure: str) -> None:
    """A side failed: the battle is void. `failure` is for the admin."""
    _end_turn(session, key, a, b, now, "failed", "void", failure=failure)


def stop_orphans(
    session: Session, now: datetime, battle_id: str | None = None, begun_before: datetime | None = None
) -> int:
    """Mark what nobody generates any more as stopped, everywhere or in one battle; the number of battles.

    Where other processes share the database, `begun_before` leaves alone what they may still be generating.
    """
    left = select(Turn.battle_id).where(Turn.status == "generating")
    if battle_id is not None:
        left = left.where(Turn.battle_id == battle_id)
    if begun_before is not None:
        left = left.where(Turn.started_at < begun_before)
    battles = session.scalars(left).all()
    ended = {"status": "stopped", "finished_at": now}
    session.execute(update(Turn).where(Turn.battle_id.in_(battles), Turn.status == "generating").values(ended))
    result = session.execute(update(Battle).where(Battle.id.in_(battles), Battle.status == "generating").values(ended))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _end_turn(
    session: Session,
    key: tuple[str, int, int],
    a: Side,
    b: Side,
    now: datetime,
    turn_status: str,
    battle_status: BattleStatus,
    *,
    named: str | None = None,
    failure: str | None = None,
) -> None:
    turn = session.get_one(Turn, key)
    turn.status, turn.finished_at, turn.named, turn.failure = turn_status, now, named, failure
    for name, side in (("a", a), ("b", b)):
        for field, value in asdict(side).items():
            setattr(turn, f"{field}_{name}", value)
    battle = session.get_one(Battle, turn.battle_id)
    battle.status, battle.finished_at = battle_status, now


def _move(session: Session, battle_id: str, voter: str, allowed: tuple[BattleStatus, ...], to: BattleStatus) -> None:
    battle = own_battle(session, battle_id, voter)
    if battle.status not in allowed:
        raise Refused(why_not(battle))
    battle.status = to
    session.flush()


def why_not(battle: Battle) -> Refusal:
    """Why a battle in its present state takes no further step."""
    return {
        "generating": Refusal.UNFINISHED,
        "stopped": Refusal.STOPPED,
        "void": Refusal.FAILED,
        "voted": Refusal.ALREADY_VOTED,
        "open": Refusal.EXPIRED,
    }[battle.status]
