"""What all figures share: their ground, their inks, how they name contestants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Protocol

import plotly.graph_objects as go

from arena.boards.standings import Standing

# Transparent grounds, and greys and a blue in the middle of the scale: about 4.4:1 on white and on near-black.
INK = "#777777"
GRID = "rgba(128, 128, 128, 0.25)"
DOT = "#3b82f6"
CLEAR = "rgba(0, 0, 0, 0)"
LONGEST_NAME = 36


class Say(Protocol):
    """A sentence or a word by its key, in the language of whoever looks at the figure."""

    def __call__(self, key: str, **values: object) -> str: ...


def canvas(title: str, height: int) -> go.Figure:
    """An empty figure, `height` pixels high; its title is plain text."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        title={
            "text": escape(title, quote=False), "font": {"size": 15}, "pad": {"t": 14},
            "x": 0.01, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top", "yref": "container",
        },
        height=height,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"color": INK},
        hoverlabel={"align": "left", "namelength": -1},
        margin={"l": 10, "r": 10, "t": 50, "b": 40},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    return figure


def empty(title: str, note: str) -> go.Figure:
    """A figure that has nothing to show, and says why."""
    figure = canvas(title, 220)
    figure.add_annotation(text=escape(note, quote=False), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def labels(rows: Sequence[Standing]) -> list[str]:
    """One label a row: its name, shortened, never markup; where several share it, with their fingerprints."""
    short = [_shortened(row.name) for row in rows]
    shared = Counter(short)
    return [
        escape(name if shared[name] == 1 else f"{name} ({row.fingerprint[:8]})", quote=False)
        for name, row in zip(short, rows, strict=True)
    ]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
