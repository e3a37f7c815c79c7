"""What a visitor may see of a battle: nothing but committed rows, and names only after the vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from arena.prompts import visible_text
from arena.usage import Usage, usage_of
from db import queries
from db.outcome import Outcome
from db.tables import Contestant, Turn
from db.usage import took
from db.votes import vote_on

if TYPE_CHECKING:
    from db.session import Session


@dataclass(frozen=True)
class Exchange:
    """One prompt and what is shown of both answers."""

    prompt: str
    a: str
    b: str


@dataclass(frozen=True)
class Revealed:
    """A contestant as it is named after the vote, and what its answers in this battle took."""

    name: str
    engine: str
    quantization: str
    license: str
    url: str
    usage: Usage


@dataclass(frozen=True)
class View:
    """A battle as its page shows it; `revealed` and `outcome` are set once the vote is committed."""

    battle_id: str
    status: str
    exchanges: tuple[Exchange, ...]
    can_regenerate: bool = False
    outcome: Outcome | None = None
    revealed: tuple[Revealed, Revealed] | None = None

    def with_last(self, a: str, b: str) -> View:
        """The same view with other answers in its last exchange."""
        return replace(self, exchanges=(*self.exchanges[:-1], replace(self.exchanges[-1], a=a, b=b)))


def read_view(session: Session, battle_id: str, voter: str, max_regenerations: int) -> View:
    """The battle as its committed rows say. Raises `Refused` where it is not this voter's."""
    battle = queries.own_battle(session, battle_id, voter)
    turns = queries.turns_of(session, battle_id)
    exchanges = tuple(_exchange(turn) for turn in turns)
    can_regenerate = battle.status in ("open", "stopped") and turns[-1].attempt < max_regenerations
    view = View(battle_id, battle.status, exchanges, can_regenerate)
    vote = vote_on(session, battle_id)
    if vote is None:
        return view
    a = _revealed(session.get_one(Contestant, battle.contestant_a), usage_of(took(turn, "a") for turn in turns))
    b = _revealed(session.get_one(Contestant, battle.contestant_b), usage_of(took(turn, "b") for turn in turns))
    return replace(view, outcome=Outcome(vote.outcome), revealed=(a, b))


def _exchange(turn: Turn) -> Exchange:
    return Exchange(turn.prompt, visible_text(turn.answer_a, complete=True), visible_text(turn.answer_b, complete=True))


def _revealed(one: Contestant, usage: Usage) -> Revealed:
    return Revealed(one.name, one.engine, one.quantization, one.license, one.url, usage)
