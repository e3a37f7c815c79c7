"""The rows that a battle begins with, not stored yet, and whether it may begin from where its visitor is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arena.identity import Names, is_probe
from arena.integrity.networks import Networks
from arena.integrity.prompt_keys import prompt_key
from arena.labels import category_of, language_of
from arena.pairing import Draw
from db.limits import Quotas, refuse_battles
from db.session import Database, Session
from db.tables import Battle, Turn


@dataclass(frozen=True)
class Origin:
    """Who asks for answers, and the names of the network where from, today's first; none where nobody asks."""

    voter: str
    networks: Sequence[str] = ()

    @property
    def network(self) -> str | None:
        return self.networks[0] if self.networks else None


class Entrance:
    """Lets battles begin from each network as often as the quotas say; without quotas nobody asks where from."""

    def __init__(self, database: Database, networks: Networks, quotas: Quotas | None) -> None:
        self._db = database
        self._networks = networks
        self._quotas = quotas

    async def admit(self, voter: str, address: str, now: datetime, *, begins: bool) -> Origin:
        """Who asks, and from where; raises `DatabaseProblem`.

        Where a battle `begins` that may not, raises `Refused` before they wait in line.
        """
        if self._quotas is None:
            return Origin(voter)
        origin = Origin(voter, await asyncio.to_thread(self._networks.lately, address))
        if begins:
            await asyncio.to_thread(self._look, origin, now)
        return origin

    def check(self, session: Session, origin: Origin, now: datetime) -> None:
        """Raise `Refused` where one more battle would be too many: in the transaction that stores it."""
        if self._quotas is not None:
            refuse_battles(session, origin.networks, now, self._quotas.battles)

    def _look(self, origin: Origin, now: datetime) -> None:
        with self._db.read() as session:
            self.check(session, origin, now)


def new_battle(origin: Origin, draw: Draw, now: datetime, prompt: str = "", question_id: str | None = None) -> Battle:
    """A battle of the drawn pair over a prompt, or over their stored answers to a question."""
    return Battle(
        id=secrets.token_hex(16),
        voter=origin.voter,
        contestant_a=draw.a,
        contestant_b=draw.b,
        probability=draw.probability,
        status="generating",
        created_at=now,
        question_id=question_id,
        network=origin.network,
        prompt_key=prompt_key(prompt) if prompt else None,  # nobody chose a question that was drawn
    )


async def new_turn(prompt: str, seed: int, now: datetime, names: Names) -> Turn:
    """A turn with its labels, of no battle yet; where it stands is the first place until the database says another."""
    # In a thread: a long prompt keeps the rules busy for longer than others should wait.
    category, language, probe = await asyncio.to_thread(
        lambda: (category_of(prompt), language_of(prompt), is_probe(prompt, names))
    )
    return Turn(
        position=0,
        attempt=0,
        prompt=prompt,
        category=category,
        language=language,
        probe=probe,
        status="generating",
        seed=seed,
        started_at=now,
    )
