"""What an administrator sees and does. Every deed is logged with who did it; nothing is ever deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import get_args

from arena.integrity.appeals import PAGE, Appeals, NotDone
from db import contestants as lineup
from db import queries, recent
from db.recent import RecentBattle
from db.session import Database, Session
from db.tables import ContestantState

log = logging.getLogger("paddock.admin")

STATES: tuple[ContestantState, ...] = get_args(ContestantState)


@dataclass(frozen=True)
class Entry:
    """A contestant as the line-up has it."""

    fingerprint: str
    name: str
    engine: str
    quantization: str
    state: str
    weight: float

    @property
    def label(self) -> str:
        """The name, and what tells namesakes apart: one that changed plays on as another contestant."""
        return f"{self.name} · {self.engine} {self.quantization} · {self.fingerprint[:8]}"


class Administration:
    """`refresh` makes this process's draws follow at once; `appeals` is what concerns votes and voters."""

    def __init__(
        self,
        database: Database,
        refresh: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._refresh = refresh
        self.appeals = Appeals(database, now)

    def contestants(self) -> list[Entry]:
        with self._database.read() as session:
            found = queries.contestants(session)
            return [
                Entry(one.fingerprint, one.name, one.engine, one.quantization, one.state, one.weight) for one in found
            ]

    def place(self, who: str, fingerprint: str, state: str, weight: float | None) -> float:
        """Put a contestant on, off or into the archive, and set how often it is drawn; the weight that was kept.

        Raises `NotDone`.
        """
        known = next((one for one in STATES if one == state), None)
        if known is None:
            raise NotDone("admin_no_state")
        if weight is None or not isfinite(weight) or not 0 <= weight <= lineup.MOST_WEIGHT:
            raise NotDone("admin_no_weight")
        drawn = float(weight)

        def work(session: Session) -> float:
            lineup.set_state(session, fingerprint, known)
            return lineup.set_weight(session, fingerprint, drawn)

        try:
            kept = self._database.write(work)
        except lineup.UnknownContestant as error:
            raise NotDone("admin_no_contestant") from error
        log.info("%s: contestant %s is %s, weight %g", who, fingerprint[:12], known, kept)
        self._refresh()
        return kept

    def battles(self, before: datetime | None = None) -> Sequence[RecentBattle]:
        """The latest battles, at most `PAGE`; with `before` those begun earlier than that."""
        with self._database.read() as session:
            return recent.recent_battles(session, PAGE, before)
