"""HTML read as a tree, as forgiving as browsers are where people and pages are careless, in linear time."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS = words(
    "address article aside blockquote body caption center dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 "
    "h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul"
)
INLINE = words(
    "a abbr b bdi bdo br cite code data del dfn em font i img input ins kbd mark q s samp small span strike strong sub "
    "sup time tt u var wbr"
)
_VOID = words("area base br col embed hr img input link meta source track wbr")
# What an opening tag closes that was left open, and up to where one looks for it.
_CLOSES = {
    "li": ({"li"}, {"ul", "ol"}),
    "dt": ({"dt", "dd"}, {"dl"}),
    "dd": ({"dt", "dd"}, {"dl"}),
    "td": ({"td", "th"}, {"tr", "table"}),
    "th": ({"td", "th"}, {"tr", "table"}),
    "tr": ({"tr"}, {"table"}),
    "tbody": ({"thead", "tbody"}, {"table"}),
    "tfoot": ({"thead", "tbody"}, {"table"}),
}
# Deeper than anybody writes, and than is wise to recur.
_MOST_DEPTH = 120

# No part of it goes past the next "<", and none gives back what it took: the time is linear whatever the text.
_TAG = re.compile(r"<!--(?:[^<>-]|-(?!->))*+-->|<(/?)([A-Za-z][\w:-]{0,40})((?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*+)>")
_ATTRIBUTE = re.compile(r"([\w:-]++)(?:\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]++)))?")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


@dataclass
class Element:
    """A tag with what is between it and its end. `block`: it is, or holds, more than a part of a line; `verbatim`: its
    white space is as it is to be read.
    """

    tag: str
    written: str = ""
    block: bool = False
    verbatim: bool = False
    children: list[Element | str] = field(default_factory=list)

    @cached_property
    def attributes(self) -> dict[str, str]:
        found = _ATTRIBUTE.findall(self.written)
        return {name.lower(): unescape(double or single or bare) for name, double, single, bare in found}

    @cached_property
    def classes(self) -> frozenset[str]:
        return frozenset(self.attributes.get("class", "").split())

    def below(self) -> Iterator[Element]:
        """Every element inside it, in the order of the text."""
        left = [child for child in reversed(self.children) if isinstance(child, Element)]
        while left:
            element = left.pop()
            yield element
            left += [child for child in reversed(element.children) if isinstance(child, Element)]


def unescape(text: str) -> str:
    """The text with the characters that its entities stand for; a no-break space becomes a space."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text).replace("\u00a0", " ")


def read(text: str) -> Element | None:
    """The root of what a text holds; None where elements are nested more than 120 deep."""
    reader = _Reader()
    place = 0
    for found in _TAG.finditer(text):
        reader.text(text[place : found.start()])
        place = found.end()
        if found[2]:
            reader.tag(found[2].lower(), found[3], ending=bool(found[1]))
        if len(reader.open) > _MOST_DEPTH:
            return None
    reader.text(text[place:])
    return reader.open[0]


class _Reader:
    def __init__(self) -> None:
        self.open = [Element("", block=True)]

    def text(self, text: str) -> None:
        if text:
            self.open[-1].children.append(unescape(text))

    def tag(self, tag: str, written: str, *, ending: bool) -> None:
        if ending:
            self._close({tag}, set())
            return
        self._close(*_CLOSES.get(tag, (set(), set())))
        if tag in BLOCKS and self.open[-1].tag == "p":
            self.open.pop()
        element = Element(tag, written, tag in BLOCKS)
        element.verbatim = self.open[-1].verbatim or tag == "pre" or "whitespace-pre-wrap" in written
        self.open[-1].children.append(element)
        if element.block:
            self._hold_block()
        if tag not in _VOID and not written.endswith("/"):
            self.open.append(element)

    def _close(self, tags: set[str], within: set[str]) -> None:
        """Ends the innermost open element of these, with all inside it, unless one of `within` is met before."""
        for depth in range(len(self.open) - 1, 0, -1):
            tag = self.open[depth].tag
            if tag in tags:
                del self.open[depth:]
            if tag in tags or tag in within:
                return

    def _hold_block(self) -> None:
        for element in reversed(self.open):
            if element.block:
                return
            element.block = True
