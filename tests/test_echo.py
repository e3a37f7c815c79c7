from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.echo import LEAST, without_echo

PROMPT = 'My diary says: "the treasure lies\nbeneath the third birch", and I believe it.'


def test_what_is_no_repetition_stays_word_for_word() -> None:
    words = "it answered 400: the context of 4096 tokens is too small"
    assert without_echo(words, [PROMPT, "another"]) == words
    assert without_echo(words, []) == words


@pytest.mark.parametrize("repeat", [str, repr, json.dumps], ids=["plain", "repr", "json"])
@pytest.mark.parametrize("cut", [len(PROMPT) + 9, 60, 40])
def test_a_repeated_prompt_is_gone_however_it_is_written_or_cut(repeat: type[str], cut: int) -> None:
    said = without_echo(f"it answered 422: input {repeat(PROMPT)[:cut]} is no list", [PROMPT])
    assert "treasure" not in said
    assert said.startswith("it answered 422: input ")
    assert said.endswith(" is no list")


def test_of_several_texts_each_is_looked_for() -> None:
    texts = ["the first of two long texts", "and then the second of them"]
    assert without_echo(" | ".join(texts), texts) == "… | …"


@given(st.text("ab ", max_size=80), st.lists(st.text("ab ", max_size=80), max_size=3))
def test_no_passage_of_that_length_is_left(words: str, texts: list[str]) -> None:
    said = without_echo(words, texts)
    for part in said.split("…"):
        starts = range(len(part) - LEAST + 1)
        assert not any(part[start : start + LEAST] in text for start in starts for text in texts)
