"""What others may read, as JSON values: the leaderboard, the matrices, the counts; docs/api.md describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection
from arena.exchange.leaderboard_files import leaderboard_records
from arena.figures.plots import known

Answer = list[dict[str, object]] | dict[str, object]


def leaderboard(board: Leaderboard, selection: Selection) -> Answer:
    """A record a contestant, best first; the same as `python -m arena leaderboard --format json`."""
    return leaderboard_records(board.board(selection).rows)


def matrix(board: Leaderboard, selection: Selection) -> Answer:
    """`models` in the order of the leaderboard; the others have a row and a column for each of them.

    `observed`: the share of points the row took from the column; null where they never met. `predicted`: the chance
    that their ratings give it; null where nothing connects them.
    """
    shown = board.board(selection)
    return {
        "models": [row.model for row in shown.rows],
        "battles": shown.matrix.battles.tolist(),
        "observed": _shares(shown.matrix.observed.tolist()),
        "predicted": _shares(shown.matrix.predicted.tolist()),
    }


def counts(board: Leaderboard, selection: Selection) -> Answer:
    """Votes, voters and contestants of the selection, votes by model, and what else one may select."""
    shown = board.board(selection)
    return {
        "votes": shown.votes,
        "voters": shown.voters,
        "contestants": sum(row.votes > 0 for row in shown.rows),
        "votes_by_model": {row.model: row.votes for row in shown.rows},
        "unstyled": shown.unstyled,
        "behind": shown.behind,
        "as_of": shown.as_of.isoformat() if shown.as_of else None,
        "categories": [name for name in board.categories if name],
        "languages": [name for name in board.languages if name],
    }


ANSWERS: Final[Mapping[str, Callable[[Leaderboard, Selection], Answer]]] = {
    "leaderboard": leaderboard,
    "matrix": matrix,
    "counts": counts,
}


def _shares(rows: list[list[float]]) -> list[list[Any]]:
    return [[known(share) for share in row] for row in rows]
