"""Votes that may still be taken back: chosen, in this process's memory, until they are stored. No page, no SQL."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from arena.gate import Closed
from arena.view import View
from db.outcome import Outcome, Refusal, Refused

log = logging.getLogger("paddock.battle")


@dataclass(eq=False)
class Ballot:
    """What a voter chose, and when; `writing` is its way into the database once it is cast.

    `decided` is done when it is cast or taken back.
    """

    battle_id: str
    voter: str
    outcome: Outcome
    chosen_at: datetime
    writing: Future[bool] | None = None
    decided: Future[None] = field(default_factory=Future)

    @property
    def taken_back(self) -> bool:
        return self.decided.done() and self.writing is None


class Ballots:
    """At most one ballot in hand for each battle; each is cast once or taken back, whoever comes first.

    From any thread, but for what is asynchronous.
    """

    def __init__(
        self, store: Callable[[Ballot], Future[bool]], view: Callable[[str, str], View], seconds: float
    ) -> None:
        """`store` begins to write a vote; its future tells whether the vote is new, or raises `Refused`.

        `view` reads a battle for a voter; a ballot is in hand for so many `seconds`, 0: not at all.
        """
        self._store = store
        self._view = view
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: dict[str, Ballot] = {}
        self._closed = False

    async def choose(self, ballot: Ballot) -> AsyncGenerator[View, None]:
        """Vote, with some seconds to think better of it: the choice at once; then the names, or the battle as it was.

        Raises `Refused`, `Closed` or `DatabaseProblem`. Who leaves before the end has voted.
        """
        view = await asyncio.to_thread(self._view, ballot.battle_id, ballot.voter)
        if self._seconds and view.status == "open":
            ballot = self._hold(ballot)
            try:
                yield replace(view, chosen=ballot.outcome)
                await asyncio.wait([asyncio.wrap_future(ballot.decided)])
            finally:
                self._hand_in(ballot)
        yield await (self._see(ballot) if ballot.taken_back else self.cast(ballot))

    async def cast(self, ballot: Ballot) -> View:
        """Store a vote, and answer with the names. Raises `Refused`, `Closed` or `DatabaseProblem`."""
        with self._lock:
            if ballot.writing is None and self._closed:
                raise Closed
            writing = ballot.writing or self._cast(ballot)
        # Others may wait for it too, and who leaves now has voted: nobody's leaving may end the writing.
        await asyncio.shield(asyncio.wrap_future(writing))
        return await self._see(ballot)

    def chosen(self, battle_id: str) -> Outcome | None:
        """What the ballot in hand for this battle says, if there is one."""
        held = self._held.get(battle_id)
        return held.outcome if held else None

    def take_back(self, battle_id: str, voter: str) -> bool:
        """Forget the voter's ballot in hand, as if it had never been; False where none is, or no more."""
        with self._lock:
            held = self._held.get(battle_id)
            if held is None or held.voter != voter:
                return False
            del self._held[battle_id]
            held.decided.set_result(None)
            return True

    def close(self) -> None:
        """Cast what is in hand, and take no more."""
        with self._lock:
            self._closed = True
            for ballot in list(self._held.values()):
                self._cast(ballot)

    def _hold(self, ballot: Ballot) -> Ballot:
        """Take a ballot in hand until its seconds are over; the one that is there where that says the same."""
        with self._lock:
            if self._closed:
                raise Closed
            held = self._held.setdefault(ballot.battle_id, ballot)
        if held.outcome != ballot.outcome:
            raise Refused(Refusal.ALREADY_VOTED)
        if held is ballot:
            # Not the page's to count: a page that is left, or frozen, has voted all the same.
            asyncio.get_running_loop().call_later(self._seconds, self._hand_in, ballot)
        return held

    def _hand_in(self, ballot: Ballot) -> None:
        """Cast a ballot if it is still in hand."""
        with self._lock:
            if self._held.get(ballot.battle_id) is ballot:
                self._cast(ballot)

    def _cast(self, ballot: Ballot) -> Future[bool]:
        """With the lock."""
        if self._held.get(ballot.battle_id) is ballot:
            del self._held[ballot.battle_id]
        ballot.writing = writing = self._store(ballot)
        writing.add_done_callback(partial(_complain, ballot.battle_id))
        ballot.decided.set_result(None)
        return writing

    async def _see(self, ballot: Ballot) -> View:
        return await asyncio.to_thread(self._view, ballot.battle_id, ballot.voter)


def _complain(battle_id: str, writing: Future[bool]) -> None:
    """Say that a vote is lost, and on which battle: its page may be gone by now."""
    error = writing.exception()
    if isinstance(error, Refused):
        log.info("A choice was refused when it was to be stored: %s", error)
    elif error:
        log.error("The vote on battle %s could not be stored: %s", battle_id, error)
