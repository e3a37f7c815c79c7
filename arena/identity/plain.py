"""A text as a reader takes it in: disguises undone, every character knowing where in the text it stands."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# What a page shows nothing of, or as the character that it stands for.
_TAG = (
    r"</?(?:a|b|big|br|code|del|div|em|font|h[1-6]|i|ins|kbd|li|mark|p|q|s|small|span|strong|sub|sup|tt|u|wbr)"
    r"(?:\s[^<>]{0,40})?/?>"
)
_LINK = r"\]\([^()\s]{0,100}\)"
_LATEX = r"\\(?:text|math|mbox|boxed|operatorname|boldsymbol|emph|underline)[a-z]{0,6}\*?\{"
# Braces that nobody misses; between two words the others keep these apart ("{Hi}I am").
_BRACE = r"(?<![^\s({])\{|\}(?![^\s.,;:!?)}$])"
_UNIT = re.compile(
    rf"(?ai:{_TAG})|{_LINK}|{_LATEX}|(?P<brace>{_BRACE})"
    r"|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});|(?s:.)"
)
_UNFINISHED = re.compile(r"(?:<(?:/|/?[A-Za-z][^<>]{0,48})?|&#?\w{0,8}|\\[a-z]{0,18}\*?|\}|\](?:\([^()\s]{0,100})?)\Z")
# Where a link leads, which no reader sees but the page's source has.
TARGET = re.compile(r"(?<=\]\()[^()\s]{1,100}(?=\))")
_UNUSUAL = re.compile(r"[^ !\"#$%'()+,\-./0-9:;=?@A-Z_a-z^|\n\t]")  # whatever is read as something else
_MARKDOWN = "*`~\\["
_TRADE = "\u2122\u2120\xae\xa9"
_NOT_SEEN = ("Mn", "Me", "Cf", "Cc", "Cs", "Co")
_SPELLED = re.compile(r"(?<![a-z0-9'])[a-z](?:([ .|/·-]{1,2})[a-z](?![a-z0-9]))(?:\1[a-z](?![a-z0-9])){1,60}")
_SPELLED_SO_FAR = re.compile(r"(?<![a-z0-9'])[a-z](?:([ .|/·-]{1,2})[a-z](?![a-z0-9]))(?:\1[a-z](?![a-z0-9])){0,60}\Z")
_CJK = "\u3400-\u9fff"
_CJK_GAP = re.compile(rf"(?<=[{_CJK}])[ -]+(?=[{_CJK}])")

# Letters of other alphabets that look like Latin ones (Unicode TR 39 has thousands; these are on keyboards).
_LOOKS = dict(
    zip("аеорсухіјѕԁԛԝһкмтнвгӏпսօոαορεικνυτχγωβημζℓıɡɑ", "aeopcyxijsdqwhkmthbrlnuonaopeiknutxywbhmzliga", strict=True)
)
_SAME = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u3002": ".", "\uff0e": ".", "\u3001": ",",
         "\u201e": '"', "\xab": '"', "\xbb": '"', "_": " ", "\n": " ", "\t": " ", "\u3000": " "}  # fmt: skip
_SPACES = str.maketrans("_\n\t", "   ")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"


@dataclass(frozen=True)
class Plain:
    """`text`, of which character i stands for the raw text from `starts[i]` to `ends[i]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    raw: str

    def small(self, i: int) -> bool:
        """Whether character i is a small letter of the raw text."""
        return self.raw[self.starts[i] : self.ends[i]].islower()


def plain(raw: str) -> Plain:
    """Small letters, no marks, markdown or tags, look-alikes as what they look like, spelled-out words as words."""
    return joined(read(raw))


def read(raw: str) -> Plain:
    """The same with spelled-out words as they stand."""
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    if raw.isascii() and not _UNUSUAL.search(raw):
        return Plain(raw.lower().translate(_SPACES), tuple(range(len(raw))), tuple(range(1, len(raw) + 1)), raw)
    for unit in _UNIT.finditer(raw):
        for char in "" if unit.lastgroup else _read(unit[0]):
            chars.append(char)
            starts.append(unit.start())
            ends.append(unit.end())
    return Plain("".join(chars), tuple(starts), tuple(ends), raw)


def unfinished(raw: str) -> int:
    """Where a tag, an entity or a brace begins that may go on beyond the text's end; its length where none does."""
    found = _UNFINISHED.search(raw, max(0, len(raw) - 120))
    return found.start() if found else len(raw)


@lru_cache(4096)
def _read(unit: str) -> str:
    if len(unit) > 1:
        if unit[0] == "<":
            return " " if re.match(r"(?ai)</?(?:br|div|h[1-6]|li|p)\b", unit) else ""
        if unit[0] in "]\\":
            return ""
        unit = html.unescape(unit)
    if len(unit) == 1 and unit.isascii():
        return "" if unit in _MARKDOWN or (unit < " " and unit not in "\n\t") else _SAME.get(unit, unit.lower())
    if unit in _TRADE or "\uac00" <= unit <= "\ud7a3":  # Korean syllables would fall apart
        return "" if unit in _TRADE else unit
    # Full-width and mathematical letters first, then marks off, then look-alikes.
    seen = (char for char in unicodedata.normalize("NFKD", unit) if unicodedata.category(char) not in _NOT_SEEN)
    return "".join(_like(char) for char in "".join(seen).casefold())


def _like(char: str) -> str:
    if char in _DASHES:
        return "-"
    return _LOOKS.get(char) or _SAME.get(char, char)


def joined(text: Plain, *, so_far: bool = False) -> Plain:
    """Without what stands between letters that are spelled out ("Q w e n"), and between Chinese characters.

    `so_far`: two letters at the end are enough, of which more may follow.
    """
    drop: set[int] = set()
    for run in (*_SPELLED.finditer(text.text), *(_SPELLED_SO_FAR.finditer(text.text) if so_far else ())):
        drop.update(i for i in range(*run.span()) if not text.text[i].isalnum())
    for gap in _CJK_GAP.finditer(text.text):
        drop.update(range(*gap.span()))
    if not drop:
        return text
    kept = [i for i in range(len(text.text)) if i not in drop]
    return Plain(
        "".join(text.text[i] for i in kept),
        tuple(text.starts[i] for i in kept),
        tuple(text.ends[i] for i in kept),
        text.raw,
    )
