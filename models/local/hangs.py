"""When an engine's process hangs: silent while it should answer, or late to end an answer that nobody waits for."""

from __future__ import annotations


class Hangs:
    """Counts silence in the watcher's own ticks: if we slept, the process may have, too. For one thread at a time."""

    def __init__(self, stall: float, cancel: float) -> None:
        """Seconds of silence, and from an asker's leaving to the answer's end, that are still no hanging."""
        self.tick = min(1.0, stall / 4, cancel / 4)
        self._stall = stall
        self._cancel = cancel
        self._heard = False
        self._silent = 0.0
        self._left: dict[int, float] = {}

    def hear(self) -> None:
        """The process has said something."""
        self._heard = True

    def leave(self, number: int) -> None:
        """Nobody waits for this answer any more; the process has been told so."""
        self._left[number] = 0.0

    def end(self, number: int) -> None:
        self._left.pop(number, None)

    def pass_tick(self, *, busy: bool) -> str:
        """One more tick is over, in which it had answers to give or not; why it hangs, empty where it does not."""
        self._silent = self._silent + self.tick if busy and not self._heard else 0.0
        self._heard = False
        self._left = {number: waited + self.tick for number, waited in self._left.items()}
        if self._silent > self._stall:
            return f"no sign of life for {self._stall:g} s"
        late = max(self._left.values(), default=0.0) > self._cancel
        return f"an answer not ended for {self._cancel:g} s" if late else ""
