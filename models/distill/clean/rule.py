"""What a rule of cleaning is: a pure function that says of one conversation how it is kept, or why it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from models.distill.conversation import Conversation


@dataclass(frozen=True)
class Dropped:
    """A conversation is left out: `reason` is one of a rule's few (it is counted), `detail` says where or what."""

    reason: str
    detail: str = ""


Verdict: TypeAlias = Conversation | Dropped
Rule: TypeAlias = Callable[[Conversation], Verdict]


def with_texts(conversation: Conversation, change: Callable[[str], str]) -> Conversation:
    """The conversation with `change` made to every message's text; the same object where none differs."""
    messages = tuple(replace(message, text=change(message.text)) for message in conversation.messages)
    return conversation if messages == conversation.messages else replace(conversation, messages=messages)
