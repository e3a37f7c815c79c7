"""Draws pairs for the battles: counts and ratings kept at hand, so that a draw reads no table."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from random import Random
from time import monotonic

from arena.pairing import Draw, draw_pair, drawable
from db import contestants
from db.queries import battle_counts
from db.session import Database, DatabaseProblem
from models.pool import Wait

log = logging.getLogger("paddock.matchmaking")

# How old the ratings may be, and the counts of battles that other processes began in the same database.
RENEW_SECONDS = 600.0
# How old the weights may be that an administrator set in another process.
WEIGHTS_SECONDS = 20.0

Pair = tuple[str, str]


class Matchmaker:
    """Knows how often everybody met. One instance serves all visitors of this process."""

    def __init__(
        self,
        database: Database,
        rng: Random,
        ratings: Callable[[], Mapping[str, float]] = dict,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`ratings` gives points by fingerprint, of those only who can be compared; it may take its time."""
        self._database = database
        self.rng = rng
        self._ask_ratings = ratings
        self._clock = clock
        self._lock = threading.Lock()
        # Of two that read the weights the later one wins: what it read holds what was changed before it was asked.
        self._weighing = threading.Lock()
        self._battles: Counter[Pair] | None = None
        # What the table may not hold yet: battles on their way to it, and those that begin while it is read.
        self._on_their_way: Counter[Pair] = Counter()
        self._meanwhile: Counter[Pair] = Counter()
        self._ratings: Mapping[str, float] = {}
        self._weights: Mapping[str, float] | None = None
        self._due = self._weights_due = -inf
        self.renewing: asyncio.Future[None] | None = None

    async def prepare(self) -> None:
        """To be awaited before a draw. The first one waits for the counts; they are renewed behind the draws.

        Raises `DatabaseProblem` where the counts or the weights were never read.
        """
        if self._clock() >= self._weights_due:
            await asyncio.to_thread(self._weigh)
        renew = self._renew
        if self._battles is None:
            await asyncio.to_thread(self._count)
            renew = self._rate
        if self._clock() >= self._due and (self.renewing is None or self.renewing.done()):
            self._due = self._clock() + RENEW_SECONDS
            self.renewing = asyncio.ensure_future(asyncio.to_thread(renew))

    def refresh(self) -> None:
        """Read at once who is drawn, and how often: an administrator has changed it. Raises `DatabaseProblem`."""
        with self._weighing:
            self._weights_due = self._clock() + WEIGHTS_SECONDS
            with self._database.read() as session:
                self._weights = contestants.weights(session)

    def drawable(self, pairs: Mapping[Pair, Wait]) -> dict[Pair, Wait]:
        """Those of the pairs of which both may be drawn."""
        return drawable(pairs, self._weights or {})

    def draw(self, pairs: Mapping[Pair, Wait]) -> Draw:
        """One of the pairs that can meet. Raises `ValueError` without any."""
        with self._lock:
            return draw_pair(pairs, self._battles or {}, self._ratings, self.rng, self._weights)

    @contextmanager
    def storing(self, draw: Draw) -> Iterator[None]:
        """Count a battle at once, so that the next draw knows of it; within, it is written to the table."""
        pair = (draw.a, draw.b)
        with self._lock:
            self._on_their_way[pair] += 1
            self._meanwhile[pair] += 1
            if self._battles is not None:
                self._battles[pair] += 1
        try:
            yield
        finally:
            with self._lock:
                self._on_their_way[pair] -= 1

    def _weigh(self) -> None:
        try:
            self.refresh()
        except DatabaseProblem as error:
            if self._weights is None:
                self._weights_due = -inf
                raise
            log.warning("Pairs are drawn by the weights known before: %s", error)

    def _renew(self) -> None:
        try:
            self._count()
        except DatabaseProblem as error:
            log.warning("Pairs are drawn by the counts known before: %s", error)
        self._rate()

    def _rate(self) -> None:
        try:
            self._ratings = dict(self._ask_ratings())
        except DatabaseProblem as error:
            log.warning("Pairs are drawn by the ratings known before: %s", error)

    def _count(self) -> None:
        with self._lock:
            self._meanwhile = +self._on_their_way
        with self._database.read() as session:
            counts = Counter(battle_counts(session))
        with self._lock:
            # A battle may be in both: one too many until the next time, never one too few.
            self._battles = counts + self._meanwhile
