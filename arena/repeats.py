"""Lines that strangers can cause by the thousand: of each kind a few a minute are written, the others counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_A_MINUTE = 20
MINUTE = 60.0
# Whoever sends made-up requests makes these write. Never the lines of ours that tell what was done and by whom.
BY_STRANGERS = ("paddock.web", "paddock.tries", "uvicorn", "asyncio", "py.warnings")


@dataclass
class _Kind:
    begun: float
    written: int = 0
    left_out: int = 0


class Repeats(logging.Filter):
    """For a handler: what one place in the code writes more often than so many times a minute is left out.

    The last line before that says so, the first one after it how many there were.
    """

    def __init__(self, most: int = MOST_A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._kinds: dict[tuple[str, int], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(BY_STRANGERS):
            return True
        # Not the message: strangers may invent many, but no places.
        kind = self._kinds.setdefault((record.pathname, record.lineno), _Kind(self._clock()))
        note = ""
        if self._clock() - kind.begun >= MINUTE:
            note = f" ({kind.left_out} more like it before)" if kind.left_out else ""
            kind.begun, kind.written, kind.left_out = self._clock(), 0, 0
        if kind.written >= self._most:
            kind.left_out += 1
            return False
        kind.written += 1
        if kind.written == self._most:
            note += " (more like it are left out for a minute)"
        if note:
            record.msg, record.args = record.getMessage() + note, ()
        return True
