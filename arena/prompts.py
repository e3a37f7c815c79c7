"""What a prompt and an answer are: checks on what visitors send, and what of an answer is shown."""

from __future__ import annotations

import re
import unicodedata

from db.reasoning import without_reasoning

# Answers keep their reasoning in the database; visitors see none that is marked as such, on either side.
_HALF_TAG = re.compile(r"<(?ai:t(?:h(?:i(?:nk?)?)?)?)?\Z")
_KEPT_CONTROLS = "\n\t"


class PromptError(Exception):
    """A prompt was refused; `reason` is 'empty', 'too_long' or 'too_long_for_models'."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def clean_prompt(text: str, max_chars: int) -> str:
    """The prompt as the models get it: no control characters but newline and tab, no outer white space.

    Raises `PromptError` where nothing is left or more than `max_chars` characters are.
    """
    # Surrogates and NUL can't be stored; other controls would be invisible instructions.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(char for char in text if char in _KEPT_CONTROLS or unicodedata.category(char) not in ("Cc", "Cs"))
    text = text.strip()
    if not any(unicodedata.category(char)[0] not in "CZ" for char in text):
        raise PromptError("empty")
    if len(text) > max_chars:
        raise PromptError("too_long")
    return text


def visible_text(answer: str, *, complete: bool) -> str:
    """An answer without its `<think>` blocks.

    While it is not `complete`, an open block and a half-written opening tag at the end stay hidden too,
    so that what was shown never has to be taken back.
    """
    if not complete:
        # Cut before blocks are taken out: what stands before a block is no tag, however it ends.
        answer = _HALF_TAG.sub("", answer)
    return without_reasoning(answer)


def fits(texts: list[str], context: int, reserve: int) -> bool:
    """Whether a conversation is likely to leave `reserve` of `context` tokens free for an answer.

    Counts a token for three bytes of UTF-8, which is careful for English and about right for Chinese;
    the engine has the last word.
    """
    return sum(len(text.encode()) // 3 + 8 for text in texts) + reserve <= context
