"""What a run of a judge will take: tokens reckoned from characters, dollars from prices; an estimate, no count."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arena.judge.plan import Task
from models.chat import Message
from models.prices import Price

# OpenAI's own rule of thumb: about four characters of English a token. Chinese and its like: about one.
LATIN_CHARACTERS_A_TOKEN = 4.0
# What wraps each message in a chat's template.
MESSAGE_TOKENS = 4
# Of the 320 published GPT-4 reviews the mean is 167 by the rule above, and 19 of 20 are below 323.
REPLY_TOKENS = 250


@dataclass(frozen=True)
class Estimate:
    """`requests` replies, `prompt_tokens` read and `tokens` generated; `dollars` is None where no price is known."""

    requests: int
    prompt_tokens: int
    tokens: int
    dollars: float | None

    def sentence(self, price: Price | None) -> str:
        """For whoever is to pay."""
        took = (
            f"{self.requests} requests, about {self.prompt_tokens:,} tokens to read and {self.tokens:,} to generate "
            "(estimated from characters)"
        )
        if self.dollars is None:
            return f"{took}; what they cost is not known, models/prices.toml has no price for this model at this host."
        if price is None or price.as_of is None:
            return f"{took}; no dollars, it runs on this machine."
        return f"{took}: about {self.dollars:.2f} dollars at the prices of {price.as_of}, which are yours to check."


def tokens_in(text: str) -> int:
    """About how many tokens a text has; right within a third for English and Chinese, less so for code."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text if letter > "\u2e7f")
    return round((len(text) - wide) / LATIN_CHARACTERS_A_TOKEN + wide)


def tokens_read(messages: Iterable[Message]) -> int:
    return sum(tokens_in(message.text) + MESSAGE_TOKENS for message in messages)


def estimate(tasks: Sequence[Task], price: Price | None, most_tokens: int) -> Estimate:
    """What these judgments will take where each reply is read at once; `most_tokens` is the longest reply."""
    prompt_tokens = sum(tokens_read(task.messages()) for task in tasks)
    tokens = len(tasks) * min(REPLY_TOKENS, most_tokens)
    dollars = price.cost(prompt_tokens, tokens) if price else None
    return Estimate(len(tasks), prompt_tokens, tokens, dollars)
