"""Votes → counts: all that a fit reads, and what new votes are added to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.integer[Any]]
Points = NDArray[np.floating[Any]]

_VOTES_AT_ONCE = 1_000_000
_BITS = 15  # a contestant's, in a key of voter and pair


@dataclass(frozen=True)
class Counts:
    """Votes by pair: (K, K), row against column. `won` are points of the row, `squares` the sum of their squares."""

    votes: Floats
    won: Floats
    squares: Floats

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.votes + other.votes, self.won + other.won, self.squares + other.squares)

    @property
    def ties(self) -> Floats:
        """How many votes were ties: a tie is a quarter of a square on either side, a decision a whole on one."""
        return 2 * (self.votes - self.squares - self.squares.T)

    def padded(self, size: int) -> Counts:
        """Of `size` contestants, the new ones without votes."""
        room = (0, size - len(self.votes))
        return Counts(np.pad(self.votes, room), np.pad(self.won, room), np.pad(self.squares, room))


def count(a: Codes, b: Codes, points: Points, size: int) -> Counts:
    """Votes counted by pair; a contestant's votes against itself say nothing and are left out.

    `a` and `b` are codes below `size`; `points` are those of `a`: 1, 0, or 0.5 for a tie.
    Raises `ValueError` for columns of unequal length, and for other points.
    """
    _check(a, b, points)
    sums = np.zeros((3, size * size))
    # In parts: whoever shares the process, as a web server does, gets its turn between them.
    for first in range(0, len(a), _VOTES_AT_ONCE):
        part = slice(first, first + _VOTES_AT_ONCE)
        score = np.asarray(points[part], np.float64)
        pair = np.asarray(a[part], np.int64) * size + b[part]
        sums[0] += np.bincount(pair, minlength=size * size)
        sums[1] += np.bincount(pair, score, size * size)
        sums[2] += np.bincount(pair, score * score, size * size)
    met, won, squares = sums.reshape(3, size, size) * (1 - np.eye(size))
    return Counts(met + met.T, won + (met - won).T, squares + (met - 2 * won + squares).T)


@dataclass(frozen=True)
class Groups:
    """Votes summed by voter and pair: columns of equal length, ordered by voter, low < high.

    `votes`, `points` and `squares` are the number of votes, the sum of the points of `low`, and that of their squares.
    """

    voter: Integers
    low: Integers
    high: Integers
    votes: Floats
    points: Floats
    squares: Floats


def group(voter: Codes, a: Codes, b: Codes, points: Points) -> Groups:
    """Votes summed by voter and pair, without those of a contestant against itself.

    Codes of voters lie below 2³¹, those of contestants below 2¹⁵. Raises `ValueError` as `count` does.
    """
    _check(a, b, points, voter)
    keys = np.empty(len(a), np.int64)
    for first in range(0, len(a), _VOTES_AT_ONCE):
        part = slice(first, first + _VOTES_AT_ONCE)
        keys[part] = _keys(voter[part], a[part], b[part], points[part])
    keys.sort()
    keys = keys[np.searchsorted(keys, 0) :]
    kind, score = keys >> 2, (keys & 3) / 2
    first_of_kind = np.flatnonzero(np.diff(kind, prepend=-1))
    if not len(first_of_kind):
        return Groups(*np.empty((3, 0), np.int64), *np.empty((3, 0)))
    votes = np.diff(first_of_kind, append=len(kind)).astype(np.float64)
    sums = np.add.reduceat(score, first_of_kind), np.add.reduceat(score * score, first_of_kind)
    kind, mask = kind[first_of_kind], (1 << _BITS) - 1
    return Groups(kind >> 2 * _BITS, kind >> _BITS & mask, kind & mask, votes, *sums)


def _keys(voter: Codes, a: Codes, b: Codes, points: Points) -> Integers:
    """A number for each vote, its voter in front and twice its points behind; -1 for one against itself.

    All in one, since numbers are sorted much sooner than the order of some is found.
    """
    one, other = np.asarray(a, np.int64), np.asarray(b, np.int64)
    halves = np.asarray(2 * points, np.int64)
    halves = np.where(one > other, 2 - halves, halves)
    key = np.asarray(voter, np.int64) << _BITS | np.minimum(one, other)
    return np.where(one == other, -1, (key << _BITS | np.maximum(one, other)) << 2 | halves)


def _check(a: Codes, b: Codes, points: Points, *others: Codes) -> None:
    if any(len(column) != len(a) for column in (b, points, *others)):
        raise ValueError("The columns of votes differ in length.")
    if not np.all((points == 0) | (points == 0.5) | (points == 1)):
        raise ValueError("Points of a vote are 0, 0.5 or 1.")
