"""How well contestants do in each category, as lines around one centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go

from arena.figures.canvas import CLEAR, GRID, INK, Say, canvas, empty
from arena.figures.ratings import LINES

FEWEST_AXES = 3
HEIGHT = 520
LONGEST_LABEL = 28


@dataclass(frozen=True)
class Ring:
    """One contestant's line: a value for each axis, None where nothing was judged; `told` is what hovering adds."""

    name: str
    values: tuple[float | None, ...]
    told: tuple[str, ...]


def radar(title: str, axes: Sequence[str], rings: Sequence[Ring], top: float, form: str, say: Say) -> go.Figure:
    """Every ring around the centre, which is 0, with `top` at the rim; values are written by `form` (".1f", ".0%").

    Below three axes there is no area to draw, and the figure says so.
    """
    if len(axes) < FEWEST_AXES or not rings:
        return empty(title, say("radar_empty"))
    figure = canvas(title, HEIGHT)
    labels = [escape(_shortened(axis), quote=False) for axis in axes]
    for place, ring in enumerate(rings):
        figure.add_trace(_line(ring, labels, LINES[place % len(LINES)], form))
    axis = {"gridcolor": GRID, "linecolor": GRID, "tickfont": {"color": INK, "size": 11}}
    figure.update_layout(
        polar={
            "bgcolor": CLEAR,
            "radialaxis": {
                **axis,
                "range": [0, top],
                "tickformat": ".0%" if form.endswith("%") else "~g",
                "angle": 90,
                "tickangle": 90,
                "nticks": 6,
            },
            # The first category on top, the others clockwise, as one reads.
            "angularaxis": {**axis, "direction": "clockwise", "rotation": 90},
        },
        showlegend=True,
        legend={"orientation": "h", "yanchor": "top", "y": -0.08, "x": 0.5, "xanchor": "center"},
        margin={"l": 80, "r": 80, "t": 70, "b": 40},
    )
    return figure


def _line(ring: Ring, labels: Sequence[str], colour: str, form: str) -> go.Scatterpolar:
    closed = [*range(len(labels)), 0]
    return go.Scatterpolar(
        r=[ring.values[place] for place in closed],
        theta=[labels[place] for place in closed],
        customdata=[escape(ring.told[place], quote=False) for place in closed],
        name=escape(_shortened(ring.name), quote=False),
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 6, "color": colour},
        fill="toself",
        fillcolor=_faint(colour),
        hovertemplate=f"%{{theta}}: %{{r:{form}}}<br>%{{customdata}}<extra>%{{fullData.name}}</extra>",
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.10)"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
