"""Cells of files of others → what our votes are made of; what can't be read raises `Unreadable`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, cast, get_args

from arena.exchange.fields import TURN, Field
from arena.exchange.files import shown
from db.imports import ImportedTurn
from db.outcome import Outcome
from db.queries import Side
from db.tables import VoteStatus
from db.usage import Took

OUTCOMES: Mapping[str, Outcome] = {
    **dict.fromkeys(("a", "left", "model_a"), Outcome.A),
    **dict.fromkeys(("b", "right", "model_b"), Outcome.B),
    "tie": Outcome.TIE,
    **dict.fromkeys(("both_bad", "both bad", "bothbad", "tie (bothbad)"), Outcome.BOTH_BAD),
}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_TEXTS = ("prompt", "answer_a", "answer_b")
_LARGEST_COUNT = 2**63 - 1  # that a database can keep


class Unreadable(Exception):
    """A cell says nothing of ours; the message says what is wrong and what is allowed, without a full stop."""


def text(cell: object) -> str:
    """What a cell says, "" for an empty one. A number is a text too; a list is none."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, str | int | float):
        raise Unreadable(f"a text was expected, not {shown(str(cell))}")
    said = str(cell)
    try:
        said.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("holds half of a surrogate pair, which no database can keep") from error
    return said


def outcome(cell: object) -> Outcome:
    said = text(cell).strip()
    if said.lower() not in OUTCOMES:
        raise Unreadable(f"{shown(said)} is no outcome; there are {', '.join(OUTCOMES)}")
    return OUTCOMES[said.lower()]


def moment(cell: object) -> datetime | None:
    """A time from ISO 8601 or seconds since the epoch, in UTC where it names no zone; None for an empty cell."""
    dated = isinstance(cell, date)  # a datetime is one too
    said = str(cell) if dated else text(cell).strip()
    try:
        if isinstance(cell, date):
            return _utc(cell if isinstance(cell, datetime) else datetime.combine(cell, time()))
        return _instant(said) if said else None
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable(
            f"{shown(said)} is no time; ISO 8601 (2026-01-31T12:00:00) and seconds since 1970 can be read"
        ) from error


def _instant(said: str) -> datetime:
    try:
        seconds = float(said)
    except ValueError:
        return _utc(datetime.fromisoformat(said))
    return datetime.fromtimestamp(seconds, UTC)


def _utc(read: datetime) -> datetime:
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def truth(cell: object, default: bool) -> bool:
    said = text(cell).strip().lower()
    if said and said not in _TRUTHS:
        raise Unreadable(f"{shown(said)} is neither true nor false")
    return _TRUTHS.get(said, default)


def status(cell: object) -> VoteStatus:
    """Whether a vote counts; an empty cell says that it does."""
    said = text(cell).strip() or "counted"
    known: tuple[VoteStatus, ...] = get_args(VoteStatus)
    for one in known:
        if said == one:
            return one
    raise Unreadable(f"{shown(said)} is no status of a vote; there are {', '.join(known)}")


def count(cell: object, default: int) -> int:
    said = text(cell).strip()
    try:
        number = float(said or default)
    except ValueError as error:
        raise Unreadable(f"{shown(said)} is no number") from error
    if not (number.is_integer() and 0 <= number < 1e6):
        raise Unreadable(f"{shown(said)} is no number of turns")
    return int(number)


# -- conversations -------------------------------------------------------------------------------


def turns(cell: object) -> tuple[ImportedTurn, ...]:
    """The turns of our own exports, with the fields of `arena.exchange.fields.TURN`; in CSV they are JSON in a cell."""
    return tuple(_turn(turn) for turn in _listed(cell))


def _listed(cell: object) -> list[object]:
    try:
        given = json.loads(cell) if isinstance(cell, str) and cell else cell or []
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON: {error}") from error
    if not isinstance(given, list):
        raise Unreadable(f"a list was expected, not {shown(str(given))}")
    return given


def _turn(given: object) -> ImportedTurn:
    if not isinstance(given, dict):
        raise Unreadable("a turn is an object with prompt, answer_a and answer_b")
    read = {field.name: _value(given, field) for field in TURN}
    a, b = (Side(**{name: read[f"{name}_{side}"] for name in ("answer", *Took._fields)}) for side in ("a", "b"))
    return ImportedTurn(str(read["prompt"]), a, b)


def _value(turn: Mapping[str, object], field: Field) -> Any:
    value, kind = turn.get(field.name), str(field.kind)
    if value is None and field.name not in _TEXTS:
        return None
    if kind == "text" and isinstance(value, str):
        return text(value)
    if kind == "count" and type(value) is int and 0 <= value <= _LARGEST_COUNT:
        return value
    # JSON knows whole numbers larger than any float, Infinity and NaN, which is not above 0 either.
    if kind == "number" and type(value) in (int, float) and 0 <= cast(float, value) <= sys.float_info.max:
        return float(cast(float, value))
    raise Unreadable(f"{field.name} of a turn can't be {shown(str(value))}")


def turns_of_messages(a: object, b: object) -> tuple[ImportedTurn, ...]:
    """Turns from both sides' messages, as our battles and LMArena's data sets have them."""
    sides = [_exchanges(given) for given in (a, b)]
    if [prompt for prompt, _ in sides[0]] != [prompt for prompt, _ in sides[1]]:
        raise Unreadable("the two sides were asked different prompts")
    pairs = zip(*sides, strict=True)
    return tuple(_turn({"prompt": one[0], "answer_a": one[1], "answer_b": other[1]}) for one, other in pairs)


def _exchanges(cell: object) -> list[tuple[str, str]]:
    said = [_message(message) for message in _listed(cell)]
    if [role for role, _ in said] != ["user", "assistant"] * (len(said) // 2):
        raise Unreadable("messages must be a user's and an assistant's in turn")
    contents = [content for _, content in said]
    return list(zip(contents[::2], contents[1::2], strict=True))


def _message(message: object) -> tuple[str, str]:
    match message:
        case {"role": str(role), "content": str(content)}:
            return role, content
        case {"role": str(role), "content": Sequence() as parts}:
            texts = [
                part.get("text") for part in parts if isinstance(part, dict) and part.get("type", "text") == "text"
            ]
            if len(texts) == len(parts) and all(isinstance(one, str) for one in texts):
                return role, "".join(map(str, texts))
    raise Unreadable("a message must have a role and a text as its content")
