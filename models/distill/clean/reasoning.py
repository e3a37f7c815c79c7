"""Reasoning that a model writes before its answer: nobody is shown it, so nobody asked for or preferred it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from models.distill.clean.rule import Verdict
from models.distill.conversation import Conversation

# To its end, or to the answer's where it has none. ASCII's case alone, as the arena hides it.
REASONING: Final = r"(?ai:<think>).*?(?:(?ai:</think>)\s*|\Z)"
# Further on in an answer it may be the subject: "R1 thinks between <think> and </think>".
_BEFORE = re.compile(rf"\A(?:\s*{REASONING})+", re.DOTALL)


def without_reasoning(conversation: Conversation) -> Verdict:
    """Takes `<think>` blocks off the beginnings of answers; an answer that is nothing else is left blank."""
    messages = tuple(
        replace(message, text=_BEFORE.sub("", message.text)) if message.role == "assistant" else message
        for message in conversation.messages
    )
    return conversation if messages == conversation.messages else replace(conversation, messages=messages)
