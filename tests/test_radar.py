from __future__ import annotations

import json
from functools import partial

from arena.figures.radar import Ring, radar
from arena.ui.texts import say

ENGLISH = partial(say, "en")
AXES = ("coding", "writing", "math")
ANT = Ring("The Ant", (8.0, None, 5.0), ("three", "none", "two"))


def test_a_ring_is_closed_and_leaves_a_gap_where_nothing_was_judged() -> None:
    (line,) = radar("Scores", AXES, [ANT], 10, ".2f", ENGLISH).data
    assert tuple(line.r) == (8.0, None, 5.0, 8.0)
    assert tuple(line.theta) == ("coding", "writing", "math", "coding")
    assert tuple(line.customdata) == ("three", "none", "two", "three")


def test_it_reaches_from_nothing_to_the_top_of_the_scale_on_any_ground() -> None:
    layout = radar("Shares", AXES, [ANT], 1, ".0%", ENGLISH).layout
    assert (layout.polar.radialaxis.range, layout.polar.radialaxis.tickformat) == ((0, 1), ".0%")
    assert layout.paper_bgcolor == layout.polar.bgcolor == "rgba(0, 0, 0, 0)"


def test_names_are_text_and_never_markup() -> None:
    hostile = Ring("<b>x</b>", (1, 2, 3), ("<i>", "", ""))
    drawn = json.dumps(json.loads(radar("t", ("<u>", "b", "c"), [hostile], 10, ".1f", ENGLISH).to_json(engine="json")))
    assert "&lt;b&gt;x" in drawn
    for tag in ("<b>x", "<i>", "<u>"):
        assert tag not in drawn


def test_two_categories_make_no_radar_and_it_says_so() -> None:
    for axes, rings in ((AXES[:2], [ANT]), (AXES, [])):
        figure = radar("Scores", axes, rings, 10, ".2f", ENGLISH)
        assert len(figure.data) == 0
        assert "three categories" in figure.layout.annotations[0].text
