"""One speed for all battles: that of the slowest who plays, so that no pair is told by how fast it is shown."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from math import ceil, log2
from statistics import median

from arena.pacing import SLOWEST, Answer
from models.chat import Done

# The latest answers of a contestant by which it is known; the middle one, so that one bad moment slows nobody.
ANSWERS = 16
LEAST_CHARS = 40  # what a shorter answer says of a speed is chance
MARGIN = 0.8  # an answer seldom comes evenly: at this share of its speed it is rarely waited for
LONGEST_START = 5.0  # seconds: a contestant that begins later than that does show
LEVELS = 4  # to each halving: a speed that followed every answer would tell who has just given one


class Tempo:
    """How fast each contestant answered lately. For one event loop."""

    def __init__(self, chars_per_second: float) -> None:
        """That is the most anything is shown at; at 0 nothing is held back."""
        self._most = chars_per_second
        self._speeds: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=ANSWERS))
        self._starts: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=ANSWERS))

    def learn(self, contestant: str, answer: Answer) -> None:
        """Note a complete answer; what of it was reasoning counts as the wait for its first text."""
        end, shown = answer.end, len(answer.visible)
        if not isinstance(end, Done) or end.seconds is None or end.first_token_seconds is None or shown < LEAST_CHARS:
            return
        writing = max(end.seconds - end.first_token_seconds, 1e-3)
        speed = len(answer.raw) / writing
        self._speeds[contestant].append(speed)
        self._starts[contestant].append(end.first_token_seconds + (len(answer.raw) - shown) / speed)

    def common(self, playing: Iterable[str]) -> tuple[float, float]:
        """Characters a second at which any two of these are shown, and the seconds after which text may begin."""
        known = [one for one in playing if one in self._speeds]
        if not (known and self._most):
            return self._most, 0.0
        slowest = MARGIN * min(median(self._speeds[one]) for one in known)
        below = max(0.0, log2(self._most / max(slowest, self._most / SLOWEST)))
        pace = self._most / 2 ** (ceil(LEVELS * below) / LEVELS)
        latest = max(median(self._starts[one]) for one in known)
        # The first characters to be shown must be there by then too.
        return pace, min(latest / MARGIN + pace / 4 / (slowest / MARGIN), LONGEST_START)
