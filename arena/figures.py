"""Figures of the leaderboard, readable on light and dark pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from arena.leaderboard import Standing

# Transparent grounds, and greys and a blue in the middle of the scale: about 4.4:1 on white and on near-black.
_INK = "#777777"
_GRID = "rgba(128, 128, 128, 0.25)"
_DOT = "#3b82f6"
_ROW_HEIGHT = 26
_MARGIN_HEIGHT = 130


def interval_figure(
    standings: Sequence[Standing],
    *,
    title: str = "",
    rating_label: str = "Rating",
    rated_label: str = "rated",
    provisional_label: str = "provisional",
) -> go.Figure:
    """Ratings as dots with their intervals, best on top; provisional ones hollow, unrated ones left out."""
    rated = [row for row in standings if row.rating is not None]
    figure = go.Figure()
    for provisional, label in ((False, rated_label), (True, provisional_label)):
        chosen = [(place, row) for place, row in enumerate(rated) if row.provisional is provisional]
        if chosen:
            figure.add_trace(_dots(chosen, label, hollow=provisional))
    _lay_out(figure, rated, escape(title, quote=False))
    figure.update_xaxes(title=escape(rating_label, quote=False))
    return figure


def _lay_out(figure: go.Figure, rated: Sequence[Standing], title: str) -> None:
    figure.update_layout(
        title=title,
        height=_MARGIN_HEIGHT + _ROW_HEIGHT * len(rated),
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        font={"color": _INK},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        showlegend=any(row.provisional for row in rated),
        margin={"l": 10, "r": 10, "t": 70 if title else 30, "b": 40},
    )
    figure.update_xaxes(gridcolor=_GRID, zeroline=False)
    # Places, not names, are the axis: two contestants may bear one name and must not share a line.
    figure.update_yaxes(
        tickvals=list(range(len(rated))),
        ticktext=[escape(row.name, quote=False) for row in rated],
        range=[len(rated) - 0.5, -0.5],
        automargin=True,
        gridcolor=_GRID,
        zeroline=False,
    )


def _dots(chosen: Sequence[tuple[int, Standing]], label: str, *, hollow: bool) -> go.Scatter:
    rows = [row for _, row in chosen]
    return go.Scatter(
        x=[row.rating for row in rows],
        y=[place for place, _ in chosen],
        mode="markers",
        name=escape(label, quote=False),
        marker={
            "symbol": "circle-open" if hollow else "circle",
            "size": 10,
            "color": _DOT,
            "line": {"width": 2, "color": _DOT},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_reach(row.rating, row.upper) for row in rows],
            "arrayminus": [_reach(row.lower, row.rating) for row in rows],
            "color": _DOT,
            "thickness": 1.5,
        },
        customdata=[[escape(row.name, quote=False), _interval(row), row.votes] for row in rows],
        hovertemplate="%{customdata[0]}<br>%{x:.0f} %{customdata[1]}<br>n = %{customdata[2]}<extra></extra>",
    )


def _reach(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else high - low


def _interval(row: Standing) -> str:
    return "" if row.lower is None or row.upper is None else f"[{row.lower:.0f}, {row.upper:.0f}]"
