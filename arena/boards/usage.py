"""What answers took, added up: for the reveal of one battle, and for the table of speeds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from db.usage import Took

# An answer whose first text and end came together tells nothing of the time between them.
LEAST_SECONDS = 0.01


@dataclass(frozen=True)
class Usage:
    """What the answers of one contestant in one battle took, over all turns that count.

    `prompt_tokens`, `tokens` and `joules` are sums (a later turn reads the earlier ones again, and they count
    again), `first_token_seconds` is the mean, `tokens_per_second` that of `Totals`; each is None unless it is
    known of every turn. `cut`: an answer ended at its limit of length, in one turn at least.
    """

    prompt_tokens: int | None
    tokens: int | None
    first_token_seconds: float | None
    tokens_per_second: float | None
    joules: float | None
    cut: bool


class Totals:
    """Sums over answers; every figure is over the answers of which it is known."""

    def __init__(self, answers: Iterable[Took] = ()) -> None:
        self.answers = 0
        self.cut = 0
        self.prompt_tokens = _Sum()
        self.tokens = _Sum()
        self.joules = _Sum()
        self.firsts = array("d")
        self._metered_tokens = 0
        self._metered_joules = 0.0
        self._later_tokens = 0
        self._later_seconds = 0.0
        for answer in answers:
            self.add(answer)

    def add(self, took: Took) -> None:
        self.answers += 1
        self.cut += took.reason == "length"
        self.prompt_tokens.add(took.prompt_tokens)
        self.tokens.add(took.tokens)
        self.joules.add(took.joules)
        if took.joules is not None and took.tokens is not None:
            self._metered_joules += took.joules
            self._metered_tokens += took.tokens
        if took.first_token_seconds is None:
            return
        self.firsts.append(took.first_token_seconds)
        later = (took.seconds or 0) - took.first_token_seconds
        if took.tokens and later >= LEAST_SECONDS:
            self._later_tokens += took.tokens - 1
            self._later_seconds += later

    @property
    def first_token_seconds(self) -> float | None:
        """The mean time to the first token."""
        return math.fsum(self.firsts) / len(self.firsts) if self.firsts else None

    @property
    def first_token_p95(self) -> float | None:
        """The least of the times to the first token that 95 % of them do not exceed (the nearest-rank percentile)."""
        return float(np.percentile(np.array(self.firsts), 95, method="inverted_cdf")) if self.firsts else None

    @property
    def tokens_per_second(self) -> float | None:
        """Σ (tokens - 1) / Σ (seconds - first_token_seconds): the tokens after the first by the time after it.

        Neither reading the prompt nor waiting for a place is in it. What came as the first text counts as one
        token, however the engine cut it; answers that had no `LEAST_SECONDS` between it and the end are left out.
        """
        return self._later_tokens / self._later_seconds if self._later_tokens else None

    @property
    def joules_per_1000_tokens(self) -> float | None:
        """1000 Σ joules / Σ tokens, over the answers whose joules and tokens are known."""
        return 1000 * self._metered_joules / self._metered_tokens if self._metered_tokens else None


class _Sum:
    """A sum of what is known, and of how many values."""

    def __init__(self) -> None:
        self.total: float = 0
        self.count = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.count += 1

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


def usage_of(answers: Iterable[Took]) -> Usage:
    totals = Totals(answers)

    def whole(figure: _Sum) -> float | None:
        return figure.total if figure.count == totals.answers else None

    prompt_tokens, tokens = whole(totals.prompt_tokens), whole(totals.tokens)
    timed = len(totals.firsts) == totals.answers
    return Usage(
        prompt_tokens=None if prompt_tokens is None else int(prompt_tokens),
        tokens=None if tokens is None else int(tokens),
        first_token_seconds=totals.first_token_seconds if timed else None,
        tokens_per_second=totals.tokens_per_second if timed and tokens is not None else None,
        joules=whole(totals.joules),
        cut=totals.cut > 0,
    )
