from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path

import evalica
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings import Rating, Tally, bradley_terry, elo

LOGIT = 400 / math.log(10)
Ballot = tuple[str, str, float, str]

NAMES = "pqrstu"
ballots = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from("xyz")),
    max_size=60,
)


def counted(votes: Sequence[Ballot], contestants: Sequence[str] = ()) -> Tally:
    tally = Tally(contestants)
    tally.add([a for a, *_ in votes], [b for _, b, *_ in votes], [p for *_, p, _ in votes], [v for *_, v in votes])
    return tally


def fitted(votes: Sequence[Ballot], prior: float = 0.2, contestants: Sequence[str] = ()) -> dict[str, Rating]:
    return bradley_terry(counted(votes, contestants), prior)


def strengths(ratings: dict[str, Rating]) -> dict[str, float]:
    return {name: value(rating.rating) for name, rating in ratings.items()}


def value(number: float | None) -> float:
    assert number is not None
    return number


def margin(rating: Rating) -> float:
    return (value(rating.upper) - value(rating.lower)) / 2


def winners(points: Sequence[float]) -> list[evalica.Winner]:
    meaning = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    return [meaning[score] for score in points]


# -- Bradley–Terry -------------------------------------------------------------------------------


def test_two_models_stand_apart_by_the_log_odds_of_their_wins() -> None:
    ratings = fitted([("a", "b", 1.0, str(n)) for n in range(30)] + [("a", "b", 0.0, str(n)) for n in range(30, 40)], 0)
    assert value(ratings["a"].rating) - value(ratings["b"].rating) == pytest.approx(400 * math.log10(3), abs=1e-9)
    assert value(ratings["a"].rating) + value(ratings["b"].rating) == pytest.approx(2000, abs=1e-9)


def test_the_interval_of_two_models_is_that_of_one_proportion() -> None:
    # Each rating is half of the difference, whose variance is 1 / (n p (1 - p)); one vote a voter adds n / (n - 1).
    votes = [("a", "b", float(n % 4 > 0), str(n)) for n in range(400)]
    expected = 1.959964 * LOGIT * math.sqrt(400 / 399 / (400 * 0.75 * 0.25)) / 2
    assert margin(fitted(votes, 0)["a"]) == pytest.approx(expected, rel=1e-6)


def test_the_worked_example_of_wikipedia_comes_out() -> None:
    # https://en.wikipedia.org/wiki/Bradley–Terry_model: rows beat columns; strengths of geometric mean 1.
    wins = {"A": [0, 2, 0, 1], "B": [3, 0, 5, 0], "C": [0, 3, 0, 1], "D": [4, 0, 3, 0]}
    votes = [(a, b, 1.0, "v") for a, row in wins.items() for b, n in zip(wins, row, strict=True) for _ in range(n)]
    found = {name: 10 ** ((rating - 1000) / 400) for name, rating in strengths(fitted(votes, 0)).items()}
    assert found == pytest.approx({"A": 0.640, "B": 1.043, "C": 0.660, "D": 2.270}, abs=5e-4)


def test_at_the_fit_every_model_has_won_what_the_fit_expects(rng: np.random.Generator) -> None:
    votes = random_votes(rng, 6, 500)
    found = strengths(fitted(votes, 0))
    for name in found:
        won = sum(p if a == name else 1 - p for a, b, p, _ in votes if name in (a, b))
        rivals = [b if a == name else a for a, b, *_ in votes if name in (a, b)]
        expected = sum(1 / (1 + 10 ** ((found[rival] - found[name]) / 400)) for rival in rivals)
        assert won == pytest.approx(expected, abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(ballots, st.permutations(NAMES), st.randoms(use_true_random=False))
def test_neither_names_nor_order_nor_sides_change_a_rating(
    votes: list[Ballot], renamed: list[str], shuffler: np.random.Generator
) -> None:
    other = dict(zip(NAMES, renamed, strict=True))
    changed = [(other[b], other[a], 1 - p, voter.upper()) for a, b, p, voter in votes]
    shuffler.shuffle(changed)
    before, after = fitted(votes), fitted(changed)
    assert {other[name] for name in before} == set(after)
    for name, rating in before.items():
        twin = after[other[name]]
        assert value(rating.rating) == pytest.approx(value(twin.rating), abs=1e-6)
        assert rating.lower == pytest.approx(twin.lower, abs=1e-6)
        assert rating.upper == pytest.approx(twin.upper, abs=1e-6)
        assert (rating.votes, rating.wins) == (twin.votes, twin.wins)


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_every_component_has_the_mean_1000_and_finite_intervals(votes: list[Ballot]) -> None:
    ratings = fitted(votes).values()
    for number in {rating.component for rating in ratings}:
        group = [rating for rating in ratings if rating.component == number]
        assert sum(value(rating.rating) for rating in group) == pytest.approx(1000 * len(group), abs=1e-6)
        assert all((rating.lower is None) == (rating.votes == 0) for rating in group)
        assert all(0 < margin(rating) < 5000 for rating in group if rating.votes)


@settings(max_examples=60, deadline=None)
@given(ballots)
def test_without_a_prior_a_rating_is_either_none_or_the_fit_of_its_component(votes: list[Ballot]) -> None:
    ratings = fitted(votes, 0)
    for number in {rating.component for rating in ratings.values()}:
        members = {name for name, rating in ratings.items() if rating.component == number}
        inside = [vote for vote in votes if {vote[0], vote[1]} <= members and vote[0] != vote[1]]
        alone = fitted(inside, 0)
        for name in members:
            if inside:
                assert value(ratings[name].rating) == pytest.approx(value(alone[name].rating), abs=1e-6)
            else:
                assert (ratings[name].rating is None) == (ratings[name].votes > 0)


@settings(max_examples=40, deadline=None)
@given(ballots, st.integers(0, 60))
def test_counting_in_parts_is_counting_at_once(votes: list[Ballot], cut: int) -> None:
    tally = counted(votes[:cut], NAMES)
    rest = votes[cut:]
    tally.add([a for a, *_ in rest], [b for _, b, *_ in rest], [p for *_, p, _ in rest], [v for *_, v in rest])
    whole = fitted(votes, contestants=NAMES)
    for name, rating in bradley_terry(tally).items():
        assert value(rating.rating) == pytest.approx(value(whole[name].rating), abs=1e-9)
        assert rating.upper == pytest.approx(whole[name].upper, abs=1e-9)


def test_a_tie_is_half_a_win_each() -> None:
    tied = fitted([("a", "b", 0.5, "v")] * 2 + [("a", "b", 1.0, "v")])
    split = fitted([("a", "b", 1.0, "v"), ("a", "b", 0.0, "v"), ("a", "b", 1.0, "v")])
    assert strengths(tied) == pytest.approx(strengths(split))
    assert tied["a"].wins == 2


# -- the normal state of an arena that has just opened ------------------------------------------


def test_without_votes_everybody_stands_at_1000_without_an_interval() -> None:
    ratings = fitted([], contestants="abc")
    assert [(r.rating, r.lower, r.upper, r.votes) for r in ratings.values()] == [(1000, None, None, 0)] * 3
    assert len({rating.component for rating in ratings.values()}) == 3
    assert fitted([]) == {}


def test_one_vote_moves_two_models_and_leaves_the_interval_wide() -> None:
    ratings = fitted([("a", "b", 1.0, "v")], contestants=["c"])
    # 1 win of 1 and a fifth of a draw: odds 1.1 : 0.1.
    assert value(ratings["a"].rating) - value(ratings["b"].rating) == pytest.approx(400 * math.log10(11), abs=1e-9)
    assert margin(ratings["a"]) > 500
    assert ratings["c"].rating == 1000


def test_an_undefeated_and_a_winless_model_have_finite_ratings_and_the_widest_intervals() -> None:
    middle = [("b", "c", float(n % 2), f"v{n}") for n in range(40)]
    ends = [("a", "b", 1.0, f"v{n}") for n in range(20)] + [("c", "d", 1.0, f"v{n}") for n in range(20)]
    ratings = fitted(middle + ends)
    assert 1500 < value(ratings["a"].rating) < 2200
    assert -200 < value(ratings["d"].rating) < 500
    assert min(margin(ratings["a"]), margin(ratings["d"])) > max(margin(ratings["b"]), margin(ratings["c"]))


def test_without_a_prior_the_undefeated_and_the_winless_have_no_rating_and_spoil_nobody_elses() -> None:
    trio = [("a", "b", 1.0, "v"), ("b", "c", 1.0, "v"), ("c", "a", 1.0, "v"), ("a", "b", 1.0, "v")]
    ratings = fitted([*trio, ("star", "a", 1.0, "v"), ("c", "dud", 1.0, "v")], 0)
    assert ratings["star"].rating is ratings["star"].upper is ratings["dud"].rating is None
    alone = strengths(fitted(trio, 0))
    assert {name: value(ratings[name].rating) for name in "abc"} == pytest.approx(alone, abs=1e-9)
    assert ratings["star"].component != ratings["a"].component
    assert ratings["star"].votes == 1


def test_islands_do_not_touch_each_other_and_say_so() -> None:
    island = [("a", "b", float(n % 3 > 0), f"v{n}") for n in range(30)]
    ratings = fitted([*island, ("x", "y", 1.0, "w")])
    assert ratings["a"].component == ratings["b"].component == 0
    assert ratings["x"].component == ratings["y"].component == 1
    alone = fitted(island)
    for name in "ab":
        assert ratings[name].rating == pytest.approx(alone[name].rating, abs=1e-9)
        assert margin(ratings[name]) == pytest.approx(margin(alone[name]), abs=1e-9)


def test_ties_alone_leave_an_interval() -> None:
    rating = fitted([("a", "b", 0.5, "v")] * 50)["a"]
    assert rating.rating == pytest.approx(1000)
    assert margin(rating) > 40


def test_a_hundred_thousand_wins_in_a_row_still_converge() -> None:
    votes = [("a", "b", 1.0, "v")] * 100_000 + [("b", "c", 1.0, "v")] * 100_000
    assert value(fitted(votes)["a"].rating) > 3000


def test_a_vote_of_a_model_against_itself_counts_for_nothing() -> None:
    assert fitted([("a", "a", 1.0, "v")])["a"].votes == 0


@pytest.mark.parametrize("points", [-0.1, 1.1, math.nan])
def test_points_outside_a_win_and_a_loss_are_refused_and_nothing_is_counted(points: float) -> None:
    tally = Tally()
    with pytest.raises(ValueError, match="between 0 and 1"):
        tally.add(["a", "a"], ["b", "b"], [1.0, points], ["v", "v"])
    assert tally.contestants == ()


def test_uneven_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Tally().add(["a"], ["b"], [1.0], [])
    with pytest.raises(ValueError, match="zip"):
        elo(["a"], ["b"], [])


@pytest.mark.parametrize("prior", [-0.1, math.inf, math.nan])
def test_a_senseless_prior_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="prior"):
        bradley_terry(Tally(), prior)


# -- intervals -----------------------------------------------------------------------------------


def random_votes(rng: np.random.Generator, models: int, votes: int, spread: float = 240) -> list[Ballot]:
    """Uniform pairs of models whose true ratings lie evenly within `spread` points; one vote a voter."""
    truth = np.linspace(spread / 2, -spread / 2, models) / LOGIT
    a = rng.integers(models, size=votes)
    b = (a + rng.integers(1, models, size=votes)) % models
    won = rng.random(votes) < 1 / (1 + np.exp(truth[b] - truth[a]))
    return [(f"m{i}", f"m{j}", float(p), str(n)) for n, (i, j, p) in enumerate(zip(a, b, won, strict=True))]


def test_about_95_of_100_intervals_hold_the_true_rating(rng: np.random.Generator) -> None:
    truth = dict(zip((f"m{n}" for n in range(8)), np.linspace(1120, 880, 8), strict=True))
    held = 0
    for _ in range(300):
        ratings = fitted(random_votes(rng, 8, 1000))
        held += sum(1 for name, t in truth.items() if value(ratings[name].lower) <= t <= value(ratings[name].upper))
    assert 0.93 <= held / (300 * 8) <= 0.97


@pytest.mark.parametrize("voters", [1, 7, 500])
def test_the_interval_is_the_widest_of_three_written_out_vote_by_vote(voters: int, rng: np.random.Generator) -> None:
    # A circle of uneven wins fits no scale, so that residuals are larger than the model's own variance.
    pairs = [("a", "b", 9), ("b", "c", 9), ("c", "a", 2), ("a", "d", 9), ("d", "b", 7), ("c", "d", 5)]
    votes = [
        (x, y, float(n % 10 < won), str(rng.integers(voters))) for x, y, won in pairs for n in range(60 + 20 * won)
    ]
    found = fitted(votes, 0)
    names = sorted(found)
    hessian, alone, scores = np.zeros((4, 4)), np.zeros((4, 4)), {v: np.zeros(4) for *_, v in votes}
    for x, y, points, voter in votes:
        chance = 1 / (1 + 10 ** ((value(found[y].rating) - value(found[x].rating)) / 400))
        way = np.array([(name == x) - float(name == y) for name in names])
        hessian += chance * (1 - chance) * np.outer(way, way)
        alone += (points - chance) ** 2 * np.outer(way, way)
        scores[voter] += (points - chance) * way
    bread = np.linalg.pinv(hessian, rcond=1e-9)
    together = sum((np.outer(score, score) for score in scores.values()), np.zeros((4, 4)))
    factor = len(scores) / (len(scores) - 1) if voters > 1 else 0
    variances = [np.diag(bread), np.diag(bread @ alone @ bread), factor * np.diag(bread @ together @ bread)]
    expected = 1.959964 * LOGIT * np.sqrt(np.max(variances, axis=0))
    assert [margin(found[name]) for name in names] == pytest.approx(expected.tolist(), rel=1e-5)
    if voters == 1:
        assert 1 in np.argmax(variances, axis=0), "the plain sandwich must decide somewhere, or is not tested"


def test_a_voter_who_votes_alike_ten_times_is_not_ten_voters(rng: np.random.Generator) -> None:
    alone = random_votes(rng, 5, 200)
    repeated = [vote for vote in alone for _ in range(10)]
    strangers = [(a, b, p, str(n)) for n, (a, b, p, _) in enumerate(repeated)]
    # Ten copies of a vote tell no more than one: clustering must see that, counting strangers must not.
    assert margin(fitted(repeated, 0)["m0"]) == pytest.approx(margin(fitted(alone, 0)["m0"]), rel=0.03)
    assert margin(fitted(strangers, 0)["m0"]) == pytest.approx(margin(fitted(alone, 0)["m0"]) / 10**0.5, rel=0.03)


def test_the_clustered_sandwich_is_the_same_in_one_block_and_in_many(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = [(a, b, p, str(int(n) % 37)) for a, b, p, n in random_votes(rng, 5, 2000)]
    whole = fitted(votes)
    monkeypatch.setattr("arena.ratings._CELLS_AT_ONCE", 20)
    for name, rating in fitted(votes).items():
        assert margin(rating) == pytest.approx(margin(whole[name]), rel=1e-9)


def test_a_higher_level_asks_for_wider_intervals(rng: np.random.Generator) -> None:
    tally = counted(random_votes(rng, 4, 300))
    narrow, wide = bradley_terry(tally, level=0.9)["m0"], bradley_terry(tally, level=0.99)["m0"]
    assert margin(wide) / margin(narrow) == pytest.approx(2.5758 / 1.6449, rel=1e-3)


# -- Elo -----------------------------------------------------------------------------------------


def test_one_win_between_equals_moves_half_of_k() -> None:
    assert elo(["a"], ["b"], [1.0]) == {"a": 1002.0, "b": 998.0}


def test_elo_can_be_folded_on_from_where_it_stopped(rng: np.random.Generator) -> None:
    votes = random_votes(rng, 6, 300)
    a, b, points = ([vote[column] for vote in votes] for column in range(3))
    first = elo(a[:100], b[:100], points[:100])  # type: ignore[arg-type]
    assert elo(a[100:], b[100:], points[100:], first) == elo(a, b, points)  # type: ignore[arg-type]


def test_elo_keeps_its_sum_and_a_model_gains_nothing_from_itself() -> None:
    ratings = elo(["a", "b", "c", "a"], ["b", "c", "a", "a"], [1.0, 0.5, 0.0, 1.0])
    assert sum(ratings.values()) == pytest.approx(3000)
    assert ratings["a"] == pytest.approx(elo(["a", "b", "c"], ["b", "c", "a"], [1.0, 0.5, 0.0])["a"])


# -- real votes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llmfao(shared_data: Path) -> list[Ballot]:
    """8,931 votes of 124 people on 59 models (LLMFAO, CC BY 4.0)."""
    points = {"left": 1.0, "right": 0.0, "tie": 0.5}
    with (shared_data / "votes-llmfao" / "llmfao.csv").open(encoding="utf-8", newline="") as file:
        return [(row["left"], row["right"], points[row["winner"]], row["worker"]) for row in csv.DictReader(file)]


def test_elo_of_real_votes_equals_evalicas(llmfao: list[Ballot]) -> None:
    a, b, points, _ = zip(*llmfao, strict=True)
    theirs = evalica.elo(a, b, winners(points)).scores
    assert len(llmfao) == 8931
    assert len(theirs) == 59
    assert elo(a, b, points) == pytest.approx(dict(theirs), abs=1e-9, rel=0)


def test_bradley_terry_of_real_votes_equals_evalicas(llmfao: list[Ballot]) -> None:
    a, b, points, _ = zip(*llmfao, strict=True)
    scores = evalica.bradley_terry(a, b, winners(points), tolerance=1e-14, limit=100_000).scores
    theirs = LOGIT * np.log(scores)
    ours = strengths(fitted(llmfao, 0))
    assert ours == pytest.approx(dict(theirs - theirs.mean() + 1000), abs=1e-4, rel=0)


def test_real_votes_are_rated_within_a_second_with_intervals_of_use(llmfao: list[Ballot]) -> None:
    tally = counted(llmfao)
    start = time.process_time()
    ratings = bradley_terry(tally)
    assert time.process_time() - start < 1
    assert all(20 < margin(rating) < 200 for rating in ratings.values())
