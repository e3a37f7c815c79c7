"""Ratings over time: what the leaderboard said, with the votes there were then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from arena.boards.board import History
from arena.boards.following import POINTS, chosen
from arena.boards.ledger import Columns
from arena.boards.selection import Selection
from arena.boards.standings import Standing
from arena.ratings.bradley_terry import fit
from arena.ratings.tally import Counts, count

MOMENTS = 24


def ratings_over_time(
    selection: Selection, columns: Columns, standings: Sequence[Standing], moments: int = MOMENTS
) -> History:
    """Bradley–Terry ratings at `moments` times with equally many votes between them, the last one with all votes.

    Style is not held equal here. A contestant has no rating (NaN) before its first vote, nor while no chain of votes
    connects it to those with the most.
    """
    rows = chosen(selection, columns)
    rows = rows[np.argsort(columns.time[rows], kind="stable")]
    size = len(columns.contestants)
    places = {fingerprint: place for place, fingerprint in enumerate(columns.contestants)}
    order = [places.get(row.fingerprint, -1) for row in standings]
    counts, start = Counts(*np.zeros((3, size, size))), None
    times, ratings = [], []
    for part in filter(len, np.array_split(rows, moments)):
        points = POINTS[columns.outcome[part]]
        counts = counts + count(columns.a[part].astype(np.int64), columns.b[part].astype(np.int64), points, size)
        now = fit(counts, selection.prior, start)
        start = now.strength
        known = (now.component == 0) & (counts.votes.sum(axis=1) > 0)
        ratings.append(np.append(np.where(known, now.rating, np.nan), np.nan)[order])
        times.append(datetime.fromtimestamp(float(columns.time[part[-1]]), UTC))
    return History(tuple(times), np.array(ratings).reshape(len(times), len(order)))
