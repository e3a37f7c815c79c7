"""Everybody against everybody, as heat maps in the order of the board."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from arena.boards.board import Board
from arena.figures.canvas import INK, Say, canvas, empty, labels

# From losing to winning, also for colour-blind people; nobody's grey in the middle is the ground's.
SHARES = ((0.0, "#d9480f"), (0.5, "#b8b8b8"), (1.0, "#1864d0"))
# Neither near white nor near black: every one is seen on both pages.
COUNTS = ((0.0, "#7fa8e8"), (0.5, "#8f6fd0"), (1.0, "#e0524a"))
MOST_WRITTEN = 16
LETTER_WIDTH = 6.5  # pixels, in labels of 12 points
TITLE_HEIGHT, SCALE_WIDTH, EDGE = 50, 80, 20
CELLS_WIDTH = 840  # what a page of usual width has for the cells
SMALLEST, LARGEST = 11, 46  # pixels a cell


def win_rates(board: Board, say: Say) -> go.Figure:
    """The share of points that the row took from the column; empty where they never met."""
    observed, battles, predicted = board.matrix.observed, board.matrix.battles, board.matrix.predicted
    hover = say(
        "hover_won", row="%{y}", column="%{x}", share="%{z:.0%}", battles="%{customdata[0]}",
        predicted="%{customdata[1]:.0%}",
    )  # fmt: skip
    return _shares(board, "plot_win_rates", observed, np.stack([battles, predicted], -1), hover, say)


def predicted_rates(board: Board, say: Say) -> go.Figure:
    """The chance that the ratings give the row against the column; empty where nothing connects them."""
    hover = say(
        "hover_predicted", row="%{y}", column="%{x}", share="%{z:.0%}", battles="%{customdata[0]}"
    )  # fmt: skip
    told = board.matrix.battles[:, :, None]
    return _shares(board, "plot_predicted", board.matrix.predicted, told, hover, say)


def battle_counts(board: Board, say: Say) -> go.Figure:
    """How many battles of each pair were voted on; empty where none."""
    counts = board.matrix.battles.astype(np.float32)
    counts[counts == 0] = np.nan
    hover = say("hover_battles", row="%{y}", column="%{x}", battles="%{z:.0f}")
    scale = {"colorscale": COUNTS, "zmin": 0}
    return _map(board, "plot_battles", counts, say, hovertemplate=hover, texttemplate="%{z:.0f}", **scale)


def _shares(board: Board, title: str, shares: NDArray[Any], told: NDArray[Any], hover: str, say: Say) -> go.Figure:
    share = shares.astype(np.float32)
    np.fill_diagonal(share, np.nan)
    return _map(
        board,
        title,
        share,
        say,
        customdata=told.astype(np.float32),
        hovertemplate=hover,
        texttemplate="%{z:.0%}",
        colorscale=SHARES,
        zmin=0,
        zmax=1,
        colorbar={"tickformat": ".0%"},
    )


def _map(board: Board, title: str, values: NDArray[np.float32], say: Say, **options: Any) -> go.Figure:
    met = np.flatnonzero(board.matrix.battles.sum(axis=1))
    rows = [board.rows[place] for place in met]
    if not rows:
        return empty(say(title), say("plot_empty"))
    names = labels(rows)
    if "customdata" in options:
        options["customdata"] = options["customdata"][np.ix_(met, met)]
    if len(rows) > MOST_WRITTEN:
        del options["texttemplate"]
    side = max(SMALLEST, min(LARGEST, CELLS_WIDTH // len(rows)))
    room = 16 + int(LETTER_WIDTH * max(map(len, names)))  # for the names, on the left and above
    margin = {"l": room, "r": SCALE_WIDTH, "t": TITLE_HEIGHT + room, "b": EDGE}
    figure = canvas(say(title), margin["t"] + margin["b"] + side * len(rows))
    options["hovertemplate"] += "<extra></extra>"
    options["colorbar"] = {"thickness": 12, "len": 1, "outlinewidth": 0, **options.get("colorbar", {})}
    figure.add_trace(go.Heatmap(z=values[np.ix_(met, met)], x=names, y=names, hoverongaps=False, **options))
    # As wide as the cells need: a page that is narrower scrolls it, and labels stay legible.
    figure.update_layout(width=margin["l"] + margin["r"] + side * len(rows), margin=margin)
    tick = {"tickfont": {"size": min(12, side - 2), "color": INK}, "type": "category", "dtick": 1, "showgrid": False}
    figure.update_xaxes(side="top", tickangle=-60, **tick)
    figure.update_yaxes(autorange="reversed", **tick)
    return figure
