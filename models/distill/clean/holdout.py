"""Conversations kept back to measure on: whole ones, and none that one of the training set gives away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from models.distill.clean.minhash import Signatures, buckets, likeness, signature, signatures, units
from models.distill.clean.rounds import part_of
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem

Kind = Literal["whole", "prompt", "answer"]
KINDS: Final[tuple[Kind, ...]] = ("whole", "prompt", "answer")

# One text gives the other away where half of all their 3-grams are in both; a prompt of ten words has too few 5-grams.
GIVEN_AWAY: Final = 0.5
GRAM: Final = 3
# An answer of fewer words ("You're welcome!") says nothing that could be given away.
WORDS: Final = 8


@dataclass(frozen=True)
class HoldOut:
    """The share of the conversations to keep back, at most so many, and the seed of the choice.

    Raises `DistillProblem` for what is no share.
    """

    share: float = 0.05
    most: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise DistillProblem(
                f"{self.share:g} is no share to hold out; give one above 0 and below 1, like 0.05, or hold nothing out "
                "with `--off held-out`."
            )


class Sketch(NamedTuple):
    """What a conversation is told apart by: its texts' kinds and, row by row, their signatures."""

    kinds: tuple[Kind, ...]
    found: Signatures


def sketch(conversation: Conversation) -> Sketch:
    """The whole, the prompt it begins with (a later part of a long one has none), and each answer of some length.

    The whole's 3-grams are those of its messages but the system's, so that its minima are the least of theirs.
    """
    said = [message for message in conversation.messages if message.role != "system"]
    found = signatures((message.text for message in said), GRAM)
    whole = found.min(axis=0) if said else signature("", GRAM)
    rows: list[tuple[Kind, Signatures]] = [("whole", whole)]
    if part_of(conversation.id)[1] == 1:
        rows += [("prompt", row) for message, row in zip(said, found, strict=True) if message.role == "user"][:1]
    for message, row in zip(said, found, strict=True):
        if message.role == "assistant" and len(units(message.text)) >= WORDS:
            rows.append(("answer", row))
    return Sketch(tuple(kind for kind, _ in rows), np.stack([row for _, row in rows]))


def first_prompt(conversation: Conversation) -> str | None:
    """What the user began with; None of a part that begins in the middle, as with "go on"."""
    if part_of(conversation.id)[1] > 1:
        return None
    return next((message.text for message in conversation.messages if message.role == "user"), None)


def clusters(conversations: Sequence[Conversation], sketches: Sequence[Sketch]) -> list[list[int]]:
    """The places of conversations that must stay on one side, a list for each cluster.

    Together are: the parts of a long one; those with the same first prompt, but for case and white space; and those
    of which the wholes, the first prompts, or an answer of each are `GIVEN_AWAY` alike; and whoever is with these.
    """
    joined = _Clusters(len(conversations))
    known: dict[tuple[str, str], int] = {}
    for at, one in enumerate(conversations):
        joined.join(at, known.setdefault(("part", part_of(one.id)[0]), at))
        if (prompt := first_prompt(one)) is not None:
            joined.join(at, known.setdefault(("prompt", " ".join(prompt.lower().split())), at))
    for kind in KINDS:
        owners = [at for at, one in enumerate(sketches) for each in one.kinds if each == kind]
        rows = [one.found[np.array([each == kind for each in one.kinds])] for one in sketches]
        if owners:
            _join_alike(joined, np.array(owners), np.concatenate(rows))
    return joined.all()


def held_out(conversations: Sequence[Conversation], together: Iterable[Sequence[int]], wanted: HoldOut) -> set[int]:
    """The places of those to keep back: whole clusters, in an order that follows from their ids and the seed alone.

    About `share` of them and one at least, but never all: of a single cluster nothing is kept back. A cluster that is
    larger than what is still wanted is passed over; where each one is, the smallest is taken.
    """
    ranked = sorted((min(_rank(conversations[at], wanted.seed) for at in one), list(one)) for one in together)
    left = min(wanted.most, max(1, round(wanted.share * len(conversations))), len(conversations) - 1)
    chosen: set[int] = set()
    for _, members in ranked:
        if len(members) <= left:
            chosen.update(members)
            left -= len(members)
    some = [(len(members), rank, members) for rank, members in ranked if len(members) < len(conversations)]
    return chosen or (set(min(some)[2]) if some else set())


def _rank(conversation: Conversation, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{part_of(conversation.id)[0]}".encode()).hexdigest()


class _Clusters:
    """Places that are together: each has the label of its cluster, each cluster its members."""

    def __init__(self, size: int) -> None:
        self.labels: npt.NDArray[np.int64] = np.arange(size)
        self._members = {label: [label] for label in range(size)}

    def join(self, one: int, other: int) -> None:
        a, b = int(self.labels[one]), int(self.labels[other])
        if a == b:
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        moved = self._members.pop(b)
        self.labels[moved] = a
        self._members[a] += moved

    def all(self) -> list[list[int]]:
        return list(self._members.values())


def _join_alike(joined: _Clusters, owners: npt.NDArray[np.int64], found: Signatures) -> None:
    """Join the owners of every two rows that are alike; rows that are equal are compared with others once."""
    first: dict[bytes, int] = {}
    for row, key in enumerate(one.tobytes() for one in found):
        joined.join(int(owners[row]), int(owners[first.setdefault(key, row)]))
    rows = np.fromiter(first.values(), dtype=np.int64)
    for bucket in buckets(found[rows]):
        members = rows[bucket]
        labels = joined.labels[owners[members]]
        if (labels == labels[0]).all():
            continue
        for at, row in enumerate(members[:-1]):
            others = members[at + 1 :]
            apart = others[joined.labels[owners[others]] != joined.labels[owners[row]]]
            for other in apart[likeness(found[row], found[apart]) >= GIVEN_AWAY]:
                joined.join(int(owners[row]), int(owners[other]))
