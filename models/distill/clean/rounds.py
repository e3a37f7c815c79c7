"""Rounds: what a user says and what is answered, in turn; and how a conversation too long for a model is parted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from models.chat import Message
from models.distill.clean.rule import Dropped, Verdict
from models.distill.conversation import Conversation

Count: TypeAlias = Callable[[Sequence[Message]], int]

LONG_ROUND: Final = "round longer than the context"

# Others number their conversations "x#4", so that what follows "#" is more than a number. What `duplicates.named_apart`
# adds to an id is no part of it.
_ROUND: Final = "#round-"
_PART = re.compile(rf"(?P<root>.+){_ROUND}(?P<first>[1-9]\d{{0,5}})(?:~[0-9a-f]{{8}})?", re.DOTALL)
# Rough, and said so where it is used: English has about four bytes a token, Chinese three bytes a letter.
_BYTES_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4


@dataclass(frozen=True)
class Parts:
    """What a conversation was parted into, and what is said of each round that fits nowhere."""

    kept: tuple[Conversation, ...]
    too_long: tuple[Dropped, ...] = ()


def alternate(conversation: Conversation) -> Verdict:
    """A system message or none, then user and assistant in turn, the user first and the assistant last.

    What stands before the first user and after the last assistant goes, a system message at the head apart: there is
    nothing to learn from it. Whatever else is out of turn drops the conversation, since nobody knows what is missing.
    """
    messages = conversation.messages
    head = messages[:1] if messages[0].role == "system" else ()
    places = {
        role: [at for at, message in enumerate(messages) if message.role == role] for role in ("user", "assistant")
    }
    if not places["user"] or not places["assistant"] or places["user"][0] > places["assistant"][-1]:
        return Dropped("no round", "no user's message is followed by an answer")
    first, last = places["user"][0], places["assistant"][-1]
    body = messages[first : last + 1]
    for at, message in enumerate(body):
        due = "assistant" if at % 2 else "user"
        if message.role != due:
            return Dropped("out of turn", f"message {first + at + 1} is the {message.role}'s where the {due}'s is due")
    kept = (*head, *body)
    return conversation if kept == messages else replace(conversation, messages=kept)


def split(conversation: Conversation, count: Count, context: int) -> Parts:
    """Parts that `count` finds no longer than `context` tokens, each with the system message, of as many rounds as fit.

    Every round is in one part, but those that are too long by themselves. A part is named by its first round:
    "x#round-4" begins with the fourth round of "x"; what fits as it is keeps its id. `count` must not fall as rounds
    are added.
    """
    if count(conversation.messages) <= context:
        return Parts((conversation,))
    head, rounds = _rounds(conversation.messages)
    if not rounds:
        return Parts((), (Dropped(LONG_ROUND, "it has no user's message to part it at"),))
    kept, too_long, first = [], [], 0
    while first < len(rounds):
        fitting = _fitting(head, rounds[first:], count, context)
        if fitting:
            kept.append(_part(conversation, first, _joined(head, rounds[first : first + fitting])))
        else:
            tokens = count(_joined(head, rounds[first : first + 1]))
            too_long.append(Dropped(LONG_ROUND, f"round {first + 1} has {tokens} tokens, the context {context}"))
        first += max(fitting, 1)
    return Parts(tuple(kept), tuple(too_long))


def part_of(name: str) -> tuple[str, int]:
    """Which conversation an id belongs to, and the round it begins with: ("x", 4) of "x#round-4", ("x", 1) of "x"."""
    found = _PART.fullmatch(name)
    return (found["root"], int(found["first"])) if found else (name, 1)


def estimated(messages: Sequence[Message]) -> int:
    """About how many tokens messages are, where no tokenizer is known: a token for four bytes of UTF-8."""
    return sum(_TOKENS_A_MESSAGE - (-len(message.text.encode()) // _BYTES_A_TOKEN) for message in messages)


def _rounds(messages: Sequence[Message]) -> tuple[Sequence[Message], list[Sequence[Message]]]:
    """What comes before the first user, and the rounds, each from one user's message up to the next."""
    starts = [at for at, message in enumerate(messages) if message.role == "user"]
    ends = [*starts[1:], len(messages)]
    return messages[: starts[0] if starts else None], [messages[a:b] for a, b in zip(starts, ends, strict=True)]


def _fitting(head: Sequence[Message], rounds: Sequence[Sequence[Message]], count: Count, context: int) -> int:
    """How many rounds from the first one fit into the context together."""
    return bisect_right(range(1, len(rounds) + 1), context, key=lambda most: count(_joined(head, rounds[:most])))


def _joined(head: Sequence[Message], rounds: Sequence[Sequence[Message]]) -> tuple[Message, ...]:
    return (*head, *(message for one in rounds for message in one))


def _part(conversation: Conversation, first: int, messages: tuple[Message, ...]) -> Conversation:
    root, began = part_of(conversation.id)
    return replace(conversation, id=f"{root}{_ROUND}{began + first}", messages=messages)
