"""Answers one must not learn from: empty, refused, cut off, repeated without end, or said by the page, not the model.

Each rule drops a conversation with its first faulty answer; what follows that answer builds on it. The words
they go by, English and Chinese, are in faults.toml; whether an answer is right, no rule here can know.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from models.distill.clean.fences import pieces
from models.distill.clean.rule import Dropped, Verdict
from models.distill.conversation import Conversation

# An answer refuses in its first sentences or not at all; a notice is short.
_BEGINNING, _NOTICE_LENGTH = 300, 400

_LOOP_PROBE, _LOOP_TAIL, _LOOP_LENGTH, _LOOP_TIMES = 40, 4000, 200, 4
_SAME_LINES, _SAME_LETTERS = 8, 10
_NUMBERING = re.compile(r"\A[\s>*+\-#]{0,20}(?:\d{1,4}[.):])?\s{0,4}")

# A letter's close may end in a comma ("Best regards,"); a line of running text that does was cut.
_RUNNING_LINE = 40


def refused(conversation: Conversation) -> Verdict:
    """Drops where an answer begins by refusing, or by what an AI is or has not ("As an AI language model, I …")."""
    return _faulty(conversation, "refused answer", _refuses)


def empty(conversation: Conversation) -> Verdict:
    """Drops where a message of anybody is blank or nothing but punctuation."""
    for number, message in enumerate(conversation.messages, start=1):
        if not any(_says(letter) for letter in message.text):
            return Dropped("empty message", f"message {number} ({message.role})")
    return conversation


def noticed(conversation: Conversation) -> Verdict:
    """Drops where a page's or a server's notice (an error, moderation, a limit) is or ends an answer."""
    return _faulty(conversation, "notice in place of an answer", _is_notice)


def cut(conversation: Conversation) -> Verdict:
    """Drops where an answer ends inside a fence of code, after a colon, or after a comma in running text."""
    return _faulty(conversation, "answer cut off", _is_cut)


def looping(conversation: Conversation) -> Verdict:
    """Drops where an answer ends in one passage said four times or more on end, for 200 characters or more, or where
    one line (its number aside) stands eight times or more and makes up more than half of the lines; code aside.
    """
    return _faulty(conversation, "answer that repeats itself", _loops)


def echoed(conversation: Conversation) -> Verdict:
    """Drops where an answer is what the user has just said, word by word, and that was a sentence at least."""
    for number, (asked, said) in enumerate(
        zip(conversation.messages, conversation.messages[1:], strict=False), start=2
    ):
        same = " ".join(asked.text.split()) == " ".join(said.text.split())
        if said.role == "assistant" and asked.role == "user" and same and len(said.text) > _RUNNING_LINE:
            return Dropped("answer that echoes the question", _at(number, said.text))
    return conversation


def _faulty(conversation: Conversation, reason: str, fault: Callable[[str], bool]) -> Verdict:
    for number, message in enumerate(conversation.messages, start=1):
        if message.role == "assistant" and fault(message.text):
            return Dropped(reason, _at(number, message.text))
    return conversation


def _at(number: int, text: str) -> str:
    """Which message, and its first and last words."""
    text = " ".join(text[:200].split() if len(text) <= 200 else [text[:60], "…", text[-60:]])
    return f"message {number}: {' '.join(text.split())}"


def _says(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter)[0] not in "PZC"


def _refuses(text: str) -> bool:
    text = text.strip()
    # The line break tells a pattern that looks for the text's end that this is none.
    beginning = text if len(text) <= _BEGINNING else text[:_BEGINNING] + "\n"
    return _REFUSALS.search(_plain(beginning)) is not None


def _is_notice(text: str) -> bool:
    text = text.strip()
    last = text[-_NOTICE_LENGTH:].rsplit("\n", 1)[-1]
    return any(_is_notice_line(_plain(said).strip(" \t*_!")) for said in (last, text[:_NOTICE_LENGTH]))


def _is_notice_line(line: str) -> bool:
    return line.rstrip(".。") in _WHOLE_NOTICES or line.startswith(_NOTICES_BEGUN)


def _plain(text: str) -> str:
    """The text as faults.toml says that its words see it."""
    return unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()


def _is_cut(text: str) -> bool:
    found = list(pieces(text.rstrip()))
    if not found or found[-1].code:
        return bool(found) and not found[-1].closed
    last = found[-1].text.rsplit("\n", 1)[-1]
    return last.endswith((":", "：")) or (last.endswith((",", "，", "、")) and len(last) >= _RUNNING_LINE)


def _loops(text: str) -> bool:
    prose = "".join(piece.text for piece in pieces(text) if not piece.code).rstrip()
    return _ends_in_loop(prose) or _says_one_line(prose)


def _ends_in_loop(text: str) -> bool:
    """Found by where the text's last characters stood before, so that no period needs to be tried in vain."""
    tail = text[-_LOOP_TAIL:]
    probe = tail[-_LOOP_PROBE:]
    before = tail.rfind(probe, 0, len(tail) - 1)
    if len(tail) < _LOOP_LENGTH or before < 0:
        return False
    unit = tail[before + len(probe) :]
    times = max(_LOOP_TIMES, -(-_LOOP_LENGTH // len(unit)))
    return any(map(str.isalpha, unit)) and tail.endswith(unit * times)


def _says_one_line(text: str) -> bool:
    lines = Counter(line for said in text.splitlines() if (line := _NUMBERING.sub("", said, count=1).strip()))
    if not lines:
        return False
    line, times = lines.most_common(1)[0]
    return times >= _SAME_LINES and 2 * times > lines.total() and sum(map(str.isalpha, line)) >= _SAME_LETTERS


def _read_words(path: Path) -> tuple[re.Pattern[str], frozenset[str], tuple[str, ...]]:
    """What begins a sentence that refuses; the notices that are a whole line; those that begin one."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    opening, sentence = ("|".join(told["refusals"][where]) for where in ("openings", "sentences"))
    begins = rf"\A(?:{opening})|(?:\A|[.!?。\n]\s{{0,3}}|[您你]好,)(?:{sentence})"
    for name, entries in told["lists"].items():
        begins = begins.replace(f"{{{name}}}", f"(?:{'|'.join(entries)})")
    notices = told["notices"]
    return re.compile(begins), frozenset(notices["whole"]), tuple(notices["begun"])


_REFUSALS, _WHOLE_NOTICES, _NOTICES_BEGUN = _read_words(Path(__file__).with_name("faults.toml"))
