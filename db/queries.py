"""Every read and write, named as one says it. Writers take the moment as an argument and never ask a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from db.outcome import Outcome, Refusal, Refused
from db.tables import Battle, BattleStatus, Contestant, Counter, Turn, Vote

VOTES = "votes"


@dataclass(frozen=True)
class Side:
    """How one side of a turn came out: its text, why it ended (None: it did not), tokens generated."""

    answer: str
    reason: str | None
    tokens: int | None


@dataclass(frozen=True)
class VoteRow:
    """One vote as ratings read it; `a` and `b` are contestants' fingerprints."""

    sequence: int
    battle_id: str
    voter: str
    a: str
    b: str
    outcome: Outcome
    turns: int
    created_at: datetime


# -- contestants ---------------------------------------------------------------------------------


def enrol(session: Session, contestant: Contestant) -> None:
    """Remember a contestant under its fingerprint; one that is known already stays as it was."""
    if session.get(Contestant, contestant.fingerprint) is None:
        session.add(contestant)


def contestants(session: Session) -> Sequence[Contestant]:
    return session.scalars(select(Contestant).order_by(Contestant.created_at, Contestant.fingerprint)).all()


def battle_counts(session: Session) -> dict[tuple[str, str], int]:
    """Battles that were not void, by (contestant of side a, contestant of side b)."""
    rows = session.execute(
        select(Battle.contestant_a, Battle.contestant_b, func.count())
        .where(Battle.status != "void")
        .group_by(Battle.contestant_a, Battle.contestant_b)
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
    """The id of the voter's newest battle that is open or stopped and ended after `since`."""
    return session.scalar(
        select(Battle.id)
        .where(Battle.voter == voter, Battle.status.in_(("open", "stopped")), Battle.finished_at >= since)
        .order_by(Battle.created_at.desc())
        .limit(1)
    )


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
        seed=seed,
        status="generating",
        started_at=now,
    )
    session.add(again)
    return again


def finish_turn(session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime) -> None:
    """Both sides are complete: the battle is open for its vote."""
    _end_turn(session, key, a, b, now, "finished", "open")


def stop_turn(session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime) -> None:
    """The visitor stopped, or left: what there is stays, and can't be voted on."""
    _end_turn(session, key, a, b, now, "stopped", "stopped")


def fail_turn(session: Session, key: tuple[str, int, int], a: Side, b: Side, now: datetime, failure: str) -> None:
    """A side failed: the battle is void. `failure` is for the admin."""
    _end_turn(session, key, a, b, now, "failed", "void", failure)


def stop_orphans(session: Session, now: datetime) -> int:
    """Mark what a killed server was generating as stopped; the number of battles."""
    session.execute(update(Turn).where(Turn.status == "generating").values(status="stopped", finished_at=now))
    result = session.execute(
        update(Battle).where(Battle.status == "generating").values(status="stopped", finished_at=now)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def _end_turn(
    session: Session,
    key: tuple[str, int, int],
    a: Side,
    b: Side,
    now: datetime,
    turn_status: str,
    battle_status: BattleStatus,
    failure: str | None = None,
) -> None:
    turn = session.get_one(Turn, key)
    turn.status, turn.finished_at, turn.failure = turn_status, now, failure
    turn.answer_a, turn.reason_a, turn.tokens_a = a.answer, a.reason, a.tokens
    turn.answer_b, turn.reason_b, turn.tokens_b = b.answer, b.reason, b.tokens
    battle = session.get_one(Battle, turn.battle_id)
    battle.status, battle.finished_at = battle_status, now


def _move(session: Session, battle_id: str, voter: str, allowed: tuple[BattleStatus, ...], to: BattleStatus) -> None:
    battle = own_battle(session, battle_id, voter)
    if battle.status not in allowed:
        raise Refused(_why_not(battle))
    battle.status = to
    session.flush()


def _why_not(battle: Battle) -> Refusal:
    return {
        "generating": Refusal.UNFINISHED,
        "stopped": Refusal.STOPPED,
        "void": Refusal.FAILED,
        "voted": Refusal.ALREADY_VOTED,
        "open": Refusal.EXPIRED,
    }[battle.status]


# -- votes ---------------------------------------------------------------------------------------


def record_vote(
    session: Session, battle_id: str, voter: str, outcome: Outcome, now: datetime, window: timedelta
) -> None:
    """Store the one vote of a battle.

    The same voter with the same outcome again gets the same answer. Anything else on a battle that
    is not open, not this voter's, or finished longer than `window` ago raises `Refused`.
    """
    won = session.execute(_WIN, {"one": battle_id, "by": voter, "since": now - window})
    if won.rowcount == 1:  # type: ignore[attr-defined]
        sequence = _count_up(session, VOTES)
        row = {"battle_id": battle_id, "voter": voter, "outcome": outcome.value, "sequence": sequence}
        session.execute(_VOTE, {**row, "created_at": now})
        return
    battle = own_battle(session, battle_id, voter)
    stored = session.get(Vote, battle_id)
    if stored is None or stored.outcome != outcome:
        raise Refused(_why_not(battle))


def vote_on(session: Session, battle_id: str) -> Vote | None:
    return session.get(Vote, battle_id)


def votes_after(session: Session, sequence: int) -> list[VoteRow]:
    """Votes newer than a watermark, in the order of their commits; 0 gives all."""
    # Counted for each vote by the primary key of turns: an empty refresh costs nothing.
    turns = (
        select(func.count())
        .where(Turn.battle_id == Vote.battle_id, Turn.superseded.is_(False))
        .correlate(Vote)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            Vote.sequence,
            Vote.battle_id,
            Vote.voter,
            Battle.contestant_a,
            Battle.contestant_b,
            Vote.outcome,
            turns,
            Vote.created_at,
        )
        .join(Battle, Battle.id == Vote.battle_id)
        .where(Vote.sequence > sequence)
        .order_by(Vote.sequence)
    )
    return [
        VoteRow(number, battle_id, voter, a, b, Outcome(outcome), count, created_at)
        for number, battle_id, voter, a, b, outcome, count, created_at in rows
    ]


def texts_of(session: Session, battle_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """For each battle its turns that count, as prompt and two answers."""
    rows = session.scalars(
        select(Turn)
        .where(Turn.battle_id.in_(battle_ids), Turn.superseded.is_(False))
        .order_by(Turn.battle_id, Turn.position)
    )
    texts: dict[str, list[dict[str, Any]]] = {battle_id: [] for battle_id in battle_ids}
    for turn in rows:
        texts[turn.battle_id].append({"prompt": turn.prompt, "answer_a": turn.answer_a, "answer_b": turn.answer_b})
    return texts


def _count_up(session: Session, name: str) -> int:
    """Raise a counter; its row stays locked until the commit, so numbers follow the order of commits."""
    value = session.execute(_RAISE, {"one": name}).scalar_one_or_none()
    if value is None:
        session.add(Counter(name=name, value=1))
        session.flush()
        return 1
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
    .values(value=Counter.value + 1)
    .returning(Counter.value)
    .execution_options(**_AROUND)
)
_VOTE = insert(Vote)
