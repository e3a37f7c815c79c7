"""How much there is to learn: tokens of conversations, and those a teacher reads and writes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.distill.conversation import Conversation
from models.distill.files import read_conversations
from models.distill.problem import DistillProblem

# What a chat's template wraps around each message.
MESSAGE_TOKENS: Final = 4
# Of a million conversations with 25 models a prompt has 69.5 tokens and an answer 214.5 (Zheng et al. 2023,
# arXiv:2309.11998, table 1).
ANSWER_SHARE: Final = 214.5 / (69.5 + 214.5)


@dataclass(frozen=True)
class Amount:
    """`tokens_each`: the mean; `read` and `written`: tokens of the teacher; `how` they were reckoned, as a clause."""

    conversations: int
    tokens_each: float
    read: int
    written: int
    how: str


def assumed_amount(conversations: int, tokens_each: float, how: str) -> Amount:
    """Where only a number is known: as if each conversation were one prompt and its answer."""
    tokens = conversations * tokens_each
    written = round(tokens * ANSWER_SHARE)
    return Amount(conversations, tokens_each, round(tokens) - written, written, how)


def counted_amount(path: Path, tokens_in: Callable[[str], int]) -> Amount:
    """Of a file in our form, or of train.jsonl in a folder that clean wrote; `tokens_in` reckons those of a text.

    Raises `DistillProblem` for a file that can't be read, and one without conversations.
    """
    file = path / "train.jsonl" if path.is_dir() else path
    found = amount_of(read_conversations(file), tokens_in, f"reckoned from the characters of {file}")
    if not found.conversations:
        raise DistillProblem(f"{file} holds no conversation; `python -m arena distill collect` brings some.")
    return found


def amount_of(conversations: Iterable[Conversation], tokens_in: Callable[[str], int], how: str) -> Amount:
    """For each answer a teacher reads the conversation up to it again."""
    number = total = read = written = 0
    for conversation in conversations:
        number += 1
        so_far = 0
        for message in conversation.messages:
            tokens = tokens_in(message.text) + MESSAGE_TOKENS
            if message.role == "assistant":
                read += so_far
                written += tokens
            so_far += tokens
        total += so_far
    return Amount(number, total / number if number else 0.0, read, written, how)
