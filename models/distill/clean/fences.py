"""Where the code is in a markdown text: between fences of three or more ` or ~ (CommonMark 0.31, section 4.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# As CommonMark has it, but for any indentation: fences in nested lists stand far to the right.
_OPENING = re.compile(r"[ \t>]{0,40}(`{3,}|~{3,})(?P<info>[^\n]{0,200})")


class Piece(NamedTuple):
    """Lines of a text that are wholly code, their fences with them, or wholly not; `closed` is false where a fence
    was opened and never closed.
    """

    text: str
    code: bool
    closed: bool = True


def pieces(text: str) -> Iterator[Piece]:
    """The text cut into code and the rest, in order; joined they give it back. Takes time linear in its length."""
    lines: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        if not fence:
            if fence := _opened(line):
                if lines:
                    yield Piece("".join(lines), code=False)
                lines = []
            lines.append(line)
        else:
            lines.append(line)
            if _closes(line, fence):
                yield Piece("".join(lines), code=True)
                lines, fence = [], ""
    if lines:
        yield Piece("".join(lines), code=bool(fence), closed=not fence)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` made to what is not fenced."""
    return "".join(piece.text if piece.code else change(piece.text) for piece in pieces(text))


def _opened(line: str) -> str:
    """The fence that a line opens, or nothing."""
    found = _OPENING.match(line)
    # "```like this```" is inline code on a line of its own.
    if found is None or (found[1][0] == "`" and "`" in found["info"]):
        return ""
    return found[1]


def _closes(line: str, fence: str) -> bool:
    bare = line.strip(" \t>\r\n")
    return len(bare) >= len(fence) and not bare.strip(fence[0])
