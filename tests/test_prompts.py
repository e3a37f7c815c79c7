from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arena.prompts import PromptError, clean_prompt, fits, visible_text

# -- prompts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Why?  ", "Why?"),
        ("one\r\ntwo\rthree\tfour\n", "one\ntwo\nthree\tfour"),
        ("nul\x00 bell\x07 escape\x1b[31m", "nul bell escape[31m"),
        ("half a \ud83d surrogate", "half a  surrogate"),
        ("为什么天空是蓝色的?", "为什么天空是蓝色的?"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("?", "?"),
    ],
)
def test_a_prompt_is_kept_but_for_what_can_not_be_seen_or_stored(typed: str, kept: str) -> None:
    assert clean_prompt(typed, 4000) == kept


@pytest.mark.parametrize("typed", ["", "   ", "\n\t\r", "\x00\x07", "\u200b\u200b", "\u3000", "\ufeff", "\ud800"])
def test_a_prompt_of_nothing_is_empty(typed: str) -> None:
    with pytest.raises(PromptError) as raised:
        clean_prompt(typed, 4000)
    assert raised.value.reason == "empty"


def test_a_prompt_may_be_as_long_as_allowed_and_no_longer() -> None:
    assert clean_prompt(f"  {'字' * 10}  ", 10) == "字" * 10
    with pytest.raises(PromptError) as raised:
        clean_prompt("字" * 11, 10)
    assert raised.value.reason == "too_long"


@given(st.text())
def test_a_cleaned_prompt_can_be_stored_and_stays_as_it_is(typed: str) -> None:
    try:
        kept = clean_prompt(typed, 4000)
    except PromptError:
        return
    kept.encode()
    assert clean_prompt(kept, 4000) == kept


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("Hello.", "Hello."),
        ("<think>plan</think>\n\nHello.", "Hello."),
        ("\n <THINK>\nplan\n</Think> Hello.", "Hello."),
        ("Hello <think>hm</think> world", "Hello world"),
        ("<think>one</think>a<think>two</think>b", "ab"),
        ("<think>for ever", ""),
        ("Hello <think>for ever", "Hello "),
        ("</think>Hello.", "</think>Hello."),
        ("a < b and <thin> air", "a < b and <thin> air"),
        ("the end <thi", "the end <thi"),
    ],
)
def test_a_complete_answer_is_shown_without_its_reasoning(answer: str, shown: str) -> None:
    assert visible_text(answer, complete=True) == shown


@pytest.mark.parametrize(
    ("so_far", "shown"),
    [("the end <thi", "the end "), ("<", ""), ("a <b", "a <b"), ("x<tHiN", "x"), ("x<think>y</thi", "x")],
)
def test_an_answer_under_way_keeps_back_what_may_become_a_tag(so_far: str, shown: str) -> None:
    assert visible_text(so_far, complete=False) == shown


pieces = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</thi", "<", ">", "a", " ", "\n", "\u3000", "文", "THINK"])
    | st.text(alphabet="<>/think KıİſkK\u3000", max_size=4),
    max_size=12,
)


@given(pieces)
@example(["<th", "ı", "nk>"])  # a dotless i is no i, however lenient a comparison
@example(["<thi", "<think>"])  # half a tag before a whole one
@example(["<thin", "\u212a", ">x"])  # nor is a Kelvin sign a k
def test_nothing_that_was_shown_is_ever_taken_back(pieces: list[str]) -> None:
    raw, before = "", ""
    for piece in pieces:
        for char in piece:
            raw += char
            now = visible_text(raw, complete=False)
            assert now.startswith(before)
            before = now
    assert visible_text(raw, complete=True).startswith(before)


# -- room ------------------------------------------------------------------------------------------


def test_a_conversation_fits_while_there_is_room_for_the_answer() -> None:
    assert fits(["x" * 300], context=620, reserve=512)
    assert not fits(["x" * 303], context=620, reserve=512)


def test_many_short_texts_cost_their_frames() -> None:
    assert not fits([""] * 100, context=1024, reserve=512)


def test_chinese_counts_a_token_a_character() -> None:
    assert fits(["字" * 100], context=620, reserve=512)
    assert not fits(["字" * 101], context=620, reserve=512)
