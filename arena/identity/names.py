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

# One character for each kind of name, which no text has: `plain` leaves private ones out. A WORD is a model's name that
# is a word as well and stands there with a capital ("Granite"), a COMMON one stands there like any other ("granite").
# OWN is a contestant's whole name that is one word ("Zorblax"), PART the first word of a longer one ("Zorblax Writer").
MODEL, MAKER, SIZE, WORD, COMMON, OWN, PART = "\ue000\ue001\ue002\ue003\ue004\ue005\ue006"
_SEPARATOR = re.compile(r"[\s.\-]+")
_CJK = re.compile("[\u3400-\u9fff]")
_BEGINS = r"(?:(?<![a-z0-9])|(?<=iam)|(?<=nameis))"
_KINDS_OF = (
    "instruct|chat|turbo|mini|nano|lite|pro|ultra|flash|opus|sonnet|haiku|large|medium|small|tiny|base|coder|max|plus"
    r"|preview|r?\d{1,4}(?:\.\d{1,2}){0,2}[bmok]?"
)
_SUFFIX = rf"(?:[ -]?v?\d{{1,4}}(?:\.\d{{1,4}}){{0,3}}(?:[a-z](?![a-z]))?)?(?:[ -](?:{_KINDS_OF})(?![a-z0-9])){{0,4}}"
# A version that no word has behind it by chance, unlike "ready 2 go" and "here 24/7". Its first digit says so: what was
# shown before it isn't taken back.
_VERSIONED = re.compile(r"[^\W\d_]+-?\d")
_FIRM = re.compile(r" ai(?![a-z])")  # "mistral ai" is no wind
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
    "|teacher|open|free|best|good|default|first|second|left|right|human|baseline|latest|english|german|french|spanish"
    "|italian|dutch|polish|russian|chinese|japanese|korean|arabic|turkish|american|british|european|indian|swiss"
)


@dataclass(frozen=True)
class Hit:
    """A name in a plain text, and of which kind."""

    start: int
    end: int
    kind: str


class Names:
    """The well-known names of names.toml and those of the contestants: their ids, names, families and makers."""

    def __init__(self, specs: Iterable[ModelSpec] = ()) -> None:
        with (Path(__file__).parent / "names.toml").open("rb") as file:
            known = tomllib.load(file)
        self._everyday, self._ordinary, self._begun = (
            frozenset("".join(_words(name)) for name in known[kind]) for kind in ("everyday", "ordinary", "begun")
        )
        models, makers = ({_words(name) for name in known[kind]} for kind in ("models", "makers"))
        self._known = (models | makers) - {()}
        # Of contestants' names those that may be any word, "Happy" or "Us": with a capital alone they are names.
        own: set[tuple[str, ...]] = set()
        part: set[tuple[str, ...]] = set()
        firms: set[tuple[str, ...]] = set()
        said: set[str] = set()
        for spec in specs:
            for name in (spec.id, spec.name):
                (own if _is_a_word(name) else models).add(_words(name))
                said |= {"".join(_words(name)[:length]) for length in range(1, len(_words(name)) + 1)}
            for name in _family(spec.name):
                (part if _is_a_word(name) else models).add(_words(name))
            for maker in spec.makers:
                (firms if _is_a_word(maker) else makers).add(_words(maker))
        self._said = frozenset(said)
        # One word alone may be both a maker and its model ("Moonshot"): then a rule of either finds it.
        self._models, self._makers = models - {()}, makers - models - {()}
        self._own = own - models - makers - {()}
        self._parts = part - models - makers - own - {()}
        self._firms = firms - models - makers - own - part - {()}

    def find(self, text: Plain, *, small: bool = False) -> list[Hit]:
        """Every name in the text, in order; where one begins within another, the longer one.

        `small`: contestants' names of one word in small letters too, as visitors write them; not first words of longer
        ones, for which "are you happy?" would ask a "Happy Helper".
        """
        found = ((one, self._kind(text, one, small)) for one in self._pattern.finditer(text.text))
        return [Hit(*one.span(), kind) for one, kind in found if kind]

    def _kind(self, text: Plain, found: re.Match[str], keep: bool) -> str | None:
        """None: a contestant's name that is a mere word there."""
        small = text.small(found.start())
        kind = found.lastgroup
        if kind in ("own", "part"):
            if _VERSIONED.match(found[0]):
                return MODEL
            return None if small and not (keep and kind == "own") else OWN if kind == "own" else PART
        if kind == "firm":
            return None if small and not keep else MAKER
        if kind != "model":
            return MAKER if kind == "maker" else SIZE
        name = _SEPARATOR.sub("", found[0])
        word = name.rstrip("0123456789")
        if word in self._ordinary and name in self._said:  # a contestant's: "Yi" or "yi 1.5", but not "yi"
            return COMMON if small and name == word else WORD
        if word in self._ordinary:
            return COMMON
        if name not in self._everyday or _FIRM.match(text.text, found.end()):
            return MODEL
        return COMMON if small else WORD

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
        return _begun(self._models | self._makers | self._own | self._parts | self._firms)

    @cached_property
    def _plainly(self) -> frozenset[str]:
        """Beginnings of names that are no beginnings of a word, so that small letters may be cut off there too."""
        words = {words for words in self._known if "".join(words) not in self._everyday | self._ordinary}
        return _begun(words) - self._begun

    def plainly(self, text: Plain, start: int) -> bool:
        """Whether what begins at `start` and the text's end cuts off is a name even in small letters."""
        return _SEPARATOR.sub("", text.text[start:]) in self._plainly

    @cached_property
    def _size_begins(self) -> re.Pattern[str]:
        units = "|".join(_so_far(unit) for unit in ("million", "billion", "trillion", "k"))
        return re.compile(rf"{_NUMBER}[.,]?(?: ?(?:{units})[ -]?{_so_far('parameters')}| ?[亿万]\+?个?参?)\Z")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = {
            "model": self._models,
            "maker": self._makers,
            "own": self._own,
            "part": self._parts,
            "firm": self._firms,
        }
        kinds = "|".join(f"(?P<{kind}>{_alternatives(found)})" for kind, found in names.items() if found)
        return re.compile(f"{kinds}|(?P<size>{_SIZE})")


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


def _begun(names: Iterable[tuple[str, ...]]) -> frozenset[str]:
    squeezed = ("".join(words) for words in names)
    return frozenset(name[:length] for name in squeezed for length in range(1, len(name) + 1))


def _so_far(word: str) -> str:
    """A pattern of every beginning of a word, the empty one too."""
    return "".join(f"(?:{re.escape(char)}" for char in word) + ")?" * len(word)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _SEPARATOR.split(plain(name).text) if word)


def _family(name: str) -> list[str]:
    """The word that a contestant's name begins with, without its version, where that is more than a common word."""
    found = re.match(r"[^\W\d_]{4,}", name)
    return [found[0]] if found and not _COMMON.fullmatch(found[0].lower()) else []


def _is_a_word(name: str) -> bool:
    """Whether it is written as a word may be: one, and without digits or capitals within ("Zorblax", not "SmolLM")."""
    return name.isalpha() and (name[1:].islower() or name.isupper())
