from __future__ import annotations

import random
from itertools import combinations
from statistics import fmean, pstdev

import numpy as np
import pytest
from conversations import sentence, varied, words

from models.distill.clean.minhash import (
    bands,
    buckets,
    grams,
    likeness,
    near_kept,
    signature,
    signatures,
    similarity,
    units,
)


def test_units_are_words_single_chinese_letters_and_operators() -> None:
    assert units("The cat's  HAT, x+1\u4f60\u597d!") == ["the", "cat", "s", "hat", "x", "+", "1", "\u4f60", "\u597d"]


def test_similarity_is_the_share_of_five_grams_in_common() -> None:
    assert similarity("a b c d e f", "a b c d e f") == 1
    assert similarity("a b c d e f", "A, B: c d e f!") == 1
    assert similarity("a b c d e f g", "a b c d e f h") == pytest.approx(2 / 4)
    assert similarity("a b c d e", "e d c b a") == 0
    assert similarity("\u4f60\u597d\u4e16\u754c\u4eba\u4eec", "\u4f60\u597d\u4e16\u754c\u4eba\u6c11") == pytest.approx(
        1 / 3
    )


@pytest.mark.parametrize(
    ("one", "other"), [("1 + 1", "1 * 1"), ("", "?"), ("!!!", "\U0001f642"), ("ab", "a b"), ("a", "a a")]
)
def test_short_texts_that_differ_have_nothing_in_common(one: str, other: str) -> None:
    assert similarity(one, one) == 1
    assert similarity(one, other) == 0


def test_a_signature_is_the_same_in_every_process_and_on_every_machine() -> None:
    """Written down once: Python's own hashes of texts would differ from run to run."""
    assert grams("a b c d e").tolist() == [8508346284545679956]
    assert signature("the quick brown fox jumps over the lazy dog")[:3].tolist() == [78094308, 762327117, 439189157]


def test_signatures_estimate_the_similarity_within_the_error_that_is_stated() -> None:
    rng = random.Random(3)
    errors = []
    for _ in range(150):
        text = sentence(rng, 400)
        other = varied(rng, text, rng.randrange(1, 40))
        exact = similarity(text, other)
        estimate = likeness(signature(text), signatures([other]))[0]
        errors.append((estimate - exact) / (exact * (1 - exact) / 128) ** 0.5)
    assert abs(fmean(errors)) < 0.35
    assert 0.75 < pstdev(errors) < 1.25


def test_a_long_text_has_the_signature_of_its_grams_wherever_it_is_cut() -> None:
    rng = random.Random(1)
    text = " ".join(f"{word}{at}" for at, word in enumerate(words(rng, 1500)))
    told = text.split()
    half = np.minimum(signature(" ".join(told[:752])), signature(" ".join(told[748:])))
    assert (signature(text) == half).all()


def test_only_rows_that_agree_in_a_band_are_compared() -> None:
    rng = random.Random(2)
    text = sentence(rng, 200)
    texts = [text, sentence(rng, 200), varied(rng, text, 5), sentence(rng, 200)]
    found = signatures(texts)
    shared = bands(found)
    assert set(shared[0]) & set(shared[2])
    assert not shared[1]
    assert not shared[3]
    assert {tuple(rows.tolist()) for rows in buckets(found)} == {(0, 2)}


def test_no_two_that_are_kept_are_near_and_who_goes_is_near_one_that_stays() -> None:
    rng = random.Random(4)
    texts = [sentence(rng, 150) for _ in range(20)]
    texts += [varied(rng, text, rng.randrange(0, 4)) for text in texts for _ in range(4)]
    rng.shuffle(texts)
    found = signatures(texts)
    gone = near_kept(found, range(len(texts)), 0.8)
    kept = [at for at in range(len(texts)) if at not in gone]
    assert 20 <= len(kept) < 90
    assert all(likeness(found[a], found[[b]])[0] < 0.8 for a, b in combinations(kept, 2))
    for at, (other, alike) in gone.items():
        assert other in kept
        assert alike == likeness(found[at], found[[other]])[0] >= 0.8
    assert near_kept(found[kept], range(len(kept)), 0.8) == {}


def test_of_nothing_there_are_no_signatures() -> None:
    assert signatures([]).shape == (0, 128)
    assert near_kept(signatures([]), [], 0.8) == {}
    assert list(buckets(signatures([]))) == []
