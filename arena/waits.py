"""How long a battle waits for its models: alike for all, where memory does not hold every pair.

Or whoever has just been told two names would know, by a second battle that begins at once, that it is the same two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

BATTLES = 16  # whose waits are remembered
FEW = 4  # of so many waits the longest may be usual; of more it may be the bad moment of one, for which nobody waits
LONGEST_SECONDS = 20.0  # a longer wait is not asked of those whose models are there, and does show


class Waits:
    """The latest waits for models that had to be loaded. For one event loop."""

    def __init__(self, tick: float, short: Callable[[], bool]) -> None:
        """`short` tells whether some pairs can't be had at once; `tick` is how often is looked, in seconds."""
        self._tick = tick
        self._short = short
        self._latest: deque[float] = deque(maxlen=BATTLES)

    @property
    def common(self) -> float:
        """The seconds that all wait now: as long as the longest of the latest waits, but one where more are known."""
        usual = sorted(self._latest)[: -1 if len(self._latest) > FEW else None]
        return min(max(usual, default=0.0), LONGEST_SECONDS) if self._short() else 0.0

    async def until(self, there: Callable[[], bool], *, alike: bool) -> AsyncGenerator[None, None]:
        """Yield again and again until both models are `there`; if `alike`, for as long as others have waited too.

        Raises what `there` raises.
        """
        clock = asyncio.get_running_loop().time
        began, common, waited = clock(), self.common if alike else 0.0, False
        while not there():
            waited = True
            yield
            await asyncio.sleep(self._tick)
        if waited:
            self._latest.append(clock() - began)
        while clock() < began + common:
            yield
            await asyncio.sleep(self._tick)
