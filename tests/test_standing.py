"""Which votes count, rule by rule; each rule has a case on either side of its number."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from arenas import NOW
from hypothesis import given
from hypothesis import strategies as st

from arena.integrity.rules import REASONS, Rules
from arena.integrity.standing import Cast, Facts, Standing, judge, most_votes, too_fast

pytestmark = pytest.mark.integrity

RULES = Rules()
OLD = Facts(now=NOW, since=NOW - timedelta(days=30), total=1000, established=False, biased=False)
YOUNG = replace(OLD, since=NOW - timedelta(hours=23))
FAIR = Cast(
    "", frozenset("ab"), None, seconds=30, shown=200, prompt=None, crowded=False, verified=False, open=True,
    status="counted", reason=None,
)  # fmt: skip


def casts(count: int, **about: Any) -> list[Cast]:
    """Fair votes, each on a pair of its own."""
    return [replace(FAIR, battle_id=str(number), pair=frozenset((number, "b")), **about) for number in range(count)]  # type: ignore[arg-type]


def reasons(standing: Standing) -> list[str | None]:
    return [verdict.reason for verdict in standing.verdicts]


def test_fair_votes_of_a_known_voter_count() -> None:
    standing = judge(casts(8), RULES, OLD)
    assert reasons(standing) == [None] * 8
    assert {verdict.status for verdict in standing.verdicts} == {"counted"}
    assert standing.established


def test_a_newcomers_votes_are_held_until_the_fifth_plausible_one_and_then_all_count() -> None:
    young = judge(casts(4), RULES, YOUNG)
    assert reasons(young) == ["new"] * 4
    assert {verdict.status for verdict in young.verdicts} == {"held"}
    assert not young.established
    grown = judge(casts(5), RULES, YOUNG)
    assert reasons(grown) == [None] * 5
    assert grown.established


def test_after_a_day_even_a_single_vote_counts() -> None:
    assert reasons(judge(casts(1), RULES, replace(YOUNG, since=NOW - timedelta(hours=24)))) == [None]


def test_a_newcomer_in_doubt_stays_one_and_who_is_known_is_not_doubted() -> None:
    doubted = judge(casts(9), RULES, replace(OLD, doubted=True))
    assert reasons(doubted) == ["new"] * 9
    assert not doubted.established
    assert reasons(judge(casts(9), RULES, replace(OLD, doubted=True, established=True))) == [None] * 9


def test_votes_that_something_speaks_against_make_nobody_established() -> None:
    hasty = casts(3) + [replace(cast, seconds=0.5) for cast in casts(9)[3:]]
    standing = judge(hasty, RULES, YOUNG)
    assert reasons(standing) == ["new"] * 3 + ["too_fast"] * 6
    assert not standing.established


def test_a_verified_voter_waits_for_nothing() -> None:
    assert reasons(judge(casts(1, verified=True), RULES, YOUNG)) == [None]


def test_who_was_established_stays_so_unless_there_is_evidence() -> None:
    known = replace(YOUNG, established=True)
    assert reasons(judge(casts(1), RULES, known)) == [None]
    biased = judge(casts(1), RULES, replace(known, biased=True))
    assert reasons(biased) == ["biased"]
    assert not biased.established


def test_all_votes_of_a_biased_voter_are_held_and_of_a_biased_network_only_those_from_there() -> None:
    assert reasons(judge(casts(9), RULES, replace(OLD, biased=True))) == ["biased"] * 9
    mixed = casts(2, network="here") + casts(4, network="there")[2:]
    assert reasons(judge(mixed, RULES, replace(OLD, networks=frozenset({"there"})))) == [
        None, None, "network_biased", "network_biased",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "shown", "fast"),
    [(1.9, 0, True), (2.1, 0, False), (3.9, 200, True), (4.1, 200, False), (7.9, 40_000, True), (8.1, 40_000, False),
     (2.1, None, False), (None, 200, False)],
)  # fmt: skip
def test_what_nobody_can_have_read_is_too_fast(seconds: float | None, shown: int | None, fast: bool) -> None:
    assert too_fast(seconds, shown, RULES) is fast


def test_a_prompt_counts_once_for_a_voter_and_a_few_times_a_day_for_all() -> None:
    again = casts(3, prompt="hello")
    assert reasons(judge(again, RULES, OLD)) == [None, "prompt_repeated", "prompt_repeated"]
    assert reasons(judge(casts(1, prompt="hello", crowded=True), RULES, OLD)) == ["prompt_repeated"]
    # Stored questions have no prompt of the voter's own.
    assert reasons(judge(casts(3), RULES, OLD)) == [None] * 3


def test_a_hasty_vote_uses_up_nothing() -> None:
    hasty, slow = casts(2, prompt="hello")
    assert reasons(judge([replace(hasty, seconds=0.1), slow], RULES, OLD)) == ["too_fast", None]


def test_one_voter_has_twenty_votes_on_a_pair() -> None:
    on_one_pair = [replace(cast, pair=frozenset("ab")) for cast in casts(22)]
    found = reasons(judge(on_one_pair, RULES, replace(OLD, total=10_000)))
    assert found == [None] * 20 + ["pair_share"] * 2


def test_one_voter_has_a_fiftieth_of_all_votes_or_twenty() -> None:
    assert most_votes(10, RULES) == most_votes(1000, RULES) == 20
    assert most_votes(5000, RULES) == 100
    assert reasons(judge(casts(21), RULES, OLD)) == [None] * 20 + ["share"]
    assert reasons(judge(casts(21), RULES, replace(OLD, total=1050))) == [None] * 21


def test_what_an_administrator_settled_stays_and_uses_up_what_a_voter_may() -> None:
    settled = casts(20, open=False)
    found = judge(settled + casts(21)[20:], RULES, OLD)
    assert [verdict.battle_id for verdict in found.verdicts] == ["20"]
    assert reasons(found) == ["share"]
    excluded = casts(20, open=False, status="excluded", reason="identity_told")
    assert reasons(judge(excluded + casts(21)[20:], RULES, OLD)) == [None]


some_casts = st.lists(
    st.builds(
        Cast,
        battle_id=st.uuids().map(str),
        pair=st.sampled_from([frozenset("ab"), frozenset("ac"), frozenset("bc")]),
        network=st.sampled_from([None, "here", "there"]),
        seconds=st.one_of(st.none(), st.floats(0, 60)),
        shown=st.one_of(st.none(), st.integers(0, 5000)),
        prompt=st.sampled_from([None, "hello", "why"]),
        crowded=st.booleans(),
        verified=st.booleans(),
        open=st.booleans(),
        status=st.sampled_from(["counted", "held", "excluded"]),
        reason=st.none(),
    ),
    max_size=60,
    unique_by=lambda cast: cast.battle_id,
)


@given(some_casts, st.booleans(), st.integers(0, 5000), st.integers(0, 48))
def test_every_open_vote_gets_one_verdict_with_a_reason_of_ours_and_the_same_again(
    some: list[Cast], biased: bool, total: int, hours: int
) -> None:
    facts = replace(OLD, biased=biased, total=total, since=NOW - timedelta(hours=hours), networks=frozenset({"there"}))
    standing = judge(some, RULES, facts)
    assert [one.battle_id for one in standing.verdicts] == [cast.battle_id for cast in some if cast.open]
    assert {one.reason for one in standing.verdicts} <= {None, *REASONS}
    # What a verdict made of a vote changes nothing about the next look at it.
    stored = {one.battle_id: one for one in standing.verdicts}
    told = [
        replace(cast, status=stored[cast.battle_id].status, reason=stored[cast.battle_id].reason) if cast.open else cast
        for cast in some
    ]
    assert judge(told, RULES, facts) == standing


@given(some_casts, st.integers(0, 5000))
def test_no_voter_ever_counts_for_more_than_a_share(some: list[Cast], total: int) -> None:
    fresh = [replace(cast, open=True) for cast in some]
    found = reasons(judge(fresh, RULES, replace(OLD, total=total)))
    assert found.count(None) <= most_votes(total, RULES)
