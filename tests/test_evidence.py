"""E-values against a voter: right by brute force, of mean 1 for the honest, large for riggers."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from polled import Person, Poll, honest, poll_in
from scipy.special import expit
from simulate import spaced

from arena.integrity.evidence import Record, Strengths, bias, is_biased, strengths
from arena.integrity.histories import ground_of, others_of, record_of
from arena.integrity.rules import Rules
from arena.ratings.tally import Floats
from db.review import fought_by, pairings

pytestmark = pytest.mark.integrity

RULES = Rules()
SURE = Strengths(np.array([0.3, 0.0, -0.3]), np.zeros(3))


def record(won: list[list[float]], voted: list[float] | None = None, left: list[float] | None = None) -> Record:
    votes = np.array(won)
    met = votes.sum(0) + votes.sum(1)
    return Record(
        votes, np.array(voted or met), np.array(left or np.zeros(3)),
        int(np.sum(voted or met) / 2), int(np.sum(left or 0) / 2),
    )  # fmt: skip


def drawn(rng: np.random.Generator, size: int, taste: Floats) -> Floats:
    """(size,) the chance of what a voter with this taste (size, 3) says: 6 : 2 for contestant 0 against 1, 3 : 1."""
    first = expit(0.3 + taste[:, 0] - taste[:, 1])
    second = expit(0.6 + taste[:, 0] - taste[:, 2])
    return np.asarray(first**6 * (1 - first) ** 2 * second**3 * (1 - second))


def test_the_evidence_of_outcomes_is_the_ratio_that_drawing_tastes_at_random_gives(rng: np.random.Generator) -> None:
    size = 400_000
    honest_tastes = rng.normal(0, RULES.taste, (size, 3))
    biased_tastes = honest_tastes.copy()
    biased_tastes[:, 0] = rng.choice([side * one for one in RULES.biases for side in (-1, 1)], size)
    expected = drawn(rng, size, biased_tastes).mean() / drawn(rng, size, honest_tastes).mean()
    _, found = bias(record([[0, 6, 3], [2, 0, 0], [1, 0, 0]]), SURE, RULES)
    of_first = next(one for one in found if one.contestant == 0)
    assert exp(of_first.outcomes) == pytest.approx(expected, rel=0.02)
    assert (of_first.won, of_first.lost) == (9, 3)


def test_the_evidence_of_selection_is_the_ratio_that_drawing_habits_at_random_gives(rng: np.random.Generator) -> None:
    size = 400_000
    habit = rng.random(size)
    odds = np.log(habit / (1 - habit))

    def chance(leaning: Floats) -> float:
        here = expit(odds + leaning)
        return float((here**10 * (1 - here) ** 2 * habit**3 * (1 - habit) ** 8).mean())

    waits = chance(rng.choice(RULES.leanings, size))
    expected = waits / chance(rng.normal(0, RULES.habit, size))
    # 12 battles with contestant 0, of which 10 were voted on, and 11 without it, of which 3 were.
    won: list[list[float]] = [[0, 5, 5], [0, 0, 3], [0, 0, 0]]
    _, found = bias(record(won, [10, 8, 8], [2, 9, 9]), SURE, RULES)
    of_first = next(one for one in found if one.contestant == 0)
    assert exp(of_first.selection) == pytest.approx(expected, rel=0.02)
    assert (of_first.voted, of_first.left) == (10, 2)
    assert of_first.total == pytest.approx(log((exp(of_first.outcomes) * (1 + exp(of_first.selection))) / 2))


def test_a_voters_evidence_is_the_mean_over_all_contestants() -> None:
    total, found = bias(record([[0, 9, 0], [1, 0, 0], [0, 0, 0]]), SURE, RULES)
    assert len(found) == 2
    assert exp(total) == pytest.approx((sum(exp(one.total) for one in found) + 1) / 3)


def test_few_votes_say_nothing_and_neither_do_unknown_contestants() -> None:
    few = record([[0, 3, 0], [0, 0, 0], [0, 0, 0]])
    assert bias(few, SURE, RULES) == (0.0, [])
    nobody = Strengths(np.full(3, np.nan), np.full(3, np.nan))
    many = record([[0, 70, 0], [0, 0, 0], [0, 0, 0]])
    assert bias(many, nobody, RULES) == (0.0, [])
    assert is_biased(bias(many, SURE, RULES)[0], RULES)  # so it is the strengths that are missing


def test_strengths_need_votes_and_a_way_to_compare() -> None:
    won = np.array([[0, 12, 0, 0], [9, 0, 0, 0], [0, 0, 0, 30], [0, 0, 30, 0]], float)
    found = strengths(won, RULES)
    assert list(found.known) == [False, False, True, True]
    assert strengths(won[:2, :2], RULES).known.all()
    assert not strengths(won[:2, :2], replace(RULES, least_known=22)).known.any()


def test_the_less_is_known_of_the_others_the_less_is_said_of_a_voter() -> None:
    rigged = record([[0, 10, 8], [0, 0, 0], [0, 0, 0]])
    unsure = Strengths(SURE.strength, np.full(3, 1.0))
    assert bias(rigged, SURE, RULES)[0] > bias(rigged, unsure, RULES)[0] + 1


# -- people -------------------------------------------------------------------------------------------


def evidence_of(poll: Poll, name: str) -> float:
    poll.store()
    with poll.database.read() as session:
        ground = ground_of((one.fingerprint for one in poll.specs), pairings(session, ()))
        battles = fought_by(session, [name])
    return bias(record_of(ground, battles), strengths(others_of(ground, battles), RULES), RULES)[0]


@pytest.fixture
def poll(tmp_path: Path, rng: np.random.Generator) -> object:
    with poll_in(tmp_path, spaced(8, 140), rng) as poll:
        honest(poll, 50, 1000)
        yield poll


def until_flagged(poll: Poll, person: Person, most: int = 100) -> int | None:
    """The number of votes after which there is evidence, looked at after every fifth."""
    for number in range(1, most + 1):
        poll.vote(person)
        if number % 5 == 0 and is_biased(evidence_of(poll, person.name), RULES):
            return number
    return None


@pytest.mark.parametrize("target", [0, 4, 7])
def test_who_waits_for_a_contestant_and_votes_for_it_is_found_within_twenty_votes(poll: Poll, target: int) -> None:
    found = until_flagged(poll, poll.person("rigger", target=target))
    assert found is not None
    assert found <= 20


@pytest.mark.slow
def test_people_with_tastes_are_never_taken_for_biased_in_a_hundred_votes(poll: Poll) -> None:
    people = [poll.person(f"visitor-{number}") for number in range(30)]
    for person in people:
        for _ in range(100):
            poll.vote(person)
    found = [evidence_of(poll, person.name) for person in people]
    assert not any(is_biased(one, RULES) for one in found)
    # The control: the same votes, had their taste for one contestant been a bias.
    assert is_biased(evidence_of(poll, rigged(poll).name), RULES)


def rigged(poll: Poll) -> Person:
    person = replace(poll.person("rigger", target=3, only=False), taste=np.zeros(8), ties=0.0)
    for _ in range(200):
        poll.vote(person)
    return person


@pytest.mark.slow
def test_at_most_one_of_300_honest_people_is_ever_flagged(tmp_path: Path, rng: np.random.Generator) -> None:
    """The line of the acceptance list: tastes as in statistics.md, looked at after every tenth of 100 votes."""
    with poll_in(tmp_path, spaced(8, 140), rng) as poll:
        honest(poll, 50, 1000)
        with poll.database.read() as session:
            ground = ground_of((one.fingerprint for one in poll.specs), pairings(session, ()))
        known = strengths(ground.won, RULES)
        people = [poll.person(f"visitor-{number}") for number in range(300)]
        flagged: set[str] = set()
        for _ in range(10):
            for person in people:
                for _ in range(10):
                    poll.vote(person)
            poll.store()
            with poll.database.read() as session:
                for person in people:
                    record = record_of(ground, fought_by(session, [person.name]))
                    if is_biased(bias(record, known, RULES)[0], RULES):
                        flagged.add(person.name)
        assert len(flagged) <= 1
