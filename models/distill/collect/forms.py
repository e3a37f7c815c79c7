"""The forms in which others keep conversations: ShareGPT, Alpaca, OpenAI's messages. Texts stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from models.chat import Message, Role, storable
from models.distill.conversation import Conversation, Origin, conversation_of, name_of
from models.distill.problem import DistillProblem

# Who speaks, as files of others call them; the names of services say who taught.
SPEAKERS: Final[Mapping[str, Role]] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant",
    "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "claude": "assistant",
}  # fmt: skip
_TEACHERS = ("bing", "bard", "claude")
# ShareGPT is a collection of people's chats with ChatGPT: its "gpt" is no generic word for a model.
_CHATGPT: Final = "chatgpt"
_CHATGPT_SPEAKERS = ("gpt", _CHATGPT)
_TOLD = (("teacher", "model"), ("license",))
_NO_INPUT = "<noinput>"  # what Alpaca's prompt for its teacher has where there is none
_LETTERS_SHOWN = 60

Row = Mapping[str, Any]
Read = Callable[[Row, str, str], Iterator[Conversation]]


class Form(NamedTuple):
    """A row with all of `keys` has this form; `read` takes it with its place and its file's name, for the origin.

    `usual` says who taught a row where nobody states another one.
    """

    name: str
    keys: tuple[str, ...]
    read: Read
    usual: Callable[[Row], str] = lambda _: ""


def form_of(row: Row, place: str, forms: Iterable[Form]) -> Form:
    """The first form whose keys the row has. Raises `DistillProblem`."""
    for form in forms:
        if row.keys() >= set(form.keys):
            return form
    known = "; ".join(f"{form.name} ({', '.join(form.keys)})" for form in forms)
    raise DistillProblem(
        f"{place} has none of the forms that can be read, which are {known}; it has {shown(list(row))}."
    )


def messages_of(listed: object, place: str, role: str = "role", text: str = "content") -> tuple[Message, ...]:
    """The messages of a list of objects that name the speaker and the text by these keys. Raises `DistillProblem`."""
    if not isinstance(listed, list):
        raise DistillProblem(f"{place}: a conversation is a list of messages, not {shown(listed)}.")
    return tuple(_message(one, place, role, text) for one in listed)


def text_of(value: object, place: str) -> str:
    """A text, "" for null; of OpenAI's parts the texts, one after the other. Raises `DistillProblem`."""
    match value:
        case None:
            return ""
        case str():
            return storable(value)
        case list() if all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
            return storable("".join(part["text"] for part in value))
    raise DistillProblem(f"{place}: {shown(value)} is no text; pictures, calls and numbers can't be learnt from.")


def named(row: Row, messages: tuple[Message, ...]) -> str:
    """The row's id, or one that follows from the messages."""
    given = row.get("id")
    return storable(str(given)) if isinstance(given, str | int) and str(given) else name_of(messages)


def shown(value: object) -> str:
    """What stands there, as a sentence can quote it."""
    text = repr(value)
    return text if len(text) <= _LETTERS_SHOWN else text[: _LETTERS_SHOWN - 1] + "…"


def _message(one: object, place: str, role: str, text: str) -> Message:
    if not isinstance(one, dict) or not isinstance(one.get(role), str) or text not in one:
        raise DistillProblem(f"{place}: {shown(one)} is no message; it is an object with {role} and {text}.")
    speaker = SPEAKERS.get(one[role].strip().lower())
    if speaker is None:
        known = ", ".join(SPEAKERS)
        raise DistillProblem(f"{place}: role {shown(one[role])} is unknown; known are {known}; mend or remove it.")
    return Message(speaker, text_of(one[text], place))


def _sharegpt(row: Row, place: str, file: str) -> Iterator[Conversation]:
    messages = messages_of(row["conversations"], place, "from", "value")
    service = next((speaker for speaker in _spoke(row) if speaker in _TEACHERS), "")
    yield Conversation(named(row, messages), messages, _origin(row, file, service))


def _spoke(row: Row) -> Iterator[str]:
    return (one["from"].strip().lower() for one in row["conversations"])


def _chatgpt(row: Row) -> str:
    return _CHATGPT if any(speaker in _CHATGPT_SPEAKERS for speaker in _spoke(row)) else ""


def _openai(row: Row, place: str, file: str, key: str = "messages") -> Iterator[Conversation]:
    messages = messages_of(row[key], place)
    yield Conversation(named(row, messages), messages, _origin(row, file))


def _alpaca(row: Row, place: str, file: str) -> Iterator[Conversation]:
    system, instruction, given, output = (
        text_of(row.get(key), f"{place}, {key}") for key in ("system", "instruction", "input", "output")
    )
    asked = f"{instruction}\n\n{given}" if given.strip() and given.strip().lower() != _NO_INPUT else instruction
    if row.get("history"):
        raise DistillProblem(
            f"{place} has a history, which Alpaca's form does not know; use messages for several rounds."
        )
    before = (Message("system", system),) if system else ()
    messages = (*before, Message("user", asked), Message("assistant", output))
    yield Conversation(named(row, messages), messages, _origin(row, file))


def _ours(row: Row, place: str, file: str) -> Iterator[Conversation]:
    if not row["messages"]:
        yield Conversation("", ())
        return
    read = conversation_of(row, place)
    yield replace(read, origin=replace(read.origin, source=read.origin.source or file))


def _origin(row: Row, file: str, teacher: str = "") -> Origin:
    """What the row itself says of who answered, and of its license."""
    told = [next((row[key] for key in keys if isinstance(row.get(key), str)), "") for keys in _TOLD]
    return Origin(file, told[0] or teacher, told[1])


OURS = Form("Paddock's conversations", ("messages", "source", "teacher", "license"), _ours)
SHAREGPT = Form("ShareGPT", ("conversations",), _sharegpt, _chatgpt)
OPENAI = Form("OpenAI's messages", ("messages",), _openai)
LMSYS = Form("LMSYS-Chat", ("conversation",), partial(_openai, key="conversation"))
ALPACA = Form("Alpaca", ("instruction", "output"), _alpaca)
