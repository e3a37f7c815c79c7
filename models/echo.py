"""What others repeat of a prompt, taken out of their words: these are logged, and a prompt is not."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 16  # characters in a row that are no coincidence
GAP = "…"


def without_echo(words: str, texts: Sequence[str]) -> str:
    """`words` with "…" for every passage of at least `LEAST` characters that one of `texts` holds too.

    For words of a sentence or two: each place in them is looked for in all of the texts.
    """
    kept, start = [], 0
    while start < len(words):
        end = _repeated(words, start, texts)
        kept.append(GAP if end > start else words[start])
        start = max(end, start + 1)
    return "".join(kept)


def _repeated(words: str, start: int, texts: Sequence[str]) -> int:
    """Where the passage ends that begins at `start` and is in one of the texts; `start` where none is."""
    longest = start
    for text in texts:
        end = start + LEAST
        while end <= len(words) and words[start:end] in text:
            longest, end = max(longest, end), end + 1
    return longest
