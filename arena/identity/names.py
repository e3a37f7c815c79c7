"""The names that models and their makers go by, found in a text however it writes them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from arena.identity.plain import Plain, plain
from models.spec import ModelSpec

# One character for each kind of name, which no text has: `plain` leaves private ones out.
MODEL, MAKER, SIZE = "\ue000", "\ue001", "\ue002"
_SEPARATOR = re.compile(r"[\s.\-]+")
_CJK = re.compile("[\u3400-\u9fff]")
_BEGINS = r"(?:(?<![a-z0-9])|(?<=iam)|(?<=nameis))"
_KINDS_OF = (
    "instruct|chat|turbo|mini|nano|lite|pro|ultra|flash|opus|sonnet|haiku|large|medium|small|tiny|base|coder|max|plus"
    r"|preview|r?\d{1,4}(?:\.\d{1,2}){0,2}[bmok]?"
)
_SUFFIX = rf"(?:[ -]?v?\d{{1,4}}(?:\.\d{{1,4}}){{0,3}}(?:[a-z](?![a-z]))?)?(?:[ -](?:{_KINDS_OF})(?![a-z0-9])){{0,4}}"
_NUMBER = r"(?<![a-z0-9.])\d{1,13}(?:[.,]\d{1,3}){0,4}"
# Of a model's size there is a unit or six digits; functions and regressions have "2 parameters".
_MANY = r"(?<![a-z0-9.])(?:\d{6,13}|\d{3}[.,]\d{3}|\d{1,3}(?:[.,]\d{3}){2,4})"
_SIZE = (
    rf"{_MANY}[ -]param(?:eter)?s?\b"
    rf"|{_NUMBER} ?(?:(?:m|b|t|k|million|billion|trillion)[ -]param(?:eter)?s?\b|[亿万]\+?个?参数)"
)
# Words of contestants' names that say nothing of a family.
_COMMON = re.compile(
    "models?|assistant|small|large|tiny|mini|base|instruct|chat|fast|slow|test|demo|local|remote|server|judge|student"
    "|teacher|open|free|best|good|default|first|second|left|right|human|baseline|latest"
)


@dataclass(frozen=True)
class Hit:
    """A name (`MODEL`, `MAKER` or `SIZE`) in a plain text."""

    start: int
    end: int
    kind: str


class Names:
    """The well-known names of names.toml and those of the contestants: their ids, names, families and makers."""

    def __init__(self, specs: Iterable[ModelSpec] = ()) -> None:
        with (Path(__file__).parent / "names.toml").open("rb") as file:
            known = tomllib.load(file)
        self._models = {_words(name) for name in known["models"]}
        self._makers = {_words(name) for name in known["makers"]}
        for spec in specs:
            self._models |= {_words(name) for name in (spec.id, spec.name, *_family(spec.name))}
            self._makers |= {_words(maker) for maker in spec.makers}
        # One word alone may be both a maker and its model ("Moonshot"): then a rule of either finds it.
        self._makers = {name for name in self._makers - self._models if name}
        self._models.discard(())
        self._everyday = frozenset("".join(_words(name)) for name in known["everyday"])

    def find(self, text: Plain) -> list[Hit]:
        """Every name in the text, in order; where one begins within another, the longer one."""
        kinds = {"model": MODEL, "maker": MAKER, "size": SIZE}
        return [Hit(*found.span(), kinds[found.lastgroup or ""]) for found in self._pattern.finditer(text.text)]

    def everyday(self, text: Plain, hit: Hit) -> bool:
        """Whether the name, as it stands there, is as likely an animal, a wind or a star."""
        return _SEPARATOR.sub("", text.text[hit.start : hit.end]) in self._everyday

    def beginning(self, text: Plain) -> int | None:
        """Where a name may begin that the text's end cuts off, as an index of the plain text; None: nowhere."""
        size = self._size_begins.search(text.text, max(0, len(text.text) - 60))
        for start in range(max(0, len(text.text) - 60), size.start() if size else len(text.text)):
            if self._may_begin(text.text, start) and _SEPARATOR.sub("", text.text[start:]) in self._beginnings:
                return start
        return size.start() if size else None

    def _may_begin(self, text: str, start: int) -> bool:
        if text[start] in " .-":
            return False
        before = text[start - 1] if start else " "
        return (
            not (before.isascii() and before.isalnum())
            or not text[start].isascii()
            or text.endswith(("iam", "nameis"), 0, start)
        )

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        squeezed = ("".join(words) for words in self._models | self._makers)
        return frozenset(name[:length] for name in squeezed for length in range(1, len(name) + 1))

    @cached_property
    def _size_begins(self) -> re.Pattern[str]:
        units = "|".join(_so_far(unit) for unit in ("million", "billion", "trillion", "k"))
        return re.compile(rf"{_NUMBER}[.,]?(?: ?(?:{units})[ -]?{_so_far('parameters')}| ?[亿万]\+?个?参?)\Z")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        models, makers = _alternatives(self._models), _alternatives(self._makers)
        return re.compile(f"(?P<model>{models})|(?P<maker>{makers})|(?P<size>{_SIZE})")


class Playing:
    """The names of whoever plays, read anew when somebody joins."""

    def __init__(self, specs: Sequence[ModelSpec]) -> None:
        """`specs` may grow meanwhile; see `Roster`."""
        self._specs = specs
        self._read = (len(specs), Names(specs))

    def names(self) -> Names:
        """As of now; from any thread."""
        if self._read[0] != len(self._specs):
            specs = tuple(self._specs)
            self._read = (len(specs), Names(specs))
        return self._read[1]


def _alternatives(names: set[tuple[str, ...]]) -> str:
    """Names by their first letter, so that of a few hundred only some are tried at each place; longer ones first."""
    latin: dict[str, list[str]] = {}
    chinese: dict[str, list[str]] = {}
    for words in sorted(names, key=lambda words: (-len("".join(words)), words)):
        letter = words[0][0]
        by_letter = chinese if _CJK.match(letter) else latin
        by_letter.setdefault(letter, []).append("[ .-]?".join(re.escape(word) for word in words))
    return (
        f"{_BEGINS}{_by_letter(latin)}(?![a-z]){_SUFFIX}"  # a word's beginning is looked for before any letter is
        f"|(?=[{''.join(map(re.escape, chinese))}\uffff]){_by_letter(chinese)}{_SUFFIX}"
    )


def _by_letter(texts: dict[str, list[str]]) -> str:
    groups = (f"(?={re.escape(letter)})(?:{'|'.join(found)})" for letter, found in texts.items())
    return f"(?:{'|'.join(groups) or '(?!)'})"


def _so_far(word: str) -> str:
    """A pattern of every beginning of a word, the empty one too."""
    return "".join(f"(?:{re.escape(char)}" for char in word) + ")?" * len(word)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _SEPARATOR.split(plain(name).text) if word)


def _family(name: str) -> list[str]:
    """The word that a contestant's name begins with, without its version, where that is more than a common word."""
    found = re.match(r"[^\W\d_]{4,}", name)
    return [found[0]] if found and not _COMMON.fullmatch(found[0].lower()) else []
