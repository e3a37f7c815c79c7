"""What a visitor may see of a battle: nothing but committed rows, and names only after the vote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from arena.boards.usage import Usage, usage_of
from arena.identity import Names, masked
from arena.prompts import visible_text
from db import queries
from db.outcome import Outcome
from db.tables import Contestant, Turn
from db.usage import took
from db.votes import vote_on
from models.chat import Notice, Side

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
    """A contestant as it is named after the vote, and what its answers in this battle took; None for stored ones."""

    name: str
    engine: str
    quantization: str
    license: str
    url: str
    usage: Usage | None


@dataclass(frozen=True)
class View:
    """A battle as its page shows it; `revealed` and `outcome` are set once the vote is committed.

    `chosen` is a vote that may still be taken back: nothing of it is stored, and nothing revealed.
    `stored`: its answers were stored before, so that it has no further turns, and shows the same whenever it is asked.
    `notice` is why it has just failed, where a visitor can do something about it; it is told once and not stored.
    """

    battle_id: str
    status: str
    exchanges: tuple[Exchange, ...]
    can_regenerate: bool = False
    stored: bool = False
    chosen: Outcome | None = None
    outcome: Outcome | None = None
    revealed: tuple[Revealed, Revealed] | None = None
    notice: Notice = ""

    def with_last(self, a: str, b: str) -> View:
        """The same view with other answers in its last exchange."""
        return replace(self, exchanges=(*self.exchanges[:-1], replace(self.exchanges[-1], a=a, b=b)))


def read_view(session: Session, battle_id: str, voter: str, max_regenerations: int, names: Names) -> View:
    """The battle as its committed rows say. Raises `Refused` where it is not this voter's.

    Until the vote no answer is shown with the `names` by which it says who gives it.
    """
    battle = queries.own_battle(session, battle_id, voter)
    turns = queries.turns_of(session, battle_id)
    vote = vote_on(session, battle_id)
    exchanges = tuple(_exchange(turn, None if vote else names) for turn in turns)
    stored = battle.question_id is not None
    # Stored answers would come out the same: again only where they were not seen to the end.
    again = ("stopped",) if stored else ("open", "stopped")
    can_regenerate = battle.status in again and turns[-1].attempt < max_regenerations
    view = View(battle_id, battle.status, exchanges, can_regenerate, stored)
    if vote is None:
        return view

    def revealed(fingerprint: str, side: Side) -> Revealed:
        usage = None if stored else usage_of(took(turn, side) for turn in turns)
        return _revealed(session.get_one(Contestant, fingerprint), usage)

    both = revealed(battle.contestant_a, "a"), revealed(battle.contestant_b, "b")
    return replace(view, outcome=Outcome(vote.outcome), revealed=both)


def _exchange(turn: Turn, hidden: Names | None) -> Exchange:
    a, b = (visible_text(answer, complete=True) for answer in (turn.answer_a, turn.answer_b))
    if hidden:
        a, b = masked(a, hidden, complete=True), masked(b, hidden, complete=True)
    return Exchange(turn.prompt, a, b)


def _revealed(one: Contestant, usage: Usage | None) -> Revealed:
    return Revealed(one.name, one.engine, one.quantization, one.license, one.url, usage)
