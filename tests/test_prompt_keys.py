from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.integrity.prompt_keys import KEY_BYTES, normalised, prompt_key, prompt_keys

pytestmark = pytest.mark.integrity

ALIKE = [
    ("Why is the sky blue?", "why is the sky blue"),
    ("Why is the sky blue?", "  WHY  is the\tsky\nblue ?!  "),
    ("Why is the sky blue?", "\uff37\uff48\uff59 is the sky blue\uff1f"),  # full width
    ("Why is the sky blue?", "Why is the s\u200bky b\u2060lue?"),  # zero width
    ("Don't stop", "don\u2019t stop\u2026"),
    ("\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u4f60\u597d, \u4e16\u754c"),
    ("Stra\u00dfe", "STRASSE"),
    ("caf\u00e9", "cafe\u0301"),
    ("\u1f80", "\u1f88"),  # Greek: case folding and composition depend on each other
]
UNLIKE = [
    ("What is 1+1?", "What is 1-1?"),
    ("What is 1.5?", "What is 15?"),
    ("Explain C#", "Explain C"),
    ("Explain C++", "Explain C"),
    ("50% of 80", "50 of 80"),
    ("therapist", "the rapist"),
    ("na\u00efve", "naive"),
    ("???", "!!!"),
    ("\U0001f600", "\U0001f622"),
    ("", "?"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_prompt_typed_another_way_is_the_same_one(one: str, other: str) -> None:
    assert prompt_key(one) == prompt_key(other)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_another_prompt_is_another_one(one: str, other: str) -> None:
    assert prompt_key(one) != prompt_key(other)


def test_prompts_that_read_alike_have_one_key_among_those_of_many() -> None:
    assert prompt_keys(["Why?", "why ?", "How?"]) == {prompt_key("Why?"), prompt_key("How?")}
    assert prompt_keys([]) == frozenset()


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_whatever_is_asked_has_a_key_and_reading_it_twice_changes_nothing(prompt: str) -> None:
    assert len(prompt_key(prompt)) == 2 * KEY_BYTES
    assert normalised(normalised(prompt)) == normalised(prompt)
