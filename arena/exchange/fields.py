"""The fields of every file people take away: their order, their types, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Plain = Literal["text", "count", "number", "truth", "time"]


class Field(NamedTuple):
    """`kind` is a type, or the fields of each object in a list; a "time" is ISO 8601 with its zone, as text."""

    name: str
    kind: Plain | tuple[Field, ...]
    meaning: str


def names(fields: Iterable[Field]) -> tuple[str, ...]:
    return tuple(field.name for field in fields)


def _sides(name: str, kind: Plain, meaning: str) -> tuple[Field, Field]:
    return Field(f"{name}_a", kind, f"{meaning}, side A"), Field(f"{name}_b", kind, f"{meaning}, side B")


MESSAGE = (Field("role", "text", "user or assistant"), Field("content", "text", "what was said"))
TURN = (
    Field("prompt", "text", "what the visitor asked"),
    *_sides("answer", "text", "the answer, as the model gave it"),
    *_sides("reason", "text", "why the answer ended"),
    *_sides("tokens", "count", "tokens generated"),
    *_sides("prompt_tokens", "count", "tokens read"),
    *_sides("first_token_seconds", "number", "seconds to the first text"),
    *_sides("seconds", "number", "seconds to the end"),
    *_sides("joules", "number", "energy of the GPU"),
)

_BATTLE = Field("battle", "text", "the battle's id, 32 hexadecimal digits")
_CATEGORY = Field("category", "text", "category of the first prompt; empty: not labelled")
_LANGUAGE = Field("language", "text", "language of the first prompt, ISO 639-1; empty: not labelled")
_SOURCE = Field("source", "text", "the file the vote was imported from; empty: voted in this arena")
_TOLD = (
    _BATTLE,
    Field("time", "time", "when the vote was cast, in UTC, to the second"),
    Field("voter", "text", "a pseudonym of the voter, 16 hexadecimal digits"),
    Field("model_a", "text", "the model on side A, named as on the leaderboard"),
    Field("model_b", "text", "the model on side B"),
    Field("outcome", "text", "a, b, tie or both_bad"),
)

# Whether the vote counts; files that earlier versions wrote have none of these.
STANDING = (
    Field("status", "text", "counted; held or excluded: kept, but in no rating"),
    Field(
        "reason",
        "text",
        "why the vote does not count (biased: its voter, or its network); empty: it does, or nobody said why",
    ),
    Field("verified", "truth", "whether the voter had signed in with an account that is not new"),
)

VOTE = (*_TOLD, Field("turns", "count", "prompts in the battle"), _CATEGORY, _LANGUAGE, _SOURCE, *STANDING)
CONVERSATION = Field("conversation", TURN, "the turns, in order")
BATTLE = (
    *_TOLD,
    _CATEGORY,
    _LANGUAGE,
    _SOURCE,
    *STANDING,
    Field("messages_a", MESSAGE, "the conversation with the model on side A, as the model gave it"),
    Field("messages_b", MESSAGE, "the conversation with the model on side B"),
)
PREFERENCE = (
    Field("prompt", MESSAGE, "the first thing the visitor asked"),
    Field("chosen", MESSAGE, "what followed with the preferred model, as visitors saw it"),
    Field("rejected", MESSAGE, "what followed with the other one"),
    _BATTLE,
    Field("model_chosen", "text", "the preferred model"),
    Field("model_rejected", "text", "the other one"),
    Field("outcome", "text", "a or b: the side that was preferred; tie, both_bad: chosen is side A"),
    _CATEGORY,
    _LANGUAGE,
)
LEADERBOARD = (
    Field("rank", "count", "place; empty: can't be ranked"),
    Field("rank_lower", "count", "best place that the votes allow, for the whole table at once at 95 %"),
    Field("rank_upper", "count", "worst place that the votes allow"),
    Field("model", "text", "the model's id"),
    Field("name", "text", "its name"),
    Field("rating", "number", "points: Bradley–Terry, or Elo where it was asked for"),
    Field("lower", "number", "lower end of the interval around the rating"),
    Field("upper", "number", "upper end"),
    Field("interval", "text", "confidence_95, or spread_over_random_orders (Elo), which is no confidence"),
    Field("votes", "count", "votes it took part in"),
    Field("win_rate", "number", "share of wins, a tie counts half"),
    Field("wins", "number", "wins, a tie counts half"),
    Field("elo", "number", "online Elo, in the order of the votes"),
    Field("elo_lower", "number", "where Elo ends in 95 % of random orders of the same votes, lower end"),
    Field("elo_upper", "number", "upper end"),
    Field("swap", "count", "votes for it against the row above, all won, that would put it there"),
    Field("island", "count", "0: comparable with the models of most votes; others: among themselves only"),
    Field("provisional", "truth", "few votes or a wide interval"),
    Field("engine", "text", "what ran it; imported: known from imported votes only"),
    Field("quantization", "text", "the precision of its weights"),
    Field("license", "text", "its license"),
    Field("fingerprint", "text", "what it was exactly, in 12 hexadecimal digits"),
    Field("state", "text", "on, off (not drawn for now) or archived (not drawn any more)"),
)
