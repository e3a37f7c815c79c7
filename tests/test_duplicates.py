from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

from conversations import ids, said, sentence, varied

from models.distill.clean.duplicates import content, exact, named_apart, near, text_of
from models.distill.clean.minhash import signatures
from models.distill.conversation import Conversation, Origin

FREE, UNKNOWN = Origin("f.jsonl", "t", "Apache-2.0"), Origin("g.jsonl")


def kept(conversations: list[Conversation], dropped: object) -> list[str]:
    assert isinstance(dropped, dict)
    return sorted(one.id for at, one in enumerate(conversations) if at not in dropped)


def test_content_is_what_is_said_and_by_whom_white_space_apart() -> None:
    one = said("Why?", "Because.\n\nSo.", name="a", origin=FREE)
    assert content(one) == content(said("Why? ", "Because. So.", name="b"))
    assert content(one) != content(said("Why?", "because. So."))
    assert content(one) != content(said("Why?", "Because. So.", system="s"))


def test_of_those_that_say_the_same_one_with_a_known_license_stays_in_any_order() -> None:
    same = [
        said("Why?", "So.", name="b", origin=FREE),
        said("Why?", "So.", name="a", origin=UNKNOWN),
        said("Why? ", "So.", name="c", origin=FREE),
        said("Why?", "Else.", name="d"),
    ]
    for order in permutations(same):
        dropped = exact(order)
        assert kept(list(order), dropped) == ["b", "d"]
        assert {why.detail for why in dropped.values()} == {"the same as b"}


def test_an_id_that_different_conversations_share_is_told_apart_by_what_they_say() -> None:
    one, other, third = said("Why?", "So."), said("How?", "So."), said("Who?", "I.", name="d")
    named = named_apart([one, other, third, one])
    assert named[0].id == named[3].id == f"c~{content(one)[:8]}"
    assert named[1].id == f"c~{content(other)[:8]}"
    assert named[2] is third
    assert named_apart([other, third, one])[0].id == named[1].id
    assert named_apart(named) == named


def test_of_those_that_say_nearly_the_same_the_longest_stays_in_any_order() -> None:
    rng = random.Random(1)
    answer = sentence(rng, 120)
    some = [
        said("Why is it so?", answer, name="a"),
        said("Why is it so?", f"{answer} And that is all.", name="b"),
        said("Why is it so?", varied(rng, answer, 1), name="c"),
        said("Why is it so?", sentence(rng, 120), name="d"),
    ]
    for order in permutations(some):
        dropped = near(order, signatures(map(text_of, order)))
        assert kept(list(order), dropped) == ["b", "d"]
        assert all(why.detail.endswith("like b") for why in dropped.values())


def test_no_copy_frees_a_text_of_the_terms_of_another() -> None:
    rng = random.Random(3)
    asked, answer = "Why is it so?", sentence(rng, 120)
    taught = Origin("alpaca.json", "gpt-4o")
    mirror = said(asked, answer, name="a", origin=Origin("mirror.json", license="MIT"))
    for origin in (taught, Origin("alpaca.json", "owl", "CC-BY-NC-4.0")):
        for order in permutations([mirror, said(asked, answer, name="b", origin=origin)]):
            assert kept(list(order), exact(order)) == ["b"]
        longer = said(asked, f"{answer} And that is all.", name="a", origin=mirror.origin)
        for order in permutations([longer, said(asked, answer, name="b", origin=origin)]):
            assert kept(list(order), near(order, signatures(map(text_of, order)))) == ["b"]


def test_a_system_message_that_all_share_makes_nobody_alike() -> None:
    rng = random.Random(2)
    system = sentence(rng, 300)
    some = [said(sentence(rng, 20), sentence(rng, 40), name=f"{at}", system=system) for at in range(8)]
    assert near(some, signatures(map(text_of, some))) == {}


def test_sums_that_differ_in_a_sign_are_not_alike() -> None:
    some = [said(f"What is 7 {sign} 3?", f"{answer}", name=sign) for sign, answer in (("+", 10), ("-", 4), ("*", 21))]
    assert near(some, signatures(map(text_of, some))) == {}


def test_chinese_is_compared_by_letters() -> None:
    text = (
        "\u4eba\u5de5\u667a\u80fd\u662f\u8ba1\u7b97\u673a\u79d1\u5b66\u7684\u4e00\u4e2a\u5206\u652f\u5b83\u8bd5\u56fe\u4e86\u89e3\u667a\u80fd\u7684\u5b9e\u8d28"
        * 1
    )
    some = [said(text + mark, text[::-1] + mark, name=mark or "bare") for mark in ("", "\u3002", "\u5462")]
    assert kept(some, near(some, signatures(map(text_of, some)), 0.7)) == ["\u5462"]


def test_names_stay_where_they_are_unique() -> None:
    some = [said("Why?", "So.", name=f"{at}") for at in range(3)]
    assert ids(named_apart(some)) == ["0", "1", "2"]
    assert replace(some[0], id="1") == named_apart([some[1]])[0]
