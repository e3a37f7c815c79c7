"""What is held out is quoted by nothing that is learnt from."""

from __future__ import annotations

import random

import pytest
from conversations import said, sentence

from models.distill.clean.holdout import HoldOut, clusters, held_out, sketch
from models.distill.clean.quoted import hold_out, quoted
from models.distill.clean.workers import processes
from models.distill.conversation import Conversation

RNG = random.Random(9)
PLAIN = [said(sentence(RNG, 20), sentence(RNG, 60), name=f"plain{at}") for at in range(20)]


def around(text: str) -> str:
    return f"{sentence(RNG, 90)} {text} {sentence(RNG, 60)}"


ANSWERED = [
    said(sentence(RNG, 20), around(one.messages[1].text), name=f"quoting{at}") for at, one in enumerate(PLAIN[:12])
]
ASKED = [
    said(f"Improve this text: {one.messages[1].text}", sentence(RNG, 60), name=f"quoting{at}")
    for at, one in enumerate(PLAIN[:12])
]


def alone(conversations: list[Conversation]) -> list[list[int]]:
    """Clusters, which have one member each: nobody is alike."""
    together = clusters(conversations, [sketch(one) for one in conversations])
    assert all(len(one) == 1 for one in together)
    return together


@pytest.mark.parametrize("quoting", [ANSWERED, ASKED], ids=["in a longer answer", "in a prompt"])
def test_no_answer_that_another_conversation_quotes_is_held_out(quoting: list[Conversation]) -> None:
    some = [*PLAIN, *quoting]
    together, wanted = alone(some), HoldOut(0.25)
    likely = {some[at].id for at in held_out(some, together, wanted)}
    assert likely & {one.id for one in PLAIN[:12]}, "the choice by likeness alone would show nothing"
    aside = hold_out(some, together, wanted)
    assert 6 <= len(aside) <= 8
    assert not {some[at].id for at in aside} & {one.id for one in PLAIN[:12]}
    backwards = some[::-1]
    assert {backwards[at].id for at in hold_out(backwards, alone(backwards), wanted)} == {some[at].id for at in aside}


def test_where_nothing_is_quoted_the_choice_is_the_same() -> None:
    together = alone(PLAIN)
    assert hold_out(PLAIN, together, HoldOut(0.3)) == held_out(PLAIN, together, HoldOut(0.3))


def test_only_conversations_of_other_clusters_give_an_answer_away() -> None:
    some = [PLAIN[0], ASKED[0], said("Thanks!", "You are welcome!"), said("Thank you!", "You are welcome! And so on.")]
    assert quoted(some, [[0, 1], [2], [3]], range(4)) == set()
    assert quoted(some, [[0], [1], [2], [3]], range(4)) == {0}


def test_processes_find_the_same() -> None:
    some = [*PLAIN, *ANSWERED]
    heard: list[int] = []
    with processes(1) as mapper:
        found = quoted(some, [[at] for at in range(len(some))], range(20), mapper, heard.append)
    assert found == set(range(12))
    assert sum(heard) == len(some)


def test_where_every_answer_is_quoted_nothing_is_held_out() -> None:
    some = [*PLAIN[:1], *ASKED[:1]]
    assert hold_out(some, [[0], [1]], HoldOut(0.5)) == {1}
    both = said(f"Improve this text: {ASKED[0].messages[1].text}", PLAIN[0].messages[1].text, name="both")
    assert hold_out([ASKED[0], both], [[0], [1]], HoldOut(0.5)) == set()
