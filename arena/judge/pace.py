"""How fast a server may be asked: slower where it says that there are too many requests."""

from __future__ import annotations

import asyncio
import time
from typing import Final

SLOWER: Final = 1.5
FASTER: Final = 0.8


class Pace:
    """How fast a server may be asked, learnt from what it refuses; for all who ask it together.

    At first as fast as anybody likes. A refusal makes all of them wait for as long as the server says, or else for
    the gap that from then on lies between two requests: `gap` seconds at first, half as many again after each
    refusal, `longest` at most, a fifth fewer after each answer, in the end none. How many answers are under way at
    once is another matter, and `models.work`'s.
    """

    def __init__(self, gap: float, longest: float, patience: float) -> None:
        """`patience`: seconds for which a server may refuse everything until it is given up."""
        self._first_gap, self._longest, self._patience = gap, longest, patience
        self._gap = 0.0
        self._next = 0.0  # when the next request may be sent; this and the others by the monotonic clock
        self._changed = 0.0
        self._refusing: float | None = None  # since when it has refused everything

    async def turn(self) -> float:
        """Wait until a request may be sent; when that was, for `answered` and `refused`."""
        while True:
            now = time.monotonic()
            if now >= self._next:
                self._next = now + self._gap
                return now
            await asyncio.sleep(self._next - now)

    def answered(self, sent: float) -> None:
        self._refusing = None
        if sent > self._changed:  # of one sent before nothing is learnt about the gap there is now
            self._gap = self._gap * FASTER if self._gap * FASTER > self._first_gap / 16 else 0.0

    def refused(self, sent: float, pause: float) -> bool:
        """Whether to ask again; `pause` are the seconds that the server names, 0: none."""
        now = time.monotonic()
        if self._refusing is None:
            self._refusing = now
        if now - self._refusing > self._patience:
            self._gap, self._next = 0.0, now  # the others who wait shall find out soon
            return False
        if sent > self._changed:  # those sent together are refused together, which counts once
            self._gap = min(max(self._first_gap, self._gap * SLOWER), self._longest)
            self._changed = now
        self._next = max(self._next, now + (pause or self._gap))
        return True
