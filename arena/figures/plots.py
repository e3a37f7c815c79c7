"""The figures by name: drawn for the page, written as files that need no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import plotly.graph_objects as go

from arena.boards.board import Board, History
from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection
from arena.boards.speed import Speeds
from arena.exchange.files import write_csv
from arena.figures.canvas import Say, empty
from arena.figures.matrices import battle_counts, predicted_rates, win_rates
from arena.figures.ratings import against_speed, intervals, over_time

PLOTS: Final = ("intervals", "win_rates", "predicted", "battles", "over_time", "speed")
PAIR_FIELDS = ("model", "against", "battles", "observed", "predicted")
HISTORY_FIELDS = ("time", "model", "rating")
# The numbers behind each; those of the others are files of their own already.
DATA: Mapping[str, str] = {
    "intervals": "leaderboard.csv",
    "win_rates": "matrix.csv",
    "predicted": "matrix.csv",
    "battles": "matrix.csv",
    "over_time": "history.csv",
    "speed": "speed.csv",
}


@dataclass(frozen=True)
class Plots:
    leaderboard: Leaderboard
    speeds: Speeds

    @property
    def names(self) -> tuple[str, ...]:
        """The files that `write` knows."""
        return (*(f"{plot}.html" for plot in PLOTS), "matrix.csv", "history.csv")

    def draw(self, plot: str, selection: Selection, say: Say) -> go.Figure:
        """The figure of that name. Raises `KeyError` for another one."""
        board = self.leaderboard.board(selection)
        drawn: dict[str, Callable[[], go.Figure]] = {
            "intervals": lambda: intervals(board, say),
            "win_rates": lambda: win_rates(board, say),
            "predicted": lambda: predicted_rates(board, say),
            "battles": lambda: battle_counts(board, say),
            "over_time": lambda: self._over_time(selection, say),
            "speed": lambda: against_speed(board, self.speeds.refresh(), say),
        }
        return drawn[plot]()

    def write(self, name: str, path: Path, selection: Selection, say: Say) -> None:
        """Write the file `name` to `path`: a page that draws itself offline, or a table. `KeyError` for another name.

        The camera on such a page saves an SVG.
        """
        if name == "matrix.csv":
            write_csv(path, PAIR_FIELDS, pairs(self.leaderboard.board(selection)))
        elif name == "history.csv":
            write_csv(path, HISTORY_FIELDS, points(*self.leaderboard.history(selection)))
        else:
            plot = name.removesuffix(".html")
            camera = {"format": "svg", "filename": f"paddock-{plot}"}
            config = {"displaylogo": False, "toImageButtonOptions": camera}
            self.draw(plot, selection, say).write_html(path, config=config, include_plotlyjs=True)

    def _over_time(self, selection: Selection, say: Say) -> go.Figure:
        if selection.style:
            return empty(say("plot_over_time"), say("plot_not_styled"))
        return over_time(*self.leaderboard.history(selection), say)


def points(board: Board, history: History) -> Iterator[dict[str, object]]:
    """One record for each moment and contestant that had a rating then."""
    for moment, ratings in zip(history.times, history.ratings.tolist(), strict=True):
        for row, rating in zip(board.rows, ratings, strict=True):
            if known(rating) is not None:
                yield {"time": moment.isoformat(), "model": row.model, "rating": round(rating, 2)}


def pairs(board: Board) -> Iterator[dict[str, object]]:
    """One record for each ordered pair that met: battles, the share of points `model` took, the predicted one."""
    battles, observed, predicted = (
        matrix.tolist() for matrix in (board.matrix.battles, board.matrix.observed, board.matrix.predicted)
    )
    for i, row in enumerate(board.rows):
        for j, other in enumerate(board.rows):
            if battles[i][j]:
                yield {
                    "model": row.model,
                    "against": other.model,
                    "battles": battles[i][j],
                    "observed": known(observed[i][j]),
                    "predicted": known(predicted[i][j]),
                }


def known(share: float) -> float | None:
    """A share to 0.0001; None for NaN, of which JSON knows nothing."""
    return round(share, 4) if share == share else None
