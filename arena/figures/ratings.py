"""Ratings as dots with their intervals, as lines over time, and against speed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from arena.boards.board import Board, History
from arena.boards.speed import Speed
from arena.boards.standings import Standing
from arena.figures.canvas import DOT, Say, canvas, empty, labels

ROW_HEIGHT = 24
MARGIN_HEIGHT = 130
CHART_HEIGHT = 560
LEGEND_ROW = 19
LINES_SHOWN = 10
MOST_NAMED = 12
# Ten inks that part well from each other, for colour-blind people too, on white and on near-black.
LINES = (
    "#3b82f6", "#e07b00", "#10a37f", "#d946a6", "#8b6fd6", "#b08900", "#e0524a", "#0fa5c0", "#7a9a01", "#8c8c8c",
)  # fmt: skip


def intervals(board: Board, say: Say) -> go.Figure:
    """Ratings as dots with their 95 % intervals, best on top; provisional ones hollow, who has no rank left out."""
    rows = _ranked(board)
    if not rows:
        return empty(say("plot_title"), say("plot_empty"))
    figure = canvas(say("plot_title"), MARGIN_HEIGHT + ROW_HEIGHT * len(rows))
    names = labels(rows)
    hover = say(
        "hover_rating", name="%{customdata[0]}", rating="%{x:.0f}", interval="%{customdata[1]}",
        ranks="%{customdata[2]}", votes="%{customdata[3]}",
    )  # fmt: skip
    for provisional, key in ((False, "rated"), (True, "provisional")):
        chosen = [(name, row) for name, row in zip(names, rows, strict=True) if row.provisional is provisional]
        if chosen:
            figure.add_trace(_dots(chosen, say(key), hover, hollow=provisional))
    figure.update_layout(
        showlegend=any(row.provisional for row in rows),
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        margin={"t": 70},
    )
    figure.update_xaxes(title=escape(say("rating"), quote=False))
    # The whole order is given: a trace's own order would put the provisional ones last.
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=names, range=[len(rows) - 0.5, -0.5], dtick=1
    )
    return figure


def over_time(board: Board, history: History, say: Say) -> go.Figure:
    """Ratings as lines over time, one a row; those below the best ten wait in the legend for a click."""
    if not np.isfinite(history.ratings).any():
        return empty(say("plot_over_time"), say("plot_empty"))
    # Four names in a line on a page of usual width.
    legend = LEGEND_ROW * (1 + len(board.rows) // 4)
    figure = canvas(say("plot_over_time"), CHART_HEIGHT + legend)
    dated = history.times[0] < history.times[-1]
    # Milliseconds, not texts: a hundred lines of them are sent. Imported votes may bear one date for all.
    count = len(history.times)
    times = (
        np.array([moment.timestamp() * 1000 for moment in history.times]) if dated else np.arange(1, count + 1) / count
    )
    for place, (row, name) in enumerate(zip(board.rows, labels(board.rows), strict=True)):
        ratings = history.ratings[:, place]
        if row.rank is not None and np.isfinite(ratings).any():
            figure.add_trace(_line(place, name, times, ratings, shown=len(figure.data) < LINES_SHOWN))
    figure.update_traces(hovertemplate="%{fullData.name}<br>%{x}: %{y:.0f}<extra></extra>")
    if dated:
        figure.update_xaxes(type="date")
    else:
        figure.update_xaxes(title=escape(say("share_of_votes"), quote=False), tickformat=".0%")
    figure.update_yaxes(title=escape(say("rating"), quote=False))
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": -0.1 if dated else -0.15, "yanchor": "top", "maxheight": legend + LEGEND_ROW},
        hovermode="closest",
    )
    return figure


def against_speed(board: Board, speeds: Sequence[Speed], say: Say) -> go.Figure:
    """Rating, with its interval, over tokens per second, for those of whom both are known."""
    measured = {speed.fingerprint: speed.tokens_per_second for speed in speeds if speed.tokens_per_second is not None}
    rows = [row for row in _ranked(board) if row.fingerprint in measured]
    if not rows:
        return empty(say("plot_speed"), say("plot_no_speed"))
    figure = canvas(say("plot_speed"), CHART_HEIGHT)
    names = labels(rows)
    hover = say(
        "hover_speed", name="%{customdata[0]}", rating="%{y:.0f}", interval="%{customdata[1]}", speed="%{x:.1f}"
    )
    figure.add_trace(
        go.Scatter(
            x=[round(measured[row.fingerprint], 2) for row in rows],
            y=[row.rating for row in rows],
            mode="markers+text" if len(rows) <= MOST_NAMED else "markers",
            text=names,
            textposition="top center",
            marker={"size": 10, "color": DOT},
            error_y=_bars(rows),
            customdata=_told(names, rows),
            hovertemplate=hover + "<extra></extra>",
        )
    )
    figure.update_xaxes(title=escape(say("tokens_a_second"), quote=False), rangemode="tozero")
    figure.update_yaxes(title=escape(say("rating"), quote=False))
    return figure


def _ranked(board: Board) -> list[Standing]:
    """Who can be put on one scale: ratings of another island are not comparable."""
    return [row for row in board.rows if row.rating is not None and row.rank is not None]


def _dots(chosen: Sequence[tuple[str, Standing]], label: str, hover: str, *, hollow: bool) -> go.Scatter:
    names, rows = [name for name, _ in chosen], [row for _, row in chosen]
    return go.Scatter(
        x=[row.rating for row in rows],
        y=names,
        mode="markers",
        name=escape(label, quote=False),
        marker={
            "symbol": "circle-open" if hollow else "circle",
            "size": 9,
            "color": DOT,
            "line": {"width": 2, "color": DOT},
        },
        error_x=_bars(rows),
        customdata=_told(names, rows),
        hovertemplate=hover + "<extra></extra>",
    )


def _told(names: Sequence[str], rows: Sequence[Standing]) -> list[list[str | int]]:
    """What hovering tells of each row: name, interval, ranks, votes."""
    return [[name, _interval(row), ranks_of(row), row.votes] for name, row in zip(names, rows, strict=True)]


def _bars(rows: Sequence[Standing]) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [_reach(row.rating, row.upper) for row in rows],
        "arrayminus": [_reach(row.lower, row.rating) for row in rows],
        "color": DOT,
        "thickness": 1.5,
        "width": 3,
    }


def _line(
    place: int, name: str, times: NDArray[np.float64], ratings: NDArray[np.float64], *, shown: bool
) -> go.Scatter:
    return go.Scatter(
        x=times,
        y=ratings.astype(np.float32),
        name=name,
        mode="lines+markers",
        marker={"size": 4},
        line={"color": LINES[place % len(LINES)], "width": 2},
        visible=True if shown else "legendonly",
    )


def ranks_of(row: Standing) -> str:
    """The ranks a row may have, as "2–4"; one of them where it is certain."""
    if row.rank_lower is None or row.rank_upper is None:
        return "–"
    return f"{row.rank_lower}–{row.rank_upper}" if row.rank_lower < row.rank_upper else str(row.rank_lower)


def _reach(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else high - low


def _interval(row: Standing) -> str:
    return "" if row.lower is None or row.upper is None else f"[{row.lower:.0f}, {row.upper:.0f}]"
