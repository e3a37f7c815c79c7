"""Foreign words inside our Markdown and HTML: they stay words."""

from __future__ import annotations

import re
from urllib.parse import quote

# CommonMark lets every one of its signs be escaped so.
_SIGNS = re.compile(r"([!-/:-@\[-`{-~])")
# Those that begin emphasis, links, code and cells of tables.
_COSTLY = re.compile(r"[*_~`\[\]|]")
MOST_SIGNS = 3000
_OF_ADDRESSES = "%:/?#[]@!$&'*+,;=~"


def plain(text: str) -> str:
    """Markdown that shows `text` as it is, on one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def readable(text: str) -> str:
    """An answer as Markdown; one of so many signs that a browser would take long over it as it was written.

    Ten thousand stars and underscores that open what nothing closes keep Gradio's Markdown busy for five seconds, and
    each doubling takes four times as long; a block of code is shown at once.
    """
    if len(_COSTLY.findall(text)) <= MOST_SIGNS:
        return text
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def linked(name: str, url: str) -> str:
    """The name, a link where its address is one of the web's."""
    if not url.startswith(("https://", "http://")):
        return plain(name)
    return f"[{plain(name)}]({quote(url, safe=_OF_ADDRESSES)})"
