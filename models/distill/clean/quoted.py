"""Who is held out, and that none of their answers is quoted in another conversation.

How alike two texts are (minhash.py) says little of a short one that stands inside of a long one: a draft that a prompt
asks to improve, a paragraph of a longer answer. So each answer that holdout.py chooses is looked for in all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.distill.clean.duplicates import text_of
from models.distill.clean.holdout import GRAM, WORDS, HoldOut, held_out
from models.distill.clean.minhash import Hashes, grams, units
from models.distill.clean.workers import Mapper, inline
from models.distill.conversation import Conversation

# An answer is quoted where so many of its 3-grams stand in another conversation.
QUOTED: Final = 0.8
# So many conversations for each copy of the index that a process is sent.
_AT_ONCE = 4096


class Index(NamedTuple):
    """What is looked for: each gram (sorted) with the number of the answer that has it, and how many an answer has."""

    grams: Hashes
    answers: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def hold_out(
    conversations: Sequence[Conversation],
    together: Sequence[Sequence[int]],
    wanted: HoldOut,
    mapper: Mapper = inline,
    more: Callable[[int], None] = lambda _: None,
) -> set[int]:
    """The places of those to keep back: as `held_out` chooses them, but no cluster with an answer that is quoted.

    As many again stand ready to take the places of such clusters; where they are not enough, fewer are kept back.
    `more` hears how many conversations more were searched.
    """
    first = held_out(conversations, together, wanted)
    ready = first | held_out(conversations, [one for one in together if first.isdisjoint(one)], wanted)
    away = quoted(conversations, together, ready, mapper, more)
    return held_out(conversations, [one for one in together if ready.issuperset(one) and away.isdisjoint(one)], wanted)


def quoted(
    conversations: Sequence[Conversation],
    together: Sequence[Sequence[int]],
    sought: Collection[int],
    mapper: Mapper = inline,
    more: Callable[[int], None] = lambda _: None,
) -> set[int]:
    """Those of the places `sought` of which an answer is quoted in a conversation of another cluster."""
    cluster = {at: number for number, one in enumerate(together) for at in one}
    answers = [
        (at, message.text)
        for at in sorted(sought)
        for message in conversations[at].messages
        if message.role == "assistant" and len(units(message.text)) >= WORDS
    ]
    index = _index([text for _, text in answers])
    starts = range(0, len(conversations), _AT_ONCE)
    found: set[int] = set()
    for start, quotes in zip(
        starts, mapper(partial(quotes_of, index), (conversations[at : at + _AT_ONCE] for at in starts)), strict=True
    ):
        for at, numbers in enumerate(quotes, start=start):
            found.update(owner for owner, _ in (answers[one] for one in numbers) if cluster[owner] != cluster[at])
        more(len(quotes))
    return found


def quotes_of(index: Index, conversations: Sequence[Conversation]) -> list[list[int]]:
    """For each conversation the numbers of the answers that it quotes."""
    return [_quotes(index, np.unique(grams(text_of(one), GRAM))) for one in conversations]


def _index(texts: Sequence[str]) -> Index:
    each = [np.unique(grams(text, GRAM)) for text in texts]
    sizes = np.array([len(one) for one in each], dtype=np.int64)
    found = np.concatenate([np.empty(0, dtype=np.uint64), *each])
    order = np.argsort(found, kind="stable")
    return Index(found[order], np.repeat(np.arange(len(each)), sizes)[order], sizes)


def _quotes(index: Index, said: Hashes) -> list[int]:
    begins, ends = (np.searchsorted(index.grams, said, side) for side in ("left", "right"))
    times = ends - begins
    # The places from `begins` to `ends` of every gram, one after the other.
    places = np.arange(times.sum()) + np.repeat(begins - (np.cumsum(times) - times), times)
    in_common = np.bincount(index.answers[places], minlength=len(index.sizes))
    return [int(one) for one in np.flatnonzero(in_common >= QUOTED * index.sizes)]
