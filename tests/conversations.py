"""Conversations for tests of what cleans, encodes or learns from them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from models.chat import Message
from models.distill.conversation import Conversation, Origin

WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "government", "number", "night", "point", "home", "water", "room", "mother",
    "area", "money", "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business",
    "issue", "side", "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end",
    "member", "law", "car", "city", "community", "name", "president", "team", "minute", "idea", "kid", "body",
    "information", "back", "parent", "face", "others", "level", "office", "door", "health", "person", "art", "war",
    "history", "party", "result", "change", "morning", "reason", "research", "girl", "guy", "moment", "air",
    "teacher", "force", "education", "foot", "boy", "age", "policy", "process", "music", "market", "sense", "nation",
    "plan", "college", "interest", "death", "experience", "effect", "use", "class", "control", "care", "field",
    "development", "role", "effort", "rate", "heart", "drug", "show", "leader", "light", "voice", "wife",
)  # fmt: skip


def said(*texts: str, name: str = "c", system: str = "", origin: Origin | None = None) -> Conversation:
    """Texts of user and assistant in turn, the user first."""
    head = [Message("system", system)] if system else []
    turns = [Message("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]
    return Conversation(name, (*head, *turns), origin or Origin())


def words(rng: random.Random, count: int) -> list[str]:
    return [rng.choice(WORDS) for _ in range(count)]


def sentence(rng: random.Random, count: int) -> str:
    return " ".join(words(rng, count)).capitalize() + "."


def varied(rng: random.Random, text: str, changes: int) -> str:
    """The text with so many of its words replaced by others."""
    told = text.split()
    for at in rng.sample(range(len(told)), changes):
        told[at] = rng.choice(WORDS) + "ly"
    return " ".join(told)


def ids(conversations: Iterable[Conversation]) -> list[str]:
    return [one.id for one in conversations]
