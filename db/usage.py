"""What answers took: tokens, seconds, joules; read for the reveal of one battle and for sums over all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from db.tables import Battle, Turn, Vote

_ROWS_AT_ONCE = 1000


class Took(NamedTuple):
    """What one answer took, by the columns of its side in `Turn`; None is what is not known."""

    reason: str | None
    tokens: int | None
    prompt_tokens: int | None
    first_token_seconds: float | None
    seconds: float | None
    joules: float | None


@dataclass(frozen=True)
class TurnTook:
    """What both answers of a turn took; `a` and `b` are contestants' fingerprints."""

    sequence: int
    a: str
    b: str
    took_a: Took
    took_b: Took


def took(turn: Turn, side: Literal["a", "b"]) -> Took:
    return Took(*(getattr(turn, f"{name}_{side}") for name in Took._fields))


def took_after(session: Session, sequence: int) -> Iterator[TurnTook]:
    """Finished turns, superseded ones too, of battles whose vote is newer than a watermark, in the votes' order.

    Battles without a vote are left out for good: what moves before the vote would tell who is playing. Those whose vote
    does not count, too, and imported ones: what was measured on another machine says nothing about this one. Stored
    answers took nothing when they were shown.
    """
    a, b = ([getattr(Turn, f"{name}_{side}") for name in Took._fields] for side in "ab")
    rows = session.execute(
        select(Vote.sequence, Battle.contestant_a, Battle.contestant_b, Turn.battle_id, *a, *b)
        .join(Battle, Battle.id == Vote.battle_id)
        # An outer join, though only votes that came without their texts lack such a turn: SQLite would else read all
        # turns there were.
        .outerjoin(Turn, and_(Turn.battle_id == Vote.battle_id, Turn.status == "finished"))
        .where(
            Vote.sequence > sequence, Vote.status == "counted", Battle.source.is_(None), Battle.question_id.is_(None)
        )
        .order_by(Vote.sequence),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    split = 4 + len(a)
    for row in rows:
        if row[3] is not None:
            yield TurnTook(row[0], row[1], row[2], Took(*row[4:split]), Took(*row[split:]))
