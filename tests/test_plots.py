from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, CAT, database_with, ready_battle, vote

from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection
from arena.boards.speed import Speeds
from arena.figures.plots import DATA, PLOTS, Plots, pairs
from arena.ui.texts import say
from db.outcome import Outcome
from db.session import Database

ENGLISH = partial(say, "en")


def fought(database: Database, votes: int = 8) -> None:
    """Votes of Ant against Bee; every fourth is a tie, the others Ant wins."""
    for number in range(votes):
        battle, voter = f"battle{number}", f"voter{number % 3}"
        database.write(partial(ready_battle, battle_id=battle, voter=voter))
        outcome = Outcome.TIE if number % 4 == 0 else Outcome.A
        database.write(partial(vote, battle_id=battle, outcome=outcome, voter=voter))


@pytest.fixture
def plots(tmp_path: Path) -> Iterator[Plots]:
    with closing(database_with(tmp_path, ANT, BEE, CAT)) as database:
        fought(database)
        with closing(Leaderboard(database, (ANT, BEE, CAT))) as leaderboard:
            yield Plots(leaderboard, Speeds(database, (ANT, BEE, CAT)))


@pytest.mark.slow
def test_every_plot_can_be_drawn_and_written(plots: Plots, tmp_path: Path) -> None:
    for plot in PLOTS:
        figure = plots.draw(plot, Selection(), ENGLISH)
        assert len(figure.data) == (0 if plot == "speed" else 2 if plot == "over_time" else 1), plot
        path = tmp_path / f"{plot}.html"
        plots.write(path.name, path, Selection(), ENGLISH)
        page = path.read_text(encoding="utf-8")
        assert "plotly.js" in page
        assert f'"filename": "paddock-{plot}"' in page
        assert '<script src="http' not in page


def test_numbers_behind_plots_are_tables(plots: Plots, tmp_path: Path) -> None:
    for name in ("matrix.csv", "history.csv"):
        plots.write(name, tmp_path / name, Selection(), ENGLISH)
    (one, other) = csv.DictReader((tmp_path / "matrix.csv").open())
    assert (one["model"], one["against"], one["battles"], one["observed"]) == ("ant", "bee", "8", "0.875")
    assert float(one["predicted"]) + float(other["predicted"]) == pytest.approx(1)
    moments = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert {moment["model"] for moment in moments} == {"ant", "bee"}
    last = plots.leaderboard.board().rows[0].rating
    assert float(moments[-2]["rating"]) == pytest.approx(last, abs=0.01)


def test_a_plot_is_of_the_votes_that_were_selected(plots: Plots) -> None:
    (cells,) = plots.draw("win_rates", Selection(ties="left_out"), ENGLISH).data
    assert cells.z[0][1] == 1
    assert cells.customdata[0][1][0] == 6
    assert len(plots.draw("battles", Selection(category="knowledge"), ENGLISH).data) == 0


def test_other_names_are_errors(plots: Plots, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        plots.draw("secret", Selection(), ENGLISH)
    with pytest.raises(KeyError):
        plots.write("secret.html", tmp_path / "secret.html", Selection(), ENGLISH)


def test_the_numbers_of_every_plot_have_a_file() -> None:
    assert DATA.keys() == set(PLOTS)


def test_pairs_that_never_met_are_in_no_record(plots: Plots) -> None:
    found = list(pairs(plots.leaderboard.board()))
    assert {(pair["model"], pair["against"]) for pair in found} == {("ant", "bee"), ("bee", "ant")}
