"""Who may generate now: so many at a time, in order of arrival, and only so many in line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Busy(Exception):
    """The line is as long as it may be; the visitor is asked to come back later."""


@dataclass(frozen=True)
class Waiting:
    """A visitor stands in line, at place `ahead` from the door (1 is next)."""

    ahead: int


class AlreadyInside(Exception):
    """Who asks has a place already, in another tab as a rule."""


class Gate:
    """A line of which the first `places` are inside. For one event loop; nothing in here waits."""

    def __init__(self, places: int, waiting: int) -> None:
        self._places = places
        self._most = places + waiting
        self._line: list[str] = []

    @contextmanager
    def stand_in_line(self, visitor: str) -> Iterator[Callable[[], int]]:
        """Hold a place until the block ends; what it yields tells how far from the door one is, 0 inside.

        Raises `Busy`, or `AlreadyInside`: one visitor must not fill the line.
        """
        if visitor in self._line:
            raise AlreadyInside
        if len(self._line) >= self._most:
            raise Busy
        self._line.append(visitor)
        try:
            yield lambda: max(0, self._line.index(visitor) - self._places + 1)
        finally:
            self._line.remove(visitor)
