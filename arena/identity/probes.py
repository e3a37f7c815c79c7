"""Prompts that ask who answers: whoever votes on the answer votes on a name."""

from __future__ import annotations

import re
from dataclasses import replace

from arena.identity.names import COMMON, MODEL, WORD, Names
from arena.identity.passages import marked, passages, rules
from arena.identity.plain import plain

# What is quoted is spoken about, and asks nobody ("translate 'who are you?'").
_QUOTED = re.compile(
    r"(?i:\b(?:translate|how (?:do|would|can|should) (?:i|you|we|one) (?:say|write|translate))\b[^:\n]{0,40}"
    r":[^\n]{0,200})|\"[^\"\n]{1,200}\"|(?<!\w)'[^'\n]{1,200}'(?!\w)|[「『《][^」』》\n]{1,200}[」』》]|`[^`\n]{1,200}`"
)


def is_probe(prompt: str, names: Names) -> bool:
    """Whether a prompt asks for the name, the maker or the kind of who answers it, in English or Chinese.

    In German, French, Spanish, Japanese and Russian the plainest questions alone.
    """
    return any(_asks(prompt[start:end], names) for start, end in passages(prompt))


def _asks(passage: str, names: Names) -> bool:
    passage = passage.replace("\u201c", '"').replace("\u201d", '"')
    return _finds("completed", passage, names) or _finds("asked", _QUOTED.sub("…", passage), names)


def _finds(table: str, passage: str, names: Names) -> bool:
    seen = plain(passage)
    # Visitors write in small letters: there a word that is a name as well is one.
    found = names.find(seen, small=True)
    hits = [replace(hit, kind=MODEL) if hit.kind in (WORD, COMMON) else hit for hit in found]
    text, _ = marked(seen.text, hits)
    return any(rule.search(text.strip()) for rule in rules(table))
