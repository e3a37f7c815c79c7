"""Conversations as they were collected → what is worth learning, what is kept back, and why the rest was dropped.

Each conversation by itself first (votes, then judging.py); then all of them together: those that say the same, those
that say nearly the same, and who is kept back. What comes out depends on what goes in and not on its order, and
cleaning once more changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from models.distill.clean.duplicates import NEAR, exact, named_apart, near, text_of
from models.distill.clean.holdout import HoldOut, Sketch, clusters, sketch
from models.distill.clean.judging import VOTES, Chunk, Gone, Judged, Make, chunks, gone, judge_all, total
from models.distill.clean.minhash import Signatures, signatures
from models.distill.clean.preferred import Votes
from models.distill.clean.quoted import hold_out
from models.distill.clean.rule import Dropped
from models.distill.clean.workers import Mapper, inline
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem

EXACT, NEARLY = "exact", "near"

Told: TypeAlias = Callable[[float], None]
_Some = TypeVar("_Some", Signatures, list[Sketch])


@dataclass(frozen=True)
class Choice:
    """What is done beside the rules for each conversation; None or False turns it off."""

    votes: Votes | None = None
    exact: bool = True
    near: float | None = NEAR
    held_out: HoldOut | None = field(default_factory=HoldOut)


@dataclass(frozen=True)
class Cleaned:
    """What cleaning came to, everything in the order of its ids.

    `read`: how many were given; `changed`: as in `Judged`; `clusters`: the sizes of the groups that stay on one side,
    largest first, none where nothing was to be kept back.
    """

    read: int
    train: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    dropped: tuple[Gone, ...]
    changed: Mapping[str, int]
    clusters: tuple[int, ...]


class Memory(Protocol):
    """What an earlier run, which was stopped, has judged already."""

    def recall(self, chunk: Chunk) -> Judged | None: ...

    def keep(self, chunk: Chunk, judged: Judged) -> None: ...


def clean(
    conversations: Iterable[Conversation],
    make: Make,
    choice: Choice,
    mapper: Mapper = inline,
    memory: Memory | None = None,
    told: Told = lambda _: None,
) -> Cleaned:
    """Clean all of them; `told` hears the share that is done. Raises `DistillProblem` where nothing is left."""
    given = named_apart(list(conversations))
    dropped: list[Gone] = []
    votes = choice.votes.rule if choice.votes else None
    voted = _without(given, _dropped(given, votes) if votes else {}, VOTES, dropped)
    judged = list(_judged(voted, make, mapper, memory, _stretch(told, 0.0, 0.7, len(voted))))
    dropped += (one for each in judged for one in each.gone)
    kept = sorted(named_apart([one for each in judged for one in each.kept]), key=lambda one: one.id)
    if choice.exact:
        kept = _without(kept, exact(kept), EXACT, dropped)
    if choice.near is not None:
        some = mapper(signatures_of, chunks(kept))
        found = np.concatenate([signatures(()), *_heard(some, _stretch(told, 0.7, 0.8, len(kept)))])
        kept = _without(kept, near(kept, found, choice.near), NEARLY, dropped)
    if not kept:
        raise DistillProblem(_emptied(len(given), dropped))
    together, aside = _aside(kept, choice.held_out, mapper, told) if choice.held_out else ([], set())
    return Cleaned(
        len(given),
        tuple(one for at, one in enumerate(kept) if at not in aside),
        tuple(one for at, one in enumerate(kept) if at in aside),
        tuple(sorted(dropped, key=lambda one: (one.id, one.rule, one.detail))),
        total(judged),
        tuple(sorted(map(len, together), reverse=True)),
    )


def signatures_of(chunk: Chunk) -> Signatures:
    """The signature of each conversation's text, a row each."""
    return signatures(text_of(one) for one in chunk)


def sketches_of(chunk: Chunk) -> list[Sketch]:
    """The sketch of each conversation."""
    return [sketch(one) for one in chunk]


def _dropped(
    conversations: Sequence[Conversation], rule: Callable[[Conversation], Conversation | Dropped]
) -> dict[int, Dropped]:
    verdicts = ((at, rule(one)) for at, one in enumerate(conversations))
    return {at: verdict for at, verdict in verdicts if isinstance(verdict, Dropped)}


def _without(
    conversations: Sequence[Conversation], left_out: Mapping[int, Dropped], rule: str, noted: list[Gone]
) -> list[Conversation]:
    """Those that stay; the others are noted."""
    noted += (gone(conversations[at], rule, why) for at, why in left_out.items())
    return [one for at, one in enumerate(conversations) if at not in left_out]


def _judged(
    conversations: Sequence[Conversation],
    make: Make,
    mapper: Mapper,
    memory: Memory | None,
    more: Callable[[int], None],
) -> Iterator[Judged]:
    """What was judged before, then the rest."""
    unknown = []
    for chunk in chunks(conversations):
        known = memory.recall(chunk) if memory else None
        if known is None:
            unknown.append(chunk)
        else:
            more(len(chunk))
            yield known
    for chunk, judged in zip(unknown, mapper(partial(judge_all, make), unknown), strict=True):
        if memory:
            memory.keep(chunk, judged)
        more(len(chunk))
        yield judged


def _aside(
    kept: Sequence[Conversation], wanted: HoldOut, mapper: Mapper, told: Told
) -> tuple[list[list[int]], set[int]]:
    """The places of those that stay on one side, cluster by cluster, and of those to keep back."""
    some = _heard(mapper(sketches_of, chunks(kept)), _stretch(told, 0.8, 0.95, len(kept)))
    together = clusters(kept, [one for each in some for one in each])
    return together, hold_out(kept, together, wanted, mapper, _stretch(told, 0.95, 1.0, len(kept)))


def _heard(results: Iterable[_Some], more: Callable[[int], None]) -> Iterator[_Some]:
    for result in results:
        more(len(result))
        yield result


def _stretch(told: Told, begin: float, end: float, size: int) -> Callable[[int], None]:
    """What hears how many more of `size` are done, and tells of it as a stretch of the whole."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        told(begin + (end - begin) * done / size)

    return more


def _emptied(read: int, dropped: Sequence[Gone]) -> str:
    if not read:
        return "There are no conversations to clean; `python -m arena distill collect` brings some."
    (rule, times), *_ = Counter(one.rule for one in dropped).most_common(1)
    return (
        f"Cleaning left nothing of {read} conversations: the rule {rule} dropped most, {times}; "
        f"look at one of them, collect others, or turn the rule off (--off {rule})."
    )
