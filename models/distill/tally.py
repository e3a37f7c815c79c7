"""What a training takes, counted while it runs: tokens, floating-point operations, seconds, energy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

from models.distill.run import Spent
from models.energy import Counter, CounterError

log = logging.getLogger("paddock.distill")


class Tally:
    """Goes on from what a checkpoint had counted. What a kill lost after it is not counted again."""

    def __init__(self, before: Spent, flops: Callable[[float, float], float], counter: Counter | None) -> None:
        """`flops` of so many tokens that meet so many in attention; `counter` gives joules, None: nothing is known."""
        self._now = before
        self._flops = flops
        self._counter = counter
        self.begin()

    def begin(self) -> None:
        """Time and energy count from here on."""
        self._last = time.monotonic()
        self._joules = self._read()

    def take(self, batch: MutableMapping[str, Any]) -> None:
        """Count a batch, and take out of it what was there for counting alone."""
        tokens, counted = batch.pop("tokens"), batch.pop("counted_tokens")
        self._now = replace(
            self._now,
            tokens=self._now.tokens + tokens,
            counted_tokens=self._now.counted_tokens + counted,
            flops=self._now.flops + self._flops(tokens, batch["input_ids"].shape[1]),
        )

    def spent(self) -> Spent:
        """All up to now."""
        now, joules = time.monotonic(), self._read()
        used = None if joules is None or self._joules is None else joules - self._joules
        # Energy that was counted for a part of the training only would look like all of it.
        known = self._now.joules if self._now.tokens and self._now.seconds else 0.0
        self._now = replace(
            self._now,
            seconds=self._now.seconds + now - self._last,
            joules=None if used is None or known is None else known + used,
        )
        self._last, self._joules = now, joules
        return self._now

    def _read(self) -> float | None:
        try:
            return self._counter() if self._counter else None
        except CounterError as error:
            log.warning("Energy is not measured any more: %s.", error)
            self._counter = None
            return None
