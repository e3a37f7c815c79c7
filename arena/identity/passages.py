"""Where a text says who is speaking: its passages, one after the other, each judged with the one before it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from arena.identity.names import COMMON, MAKER, MODEL, OWN, PART, SIZE, WORD, Hit, Names
from arena.identity.plain import TARGET, Plain, plain

MOST = 240  # characters of a passage: as much as an answer ever waits to be shown
_ITEM = r"\n(?=[ \t]{0,8}(?:[-*+\u2022]|[0-9]{1,3}[.)])[ \t])"  # of a list: the line before its mark is a passage
_END = re.compile(r"(?<!\.)[.!?][)\"'*_\]\u201d]{0,3}\s|[\u3002\uff01\uff1f]|\n[ \t]{0,8}\n|" + _ITEM)
_PLACE = re.compile(r"\{([a-z]+)\}")
_KINDS = {
    "sure": MODEL,
    "own": f"[{MODEL}{OWN}]",
    "known": f"[{MODEL}{OWN}{WORD}]",
    "model": f"[{MODEL}{OWN}{WORD}{PART}]",
    "maker": MAKER,
    "name": f"[{MODEL}{OWN}{WORD}{PART}{MAKER}]",
    "common": COMMON,
    "size": SIZE,
}
_CUT = 3  # letters of a name that an answer's end cuts off, from which on they are taken for it


@dataclass(frozen=True)
class Span:
    """A name that says who is speaking, from `start` to `end` in the raw text."""

    start: int
    end: int


def passage_end(text: str, start: int) -> int | None:
    """Where the passage ends that begins at `start`; None while the text does not say.

    What it answers once it answers for every longer text too.
    """
    found = _END.search(text, start, start + MOST)
    if found and (len(text) >= start + MOST or text[found.end() : start + MOST].strip()):
        return found.end()  # something comes behind it, or the passage would be the last one
    if len(text) < start + MOST:
        return None
    space = max(text.rfind(" ", start + MOST // 2, start + MOST), text.rfind("\n", start + MOST // 2, start + MOST))
    return space + 1 if space >= 0 else start + MOST


def passages(text: str) -> Iterator[tuple[int, int]]:
    """Where the passages of a complete text begin and end."""
    start = 0
    while (end := passage_end(text, start)) is not None:
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def named_in(names: Names, text: str, before: int, start: int, end: int, *, last: bool = False) -> list[Span]:
    """The names of a passage that says who is speaking, judged with the passage before it, which begins at `before`.

    In the `last` passage of a text a name that is cut off counts too.
    """
    seen = plain(text[before:end])
    hits = names.find(seen)
    for known in (hits, hits + _cut_off(names, seen, hits)) if last else (hits,):
        here = [hit for hit in known if before + seen.starts[hit.start] >= start]
        if here and (_says_who(seen, known, before, start) or (last and end <= MOST and _is_all(names, text[:end]))):
            spans = [Span(before + seen.starts[hit.start], before + seen.ends[hit.end - 1]) for hit in here]
            return _with_targets(text, spans, end)
    return []


def _with_targets(text: str, spans: list[Span], end: int) -> list[Span]:
    """Also where the links behind the first name lead: to whom it belongs."""
    found = (Span(*link.span()) for link in TARGET.finditer(text, spans[0].start, end))
    apart = [link for link in found if not any(span.start < link.end and link.start < span.end for span in spans)]
    return sorted(spans + apart, key=lambda span: span.start)


def _is_all(names: Names, text: str) -> bool:
    """Whether a short answer is a name and nothing else, or a form that is filled in with one."""
    seen = plain(text)
    told, _ = marked(seen.text, [hit for hit in names.find(seen) if hit.kind not in (WORD, COMMON)])
    return any(rule.match(told) for rule in rules("whole"))


def _cut_off(names: Names, seen: Plain, hits: list[Hit]) -> list[Hit]:
    begins = names.beginning(seen)
    if begins is None or len(seen.text) - begins < _CUT or not seen.text[-1].isalnum():
        return []
    if seen.small(begins) and not names.plainly(seen, begins):  # as any word may be that is cut off
        return []
    return [] if any(hit.end > begins for hit in hits) else [Hit(begins, len(seen.text), MODEL)]


def _says_who(seen: Plain, hits: list[Hit], before: int, start: int) -> bool:
    """Whether a rule finds a name of the passage itself, and not of the one before."""
    more = [hit for hit in hits if hit.kind != COMMON]
    return any(
        any(found.start() <= place < found.end() for place in places)
        for table, known in (("direct", hits), ("told", more))
        for text, places in [_marked_from(seen, known, start - before)]
        if places
        for rule in rules(table)
        for found in rule.finditer(text)
    )


def _marked_from(seen: Plain, hits: list[Hit], start: int) -> tuple[str, list[int]]:
    """The marked text, and where the names are that begin at `start` in the raw text or behind it."""
    text, places = marked(seen.text, hits)
    return text, [place for place, hit in zip(places, hits, strict=True) if seen.starts[hit.start] >= start]


def marked(text: str, hits: list[Hit]) -> tuple[str, list[int]]:
    """The text with a single character for each name, and where these are."""
    parts: list[str] = []
    places: list[int] = []
    length = done = 0
    for hit in hits:
        parts += [text[done : hit.start], hit.kind]
        length += hit.start - done
        places.append(length)
        length, done = length + 1, hit.end
    return "".join([*parts, text[done:]]), places


@cache
def rules(table: str) -> tuple[re.Pattern[str], ...]:
    """The rules of one table of rules.toml, such as "told" or "asked", as patterns over a marked text."""
    with (Path(__file__).parent / "rules.toml").open("rb") as file:
        content = tomllib.load(file)
    parts: dict[str, str] = dict(_KINDS)
    for name, part in content["parts"].items():
        parts[name] = f"(?:{_filled(part, parts)})"
    return tuple(re.compile(_filled(rule, parts)) for language in content[table].values() for rule in language)


def _filled(pattern: str, parts: dict[str, str]) -> str:
    return _PLACE.sub(lambda found: parts[found[1]], pattern)
