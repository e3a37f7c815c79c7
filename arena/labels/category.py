"""What a prompt asks for, by weighted patterns that anybody can read: rules.toml."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

# Of equal scores the first wins: what says its name outright before questions, which every category asks too.
CATEGORIES = (
    "coding",
    "mathematics",
    "translation",
    "role_play",
    "writing",
    "reasoning",
    "conversation",
    "knowledge",
    "other",
)

_BEGINNING, _END = 3000, 1000
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_SEAM = re.compile(rf"(?<=[{_CJK}])(?=[a-z0-9])|(?<=[a-z0-9])(?=[{_CJK}])")


class Rule(NamedTuple):
    """What it adds to a category's score where it is found."""

    category: str
    weight: int
    pattern: re.Pattern[str]


def category_of(prompt: str) -> str:
    """The one of `CATEGORIES` whose rules weigh most in the prompt; "other" where none is found.

    Time is bounded: of a long prompt its first 3,000 and last 1,000 characters are read, where instructions stand.
    """
    text = _prepared(prompt)
    scores = dict.fromkeys(CATEGORIES, 0)
    for category, weight, pattern in _RULES:
        if pattern.search(text):
            scores[category] += weight
    best = max(CATEGORIES, key=scores.__getitem__)
    return best if scores[best] else "other"


def _prepared(prompt: str) -> str:
    """The text as rules.toml says that rules see it."""
    if len(prompt) > _BEGINNING + _END:
        prompt = f"{prompt[:_BEGINNING]}\n{prompt[-_END:]}"
    # An exponent must not melt into its base: NFKC makes "x2" of "x²".
    text = unicodedata.normalize("NFKC", prompt.replace("²", "^2").replace("³", "^3"))
    return _SEAM.sub(" ", text.replace("’", "'").lower())


def _read_rules(path: Path) -> tuple[Rule, ...]:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = {name: f"(?:{'|'.join(entries)})" for name, entries in told["lists"].items()}
    return tuple(Rule(rule["category"], rule["weight"], _pattern(rule, lists)) for rule in told["rule"])


def _pattern(rule: dict[str, Any], lists: dict[str, str]) -> re.Pattern[str]:
    words, patterns = "|".join(rule.get("words", ())), list(rule.get("patterns", ()))
    pattern = "|".join([rf"\b(?:{words})\b"] * bool(words) + patterns)
    for name, entries in lists.items():
        pattern = pattern.replace(f"{{{name}}}", entries)
    return re.compile(pattern, re.MULTILINE)


_RULES = _read_rules(Path(__file__).with_name("rules.toml"))
