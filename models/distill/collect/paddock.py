"""What an arena exported as conversations: battles and votes with texts (both sides), preference pairs (the chosen).

The contestant is the teacher; how the vote went stays in the source, as in "battles.jsonl (won)".
"""

from __future__ import annotations

from collections.abc import Iterator

from models.chat import Message
from models.distill.collect.forms import ALPACA, LMSYS, OPENAI, OURS, SHAREGPT, Form, Row, messages_of, named, text_of
from models.distill.conversation import Conversation, Origin
from models.distill.problem import DistillProblem

SIDES = ("a", "b")
_COUNTED = "counted"


def _battle(row: Row, place: str, file: str) -> Iterator[Conversation]:
    for side in SIDES:
        yield _side(row, side, messages_of(row[f"messages_{side}"], place), file)


def _vote(row: Row, place: str, file: str) -> Iterator[Conversation]:
    turns = row.get("conversation")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise DistillProblem(f"{place} is a vote without texts; `python -m arena export battles` writes them.")
    for side in SIDES:
        spoken = [
            message
            for turn in turns
            for message in (
                Message("user", text_of(turn.get("prompt"), place)),
                Message("assistant", text_of(turn.get(f"answer_{side}"), place)),
            )
        ]
        yield _side(row, side, tuple(spoken), file)


def _preference(row: Row, place: str, file: str) -> Iterator[Conversation]:
    """Other pairs in TRL's forms too: with texts for lists, and with the prompt inside of what was chosen."""
    chosen = _spoken(row["chosen"], place, "assistant")
    first = chosen[0].role if chosen else "assistant"
    messages = (*_spoken(row.get("prompt"), place, "user"), *chosen) if first == "assistant" else chosen
    outcome, teacher = row.get("outcome"), row.get("model_chosen")
    battle = row.get("battle")
    name = f"{battle}-{'b' if outcome == 'b' else 'a'}" if battle else named(row, messages)
    how = "chosen" if outcome in (*SIDES, None) else _worded(outcome)
    yield Conversation(name, messages, Origin(f"{file} ({how})", teacher if isinstance(teacher, str) else ""))


def _spoken(given: object, place: str, role: str) -> tuple[Message, ...]:
    if given is None:
        return ()
    return messages_of([{"role": role, "content": given}] if isinstance(given, str) else given, place)


def _side(row: Row, side: str, messages: tuple[Message, ...], file: str) -> Conversation:
    outcome = row.get("outcome")
    how = ("won" if outcome == side else "lost") if outcome in SIDES else _worded(outcome)
    counted = "" if row.get("status", _COUNTED) == _COUNTED else ", not counted"
    return Conversation(
        f"{row.get('battle')}-{side}", messages, Origin(f"{file} ({how}{counted})", str(row[f"model_{side}"] or ""))
    )


def _worded(outcome: object) -> str:
    return str(outcome).replace("_", " ")


BATTLES = Form("Paddock's battles", ("battle", "messages_a", "messages_b", "model_a", "model_b"), _battle)
VOTES = Form("Paddock's votes", ("battle", "outcome", "model_a", "model_b"), _vote)
PREFERENCES = Form("preference pairs", ("chosen", "rejected"), _preference)
# In this order: the first whose keys a row has.
FORMS = (OURS, BATTLES, VOTES, PREFERENCES, SHAREGPT, OPENAI, LMSYS, ALPACA)
