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

    Battles without a vote are left out for good: what moves before the vote would tell who is playing.
    """
    a, b = ([getattr(Turn, f"{name}_{side}") for name in Took._fields] for side in "ab")
    rows = session.execute(
        select(Vote.sequence, Battle.contestant_a, Battle.contestant_b, *a, *b)
        .join(Battle, Battle.id == Vote.battle_id)
        # Every vote has such a turn. An outer join all the same: SQLite would else read all turns there ever were.
        .outerjoin(Turn, and_(Turn.battle_id == Vote.battle_id, Turn.status == "finished"))
        .where(Vote.sequence > sequence)
        .order_by(Vote.sequence),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    split = 3 + len(a)
    for row in rows:
        yield TurnTook(row[0], row[1], row[2], Took(*row[3:split]), Took(*row[split:]))
