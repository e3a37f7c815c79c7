"""How an answer is dressed: what style control holds equal."""

from __future__ import annotations

import re
from dataclasses import dataclass

from arena.prompts import visible_text

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_BOLD = re.compile(r"\*\*(?=\S)[^*\n]+\*\*|(?<!\w)__(?=\S)[^_\n]+__(?!\w)")


@dataclass(frozen=True)
class Style:
    """Of what a visitor sees: length in characters; Markdown headings, list items and bold spans outside of code."""

    length: int
    headings: int
    lists: int
    bold: int


def style_of(answer: str) -> Style:
    """The features of LMArena's style control, characters in place of tokens.

    T. Li, A. Angelopoulos and W.-L. Chiang, Does style matter? Disentangling style and substance in Chatbot Arena
    (LMSYS blog, August 2024).
    """
    visible = visible_text(answer, complete=True)
    prose = _without_code(visible.splitlines())
    return Style(
        length=len(visible),
        headings=sum(1 for line in prose if _HEADING.match(line)),
        lists=sum(1 for line in prose if _ITEM.match(line)),
        bold=sum(len(_BOLD.findall(line)) for line in prose),
    )


def _without_code(lines: list[str]) -> list[str]:
    """The lines outside of fenced code; a fence that is never closed reaches to the end, as pages show it."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        mark = found[1] if (found := _FENCE.match(line)) else ""
        if fence:
            closes = mark.startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
        elif mark:
            fence = mark
        else:
            kept.append(line)
    return kept
