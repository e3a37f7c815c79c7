from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from conversations import ids, said, sentence, varied
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chat import Message
from models.distill.clean.cleaning import Choice, Cleaned, clean
from models.distill.clean.duplicates import content, text_of
from models.distill.clean.holdout import GRAM, HoldOut, first_prompt
from models.distill.clean.judging import Gone, Rules, judge
from models.distill.clean.minhash import similarity
from models.distill.clean.preferred import Votes
from models.distill.clean.rounds import LONG_ROUND, Count, estimated, part_of
from models.distill.clean.rule import Dropped, Verdict, with_texts
from models.distill.clean.standard import RULES, Standard
from models.distill.clean.workers import inline, processes
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem

ALL = Choice(held_out=HoldOut(0.2))
BARE = Choice(exact=False, near=None, held_out=None)


def shout(conversation: Conversation) -> Verdict:
    return with_texts(conversation, str.upper)


def no_cats(conversation: Conversation) -> Verdict:
    return Dropped("cats", "a cat") if "cat" in text_of(conversation).lower() else conversation


def count_words(messages: Sequence[Message]) -> int:
    return sum(len(message.text.split()) for message in messages)


def rows(cleaned: Cleaned) -> list[Conversation]:
    return [*cleaned.train, *cleaned.held_out]


def test_each_rule_sees_what_the_one_before_it_made_and_the_first_to_drop_is_named() -> None:
    rules = Rules((("shout", shout), ("cats", no_cats)))
    kept = judge(rules, said("a dog", "sits"))
    assert [message.text for message in kept.kept[0].messages] == ["A DOG", "SITS"]
    assert kept.changed == {"shout": 1}
    dropped = judge(rules, said("a cat", "sits", name="x"))
    assert dropped.gone == (Gone("x", "cats", "cats", "a cat", "A CAT"),)
    assert not dropped.kept
    assert not dropped.changed


def test_what_personal_data_or_votes_dropped_is_not_quoted() -> None:
    verdict = judge(Rules((("personal", no_cats),)), said("the cat's address is …", "sits"))
    assert verdict.gone == (Gone("c", "personal", "cats", "a cat", ""),)


def test_a_round_too_long_is_told_beside_the_parts_and_a_whole_one_is_dropped() -> None:
    rules = Rules(count=count_words, context=4)
    one = judge(rules, said("a", "b", "c", "d e f g", "h", "i", name="x"))
    assert ids(one.kept) == ["x#round-1", "x#round-3"]
    assert [(gone.id, gone.reason) for gone in one.gone] == [("x", LONG_ROUND)]
    other = judge(rules, said("a b c", "d e", name="y"))
    assert [gone.reason for gone in other.gone] == ["every round longer than the context"]


def test_parts_are_judged_as_the_conversations_they_now_are() -> None:
    def begins_with_cats(conversation: Conversation) -> Verdict:
        return Dropped("cats") if conversation.messages[0].text == "cat" else conversation

    found = judge(
        Rules((("cats", begins_with_cats),), count_words, 2), said("dog", "a", "cat", "b", "cow", "c", name="x")
    )
    assert ids(found.kept) == ["x#round-1", "x#round-3"]
    assert [(gone.id, gone.rule) for gone in found.gone] == [("x#round-2", "cats")]


def test_what_the_template_refuses_is_dropped_with_what_it_says() -> None:
    def refuse(messages: Sequence[Message]) -> int:
        raise DistillProblem("This template knows no system message.")

    found = judge(Rules(count=refuse), said("a", "b", system="s"))
    assert [(one.reason, one.detail) for one in found.gone] == [
        ("refused by the template", "This template knows no system message.")
    ]


def test_every_row_comes_in_the_order_of_ids_whatever_came_first() -> None:
    some = [said(f"{at} is what?", f"It is {at}", name=f"{at}") for at in (3, 1, 2)]
    assert ids(clean(some, Rules, BARE).train) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("answer", "learnt"),
    [
        ("<think>They ask me why.</think>\n\nBecause.", "Because."),
        (" <THINK>one</think> <think>two\n</think>Because.", "Because."),
        ("R1 thinks between `<think>` and `</think>`.", "R1 thinks between `<think>` and `</think>`."),
        ("<think>They ask me why, and I will never", None),
    ],
)
def test_reasoning_that_nobody_was_shown_is_not_learnt(answer: str, learnt: str | None) -> None:
    kept = judge(Standard()(), said("<think>Why?</think>", answer)).kept
    assert [one.messages[1].text for one in kept] == ([learnt] if learnt else [])


def test_a_vote_against_it_drops_a_conversation_before_anything_changes_it() -> None:
    one, other = said("a", "b", name="x"), said("a", "c", name="y")
    votes = Votes({content(one): {"lost": 1}, content(other): {"won": 1}})
    cleaned = clean([one, other], lambda: Rules((("shout", shout),)), replace(BARE, votes=votes))
    assert ids(cleaned.train) == ["y"]
    assert [(gone.id, gone.rule) for gone in cleaned.dropped] == [("x", "votes")]


def test_a_set_that_is_emptied_names_the_rule_that_dropped_most() -> None:
    some = [said(f"cat {at}", "x", name=f"{at}") for at in range(3)] + [said("a b c d", "e", name="y")]
    with pytest.raises(
        DistillProblem, match=r"nothing of 4 conversations: the rule cats dropped most, 3; .*--off cats"
    ):
        clean(some, lambda: Rules((("cats", no_cats),), count_words, 2), ALL)
    with pytest.raises(DistillProblem, match="There are no conversations to clean"):
        clean([], Rules, ALL)


def test_progress_only_rises_and_ends_at_one() -> None:
    told: list[float] = []
    rng = random.Random(1)
    clean([said(sentence(rng, 9), sentence(rng, 9), name=f"{at}") for at in range(200)], Rules, ALL, told=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_processes_of_their_own_come_to_the_same() -> None:
    rng = random.Random(2)
    some = [said(f"<p>{sentence(rng, 12)}</p>", sentence(rng, 30), name=f"{at}") for at in range(150)]
    with processes(2) as mapper:
        shared_out = clean(some, Standard(), ALL, mapper)
    assert shared_out == clean(some, Standard(), ALL, inline)


def test_every_rule_can_be_turned_off_alone_and_all_of_them_together() -> None:
    """With all off everything stays as it is; each one alone turns off just what it does."""
    some = _one_for_each_rule()
    off = frozenset(RULES)
    assert set(Standard(off)().texts) == set()
    assert Standard(off)().count is None
    names = {name for name, _ in Standard(languages=("en",), detect=lambda _: "en")().texts}
    assert names | {"votes", "split", "exact", "near", "held-out"} == RULES.keys()
    for rule in names:
        left = {name for name, _ in Standard(frozenset([rule]), languages=("en",), detect=lambda _: "en")().texts}
        assert left == names - {rule}
    for rule, conversation in some.items():
        only = Standard(off - {rule}, context=64)
        rules = only()
        assert judge(rules, conversation) != judge(Standard(off)(), conversation), rule
        assert judge(Standard(frozenset([rule]), context=64)(), conversation).changed.get(rule, 0) == 0


def _one_for_each_rule() -> dict[str, Conversation]:
    """For each rule on single conversations one that it drops or changes."""
    return {
        "reasoning": said("Why?", "<think>Why, indeed?</think>So."),
        "html": said("Why?", "<p>So <code>a</code></p><ul><li>and</li></ul>"),
        "personal": said("My mail is jane.doe@gmail.com, is it?", "Yes, it is."),
        "rounds": said("Why?", "So.", "And?"),
        "empty": said("Why?", " "),
        "refused": said("Why?", "I'm sorry, but I can't help with that."),
        "notice": said("Why?", "Network error"),
        "cut": said("Write it", "```python\nprint("),
        "loop": said("Why?", "It is so because it is so and not otherwise. " * 40),
        "echo": said("Tell me at length what you think of the sea.", "Tell me at length what you think of the sea."),
        "split": said(*["word " * 50] * 4),
    }


def test_a_rule_that_is_unknown_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(DistillProblem, match="There is no rule 'typo' to turn off; there are votes, reasoning, html"):
        Standard(frozenset(["html", "typo"]))


# What the properties are tried on: many near-duplicates, long ones, and something for each rule.
LEXICON = ("cat", "dog", "sun", "<p>", "</p>", "a@b.org", "sorry", "1", "\u4f60\u597d", "```", "\n", ",")
SHORT = st.lists(st.sampled_from(LEXICON), min_size=1, max_size=12).map(" ".join)
POOL = tuple(sentence(random.Random(at), 80) for at in range(3))
NEAR = st.builds(
    lambda text, seed, changes: varied(random.Random(seed), text, changes),
    st.sampled_from(POOL), st.integers(0, 9), st.integers(0, 3),
)  # fmt: skip
TEXT = NEAR | NEAR | SHORT
MESSAGE = st.builds(Message, st.sampled_from(("user", "assistant", "user", "assistant", "system")), TEXT)
TURNS = st.lists(TEXT, min_size=2, max_size=4).map(lambda texts: said(*texts).messages)
CONVERSATION = st.builds(
    Conversation,
    st.sampled_from(("a", "b", "c", "d", "e#round-2", "e#round-1", "seed-1", "seed-2")),
    TURNS | TURNS | TURNS | st.lists(MESSAGE, min_size=1, max_size=5).map(tuple),
)
SOME = st.lists(CONVERSATION, min_size=1, max_size=14)
EVERYTHING = Standard(context=350)


def attempt(conversations: Sequence[Conversation]) -> Cleaned | None:
    """None where nothing is left, which a property has nothing to say about."""
    try:
        return clean(conversations, EVERYTHING, ALL)
    except DistillProblem as problem:
        assert "Cleaning left nothing" in str(problem)  # noqa: PT017 - the property is about all other inputs
        return None


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(SOME)
def test_cleaning_once_more_changes_nothing_and_holds_out_the_same(some: list[Conversation]) -> None:
    once = attempt(some)
    if once is None:
        return
    again = clean(rows(once), EVERYTHING, ALL)
    assert again.dropped == ()
    assert not +Counter(again.changed)
    assert (again.train, again.held_out) == (once.train, once.held_out)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_the_order_in_which_they_come_changes_nothing(some: list[Conversation], rng: random.Random) -> None:
    shuffled = rng.sample(some, len(some))
    assert attempt(shuffled) == attempt(some)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(SOME)
def test_nothing_held_out_is_nearly_something_to_train_on(some: list[Conversation]) -> None:
    cleaned = attempt(some)
    if cleaned is None:
        return
    for kept_back, learnt in product(cleaned.held_out, cleaned.train):
        assert similarity(text_of(kept_back), text_of(learnt), GRAM) < 0.8
        assert similarity(text_of(kept_back), text_of(learnt)) < 0.8
        assert part_of(kept_back.id)[0] != part_of(learnt.id)[0]
        # A later part begins in the middle, and has no first prompt.
        prompts = {first_prompt(kept_back), first_prompt(learnt)}
        assert len(prompts) == 2 or prompts == {None}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(SOME)
def test_nothing_vanishes_without_a_reason(some: list[Conversation]) -> None:
    cleaned = attempt(some)
    if cleaned is None:
        return
    assert cleaned.read == len(some)
    assert all(gone.rule in RULES and gone.reason for gone in cleaned.dropped)
    names = [*ids(rows(cleaned)), *(gone.id for gone in cleaned.dropped)]
    told = {part_of(name)[0].split("~")[0] for name in names}
    assert told == {part_of(one.id)[0] for one in some}
    whole = [gone for gone in cleaned.dropped if gone.reason != LONG_ROUND]
    assert len(rows(cleaned)) + len(whole) >= len(some)
    assert len({one.id for one in rows(cleaned)}) == len(rows(cleaned))


def test_the_estimate_counts_where_no_base_is_named() -> None:
    count: Count | None = Standard()().count
    assert count is estimated
