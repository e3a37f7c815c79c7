"""ROUGE-L as Self-Instruct filters by it: against the plain recurrence, and in scripts without spaces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.distill.collect.novelty import Novelty, rouge_l, share_in, tokens_of

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "dog", "\u732b", "\u72d7", "."]), max_size=90).map(" ".join)


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The textbook's table."""
    row = [0] * (len(other) + 1)
    for mine in one:
        before = row
        row = [0]
        for place, yours in enumerate(other):
            row.append(before[place] + 1 if mine == yours else max(row[-1], before[place + 1]))
    return row[-1]


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_it_is_twice_the_longest_common_subsequence_over_both_lengths(one: str, other: str) -> None:
    a, b = tokens_of(one), tokens_of(other)
    expected = 2 * longest_common(a, b) / (len(a) + len(b)) if a and b else 0.0
    assert rouge_l(one, other) == pytest.approx(expected)
    assert rouge_l(other, one) == rouge_l(one, other)


def test_words_count_in_any_case_and_characters_alone_where_there_are_no_spaces() -> None:
    assert tokens_of("Don't use Python3, na\u00efvely!") == ("don", "t", "use", "python3", "na\u00efvely")
    assert tokens_of("\u8bf7\u7528Python\u5199\u3002") == ("\u8bf7", "\u7528", "python", "\u5199")
    assert rouge_l("Name three birds.", "name THREE birds") == 1.0
    assert rouge_l("\u5199\u4e00\u9996\u8bd7", "\u5199\u4e00\u7bc7\u8bd7") == 0.75
    assert rouge_l("", "anything") == rouge_l("...", "...") == 0.0


def test_the_order_of_the_words_matters() -> None:
    assert rouge_l("dogs chase cats", "cats chase dogs") == pytest.approx(1 / 3)


def test_a_part_of_a_text_is_wholly_in_it() -> None:
    assert share_in("two and three", "one, two and three, four") == 1.0
    assert share_in("one, two and three, four", "two and three") == 1.0
    assert share_in("two or three", "one, two and three, four") == pytest.approx(2 / 3)
    assert share_in("", "one") == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=8), TEXTS)
def test_what_can_not_reach_the_threshold_may_be_passed_over_and_nothing_else(known: list[str], text: str) -> None:
    whole = Novelty(known).nearest(text)
    quick = Novelty(known).nearest(text, enough=0.7)
    assert (quick.similarity >= 0.7) == (whole.similarity >= 0.7)
    assert quick == whole or whole.similarity < 0.7


def test_the_nearest_one_is_named() -> None:
    novelty = Novelty(["Name three birds.", "Explain why the sky is blue."])
    novelty.add("Say why the sea is blue.")
    assert novelty.nearest("Explain why the sea is blue.").text == "Explain why the sky is blue."
    assert Novelty().nearest("Anything?").text == ""
