from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from boards import board, history, speed, standing

from arena.figures.canvas import LONGEST_NAME, labels
from arena.figures.matrices import MOST_WRITTEN, battle_counts, predicted_rates, win_rates
from arena.figures.ratings import LINES_SHOWN, against_speed, intervals, over_time, ranks_of
from arena.ui.texts import say

ENGLISH = partial(say, "en")
ANT, BEE, CAT = standing("Ant", 1, 1, 2), standing("Bee", 2, 1, 3), standing("Cat", 3, 2, 3)
THREE = board(ANT, BEE, CAT)
LOST = standing("Eel", None, island=1, provisional=True)


def drawn(figure: go.Figure) -> dict[str, Any]:
    """The figure as a browser gets it, arrays as lists."""
    return dict(json.loads(figure.to_json(engine="json")))


def every_figure(shown: Any) -> list[go.Figure]:
    return [
        intervals(shown, ENGLISH),
        win_rates(shown, ENGLISH),
        predicted_rates(shown, ENGLISH),
        battle_counts(shown, ENGLISH),
        over_time(shown, history(shown), ENGLISH),
        against_speed(shown, [speed(row) for row in shown.rows], ENGLISH),
    ]


# -- what all of them share ----------------------------------------------------------------------


def test_no_figure_has_a_ground_or_black_text() -> None:
    for shown in (THREE, board()):
        for figure in every_figure(shown):
            layout = figure.layout
            assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
            assert layout.font.color == "#777777"
            assert layout.title.text


def test_without_votes_each_says_that_there_is_nothing_to_show() -> None:
    for figure in every_figure(board()):
        assert len(figure.data) == 0
        assert figure.layout.annotations[0].text


def test_a_name_is_text_and_never_markup() -> None:
    hostile = board(standing("<b>x</b>", 1), standing("<a href='javascript:1'>y</a>", 2))
    for figure in every_figure(hostile):
        texts = json.dumps(drawn(figure), ensure_ascii=False).replace("\\u003c", "<")
        assert "&lt;b&gt;x" in texts
        assert "<b>x" not in texts
        assert "<a href" not in texts


def test_names_that_are_shared_or_long_still_make_labels_of_their_own() -> None:
    long = "a" * 200
    rows = [standing("Ant"), replace(standing("Ant"), fingerprint="ff" * 32), standing(long), standing("Bee")]
    found = labels(rows)
    assert len(set(found)) == 4
    assert found[1] == "Ant (ffffffff)"
    assert len(found[2]) == LONGEST_NAME
    assert found[3] == "Bee"


@pytest.mark.parametrize(("lower", "upper", "said"), [(2, 4, "2–4"), (3, 3, "3"), (None, None, "–")])
def test_ranks_are_one_or_a_range(lower: int | None, upper: int | None, said: str) -> None:
    assert ranks_of(replace(ANT, rank_lower=lower, rank_upper=upper)) == said


# -- intervals -----------------------------------------------------------------------------------


def test_the_best_is_on_top_and_provisional_ones_are_hollow() -> None:
    figure = intervals(board(ANT, replace(BEE, provisional=True), CAT), ENGLISH)
    solid, hollow = figure.data
    assert (solid.marker.symbol, tuple(solid.x), tuple(solid.y)) == ("circle", (1050, 950), ("Ant", "Cat"))
    assert (hollow.marker.symbol, tuple(hollow.x), tuple(hollow.y)) == ("circle-open", (1000,), ("Bee",))
    assert figure.layout.yaxis.categoryarray == ("Ant", "Bee", "Cat")
    assert figure.layout.yaxis.range == (2.5, -0.5)
    assert tuple(solid.error_x.array) == tuple(solid.error_x.arrayminus) == (50, 50)
    assert list(solid.customdata[0]) == ["Ant", "[1000, 1100]", "1–2", 100]


def test_who_is_on_another_island_is_not_on_the_same_scale() -> None:
    shown = board(ANT, BEE, LOST)
    assert "Eel" not in json.dumps(drawn(intervals(shown, ENGLISH)))
    assert "Eel" not in json.dumps(drawn(over_time(shown, history(shown), ENGLISH)))
    assert "Eel" not in json.dumps(drawn(against_speed(shown, [speed(row) for row in shown.rows], ENGLISH)))


# -- everybody against everybody -----------------------------------------------------------------


def test_hovering_a_cell_tells_who_beat_whom_how_often_and_what_was_predicted() -> None:
    (cells,) = win_rates(THREE, ENGLISH).data
    assert (tuple(cells.y), tuple(cells.x)) == (("Ant", "Bee", "Cat"),) * 2
    assert cells.z[0][1] == pytest.approx(0.63)
    assert tuple(cells.customdata[0][1]) == pytest.approx((12, 0.58))
    assert cells.hovertemplate == (
        "%{y} beat %{x}<br>in %{z:.0%} of %{customdata[0]} battles (predicted %{customdata[1]:.0%})<extra></extra>"
    )


def test_predictions_are_there_for_pairs_that_never_met() -> None:
    shown = board(ANT, BEE, CAT)
    met = shown.matrix.battles.copy()
    met[0, 2] = met[2, 0] = 0
    observed = np.where(met > 0, shown.matrix.observed, np.nan)
    shown = replace(shown, matrix=replace(shown.matrix, battles=met, observed=observed))
    assert np.isnan(win_rates(shown, ENGLISH).data[0].z[0][2])
    assert predicted_rates(shown, ENGLISH).data[0].z[0][2] == pytest.approx(0.58)
    counts = battle_counts(shown, ENGLISH).data[0].z
    assert counts[0][1] == 12
    assert np.isnan(counts[0][2])


def test_nobody_meets_themselves() -> None:
    for make in (win_rates, predicted_rates, battle_counts):
        assert np.isnan(np.diag(make(THREE, ENGLISH).data[0].z)).all()


def test_who_never_fought_has_no_row() -> None:
    shown = board(ANT, BEE, standing("Dog", None))
    met = shown.matrix.battles.copy()
    met[2] = met[:, 2] = 0
    figure = win_rates(replace(shown, matrix=replace(shown.matrix, battles=met)), ENGLISH)
    assert tuple(figure.data[0].y) == ("Ant", "Bee")
    assert figure.data[0].customdata.shape == (2, 2, 2)


def test_cells_of_a_large_map_are_not_written_over_and_stay_large_enough_to_hit() -> None:
    many = board(*(standing(f"Model {n:02}", n) for n in range(1, 101)))
    assert win_rates(THREE, ENGLISH).data[0].texttemplate == "%{z:.0%}"
    figure = win_rates(many, ENGLISH)
    assert len(many.rows) > MOST_WRITTEN
    assert figure.data[0].texttemplate is None
    assert figure.layout.width > 100 * 11
    assert figure.layout.height > 100 * 11
    assert len(figure.to_json()) < 400_000


# -- over time, and speed ------------------------------------------------------------------------


def test_the_best_ten_are_lines_and_the_others_wait_in_the_legend() -> None:
    many = board(*(standing(f"Model {n:02}", n) for n in range(1, 31)))
    figure = over_time(many, history(many), ENGLISH)
    assert [line.visible for line in figure.data] == [True] * LINES_SHOWN + ["legendonly"] * 20
    assert [line.name for line in figure.data][:2] == ["Model 01", "Model 02"]
    first = figure.data[0]
    assert first.x[0] == pytest.approx(history(many).times[0].timestamp() * 1000)
    assert np.isnan(first.y[0])
    assert first.y[-1] == 1050
    assert figure.layout.xaxis.type == "date"


def test_votes_of_one_date_are_told_apart_by_their_order() -> None:
    shown = history(THREE, days=4)
    figure = over_time(THREE, replace(shown, times=(shown.times[0],) * 4), ENGLISH)
    assert tuple(figure.data[0].x) == (0.25, 0.5, 0.75, 1.0)
    assert figure.layout.xaxis.type is None
    assert "order" in figure.layout.xaxis.title.text


def test_rating_stands_over_speed_where_both_are_known() -> None:
    speeds = [speed(ANT, 10.126), speed(BEE, None), speed(standing("Dog"), 50.0)]
    (dots,) = against_speed(THREE, speeds, ENGLISH).data
    assert (tuple(dots.x), tuple(dots.y), tuple(dots.text)) == ((10.13,), (1050,), ("Ant",))
    assert tuple(dots.error_y.array) == (50,)
