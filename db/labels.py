"""Labels and styles of turns that were stored without them, or by older rules; their votes follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from sqlalchemy import and_, bindparam, exists, select, text, update
from sqlalchemy.orm import Session

from db.tables import STYLES, UNLABELLED, Base, Turn, Vote
from db.votes import FROM_TURNS, raise_rules

_TURN, _VOTE = (Base.metadata.tables[name] for name in ("turn", "vote"))
_LABELS = ("category", "language", *STYLES)


class UnlabelledTurn(NamedTuple):
    """A finished turn by its key, and the texts that its labels are told from."""

    battle_id: str
    position: int
    attempt: int
    prompt: str
    answer_a: str
    answer_b: str


@dataclass(frozen=True)
class TurnLabels:
    """A turn by its key, and what is to be its columns of these names; see `db.tables.Labelled`."""

    battle_id: str
    position: int
    attempt: int
    category: str
    language: str
    length_a: int
    length_b: int
    headings_a: int
    headings_b: int
    lists_a: int
    lists_b: int
    bold_a: int
    bold_b: int


def turns_without_labels(session: Session, limit: int) -> list[UnlabelledTurn]:
    """The first `limit` of the finished turns, superseded ones too, whose prompt or answers were never looked at."""
    columns = [getattr(Turn, name) for name in UnlabelledTurn._fields]
    keys = (Turn.battle_id, Turn.position, Turn.attempt)
    rows = session.execute(select(*columns).where(text(UNLABELLED)).order_by(*keys).limit(limit))
    return [UnlabelledTurn(*row) for row in rows]


def label_turns(session: Session, labels: Sequence[TurnLabels]) -> None:
    """Store the labels, and bring the votes of these battles along; whoever follows votes begins anew then."""
    if not labels:
        return
    session.execute(_LABEL, [{f"new_{name}": value for name, value in asdict(one).items()} for one in labels])
    battles = {one.battle_id for one in labels}
    rows = session.execute(_SUMS, {"battles": list(battles)}).mappings().all()
    if rows:
        session.execute(_FOLLOW, [{f"new_{name}": value for name, value in row.items()} for row in rows])
        raise_rules(session)


def forget_labels(session: Session) -> None:
    """Make every turn one without labels again, and its vote; without texts (any more) it keeps its own."""
    nothing = dict.fromkeys(_LABELS)
    there = _TURN.c.prompt != ""
    session.execute(update(_TURN).where(there).values(nothing))
    session.execute(update(_VOTE).where(exists().where(_TURN.c.battle_id == _VOTE.c.battle_id, there)).values(nothing))
    raise_rules(session)


_KEYS = ("battle_id", "position", "attempt")
_LABEL = (
    update(_TURN)
    .where(*(_TURN.c[key] == bindparam(f"new_{key}") for key in _KEYS))
    .values({name: bindparam(f"new_{name}") for name in _LABELS})
)
_SUMS = (
    select(Vote.battle_id, *(told.label(name) for name, told in FROM_TURNS.items()))
    .join(Turn, and_(Turn.battle_id == Vote.battle_id, Turn.superseded.is_(False)))
    .where(Vote.battle_id.in_(bindparam("battles", expanding=True)))
    .group_by(Vote.battle_id)
)
_FOLLOW = (
    update(_VOTE)
    .where(_VOTE.c.battle_id == bindparam("new_battle_id"))
    .values({name: bindparam(f"new_{name}") for name in FROM_TURNS})
)
