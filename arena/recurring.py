"""Work that is done again and again while the arena is open, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("paddock.recurring")

CLOSE_SECONDS = 10.0  # a storage that takes nothing must not hold the end of the process


class Recurring:
    """Calls `work` again and again from `begin` to `close`, which may be called twice, and before `begin`.

    `work` returns the seconds until it is called again; the first call comes after `wait`. Whatever it raises is a
    line in the log, and it is called again after as long as the last time: a thread that ended would never be.
    """

    def __init__(self, name: str, work: Callable[[], float], wait: float = 0.0) -> None:
        self._name = name
        self._work = work
        self._wait = wait
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=name, daemon=True)

    @property
    def over(self) -> bool:
        """Whether `close` was called: long work asks now and then."""
        return self._over.is_set()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def begin(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Call no more; work that runs gets `CLOSE_SECONDS` to end."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    def _follow(self) -> None:
        wait = self._wait
        while not self._over.wait(wait):
            try:
                wait = self._work()
            except Exception:
                log.exception("%s: that failed, and is tried again", self._name)
                wait = max(wait, 1.0)
