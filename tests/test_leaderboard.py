from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from arena.figures import interval_figure
from arena.leaderboard import Entrant, Leaderboard, Standing, entrants, model_labels, standings
from arena.ratings import Rating, Tally, bradley_terry, elo
from db.outcome import Outcome
from db.queries import contestants, enrol, open_battle
from db.schema import open_database
from db.session import Database
from db.tables import Battle, Contestant, Turn
from db.votes import VoteRow, record_vote, votes_after
from models.catalog import ModelSpec

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def spec(model: str, context: int = 4096) -> ModelSpec:
    return ModelSpec(
        id=model,
        name=model.title(),
        engine="scripted",
        quantization="Q4_K_M",
        license="Apache-2.0",
        makers=("us",),
        url=f"https://example.org/{model}",
        context=context,
    )


def remembered(model: ModelSpec, day: int = 0) -> Contestant:
    return Contestant(
        fingerprint=model.fingerprint,
        model_id=model.id,
        name=model.name,
        engine=model.engine,
        quantization=model.quantization,
        license=model.license,
        url=model.url,
        identity=model.identity,
        created_at=NOW + timedelta(days=day),
    )


def vote(database: Database, a: ModelSpec, b: ModelSpec, outcome: Outcome, voter: str = "v") -> None:
    def work(session: Session) -> None:
        battle = f"battle{next(_numbers)}"
        row = Battle(
            id=battle, voter=voter, contestant_a=a.fingerprint, contestant_b=b.fingerprint, probability=1.0,
            status="open", created_at=NOW, finished_at=NOW,
        )  # fmt: skip
        turn = Turn(battle_id=battle, position=0, attempt=0, prompt="p", seed=1, status="finished", started_at=NOW)
        open_battle(session, row, turn)
        record_vote(session, battle, voter, outcome, NOW, timedelta(hours=1))

    database.write(work)


_numbers = iter(range(1_000_000))
ANT, BEE, CAT = spec("ant"), spec("bee"), spec("cat")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    """A real database that knows ant, bee and cat."""
    database = open_database(f"sqlite:///{tmp_path}/arena.db")
    for day, model in enumerate((ANT, BEE, CAT)):
        database.write(partial(enrol, contestant=remembered(model, day)))
    yield database
    database.close()


def named(rows: Sequence[Standing]) -> dict[str, Standing]:
    return {row.model: row for row in rows}


# -- following votes -----------------------------------------------------------------------------


def test_a_board_without_votes_lists_the_catalogue_at_1000(board: Database) -> None:
    rows = Leaderboard(board, (ANT, BEE, CAT)).refresh()
    assert [(row.rank, row.rating, row.lower, row.votes, row.win_rate, row.elo) for row in rows] == [
        (1, 1000.0, None, 0, None, 1000.0)
    ] * 3
    assert all(row.provisional for row in rows)


def test_a_refresh_reads_only_votes_after_the_watermark_and_equals_a_count_from_scratch(
    board: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def reading(session: Session, after: int) -> list[VoteRow]:
        asked.append(after)
        return votes_after(session, after)

    monkeypatch.setattr("arena.leaderboard.votes_after", reading)
    followed = Leaderboard(board, (ANT, BEE, CAT))
    for round_ in range(3):
        for n in range(7):
            vote(board, (ANT, BEE)[n % 2], CAT, list(Outcome)[(n + round_) % 4], voter=f"v{n}")
        followed.refresh()
    assert asked == [0, 7, 14]
    assert followed.rows == Leaderboard(board, (ANT, BEE, CAT)).refresh()
    assert sum(row.votes for row in followed.rows) == 2 * 21


def test_rows_say_what_the_ratings_say(board: Database) -> None:
    for n in range(40):
        vote(board, ANT, BEE, Outcome.A if n % 4 else Outcome.BOTH_BAD, voter=f"v{n}")
    rows = Leaderboard(board, (ANT, BEE)).refresh()
    points = [1.0 if n % 4 else 0.5 for n in range(40)]
    tally = Tally()
    tally.add(["ant"] * 40, ["bee"] * 40, points, [f"v{n}" for n in range(40)])
    expected = bradley_terry(tally)["ant"]
    first = rows[0]
    assert (first.model, first.name, first.rank, first.fingerprint) == ("ant", "Ant", 1, ANT.fingerprint)
    assert (first.rating, first.lower, first.upper) == pytest.approx((expected.rating, expected.lower, expected.upper))
    assert (first.votes, first.wins, first.win_rate) == (40, 35.0, 0.875)
    assert first.elo == pytest.approx(elo(["ant"] * 40, ["bee"] * 40, points)["ant"])
    assert (first.quantization, first.license, first.url) == ("Q4_K_M", "Apache-2.0", "https://example.org/ant")
    assert not first.provisional


def test_nothing_is_computed_anew_where_nothing_is_new(board: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Leaderboard(board, (ANT, BEE))
    vote(board, ANT, BEE, Outcome.A)
    rows = followed.refresh()
    monkeypatch.setattr("arena.leaderboard.bradley_terry", None)
    assert followed.refresh() is rows


def test_a_fit_that_failed_is_tried_again_without_counting_votes_twice(
    board: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = Leaderboard(board, (ANT, BEE))
    vote(board, ANT, BEE, Outcome.A)
    with monkeypatch.context() as broken:
        broken.setattr("arena.leaderboard.bradley_terry", None)
        with pytest.raises(TypeError):
            followed.refresh()
    assert named(followed.refresh())["ant"].votes == 1


def test_threads_that_refresh_at_once_count_every_vote_once(board: Database) -> None:
    followed = Leaderboard(board, (ANT, BEE, CAT))
    threads = [threading.Thread(target=lambda: [followed.refresh() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(40):
        vote(board, ANT, BEE, Outcome.A, voter=f"v{n}")
    for thread in threads:
        thread.join()
    assert named(followed.refresh())["ant"].votes == 40


def test_two_boards_share_nothing(board: Database, tmp_path: Path) -> None:
    vote(board, ANT, BEE, Outcome.A)
    Leaderboard(board, (ANT, BEE)).refresh()
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    assert {row.votes for row in Leaderboard(other, (ANT, BEE)).refresh()} == {0}
    other.close()


# -- who is listed, and as what ------------------------------------------------------------------


def test_who_left_the_catalogue_stays_with_its_votes_and_goes_without(board: Database) -> None:
    vote(board, ANT, BEE, Outcome.A)
    assert set(named(Leaderboard(board, (BEE, spec("dog"))).refresh())) == {"ant", "bee", "dog"}


def test_a_changed_fingerprint_is_a_row_of_its_own_and_the_older_one_is_marked(board: Database) -> None:
    larger = spec("ant", context=8192)
    vote(board, ANT, BEE, Outcome.A)
    rows = named(Leaderboard(board, (larger, BEE)).refresh())
    assert set(rows) == {"ant", "bee", f"ant@{ANT.fingerprint[:8]}"}
    assert rows["ant"].fingerprint == larger.fingerprint
    assert rows["ant"].votes == 0


def test_the_catalogues_contestant_keeps_the_plain_id_even_if_it_is_older(board: Database) -> None:
    later = spec("ant", context=8192)
    board.write(partial(enrol, contestant=remembered(later, day=9)))
    vote(board, later, BEE, Outcome.A)
    rows = named(Leaderboard(board, (ANT, BEE)).refresh())
    assert rows["ant"].fingerprint == ANT.fingerprint
    assert rows[f"ant@{later.fingerprint[:8]}"].votes == 1


def test_of_three_that_share_an_id_two_are_marked() -> None:
    listed = [entrant("m", f"{n}" * 64, current=False) for n in range(3)]
    assert model_labels(listed) == {"0" * 64: "m@00000000", "1" * 64: "m@11111111", "2" * 64: "m"}


def test_the_catalogues_name_wins_over_the_remembered_one(board: Database) -> None:
    renamed = ANT.model_copy(update={"name": "Ant the Great"})
    with board.read() as session:
        found = entrants((renamed,), contestants(session))
    assert [(who.name, who.current) for who in found] == [("Ant the Great", True), ("Bee", False), ("Cat", False)]


# -- order, ranks, provisional -------------------------------------------------------------------


def entrant(model: str, fingerprint: str = "", *, current: bool = True) -> Entrant:
    return Entrant(fingerprint or model, model, model.upper(), "llamacpp", "Q8_0", "MIT", "", current)


def rated(
    name: str, rating: float | None, margin: float | None = 50.0, votes: int = 100, component: int = 0
) -> tuple[str, Rating]:
    known = rating is not None and margin is not None
    lower, upper = (rating - margin, rating + margin) if rating is not None and margin is not None else (None, None)
    assert known == (lower is not None)
    return name, Rating(name, rating, lower, upper, votes, votes / 2, component)


def test_equal_ratings_share_a_rank_and_the_next_rank_is_skipped() -> None:
    ratings = dict([rated("a", 1000.001), rated("b", 1100.0), rated("c", 999.999), rated("d", 900.0)])
    rows = standings([entrant(name) for name in "abcd"], ratings, {})
    assert [(row.rank, row.model) for row in rows] == [(1, "b"), (2, "a"), (2, "c"), (4, "d")]


def test_who_has_no_finite_rating_comes_last() -> None:
    rows = standings([entrant("a"), entrant("b")], dict([rated("a", None, None), rated("b", 100.0)]), {})
    assert [(row.rank, row.model, row.rating) for row in rows] == [(1, "b", 100.0), (2, "a", None)]
    assert rows[1].provisional


@pytest.mark.parametrize(
    ("row", "provisional"),
    [
        (rated("a", 1000, votes=30), False),
        (rated("a", 1000, votes=29), True),
        (rated("a", 1000, margin=201), True),
        (rated("a", 1000, component=1), True),
        (rated("a", 1000, margin=None, votes=0), True),
    ],
)
def test_few_votes_a_wide_interval_or_an_island_make_a_rating_provisional(
    row: tuple[str, Rating], provisional: bool
) -> None:
    assert standings([entrant("a")], dict([row]), {})[0].provisional is provisional


def test_the_thresholds_can_be_chosen() -> None:
    ratings = dict([rated("a", 1000, margin=300, votes=5)])
    assert not standings([entrant("a")], ratings, {}, enough_votes=5, widest_margin=300)[0].provisional


# -- the figure ----------------------------------------------------------------------------------


def test_the_figure_has_the_best_on_top_and_provisional_ones_hollow() -> None:
    ratings = dict([rated("a", 1000), rated("b", 1100), rated("c", 900, votes=3), rated("d", None, None)])
    figure = interval_figure(standings([entrant(name) for name in "abcd"], ratings, {}), title="T", rating_label="R")
    solid, hollow = figure.data
    assert (solid.marker.symbol, tuple(solid.x), tuple(solid.y)) == ("circle", (1100, 1000), (0, 1))
    assert (hollow.marker.symbol, tuple(hollow.x), tuple(hollow.y)) == ("circle-open", (900,), (2,))
    assert tuple(figure.layout.yaxis.ticktext) == ("B", "A", "C")
    assert figure.layout.yaxis.range == (2.5, -0.5)
    assert tuple(solid.error_x.array) == tuple(solid.error_x.arrayminus) == (50, 50)
    assert (figure.layout.title.text, figure.layout.xaxis.title.text) == ("T", "R")


def test_the_figure_has_no_ground_and_no_black_text_and_survives_no_rows() -> None:
    for rows in ((), standings([entrant("a")], {}, {})):
        layout = interval_figure(rows).layout
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
        assert layout.font.color == "#777777"


def test_a_name_in_the_figure_is_text_and_never_markup() -> None:
    ratings = dict([rated("<b>x", 1000)])
    assert "&lt;B&gt;X" in interval_figure(standings([entrant("<b>x")], ratings, {})).to_json().replace("\\u003c", "<")
