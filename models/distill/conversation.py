"""A conversation to learn from, and the form it has in our files: one JSON object a line.

{"id": "…", "messages": [{"role": "user", "content": "…"}, …], "source": "…", "teacher": "…", "license": "…"}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from models.chat import Message, Role, storable
from models.distill.problem import DistillProblem

ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class Origin:
    """Where a conversation comes from: a file or verb (`source`), who wrote its answers, and on what terms.

    `teacher` is empty where people wrote them or nobody knows, `license` (an SPDX id or the terms' usual name) where
    it is not known.
    """

    source: str = ""
    teacher: str = ""
    license: str = ""


@dataclass(frozen=True)
class Conversation:
    """Messages in order, a system message first if there is one; what a cleaner has not seen may break any rule."""

    id: str
    messages: tuple[Message, ...]
    origin: Origin = Origin()


def name_of(messages: Sequence[Message]) -> str:
    """The id of a conversation that brings none: 16 hex digits that follow from its messages alone."""
    text = json.dumps([[message.role, message.text] for message in messages], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(conversation: Conversation) -> dict[str, object]:
    """The conversation as a JSON-ready object, its keys in the order of the form above."""
    return {
        "id": conversation.id,
        "messages": [{"role": one.role, "content": one.text} for one in conversation.messages],
        "source": conversation.origin.source,
        "teacher": conversation.origin.teacher,
        "license": conversation.origin.license,
    }


def conversation_of(row: Mapping[str, Any], where: str) -> Conversation:
    """The conversation of a JSON object in our own form; keys we don't know are passed over.

    Raises `DistillProblem` that begins with `where` (a file and a line).
    """
    listed = row.get("messages")
    if not isinstance(listed, list) or not listed:
        raise DistillProblem(f"{where} has no messages; `python -m arena distill collect files` reads other forms.")
    messages = tuple(_message(one, where) for one in listed)
    told = {key: row.get(key) or "" for key in ("id", "source", "teacher", "license")}
    for key, value in told.items():
        if not isinstance(value, str):
            raise DistillProblem(f"{where}: {key} is no text.")
    origin = Origin(told["source"], told["teacher"], told["license"])
    return Conversation(told["id"] or name_of(messages), messages, origin)


def _message(one: object, where: str) -> Message:
    if not isinstance(one, Mapping) or not isinstance(one.get("content"), str):
        raise DistillProblem(f"{where}: a message is an object with the texts role and content.")
    if one.get("role") not in ROLES:
        raise DistillProblem(f"{where}: role {one.get('role')!r} is unknown; it is one of {', '.join(ROLES)}.")
    return Message(cast(Role, one["role"]), storable(one["content"]))
