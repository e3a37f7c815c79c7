"""Keep conversations in the languages one wants to teach."""

from __future__ import annotations

from collections.abc import Callable, Collection

from models.distill.clean.fences import pieces
from models.distill.clean.rule import Dropped, Rule, Verdict
from models.distill.conversation import Conversation

# What is shown to the detector, shared out evenly among the messages: the arena's reads no more.
_MOST_CHARS = 4000
# With fewer letters than that (numbers, code, "ok"), a text is in no language that could be the wrong one.
_LEAST_LETTERS = 20


def only(languages: Collection[str], detect: Callable[[str], str]) -> Rule:
    """Drops a conversation whose language is none of `languages` (what `detect` calls them: ISO 639-1 codes).

    The detector is asked once, about the beginnings of all messages together, code left out. One that says "other" (it
    can't tell) drops a conversation too, unless there are hardly any letters to tell by.
    """
    wanted = frozenset(languages)

    def rule(conversation: Conversation) -> Verdict:
        text = _prose(conversation)
        language = detect(text)
        if language in wanted or sum(map(str.isalpha, text)) < _LEAST_LETTERS:
            return conversation
        return Dropped("language not wanted", language)

    return rule


def _prose(conversation: Conversation) -> str:
    each = max(80, _MOST_CHARS // max(1, len(conversation.messages)))
    # Code may fill a message's beginning, so that it is left out before the message is cut.
    return "\n\n".join(
        "".join(piece.text for piece in pieces(message.text[: 8 * each]) if not piece.code)[:each]
        for message in conversation.messages
    )
