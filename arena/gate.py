"""Who may generate now: so many at a time, in order of arrival, and only so many in line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial


class Busy(Exception):
    """The line is as long as it may be; the visitor is asked to come back later."""


class Closed(Busy):
    """The arena is about to stop and lets nobody in."""


@dataclass(frozen=True)
class Waiting:
    """A visitor stands in line, at place `ahead` from the door (1 is next)."""

    ahead: int


class AlreadyInside(Exception):
    """Who asks has a place already, in another tab as a rule."""


class Gate:
    """A line of which the first `places` are inside. For one event loop; nothing in here waits.

    How many there are may be asked, and the gate closed, from any thread.
    """

    def __init__(self, places: int, waiting: int) -> None:
        self._places = places
        self._most = places + waiting
        self._line: list[str] = []
        self._networks: Counter[str] = Counter()
        self._last: frozenset[str] | None = None

    @property
    def inside(self) -> int:
        return min(len(self._line), self._places)

    @property
    def waiting(self) -> int:
        return max(0, len(self._line) - self._places)

    @property
    def closed(self) -> bool:
        return self._last is not None

    def close(self) -> None:
        """From now on nobody comes in, those in line neither; who is inside stays to the end."""
        self._last = frozenset(self._line[: self._places])

    @contextmanager
    def stand_in_line(self, visitor: str, network: str | None = None) -> Iterator[Callable[[], int]]:
        """Hold a place until the block ends; what it yields tells how far from the door one is, 0 inside.

        Raises `Busy`, or `AlreadyInside`: neither one visitor nor one network (half of the places are its, where it is
        known) may fill the line; both raise `Closed` once it is.
        """
        if self.closed:
            raise Closed
        if visitor in self._line:
            raise AlreadyInside
        if len(self._line) >= self._most or (network and self._networks[network] >= max(1, self._most // 2)):
            raise Busy
        self._line.append(visitor)
        if network:
            self._networks[network] += 1
        try:
            yield partial(self._ahead, visitor)
        finally:
            self._line.remove(visitor)
            if network:
                self._networks -= Counter((network,))  # which forgets those of whom nobody is left

    def _ahead(self, visitor: str) -> int:
        if self._last is not None and visitor not in self._last:
            raise Closed
        return max(0, self._line.index(visitor) - self._places + 1)
