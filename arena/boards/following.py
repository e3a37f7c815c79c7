"""One selection's ratings, following the ledger: what new votes change costs little, what is slow comes after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arena.boards.board import Effect
from arena.boards.ledger import Columns
from arena.boards.selection import Selection
from arena.ratings.bradley_terry import START, Fit, fit
from arena.ratings.elo import Spread, elo, spread
from arena.ratings.intervals import Clusters, Confidence, Quantiles, clusters, confidence
from arena.ratings.style import STYLES, Effects, controlled
from arena.ratings.swaps import votes_to_swap_neighbours
from arena.ratings.tally import Counts, count, group
from db.outcome import Outcome

POINTS = np.array([outcome.score_a for outcome in Outcome])
_DAY = 86_400.0
_TIE, _BOTH_BAD = (list(Outcome).index(outcome) for outcome in (Outcome.TIE, Outcome.BOTH_BAD))

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def chosen(selection: Selection, columns: Columns, first: int = 0) -> Integers:
    """The rows of the ledger from `first` on that a selection takes, in order. With `style`, also those unstyled."""
    part = slice(first, columns.size)
    kept = np.ones(columns.size - first, np.bool_)
    for name, values, codes in (
        (selection.category, columns.categories, columns.category),
        (selection.language, columns.languages, columns.language),
    ):
        if name:
            kept &= codes[part] == (values.index(name) if name in values else -1)
    if selection.since:
        kept &= columns.time[part] >= _midnight(selection.since)
    if selection.until:
        kept &= columns.time[part] < _midnight(selection.until) + _DAY
    if selection.turns != "all":
        kept &= (columns.turns[part] > 1) == (selection.turns == "several")
    for way, outcome in ((selection.ties, _TIE), (selection.both_bad, _BOTH_BAD)):
        if way == "left_out":
            kept &= columns.outcome[part] != outcome
    if selection.verified:
        kept &= columns.verified[part]
    return np.flatnonzero(kept) + first


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


@dataclass(frozen=True)
class Plain:
    """The voters' part of the intervals, and the votes to swap of neighbours: (above, below)."""

    clusters: Clusters
    quantiles: Quantiles
    swaps: Mapping[tuple[int, int], int | None]


@dataclass(frozen=True)
class Slow:
    """What takes long: Elo's spread, and what the intervals need every vote for.

    It is of the selection's first `votes` votes, and of the first `size` contestants; `plain` or `styled`, as the
    selection asks for.
    """

    votes: int
    size: int
    at: datetime
    spread: Spread
    plain: Plain | None = None
    styled: tuple[Fit, Confidence, tuple[Effect, ...]] | None = None


class Following:
    """What is known of one selection so far. Not safe between threads: `Leaderboard` takes care."""

    def __init__(self, selection: Selection, generation: int) -> None:
        self.selection = selection
        self.generation = generation
        self.taken = 0
        self.votes = 0
        self.unstyled = 0
        self.counts = _nothing_counted()
        self.elos: Floats = np.empty(0)
        self.fit: Fit | None = None
        self.slow: Slow | None = None
        self._seen: NDArray[np.bool_] = np.zeros(0, np.bool_)

    @property
    def voters(self) -> int:
        return int(self._seen.sum())

    def take_in(self, columns: Columns) -> bool:
        """Count the ledger's new votes and fit anew, from where the last fit ended; False where nothing is new."""
        size = len(columns.contestants)
        if self.taken == columns.size and self.fit is not None and len(self.elos) == size:
            return False
        found = chosen(self.selection, columns, self.taken)
        rows = _styled(columns, found) if self.selection.style else found
        a, b, points = _sides(columns, rows)
        counts = self.counts.padded(size) + count(a, b, points, size)
        elos = elo(a, b, points, np.append(self.elos, np.full(size - len(self.elos), START)))
        fitted = fit(counts, self.selection.prior, self.fit.strength if self.fit else None)
        # Last: should anything above fail, no vote was taken in, and the next time counts them again.
        self.counts, self.elos, self.fit, self.taken = counts, elos, fitted, columns.size
        self.votes += len(rows)
        self.unstyled += len(found) - len(rows)
        self._see(columns.voter[rows], columns.voters)
        return True

    def _see(self, voters: NDArray[np.int32], known: int) -> None:
        seen = np.zeros(known, np.bool_)
        seen[: len(self._seen)] = self._seen
        seen[voters] = True
        self._seen = seen

    def rate(self) -> tuple[Fit, Confidence, tuple[Effect, ...]]:
        """Ratings and intervals as of now; their slow part is as old as `slow`. Call `take_in` before."""
        assert self.fit is not None  # noqa: S101
        slow = self.slow
        if slow is None or self.outgrown:
            return self.fit, confidence(self.fit), ()
        if slow.plain is None:
            return slow.styled or (self.fit, confidence(self.fit), ())
        # Whoever voted before may have cast the new votes too: until the next look these tell nothing of voters.
        known = slow.plain.clusters.after(self.votes / max(slow.votes, 1))
        return self.fit, confidence(self.fit, known, slow.plain.quantiles), ()

    @property
    def behind(self) -> int:
        """How many votes the slow part has not seen."""
        return self.votes - (self.slow.votes if self.slow else 0)

    @property
    def outgrown(self) -> bool:
        """Whether contestants came that the slow part can't do without."""
        return self.slow is not None and self.slow.styled is not None and self.slow.size != len(self.elos)


def look_closer(selection: Selection, columns: Columns, known: Fit, now: datetime) -> Slow:
    """The slow part for the ledger as it is in `columns`; reads nothing that changes, so any thread may run it."""
    size = len(columns.contestants)
    rows = chosen(selection, columns)
    if selection.style:
        rows = _styled(columns, rows)
    a, b, points = _sides(columns, rows)
    voters = columns.voter[rows]
    seen = Slow(len(rows), size, now, spread(a, b, points, size))
    if selection.style:
        style = columns.style[rows].astype(np.float64)
        held, sure, effects = controlled(a, b, points, voters.astype(np.int64), style, size, selection.prior)
        return replace(seen, styled=(held, sure, _named(effects)))
    together = clusters(group(voters, a, b, points), known)
    return replace(seen, plain=Plain(together, confidence(known, together).quantiles, _swaps(known)))


def _nothing_counted() -> Counts:
    return Counts(*np.zeros((3, 0, 0)))


def _named(effects: Effects) -> tuple[Effect, ...]:
    """Those of the effects that votes say something of."""
    numbers = (effects.points.tolist(), effects.lower.tolist(), effects.upper.tolist())
    named = (Effect(*values) for values in zip(STYLES, *numbers, strict=True))
    return tuple(effect for effect in named if np.isfinite(effect.lower))


def _swaps(fitted: Fit) -> dict[tuple[int, int], int | None]:
    """For each two neighbours by rating, the votes that would bring the lower one level."""
    best_first = np.argsort(-fitted.rating, kind="stable")
    ranked = [int(place) for place in best_first if fitted.component[place] == 0 and fitted.compared[place] > 1]
    return dict(zip(pairwise(ranked), votes_to_swap_neighbours(fitted, ranked), strict=True))


def _styled(columns: Columns, rows: Integers) -> Integers:
    """Those of the rows whose answers' style is known."""
    return rows[~np.isnan(columns.style[rows]).any(axis=1)]


def _sides(columns: Columns, rows: Integers) -> tuple[Integers, Integers, Floats]:
    return (
        columns.a[rows].astype(np.int64),
        columns.b[rows].astype(np.int64),
        POINTS[columns.outcome[rows]],
    )
