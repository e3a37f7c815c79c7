from __future__ import annotations

from collections.abc import Sequence

import pytest
from conversations import ids, said
from hypothesis import given
from hypothesis import strategies as st

from models.chat import Message
from models.distill.clean.rounds import LONG_ROUND, alternate, estimated, part_of, split
from models.distill.clean.rule import Dropped
from models.distill.conversation import Conversation

U, A, S = Message("user", "u"), Message("assistant", "a"), Message("system", "s")


def words(messages: Sequence[Message]) -> int:
    """One token a word, and one a message."""
    return sum(len(message.text.split()) + 1 for message in messages)


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        ((U, A), (U, A)),
        ((S, U, A, U, A), (S, U, A, U, A)),
        ((A, U, A), (U, A)),
        ((S, A, U, A), (S, U, A)),
        ((U, A, U), (U, A)),
        ((S, U, A, U), (S, U, A)),
        ((A, A, U, A, U, U), (U, A)),
    ],
)
def test_rounds_begin_with_the_first_user_and_end_with_the_last_answer(
    messages: tuple[Message, ...], kept: tuple[Message, ...]
) -> None:
    found = alternate(Conversation("c", messages))
    assert isinstance(found, Conversation)
    assert found.messages == kept
    assert alternate(found) is found


@pytest.mark.parametrize(
    ("messages", "reason", "detail"),
    [
        ((U,), "no round", "no user's message is followed by an answer"),
        ((A,), "no round", ""),
        ((S,), "no round", ""),
        ((A, U), "no round", ""),
        ((U, U, A), "out of turn", "message 2 is the user's where the assistant's is due"),
        ((U, A, A), "out of turn", "message 3 is the assistant's where the user's is due"),
        ((S, U, A, U, U, A), "out of turn", "message 5 is the user's"),
        ((U, A, S, U, A), "out of turn", "message 3 is the system's where the user's is due"),
    ],
)
def test_whatever_is_out_of_turn_is_dropped_and_its_place_is_said(
    messages: tuple[Message, ...], reason: str, detail: str
) -> None:
    found = alternate(Conversation("c", messages))
    assert isinstance(found, Dropped)
    assert found.reason == reason
    assert detail in found.detail


def test_a_conversation_that_fits_stays_the_same() -> None:
    one = said("u " * 9, "a " * 9)
    assert split(one, words, 20).kept == (one,)
    assert [len(part.messages) for part in split(one, words, 19).kept] == []


def test_a_long_one_is_parted_between_rounds_and_each_part_keeps_the_system_message() -> None:
    one = said("one", "1", "two", "2", "three", "3", "four", "4", "five", "5", name="x", system="be brief")
    parts = split(one, words, 3 + 8)
    assert ids(parts.kept) == ["x#round-1", "x#round-3", "x#round-5"]
    assert [[message.text for message in part.messages] for part in parts.kept] == [
        ["be brief", "one", "1", "two", "2"],
        ["be brief", "three", "3", "four", "4"],
        ["be brief", "five", "5"],
    ]
    assert not parts.too_long


def test_a_round_that_fits_nowhere_is_told_and_the_others_stay() -> None:
    one = said("a", "b", "c", "d " * 50, "e", "f", name="x")
    parts = split(one, words, 10)
    assert ids(parts.kept) == ["x#round-1", "x#round-3"]
    assert parts.too_long == (Dropped(LONG_ROUND, "round 2 has 53 tokens, the context 10"),)


def test_parts_of_parts_are_numbered_by_the_rounds_of_the_whole() -> None:
    one = said(*"abcdefgh", name="x")
    (first, second) = split(one, words, 8).kept
    assert (first.id, second.id) == ("x#round-1", "x#round-3")
    assert ids(split(second, words, 4).kept) == ["x#round-3", "x#round-4"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("x", ("x", 1)), ("x#round-4", ("x", 4)), ("x#round-4~0123abcd", ("x", 4)), ("a#b#round-12", ("a#b", 12)),
        ("#4", ("#4", 1)), ("x#round-0", ("x#round-0", 1)), ("x#", ("x#", 1)), ("x#4", ("x#4", 1)),
    ],
)  # fmt: skip
def test_an_id_tells_whose_part_it_is(name: str, part: tuple[str, int]) -> None:
    assert part_of(name) == part


TEXTS = st.lists(st.integers(0, 12).map(lambda count: "w " * count), min_size=2, max_size=14)


@given(TEXTS, st.booleans(), st.integers(2, 40))
def test_no_round_is_lost_and_no_part_is_too_long(texts: list[str], system: bool, context: int) -> None:
    texts = texts[: len(texts) // 2 * 2]
    one = said(*texts, name="x", system="be brief" if system else "")
    parts = split(one, words, context)
    assert all(words(part.messages) <= context for part in parts.kept)
    assert all(alternate(part) is part for part in parts.kept)
    rounds = [(at // 2 + 1, texts[at], texts[at + 1]) for at in range(0, len(texts), 2)]
    kept = [
        (part_of(part.id)[1] + at // 2, turns[at].text, turns[at + 1].text)
        for part in parts.kept
        for turns in [[message for message in part.messages if message.role != "system"]]
        for at in range(0, len(turns), 2)
    ]
    lost = {int(dropped.detail.split()[1]) for dropped in parts.too_long}
    assert sorted([*kept, *(one for one in rounds if one[0] in lost)]) == rounds
    assert [part for each in parts.kept for part in split(each, words, context).kept] == list(parts.kept)


def test_without_a_tokenizer_four_bytes_are_a_token() -> None:
    assert estimated([Message("user", "abcdefgh"), Message("assistant", "abc")]) == 4 + 2 + 4 + 1
    assert estimated([Message("user", "\u4f60\u597d\u4e16\u754c")]) == 4 + 3
