"""A selection's ratings and the contestants → a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arena.boards.board import Board, Matrix
from arena.boards.following import Following
from arena.boards.ledger import Columns
from arena.boards.standings import Entrant, Standing, model_labels
from arena.ratings.bradley_terry import START, Fit
from arena.ratings.intervals import Confidence
from arena.ratings.ranks import Ranks, ranks
from arena.ratings.swaps import votes_to_swap
from arena.ratings.tally import Counts

WIDEST_MARGIN = 200.0


def board_of(following: Following, columns: Columns, listed: Sequence[Entrant], enough_votes: int) -> Board:
    """The board as `following` knows it; rows by rank, then those without one.

    Listed are the catalogue's contestants, and of others and archived ones those that have votes in the selection.
    """
    fit, sure, effects = following.rate()
    placed = ranks(fit, sure)
    places = {fingerprint: place for place, fingerprint in enumerate(columns.contestants)}
    votes = following.counts.votes.sum(axis=1)
    voted = {fingerprint for fingerprint, place in places.items() if votes[place]}
    known = [who for who in listed if who.fingerprint in voted or (who.current and who.state != "archived")]
    labels = model_labels(known)
    drawn = sorted(known, key=lambda who: _order(who, places.get(who.fingerprint), fit, placed, votes))
    order = [places.get(who.fingerprint, -1) for who in drawn]
    slow = following.slow
    swaps = {}
    if not following.selection.style:
        swaps = _swaps(fit, placed, order, slow.plain.swaps if slow and slow.plain else {})
    writer = _Rows(following, fit, sure, placed, votes, enough_votes, swaps)
    return Board(
        selection=following.selection,
        rows=tuple(writer.row(who, labels[who.fingerprint], place) for who, place in zip(drawn, order, strict=True)),
        matrix=_matrix(following.counts, fit, order),
        votes=following.votes,
        voters=following.voters,
        unstyled=following.unstyled,
        effects=effects,
        as_of=slow.at if slow and following.votes else None,
        behind=following.behind,
        orders=slow.spread.orders if slow else 0,
        rankings=slow.spread.rankings if slow else 0,
    )


def _order(
    who: Entrant, place: int | None, fit: Fit, placed: Ranks, votes: NDArray[np.float64]
) -> tuple[float, float, float, float, str, str]:
    if place is None:
        return (1, np.inf, np.inf, 0, who.name, who.fingerprint)
    rating = fit.rating[place]
    height = np.inf if np.isnan(rating) else -round(float(rating), 2)
    ranked = placed.rank[place] > 0
    # Islands one after another: ratings of two of them say nothing about each other.
    return (0 if ranked else 1, fit.component[place], height, -votes[place], who.name, who.fingerprint)


def _swaps(
    fit: Fit, placed: Ranks, order: Sequence[int], known: Mapping[tuple[int, int], int | None]
) -> dict[int, int | None]:
    """For each ranked contestant (by place), the votes that would lift it level with the one above.

    Those of pairs that are neighbours only since the last look are computed here.
    """
    ranked = [place for place in order if place >= 0 and placed.rank[place]]
    return {
        below: known[above, below] if (above, below) in known else votes_to_swap(fit, above, below)
        for above, below in pairwise(ranked)
    }


def _matrix(counts: Counts, fit: Fit, order: Sequence[int]) -> Matrix:
    # Whoever has no vote yet gets a row and a column of nothing.
    places = np.ix_(order, order)

    def drawn(table: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
        return np.pad(table, (0, 1), constant_values=nothing)[places]

    battles = drawn(counts.votes, 0)
    with np.errstate(invalid="ignore"):
        observed = drawn(counts.won, 0) / battles
    return Matrix(battles.round().astype(np.int64), observed, drawn(fit.chance, np.nan))


class _Rows:
    """Writes the rows of one board."""

    def __init__(
        self,
        following: Following,
        fit: Fit,
        sure: Confidence,
        placed: Ranks,
        votes: NDArray[np.float64],
        enough_votes: int,
        swaps: dict[int, int | None],
    ) -> None:
        self._following = following
        self._fit = fit
        self._sure = sure
        self._placed = placed
        self._votes = votes
        self._won = following.counts.won.sum(axis=1)
        self._enough_votes = enough_votes
        self._swaps = swaps

    def row(self, who: Entrant, label: str, place: int) -> Standing:
        unrated = _unrated(who, label)
        if place < 0:
            return unrated
        slow = self._following.slow
        spread = slow.spread if slow and place < slow.size and self._votes[place] else None
        lower, upper = _number(self._sure.lower[place]), _number(self._sure.upper[place])
        votes, wins, rank = round(self._votes[place]), float(self._won[place]), int(self._placed.rank[place])
        wide = lower is None or upper is None or (upper - lower) / 2 > WIDEST_MARGIN
        return replace(
            unrated,
            rank=rank or None,
            rank_lower=int(self._placed.lower[place]) or None,
            rank_upper=int(self._placed.upper[place]) or None,
            rating=_number(self._fit.rating[place]),
            lower=lower,
            upper=upper,
            votes=votes,
            wins=wins,
            win_rate=wins / votes if votes else None,
            elo=float(self._following.elos[place]),
            elo_lower=_number(spread.lower[place]) if spread else None,
            elo_upper=_number(spread.upper[place]) if spread else None,
            swap=self._swaps.get(place),
            island=int(self._fit.component[place]),
            provisional=wide or not rank or votes < self._enough_votes,
        )


def _unrated(who: Entrant, label: str) -> Standing:
    """The row of who has no vote yet: the prior's rating, and nothing else."""
    return Standing(
        rank=None,
        rank_lower=None,
        rank_upper=None,
        model=label,
        name=who.name,
        fingerprint=who.fingerprint,
        rating=START,
        lower=None,
        upper=None,
        votes=0,
        wins=0.0,
        win_rate=None,
        elo=START,
        elo_lower=None,
        elo_upper=None,
        swap=None,
        island=-1,
        provisional=True,
        engine=who.engine,
        quantization=who.quantization,
        license=who.license,
        url=who.url,
        state=who.state,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
