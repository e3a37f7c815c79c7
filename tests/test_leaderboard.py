from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged_rows import answer, judge, judgment, question
from sqlalchemy import update
from sqlalchemy.orm import Session

import arena.boards.following
import arena.boards.leaderboard
from arena.boards.board import Board
from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection, SelectionError
from arena.boards.standings import Entrant, Standing, entrants, model_labels
from arena.ratings.bradley_terry import fit
from arena.ratings.elo import elo
from arena.ratings.intervals import confidence
from arena.ratings.tally import count
from db.contestants import set_state
from db.judging import add_questions, record_answer, record_judgment
from db.outcome import Outcome
from db.queries import contestants, enrol, open_battle
from db.schema import open_database
from db.session import Database
from db.tables import Battle, Contestant, ContestantState, Turn, Vote
from db.votes import raise_rules, record_vote
from models.spec import ModelSpec

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


def vote(database: Database, a: ModelSpec, b: ModelSpec, outcome: Outcome, voter: str = "v", **labels: Any) -> None:
    """One vote; `labels` are columns of its row."""

    def work(session: Session) -> None:
        battle = f"battle{next(_numbers)}"
        row = Battle(
            id=battle, voter=voter, contestant_a=a.fingerprint, contestant_b=b.fingerprint, probability=1.0,
            status="open", created_at=NOW, finished_at=NOW,
        )  # fmt: skip
        turn = Turn(battle_id=battle, position=0, attempt=0, prompt="p", seed=1, status="finished", started_at=NOW)
        open_battle(session, row, turn)
        record_vote(session, battle, voter, outcome, NOW, timedelta(hours=1))
        if labels:
            session.execute(update(Vote).where(Vote.battle_id == battle).values(**labels))

    database.write(work)


_numbers = iter(range(1_000_000))
ANT, BEE, CAT, DOG = spec("ant"), spec("bee"), spec("cat"), spec("dog")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A real database that knows ant, bee, cat and dog."""
    database = open_database(f"sqlite:///{tmp_path}/arena.db")
    for day, model in enumerate((ANT, BEE, CAT, DOG)):
        database.write(partial(enrol, contestant=remembered(model, day)))
    yield database
    database.close()


def named(rows: Sequence[Standing]) -> dict[str, Standing]:
    return {row.model: row for row in rows}


def same(one: Board, other: Board) -> bool:
    """Ratings come from where the last fit ended, so they agree to what a fit is exact to."""
    keys = ("rating", "lower", "upper", "votes", "wins", "elo", "rank", "rank_lower", "rank_upper", "swap")
    return [row.model for row in one.rows] == [row.model for row in other.rows] and all(
        getattr(row, key) == pytest.approx(getattr(twin, key), abs=1e-6)
        for row, twin in zip(one.rows, other.rows, strict=True)
        for key in keys
    )


# -- following votes -----------------------------------------------------------------------------


def test_a_board_without_votes_lists_the_catalogue_at_1000_and_ranks_nobody(database: Database) -> None:
    board = Leaderboard(database, (ANT, BEE, CAT)).board()
    assert [(row.rank, row.rating, row.lower, row.votes, row.win_rate, row.elo) for row in board.rows] == [
        (None, 1000.0, None, 0, None, 1000.0)
    ] * 3
    assert all(row.provisional for row in board.rows)
    assert (board.votes, board.voters, board.as_of, board.matrix.battles.tolist()) == (0, 0, None, [[0] * 3] * 3)


def test_a_board_that_followed_votes_equals_one_from_scratch(database: Database) -> None:
    followed = Leaderboard(database, (ANT, BEE, CAT))
    for round_ in range(3):
        for n in range(7):
            vote(database, (ANT, BEE)[n % 2], CAT, list(Outcome)[(n + round_) % 4], voter=f"v{n}")
        followed.board(wait=True)
    assert same(followed.board(wait=True), Leaderboard(database, (ANT, BEE, CAT)).board())
    assert followed.board().votes == 21
    assert followed.board().voters == 7


def test_rows_say_what_the_ratings_say(database: Database) -> None:
    for n in range(40):
        vote(database, ANT, BEE, Outcome.A if n % 4 else Outcome.BOTH_BAD, voter=f"v{n}")
    first, second = Leaderboard(database, (ANT, BEE)).refresh()
    zeros, ones = np.zeros(40, np.int64), np.ones(40, np.int64)
    points = np.array([1.0 if n % 4 else 0.5 for n in range(40)])
    expected = fit(count(zeros, ones, points, 2))
    sure = confidence(expected)
    assert (first.model, first.name, first.rank, first.fingerprint) == ("ant", "Ant", 1, ANT.fingerprint)
    assert first.rating == pytest.approx(expected.rating[0])
    assert first.lower is not None
    assert first.lower <= sure.lower[0] + 1e-9, "never narrower than without voters"
    assert (first.votes, first.wins, first.win_rate) == (40, 35.0, 0.875)
    assert first.elo == pytest.approx(elo(zeros, ones, points, np.full(2, 1000.0))[0])
    assert first.elo_lower is not None
    assert first.elo_upper is not None
    assert first.elo_lower <= first.elo_upper
    assert (first.quantization, first.license, first.url) == ("Q4_K_M", "Apache-2.0", "https://example.org/ant")
    assert not first.provisional
    assert (first.rank_lower, first.rank_upper, first.swap) == (1, 1, None)
    assert second.swap == 30, "thirty wins for the other even out thirty wins"


def test_nothing_is_computed_anew_where_nothing_is_new(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Leaderboard(database, (ANT, BEE))
    vote(database, ANT, BEE, Outcome.A)
    board = followed.board()
    monkeypatch.setattr(arena.boards.following, "fit", None)
    assert followed.board() is board


def test_a_fit_that_failed_is_tried_again_without_counting_votes_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = Leaderboard(database, (ANT, BEE))
    vote(database, ANT, BEE, Outcome.A)
    with monkeypatch.context() as broken:
        broken.setattr(arena.boards.following, "fit", None)
        with pytest.raises(TypeError):
            followed.refresh()
    assert named(followed.refresh())["ant"].votes == 1


def test_threads_that_refresh_at_once_count_every_vote_once(database: Database) -> None:
    followed = Leaderboard(database, (ANT, BEE, CAT))
    threads = [threading.Thread(target=lambda: [followed.refresh() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(40):
        vote(database, ANT, BEE, Outcome.A, voter=f"v{n}")
    for thread in threads:
        thread.join()
    assert named(followed.refresh())["ant"].votes == 40


def test_what_is_slow_follows_in_the_background_and_says_how_far_behind_it_is(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote(database, ANT, BEE, Outcome.A, voter="one")
    followed = Leaderboard(database, (ANT, BEE))
    assert followed.board().behind == 0
    monkeypatch.setattr(arena.boards.leaderboard, "AT_ONCE", 0.0)
    monkeypatch.setattr(arena.boards.leaderboard, "SHARE", 1e9)  # no rest between two
    for voter in "abc":
        vote(database, BEE, ANT, Outcome.A, voter=voter)
    board = followed.board()
    assert (board.votes, board.behind) == (4, 3)
    assert named(board.rows)["bee"].rank == 1, "the ratings themselves are of now"
    followed.close()  # waits for the background
    assert followed.board().behind == 0


def test_when_the_rules_change_every_vote_is_counted_anew(database: Database) -> None:
    vote(database, ANT, BEE, Outcome.A)
    followed = Leaderboard(database, (ANT, BEE))
    assert followed.board().votes == 1
    database.write(lambda session: session.execute(update(Vote).values(outcome="b")))
    assert followed.board().rows[0].model == "ant", "a fact does not change behind the watermark"
    database.write(raise_rules)
    assert followed.board().rows[0].model == "bee"


def test_two_boards_share_nothing(database: Database, tmp_path: Path) -> None:
    vote(database, ANT, BEE, Outcome.A)
    Leaderboard(database, (ANT, BEE)).refresh()
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    assert {row.votes for row in Leaderboard(other, (ANT, BEE)).refresh()} == {0}
    other.close()


# -- selections ----------------------------------------------------------------------------------


def test_each_part_of_a_selection_takes_the_votes_it_names(database: Database) -> None:
    days = [NOW - timedelta(days=n) for n in (0, 10)]
    vote(database, ANT, BEE, Outcome.A, category="coding", language="en", turns=1, created_at=days[0])
    vote(database, ANT, BEE, Outcome.TIE, category="coding", language="zh", turns=3, created_at=days[1])
    last: dict[str, Any] = {"category": "writing", "language": "zh", "verified": True}
    vote(database, ANT, BEE, Outcome.BOTH_BAD, turns=1, created_at=days[0], **last)
    followed = Leaderboard(database, (ANT, BEE))

    def votes(**parts: Any) -> int:
        return followed.board(Selection(**parts)).votes

    assert [votes(), votes(category="coding"), votes(category="writing"), votes(category="knowledge")] == [3, 2, 1, 0]
    assert votes(until=date.max) == 3
    assert [votes(language="zh"), votes(turns="single"), votes(turns="several")] == [2, 2, 1]
    assert [votes(since=date(2026, 3, 1)), votes(until=date(2026, 2, 28)), votes(until=date(2026, 3, 1))] == [2, 1, 3]
    assert [votes(ties="left_out"), votes(both_bad="left_out")] == [2, 2]
    assert [votes(verified=True), votes(verified=True, both_bad="left_out")] == [1, 0]
    assert followed.board(Selection(style=True)).unstyled == 3
    assert followed.categories == ("coding", "writing")
    assert followed.languages == ("en", "zh")


def test_a_selection_follows_new_votes_like_the_whole(database: Database) -> None:
    followed = Leaderboard(database, (ANT, BEE))
    coding = Selection(category="coding")
    assert followed.board(coding).votes == 0
    vote(database, ANT, BEE, Outcome.A, category="coding")
    vote(database, ANT, BEE, Outcome.A, category="writing")
    assert followed.board(coding).votes == 1


def test_selections_seldom_asked_for_give_way(database: Database) -> None:
    followed = Leaderboard(database, (ANT, BEE))
    vote(database, ANT, BEE, Outcome.A)
    for n in range(60):
        assert followed.board(Selection(prior=n / 10)).votes == 1
    assert len(followed._followed) == arena.boards.leaderboard.MOST_SELECTIONS


def test_what_no_vote_could_have_is_refused_in_a_sentence(database: Database) -> None:
    vote(database, ANT, BEE, Outcome.A, category="coding", language="en")
    followed = Leaderboard(database, (ANT, BEE))
    with pytest.raises(SelectionError, match="category='codnig': there are coding, mathematics"):
        followed.board(Selection(category="codnig"))
    with pytest.raises(SelectionError, match="language='EN': there are votes in en"):
        followed.board(Selection(language="EN"))


def test_a_prior_too_small_for_the_votes_is_refused_in_a_sentence(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_small(*_: object) -> None:
        raise ArithmeticError

    vote(database, ANT, BEE, Outcome.A)
    monkeypatch.setattr(arena.boards.following, "fit", too_small)
    with pytest.raises(SelectionError, match="prior=1e-06 is too small for these votes"):
        Leaderboard(database, (ANT, BEE)).board(Selection(prior=1e-6))


def test_until_the_next_look_intervals_are_never_surer_than_their_voters_allow(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few voters who differ: ten times their votes tell hardly more of other voters."""
    followed = Leaderboard(database, (ANT, BEE))

    def cast(times: int) -> None:
        for n in range(times):
            vote(database, ANT, BEE, Outcome.A if n % 5 < 3 else Outcome.B, voter=f"v{n % 5}")

    def width() -> float:
        row = followed.board().rows[0]
        assert row.lower is not None
        assert row.upper is not None
        return row.upper - row.lower

    cast(20)
    before = width()
    monkeypatch.setattr(arena.boards.leaderboard, "AT_ONCE", -1.0)
    monkeypatch.setattr(arena.boards.leaderboard, "SHARE", 1e-9)  # a look rests for ever
    followed.board()
    cast(200)
    assert followed.board().behind >= 180
    assert width() > 0.9 * before


def test_behind_counts_only_votes_of_the_selection(database: Database) -> None:
    followed = Leaderboard(database, (ANT, BEE))
    vote(database, ANT, BEE, Outcome.A, category="coding")
    coding = Selection(category="coding")
    assert followed.board(coding).votes == 1
    looked = followed._followed[coding].following.slow
    vote(database, ANT, BEE, Outcome.A, category="writing")
    assert followed.board(coding).behind == 0
    assert followed._followed[coding].following.slow is looked, "no new look for votes of others"


def test_history_ends_with_the_board(database: Database) -> None:
    for n in range(50):
        at = NOW + timedelta(minutes=n)
        vote(database, ANT, BEE, Outcome.A if n % 3 else Outcome.B, voter=f"v{n}", created_at=at)
    vote(database, CAT, ANT, Outcome.B, created_at=NOW + timedelta(hours=2))
    followed = Leaderboard(database, (ANT, BEE, CAT, spec("new")))
    board, history = followed.history()
    assert followed.board() is board
    assert [row.model for row in board.rows] == ["ant", "bee", "cat", "new"]
    assert list(history.times) == sorted(history.times)
    assert history.times[-1] == NOW + timedelta(hours=2)
    assert history.ratings[-1, :3] == pytest.approx([row.rating for row in board.rows[:3]])
    assert np.isnan(history.ratings[:, 3]).all(), "no votes, no line"
    assert np.isnan(history.ratings[:-1, 2]).all(), "no rating before the first vote"


# -- the matrix, islands -------------------------------------------------------------------------


def test_the_matrix_is_in_the_order_of_the_rows(database: Database) -> None:
    for voter in "abc":
        vote(database, BEE, CAT, Outcome.A, voter=voter)
    vote(database, CAT, BEE, Outcome.TIE)
    vote(database, CAT, ANT, Outcome.A)
    board = Leaderboard(database, (ANT, BEE, CAT, spec("new"))).board()
    assert [row.model for row in board.rows] == ["bee", "cat", "ant", "new"]
    assert board.matrix.battles.tolist() == [[0, 4, 0, 0], [4, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert board.matrix.observed[0, 1] == 0.875
    assert np.isnan(board.matrix.observed[0, 2])
    assert board.matrix.predicted[0, 2] > board.matrix.predicted[0, 1] > 0.5
    assert np.isnan(board.matrix.predicted[0, 3])


def test_islands_are_not_ranked_against_each_other(database: Database) -> None:
    for voter in "abcd":
        vote(database, ANT, BEE, Outcome.A, voter=voter)
    vote(database, CAT, DOG, Outcome.A)
    rows = named(Leaderboard(database, (ANT, BEE, CAT, DOG)).refresh())
    assert [(rows[name].rank, rows[name].island) for name in ("ant", "bee")] == [(1, 0), (2, 0)]
    assert [(rows[name].rank, rows[name].rank_lower, rows[name].island) for name in ("cat", "dog")] == [
        (None, None, 1)
    ] * 2
    assert rows["cat"].provisional


def test_without_a_prior_who_never_lost_has_no_rating_and_comes_last(database: Database) -> None:
    for voter in "abc":
        vote(database, ANT, BEE, Outcome.A, voter=voter)
        vote(database, BEE, CAT, Outcome.A if voter == "a" else Outcome.B, voter=voter)
    rows = Leaderboard(database, (ANT, BEE, CAT)).board(Selection(prior=0.0)).rows
    assert [(row.model, row.rating is None, row.rank) for row in rows] == [
        ("cat", False, 1),
        ("bee", False, 2),
        ("ant", True, None),
    ]


# -- who is listed, and as what ------------------------------------------------------------------


def test_who_left_the_catalogue_stays_with_its_votes_and_goes_without(database: Database) -> None:
    vote(database, ANT, BEE, Outcome.A)
    assert set(named(Leaderboard(database, (BEE, spec("elk"))).refresh())) == {"ant", "bee", "elk"}


def test_who_only_judged_or_answered_questions_is_on_no_board(database: Database) -> None:
    vote(database, ANT, BEE, Outcome.A)
    bystander = remembered(ANT.model_copy(update={"context": 8192}))
    published = remembered(spec("published"))

    def work(session: Session) -> None:
        enrol(session, bystander)
        enrol(session, published)
        session.add(judge())
        session.flush()
        a, b = sorted((bystander.fingerprint, published.fingerprint))
        add_questions(session, [question(1)])
        for number, name in enumerate((a, b)):
            record_answer(session, answer(1, name, id=f"answer {number}"))
        record_judgment(session, judgment(1, contestant_a=a, contestant_b=b, answer_a="answer 0", answer_b="answer 1"))

    database.write(work)
    board = Leaderboard(database, (ANT, BEE)).board()
    assert [row.model for row in board.rows] == ["ant", "bee"], "nor does its fingerprint mark another of its id"
    assert board.votes == 1


def test_an_archived_contestant_stays_with_its_votes_is_marked_and_goes_without(database: Database) -> None:
    vote(database, ANT, BEE, Outcome.A)
    followed = Leaderboard(database, (ANT, BEE, CAT, DOG))
    before = named(followed.refresh())
    states: dict[str, ContestantState] = {"ant": "archived", "cat": "archived", "dog": "off"}
    for who in (ANT, CAT, DOG):
        database.write(partial(set_state, fingerprint=who.fingerprint, state=states[who.id]))
    after = named(followed.refresh())
    assert {model: row.state for model, row in after.items()} == {"ant": "archived", "bee": "on", "dog": "off"}
    assert after["ant"] == replace(before["ant"], state="archived"), "its rating is what it was"


def test_a_changed_fingerprint_is_a_row_of_its_own_and_the_older_one_is_marked(database: Database) -> None:
    larger = spec("ant", context=8192)
    vote(database, ANT, BEE, Outcome.A)
    rows = named(Leaderboard(database, (larger, BEE)).refresh())
    assert set(rows) == {"ant", "bee", f"ant@{ANT.fingerprint[:8]}"}
    assert rows["ant"].fingerprint == larger.fingerprint
    assert rows["ant"].votes == 0


def test_the_catalogues_contestant_keeps_the_plain_id_even_if_it_is_older(database: Database) -> None:
    later = spec("ant", context=8192)
    database.write(partial(enrol, contestant=remembered(later, day=9)))
    vote(database, later, BEE, Outcome.A)
    rows = named(Leaderboard(database, (ANT, BEE)).refresh())
    assert rows["ant"].fingerprint == ANT.fingerprint
    assert rows[f"ant@{later.fingerprint[:8]}"].votes == 1


def test_of_three_that_share_an_id_two_are_marked() -> None:
    listed = [Entrant(f"{n}" * 64, "m", "M", "llamacpp", "Q8_0", "MIT", "", current=False) for n in range(3)]
    assert model_labels(listed) == {"0" * 64: "m@00000000", "1" * 64: "m@11111111", "2" * 64: "m"}


def test_the_catalogues_name_wins_over_the_remembered_one(database: Database) -> None:
    renamed = ANT.model_copy(update={"name": "Ant the Great"})
    with database.read() as session:
        found = entrants((renamed,), contestants(session))
    assert [(who.name, who.current) for who in found] == [
        ("Ant the Great", True), ("Bee", False), ("Cat", False), ("Dog", False),
    ]  # fmt: skip


# -- provisional ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("votes", "enough", "provisional"), [(30, 30, False), (29, 30, True), (29, 5, False)])
def test_few_votes_make_a_rating_provisional(database: Database, votes: int, enough: int, provisional: bool) -> None:
    for n in range(votes):
        vote(database, ANT, BEE, Outcome.A if n % 2 else Outcome.B, voter=f"v{n}")
    rows = Leaderboard(database, (ANT, BEE), enough_votes=enough).refresh()
    assert [row.provisional for row in rows] == [provisional] * 2


def test_a_wide_interval_makes_a_rating_provisional_whatever_its_votes(database: Database) -> None:
    for n in range(40):
        vote(database, ANT, BEE, Outcome.A, voter=f"v{n}")
    rows = Leaderboard(database, (ANT, BEE)).refresh()
    assert rows[0].lower is not None
    assert rows[0].upper is not None
    assert (rows[0].upper - rows[0].lower) / 2 > 200
    assert all(row.provisional for row in rows)


def test_those_with_one_rating_share_a_rank(database: Database) -> None:
    for one, other in ((ANT, BEE), (BEE, ANT), (ANT, CAT), (CAT, ANT), (BEE, CAT), (CAT, BEE), (ANT, DOG)):
        vote(database, one, other, Outcome.A)
    rows = named(Leaderboard(database, (ANT, BEE, CAT, DOG)).refresh())
    assert [rows[name].rank for name in ("ant", "bee", "cat", "dog")] == [1, 2, 2, 4]
