"""Conversations that say the same, and those that say nearly the same: one of them stays, chosen by what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from models.distill.clean.minhash import Signatures, near_kept
from models.distill.clean.rule import Dropped
from models.distill.conversation import Conversation, Origin, name_of
from models.distill.licenses import restrictions

# 103 of 128 minima: of pairs whose similarity is 0.9 it finds 99.9 %, of those at 0.7 it takes 0.4 % wrongly.
NEAR: Final = 0.8


def content(conversation: Conversation) -> str:
    """The same text for conversations that differ in nothing but white space, id and origin."""
    return name_of([replace(message, text=" ".join(message.text.split())) for message in conversation.messages])


def text_of(conversation: Conversation) -> str:
    """What is compared of a conversation: all but a system message, which many have in common."""
    return "\n".join(message.text for message in conversation.messages if message.role != "system")


def named_apart(conversations: Sequence[Conversation]) -> list[Conversation]:
    """The same, each with an id of its own: an id that different conversations share gets their contents' added."""
    contents = [content(one) for one in conversations]
    told = Counter(name for name, _ in {(one.id, what) for one, what in zip(conversations, contents, strict=True)})
    return [
        one if told[one.id] == 1 else replace(one, id=f"{one.id}~{what[:8]}")
        for one, what in zip(conversations, contents, strict=True)
    ]


def exact(conversations: Sequence[Conversation]) -> dict[int, Dropped]:
    """The places of those that repeat another one.

    Of several the one stays whose origin forbids most, so that no copy frees a text of its terms; then one with a known
    license, of the least id.
    """
    kept: dict[str, int] = {}
    marks = _marks(conversations)
    for at, one in sorted(
        enumerate(conversations), key=lambda placed: (-marks[placed[1].origin], _standing(placed[1]))
    ):
        kept.setdefault(content(one), at)
    return {
        at: Dropped("the same as another", f"the same as {conversations[first].id}")
        for at, one in enumerate(conversations)
        if (first := kept[content(one)]) != at
    }


def near(conversations: Sequence[Conversation], found: Signatures, threshold: float = NEAR) -> dict[int, Dropped]:
    """The places of those that are nearly another one that stays; `found` has the signature of each `text_of`.

    The one stays whose origin forbids most, then the longer one, in rounds, then in letters; so no two that stay are
    `threshold` alike or more.
    """
    marks = _marks(conversations)
    order = sorted(
        range(len(conversations)), key=lambda at: (-marks[conversations[at].origin], _length(conversations[at]))
    )
    return {
        at: Dropped("nearly another", f"{alike:.0%} like {conversations[other].id}")
        for at, (other, alike) in near_kept(found, order, threshold).items()
    }


def _marks(conversations: Sequence[Conversation]) -> dict[Origin, int]:
    """How much each origin is known to forbid."""
    return {origin: len(restrictions(origin) - {"unknown"}) for origin in {one.origin for one in conversations}}


def _standing(conversation: Conversation) -> tuple[bool, str, str, str, str, str]:
    origin = conversation.origin
    told = origin.license, origin.teacher, origin.source
    return not origin.license, conversation.id, *told, name_of(conversation.messages)


def _length(conversation: Conversation) -> tuple[int, int, str, str]:
    """Least for the one that says most."""
    letters = sum(len(message.text) for message in conversation.messages)
    return -len(conversation.messages), -letters, name_of(conversation.messages), conversation.id
