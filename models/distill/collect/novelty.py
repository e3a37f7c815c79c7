"""How much two tasks share: ROUGE-L over words, and over single characters where a script has no spaces.

ROUGE-L (Lin 2004) with equal weight on recall and precision, as Self-Instruct (Wang et al. 2023, section 2.2) filters
by: 2 × LCS / (tokens of one + tokens of the other), where LCS is the length of the longest common subsequence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ALONE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # kana, Han, hangul
_TOKEN = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W_])+")


def tokens_of(text: str) -> tuple[str, ...]:
    """Words in lower case, without punctuation; each Chinese, Japanese or Korean character is one of its own."""
    return tuple(_TOKEN.findall(text.casefold()))


def rouge_l(one: str, other: str) -> float:
    """0 (nothing in common) to 1 (the same words in the same order); 0 where a text has no word."""
    return _Pattern(tokens_of(one)).similarity(tokens_of(other))


def share_in(one: str, other: str) -> float:
    """How much of the shorter text the other one says in the same order, 0 to 1: a part of a text has all in it."""
    a, b = tokens_of(one), tokens_of(other)
    shorter = min(len(a), len(b))
    return _Pattern(a).common(b) / shorter if shorter else 0.0


@dataclass(frozen=True)
class Nearest:
    """The known task that is most like a new one; `text` is empty where none shares anything with it."""

    similarity: float
    text: str


class Novelty:
    """Tasks that are known, and whether another one is new among them."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self._known = [(tokens_of(text), text) for text in known]

    def add(self, text: str) -> None:
        self._known.append((tokens_of(text), text))

    def nearest(self, text: str, enough: float = 0.0) -> Nearest:
        """The first of the most similar ones; one that can't reach `enough` may be passed over."""
        pattern = _Pattern(tokens_of(text))
        best = Nearest(0.0, "")
        for tokens, known in self._known:
            most = pattern.at_most(tokens)
            if most < enough or most <= best.similarity:
                continue
            similarity = pattern.similarity(tokens)
            if similarity > best.similarity:
                best = Nearest(similarity, known)
        return best


class _Pattern:
    """One side of many comparisons; LCS by Hyyrö's bit vectors (2004): as many steps as the other side has tokens."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._count = len(tokens)
        self._places: dict[str, int] = {}
        for place, token in enumerate(tokens):
            self._places[token] = self._places.get(token, 0) | 1 << place

    def at_most(self, tokens: Sequence[str]) -> float:
        """No similarity is higher for texts of these lengths."""
        total = self._count + len(tokens)
        return 2 * min(self._count, len(tokens)) / total if total else 0.0

    def similarity(self, tokens: Sequence[str]) -> float:
        total = self._count + len(tokens)
        return 2 * self.common(tokens) / total if self._count and tokens else 0.0

    def common(self, tokens: Sequence[str]) -> int:
        """The length of the longest common subsequence: each 0 among the lowest `_count` bits is a token of it."""
        whole = (1 << self._count) - 1
        bits = whole
        for token in tokens:
            matching = bits & self._places.get(token, 0)
            bits = ((bits + matching) | (bits - matching)) & whole
        return self._count - bits.bit_count()
