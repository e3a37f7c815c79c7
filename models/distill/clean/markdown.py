"""Elements of HTML as markdown (CommonMark, and GitHub's tables and strikethrough): what a reader of the page saw.

Text is not escaped beyond what a table needs: models are taught what people read, and `*` or `<` is that character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from models.distill.clean.elements import Element, words

Node = Element | str

# What a page shows around an answer, and never as a part of it.
_SKIPPED = words("audio button canvas form head iframe link meta noscript script select style svg template")
_FORMULAS = words("katex katex-display math math-inline math-display MathJax")
_SPACE = re.compile(r"[ \t\n\r\f]+")
_LANGUAGE = re.compile(r"(?:language|lang)-([\w+#.-]{1,30})")
_MOST_SPAN = 20


def markdown(element: Element) -> str:
    """Its blocks with an empty line between them."""
    return "\n\n".join(_blocks(element))


def _blocks(element: Element) -> list[str]:
    found: list[str] = []
    run: list[Node] = []
    for child in [*element.children, None]:
        if child is not None and (isinstance(child, str) or not child.block):
            run.append(child)
            continue
        if paragraph := _paragraph(_inline(run, element.verbatim), element.verbatim):
            found.append(paragraph)
        run = []
        if child is not None and child.tag not in _SKIPPED:
            found += _BLOCKS.get(child.tag, _blocks)(child)
    return found


def _paragraph(text: str, verbatim: bool) -> str:
    if verbatim:
        return text.strip()
    return "\n".join(line for said in text.split("\n") if (line := re.sub(" {2,}", " ", said).strip()))


def _line(element: Element) -> str:
    return " ".join(_inline(element.children, verbatim=False).split())


def _heading(element: Element) -> list[str]:
    line = _line(element)
    return [f"{'#' * int(element.tag[1])} {line}"] if line else []


def _quote(element: Element) -> list[str]:
    text = markdown(element)
    return ["\n".join(f"> {line}".rstrip() for line in text.split("\n"))] if text else []


def _code_block(element: Element) -> list[str]:
    codes = list(_codes(element))
    head = _text(element, without="code").strip().removesuffix("Copy code").strip()
    # ChatGPT's page had one word over its code, beside the button; other text is a part of what is shown.
    is_word = re.fullmatch(r"[A-Za-z0-9+#.-]{0,20}", head) is not None
    code = "\n".join(map(_text, codes)) if is_word and codes else _text(element)
    code = code.replace("\r\n", "\n").removeprefix("\n").rstrip()
    named = (_LANGUAGE.search(told.attributes.get("class", "")) for told in (*codes[:1], element))
    language = next((found[1] for found in named if found), head.lower() if is_word and codes else "")
    fence = "`" * max(3, _longest_ticks(code) + 1)
    return [f"{fence}{language}\n{code}\n{fence}"] if code else []


def _codes(element: Element) -> Iterable[Element]:
    for child in element.children:
        if isinstance(child, Element):
            yield from [child] if child.tag == "code" else _codes(child)


def _list(element: Element) -> list[str]:
    items: list[list[str]] = []
    for child in element.children:
        if isinstance(child, Element) and child.tag in ("ul", "ol") and items:
            items[-1] += _list(child)  # a list that was put beside the item it belongs to
        elif isinstance(child, Element) and child.tag not in _SKIPPED:
            items.append(_blocks(child) if child.tag == "li" else _blocks(Element("li", block=True, children=[child])))
        elif isinstance(child, str) and child.strip():
            items.append([_paragraph(_inline([child], verbatim=False), verbatim=False)])
    first = element.attributes.get("start", "1")
    number = int(first) if first.isdecimal() and len(first) < 10 else 1
    marks = [f"{number + place}. " if element.tag == "ol" else "- " for place in range(len(items))]
    texts = [_item(mark, blocks) for mark, blocks in zip(marks, items, strict=True)]
    loose = any("\n\n" in text for text in texts)
    return [("\n\n" if loose else "\n").join(texts)] if texts else []


def _item(mark: str, blocks: Sequence[str]) -> str:
    """Its blocks behind the mark; only a list in it follows without an empty line."""
    text = ""
    for block in blocks:
        is_list = re.match(r"- |\d{1,9}\. ", block) is not None
        text += ("\n" if is_list else "\n\n") * bool(text) + block
    indent = " " * len(mark)
    return (mark + "\n".join(indent + line if line else "" for line in text.split("\n")).removeprefix(indent)).rstrip()


def _table(element: Element) -> list[str]:
    rows = [row for row in map(_cells, _rows(element)) if any(row)]
    if not rows:
        return []
    width = max(map(len, rows))
    head = rows[0] + [""] * (width - len(rows[0]))
    # Rows may be shorter than the head; GitHub's markdown fills them up.
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * width, *rows[1:])]
    titles = [_line(child) for child in element.children if isinstance(child, Element) and child.tag == "caption"]
    return [*filter(None, titles), "\n".join(lines)]


def _rows(element: Element) -> Iterable[Element]:
    """A table's rows; what somebody put between them is a row too, so that it isn't lost."""
    for child in element.children:
        if isinstance(child, Element) and child.tag in ("thead", "tbody", "tfoot"):
            yield from _rows(child)
        elif isinstance(child, Element) and child.tag == "tr":
            yield child
        elif not (isinstance(child, Element) and child.tag == "caption"):
            yield Element("tr", children=[child])


def _cells(row: Element) -> list[str]:
    """A row's cells as lines; what stands between cells is one too."""
    found: list[str] = []
    for child in row.children:
        is_cell = isinstance(child, Element) and child.tag in ("td", "th")
        line = _line(Element("td", children=[child])).replace("|", "\\|")
        if is_cell or line:
            found.append(line)
        if isinstance(child, Element) and is_cell:
            span = child.attributes.get("colspan", "1")
            found += [""] * (min(int(span), _MOST_SPAN) - 1 if span.isdecimal() and len(span) < 4 else 0)
    return found


def _inline(nodes: Iterable[Node], verbatim: bool) -> str:
    return "".join(_span(node, verbatim) for node in nodes)


def _span(node: Node, verbatim: bool) -> str:
    if isinstance(node, str):
        return node if verbatim else _SPACE.sub(" ", node)
    if node.tag in _SKIPPED:
        return ""
    if node.tag == "math" or node.classes & _FORMULAS:
        formula = _formula(node)
        if formula:
            return formula
    if node.tag in _SPANS:
        return _SPANS[node.tag](node)
    inner = _inline(node.children, verbatim or node.verbatim)
    return f" {inner} " if node.block else inner


def _formula(element: Element) -> str:
    """The TeX that pages keep beside a formula's picture (KaTeX's and MathJax's annotation)."""
    for below in element.below():
        if below.tag == "annotation" and "tex" in below.attributes.get("encoding", ""):
            display = any("display" in name for name in element.classes)
            return f"$${_text(below).strip()}$$" if display else f"${_text(below).strip()}$"
    return ""


def _marked(mark: str) -> Callable[[Element], str]:
    def around(element: Element) -> str:
        inner = _inline(element.children, element.verbatim)
        text = inner.strip()
        if not text or (text.startswith(mark) and text.endswith(mark)):
            return inner
        before, after = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
        return f"{before}{mark}{text}{mark}{after}"

    return around


def _code(element: Element) -> str:
    code = _SPACE.sub(" ", _text(element))
    if not code.strip():
        return code
    ticks = "`" * (_longest_ticks(code) + 1)
    pad = " " * (code.startswith("`") or code.endswith("`"))
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _link(element: Element) -> str:
    text, target = _inline(element.children, element.verbatim), element.attributes.get("href", "").strip()
    shown = text.strip()
    if not shown or shown == target.removeprefix("mailto:") or not target or target.startswith(("#", "javascript:")):
        return text
    return f"[{shown}]({f'<{target}>' if re.search(r'[ ()]', target) else target})"


def _image(element: Element) -> str:
    said, source = element.attributes.get("alt", ""), element.attributes.get("src", "")
    return said if not source or source.startswith("data:") else f"![{said}]({source})"


def _checkbox(element: Element) -> str:
    if element.attributes.get("type") != "checkbox":
        return ""
    return "[x] " if "checked" in element.attributes else "[ ] "


def _kept(element: Element) -> str:
    """Tags that markdown has no mark for and whose meaning would be lost (x² is not x2)."""
    inner = _inline(element.children, element.verbatim)
    return f"<{element.tag}>{inner}</{element.tag}>" if inner.strip() else inner


def _text(element: Element, without: str = "") -> str:
    """Everything said inside it, as written."""
    return "".join(
        child if isinstance(child, str) else "\n" if child.tag == "br" else _text(child, without)
        for child in element.children
        if isinstance(child, str) or (child.tag not in _SKIPPED and child.tag != without)
    )


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


_BLOCKS: dict[str, Callable[[Element], list[str]]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    **dict.fromkeys(("ul", "ol"), _list),
    "blockquote": _quote,
    "hr": lambda _: ["---"],
    "pre": _code_block,
    "table": _table,
}
_SPANS: dict[str, Callable[[Element], str]] = {
    **dict.fromkeys(("b", "strong"), _marked("**")),
    **dict.fromkeys(("i", "em"), _marked("*")),
    **dict.fromkeys(("del", "s", "strike"), _marked("~~")),
    **dict.fromkeys(("code", "samp", "tt"), _code),
    **dict.fromkeys(("sub", "sup"), _kept),
    "a": _link,
    "br": lambda _: "\n",
    "img": _image,
    "input": _checkbox,
}
