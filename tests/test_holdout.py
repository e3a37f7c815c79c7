from __future__ import annotations

import random
from collections import Counter

import pytest
from conversations import said, sentence, varied

from models.distill.clean.duplicates import text_of
from models.distill.clean.holdout import GRAM, HoldOut, clusters, first_prompt, held_out, sketch
from models.distill.clean.minhash import similarity
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem


def together(conversations: list[Conversation]) -> list[list[str]]:
    """The ids of each cluster of more than one."""
    found = clusters(conversations, [sketch(one) for one in conversations])
    assert sorted(at for one in found for at in one) == list(range(len(conversations)))
    return sorted(sorted(conversations[at].id for at in one) for one in found if len(one) > 1)


RNG = random.Random(5)
A, B, C, D = (sentence(RNG, 60) for _ in range(4))
LATER = "Go on, please, where you stopped a moment ago"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("Why?", A), said(" why? ", B)),
        (said(A, B), said(varied(RNG, A, 3), C)),
        (said(A, B), said(C, varied(RNG, B, 3))),
        (said(A, B, C, D), said("Quite another thing", "indeed", "And then?", varied(RNG, B, 2))),
    ],
    ids=["the same first prompt", "nearly the same one", "nearly the same answer", "an answer among others"],
)
def test_whoever_gives_the_other_away_stays_with_it(one: Conversation, other: Conversation) -> None:
    some = [
        Conversation("a", one.messages),
        Conversation("b", other.messages),
        said(sentence(RNG, 50), sentence(RNG, 9)),
    ]
    assert together(some) == [["a", "b"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("Why is that?", "You are welcome!"), said("How is it?", "You are welcome!")),
        (said(A, B, LATER, C), said(D, "Quite so", LATER, "x")),
        (said(A, B, system=C), said(D, "Quite so", system=C)),
        (said(A, B, name="x#round-3"), said(A[:9], C, name="y#round-2")),
    ],
    ids=["short answers", "later prompts", "system messages", "later parts' first prompts"],
)  # fmt: skip
def test_what_says_nothing_joins_nobody(one: Conversation, other: Conversation) -> None:
    some = [one if "#" in one.id else Conversation("a", one.messages), Conversation("b", other.messages)]
    assert together(some) == []


def test_parts_of_one_conversation_stay_together_and_only_the_first_has_a_first_prompt() -> None:
    parts = [said(A, B, name="x#round-1"), said("Go on", C, name="x#round-2"), said("Go on", D, name="y#round-4")]
    assert together(parts) == [["x#round-1", "x#round-2"]]
    assert [first_prompt(part) for part in parts] == [A, None, None]


def test_conversations_that_others_number_are_no_parts_of_one() -> None:
    assert together([said(sentence(RNG, 20), sentence(RNG, 20), name=f"sharegpt#{at}") for at in range(1, 9)]) == []


def test_alike_is_whoever_is_alike_to_one_of_them() -> None:
    texts = [A]
    for _ in range(6):
        texts.append(varied(RNG, texts[-1], 4))
    assert similarity(texts[0], texts[-1], GRAM) < 0.4
    some = [said(f"Prompt {at} {sentence(RNG, 20)}", text, name=f"{at}") for at, text in enumerate(texts)]
    RNG.shuffle(some)
    assert together(some) == [[f"{at}" for at in range(7)]]


def test_what_is_held_out_is_about_the_share_and_never_a_part_of_a_cluster() -> None:
    rng = random.Random(6)
    seeds = [sentence(rng, 60) for _ in range(100)]
    some = [
        said(varied(rng, seed, 2), sentence(rng, 30), name=f"{at}-{copy}")
        for at, seed in enumerate(seeds)
        for copy in range(1 + at % 3)
    ]
    groups = clusters(some, [sketch(one) for one in some])
    assert Counter(map(len, groups)) == {1: 34, 2: 33, 3: 33}
    aside = held_out(some, groups, HoldOut(0.1))
    assert len(aside) == round(0.1 * len(some))
    assert all(aside >= set(one) or not aside & set(one) for one in groups)
    train = [one for at, one in enumerate(some) if at not in aside]
    for at in aside:
        assert all(similarity(text_of(some[at]), text_of(one), GRAM) < 0.6 for one in train)


def test_the_choice_follows_from_ids_and_seed_and_not_from_the_order() -> None:
    rng = random.Random(7)
    some = [said(sentence(rng, 30), sentence(rng, 30), name=f"{at}") for at in range(60)]

    def chosen(conversations: list[Conversation], seed: int) -> set[str]:
        groups = clusters(conversations, [sketch(one) for one in conversations])
        return {conversations[at].id for at in held_out(conversations, groups, HoldOut(0.2, seed=seed))}

    first = chosen(some, 0)
    assert len(first) == 12
    assert chosen(rng.sample(some, len(some)), 0) == first
    assert chosen(some, 1) != first


def test_something_is_held_out_and_something_is_left_wherever_there_are_two_clusters() -> None:
    some = [said(A, B, name="a"), said(C, D, name="b")]
    groups = clusters(some, [sketch(one) for one in some])
    assert len(held_out(some, groups, HoldOut(0.001))) == 1
    assert len(held_out(some, groups, HoldOut(0.999))) == 1
    assert held_out(some[:1], [[0]], HoldOut()) == set()
    assert held_out(some, [[0, 1]], HoldOut(0.5)) == set()


def test_where_every_cluster_is_too_large_the_smallest_is_held_out() -> None:
    some = [said(sentence(RNG, 20), "x", name=f"{at}") for at in range(7)]
    assert held_out(some, [[0, 1, 2, 3], [4, 5, 6]], HoldOut(0.1)) == {4, 5, 6}


def test_no_more_than_the_most_are_held_out() -> None:
    some = [said(sentence(RNG, 20), "x", name=f"{at}") for at in range(50)]
    assert len(held_out(some, [[at] for at in range(50)], HoldOut(0.5, most=3))) == 3


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 5.0])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(DistillProblem, match="is no share to hold out; give one above 0 and below 1"):
        HoldOut(share)
