"""What a leaderboard says at one moment: frozen values for pages, files and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from arena.boards.selection import Selection
from arena.boards.standings import Standing

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matrix:
    """The contestants of a board against each other, in the order of its rows; (K, K), row against column.

    `battles` counts their votes. `observed` is the share of points the row took (a tie is half a point), NaN where
    they never met; `predicted` the chance that the ratings give it, NaN where no chain of votes connects them.
    """

    battles: NDArray[np.int64]
    observed: Floats
    predicted: Floats


@dataclass(frozen=True)
class Effect:
    """How much a style moves votes: points of rating for one standard deviation more of it; interval at 95 %."""

    style: str
    points: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Board:
    """The rows of one selection, best first, and what belongs to them.

    `votes` and `voters` are those the selection takes; `unstyled` the votes it had to leave out because their
    answers' style is not known. `behind`: how many of the votes are newer than the part of the intervals that
    needs every voter's votes, and than the spread of Elo; that part is of `as_of` (None: there are no votes).
    `orders` random orders of the votes make Elo's spread; they rank the contestants in `rankings` ways.
    """

    selection: Selection
    rows: tuple[Standing, ...]
    matrix: Matrix
    votes: int
    voters: int
    unstyled: int = 0
    effects: tuple[Effect, ...] = ()
    as_of: datetime | None = None
    behind: int = 0
    orders: int = 0
    rankings: int = 0


@dataclass(frozen=True)
class History:
    """Ratings over time: (T, K) points at `times`, a column for each row of the board; NaN where there is none."""

    times: tuple[datetime, ...]
    ratings: Floats
