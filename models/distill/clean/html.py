"""Messages that were copied from a chat's page as HTML become markdown; whatever only looks like HTML stays.

A message is taken for HTML where it begins with a block's tag (after ChatGPT's "1 / 2", if that is there) and

- an element in it bears a class of the pages that people copied from (`_PAGES`),
- or it is an answer of nothing but elements that texts are written in, without text beside them or attributes that
  only makers of pages use, and every other answer of the conversation is HTML too.

So `a < b`, `List<String>`, JSX, pages that somebody asks about and HTML in fences stay as they are, byte by byte.
"""

from __future__ import annotations

import re
from dataclasses import replace

from models.chat import Message
from models.distill.clean.elements import BLOCKS, INLINE, Element, read, words
from models.distill.clean.fences import pieces
from models.distill.clean.markdown import markdown
from models.distill.conversation import Conversation

_BEGINS = re.compile(
    r"\s*+(?:\d{1,3} / \d{1,3}\s*+)?(?=<(?:p|div|ul|ol|pre|h[1-6]|table|blockquote|hr|section|article)\b)"
)
_PAGES = words("markdown prose whitespace-pre-wrap hljs katex")
_STRUCTURE = words("body html header footer main nav")
_WRITTEN = (BLOCKS | INLINE) - _STRUCTURE
_ATTRIBUTES = words(
    "align alt checked colspan dir disabled href lang open rel rowspan src start target title type value"
)
# The button over ChatGPT's code, as its text was copied along: at the end of a fence's first line, or on the next.
_BUTTON = re.compile(
    r"([ \t>]*(?:`{3,}|~{3,}))[ \t]*\n?([\w+#.-]{0,20}?)\s*+Copy code(?:\s*+[\w+#.-]{0,20}Copy code)*+[ \t]*\n?",
    re.ASCII,
)


def to_markdown(conversation: Conversation) -> Conversation:
    """The conversation with its messages in markdown: HTML converted, "Copy code" taken from fences. Drops nothing."""
    read_ones = [_read(message.text) for message in conversation.messages]
    all_html = all(
        root is not None and (_is_page(root) or _is_written(root))
        for message, root in zip(conversation.messages, read_ones, strict=True)
        if message.role == "assistant"
    )
    messages = tuple(
        _converted(message, root, all_html) for message, root in zip(conversation.messages, read_ones, strict=True)
    )
    return conversation if messages == conversation.messages else replace(conversation, messages=messages)


def _converted(message: Message, root: Element | None, all_html: bool) -> Message:
    text = message.text
    if root is not None and (_is_page(root) or (all_html and message.role == "assistant" and _is_written(root))):
        text = markdown(root)
        # Text that shows a tag first must not be taken for HTML when it is cleaned again.
        text = f"\\{text}" if _BEGINS.match(text) else text
    return replace(message, text=_without_buttons(text))


def _read(text: str) -> Element | None:
    begins = _BEGINS.match(text)
    return read(text[begins.end() :]) if begins else None


def _is_page(root: Element) -> bool:
    return any(element.classes & _PAGES for element in root.below())


def _is_written(root: Element) -> bool:
    beside = any(isinstance(child, str) and child.strip() for child in root.children)
    return not beside and all(element.tag in _WRITTEN and _is_plain(element) for element in root.below())


def _is_plain(element: Element) -> bool:
    return all(
        name in _ATTRIBUTES or (name == "class" and element.tag in ("code", "pre")) for name in element.attributes
    )


def _without_buttons(text: str) -> str:
    if "Copy code" not in text:
        return text
    return "".join(
        _BUTTON.sub(r"\1\2\n", piece.text, count=1) if piece.code and _BUTTON.match(piece.text) else piece.text
        for piece in pieces(text)
    )
