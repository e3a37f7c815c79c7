from __future__ import annotations

import pytest

from arena.boards.usage import LEAST_SECONDS, Totals, usage_of
from db.usage import Took


def answer(
    tokens: int | None = 10,
    prompt_tokens: int | None = 5,
    first: float | None = 0.5,
    seconds: float | None = 1.5,
    joules: float | None = None,
    reason: str = "stop",
) -> Took:
    return Took(reason, tokens, prompt_tokens, first, seconds, joules)


UNKNOWN = Took("stop", 4, None, None, None, None)


# -- one battle ------------------------------------------------------------------------------------


def test_of_one_turn_the_usage_says_what_was_measured() -> None:
    usage = usage_of([answer(tokens=21, prompt_tokens=7, first=0.5, seconds=2.5, joules=8.0)])
    assert (usage.prompt_tokens, usage.tokens, usage.joules, usage.cut) == (7, 21, 8.0, False)
    assert usage.first_token_seconds == 0.5
    assert usage.tokens_per_second == pytest.approx((21 - 1) / (2.5 - 0.5))


def test_of_several_turns_tokens_and_joules_are_summed_and_times_are_averaged() -> None:
    usage = usage_of(
        [
            answer(tokens=11, prompt_tokens=7, first=0.2, seconds=1.2, joules=8.0),
            answer(tokens=31, prompt_tokens=20, first=0.6, seconds=3.6, joules=2.5, reason="length"),
        ]
    )
    assert (usage.prompt_tokens, usage.tokens, usage.joules, usage.cut) == (27, 42, 10.5, True)
    assert usage.first_token_seconds == pytest.approx(0.4)
    assert usage.tokens_per_second == pytest.approx((10 + 30) / (1.0 + 3.0))


def test_what_is_not_known_of_every_turn_is_not_told() -> None:
    usage = usage_of([answer(joules=3.0), UNKNOWN])
    assert usage.tokens == 14
    unknown = (usage.prompt_tokens, usage.first_token_seconds, usage.tokens_per_second, usage.joules)
    assert unknown == (None, None, None, None)


def test_where_the_tokens_of_one_turn_are_not_known_no_speed_is_told() -> None:
    usage = usage_of([answer(), answer(tokens=None)])
    assert (usage.tokens, usage.tokens_per_second) == (None, None)
    assert usage.first_token_seconds == 0.5


@pytest.mark.parametrize(
    "took",
    [
        answer(tokens=1),
        answer(tokens=0),
        answer(tokens=None),
        answer(first=1.0, seconds=1.0 + LEAST_SECONDS / 2),
        answer(first=1.0, seconds=1.0),
        answer(seconds=None),
        answer(first=None, seconds=None),
    ],
)
def test_without_time_between_the_first_token_and_the_end_there_is_no_speed(took: Took) -> None:
    assert usage_of([took]).tokens_per_second is None


# -- sums over many --------------------------------------------------------------------------------


def test_figures_are_over_the_answers_of_which_they_are_known() -> None:
    totals = Totals([answer(tokens=10, prompt_tokens=6, joules=5.0), answer(tokens=40, prompt_tokens=8), UNKNOWN])
    assert totals.answers == 3
    assert totals.prompt_tokens.mean == 7
    assert totals.tokens.mean == pytest.approx(54 / 3)
    assert totals.joules_per_1000_tokens == pytest.approx(1000 * 5.0 / 10)
    assert totals.tokens_per_second == pytest.approx((9 + 39) / 2.0)


def test_joules_of_an_answer_whose_tokens_are_not_known_count_for_no_token() -> None:
    totals = Totals([answer(tokens=10, joules=5.0), answer(tokens=None, joules=1000.0)])
    assert totals.joules_per_1000_tokens == pytest.approx(1000 * 5.0 / 10)
    assert totals.tokens_per_second == pytest.approx(9 / 1.0)
    assert totals.joules.total == 1005.0


def test_of_nothing_nothing_is_known() -> None:
    totals = Totals()
    figures = (totals.prompt_tokens.mean, totals.tokens.mean, totals.first_token_seconds, totals.first_token_p95)
    assert figures == (None, None, None, None)
    assert (totals.tokens_per_second, totals.joules_per_1000_tokens) == (None, None)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100, 101])
def test_the_95th_percentile_is_the_least_value_that_95_percent_do_not_exceed(count: int) -> None:
    values = [float((7 * n) % count) for n in range(count)] if count % 7 else [float(n) for n in range(count)]
    expected = min(x for x in values if sum(y <= x for y in values) >= 0.95 * count)
    assert Totals(answer(first=value, seconds=None) for value in values).first_token_p95 == expected
