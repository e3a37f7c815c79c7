"""Telephone numbers, known by how people write them: countries' own ways differ, a bare row of digits is none."""

from __future__ import annotations

import re

# Digits that go on, or belong to an address, a version, a formula or a name, are no telephone number's.
# A comma is none of these signs: numbers stand between commas wherever a table was pasted.
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_/=#&.+-])", r"(?![A-Za-z0-9_]|[-.:/]\d| \d)"
# Where a space parts groups, another number before it makes it a row of numbers; a mask was one ("]").
_NO_ROW = r"(?<![\d\]] )"
_GAP = r"[ .\-\u2011\u00a0/]?"
_FORMS = re.compile(
    rf"(?=[+(\d]){_BEFORE}(?:"
    # With the country: +49 30 1234567, +1 (555) 123-4567, +86 138 0013 8000, 0049 30 1234567.
    rf"\+[1-9](?:{_GAP}\(?\d\)?){{7,14}}"
    rf"|{_NO_ROW}(?:00[1-9]\d{{0,2}}[ -](?:\d{{1,8}}[ /-]){{0,4}}\d{{3,8}}"
    # China: mobiles 138 0013 8000, landlines 010-12345678.
    rf"|1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}"
    rf"|0\d{{2,3}}-\d{{7,8}}"
    # North America: (555) 123-4567, 555-123-4567, 555.123.4567, 1-800-555-0199.
    rf"|(?:1[-. ])?(?:\([2-9]\d{{2}}\) ?|[2-9]\d{{2}}[-.])[2-9]\d{{2}}[-.]\d{{4}}"
    # Europe, with the area's zero: 030 1234567, 0171/1234567, 020 7946 0958, 01 23 45 67 89.
    rf"|0[1-9]\d{{0,4}}[ /-]\d{{3,8}}(?:[ -]\d{{2,5}}){{0,3}}"
    rf"|0[1-9](?:[ .]\d{{2}}){{4}}"
    rf")){_AFTER}",
    re.ASCII,
)
# A bare row of digits that says of itself what it is.
_NAMED = re.compile(
    r"(?:(?<![a-z])(?:phone|telephone|mobile|fax|whatsapp|tel)(?: number| no\.?)?|电话|電話|手机|手機|联系方式)"
    r"(?:号码|号|號碼)?\s{0,2}(?:is|是|为|[:：.#=])?\s{0,2}(?P<number>\+?\(?\d(?:[ ./()-]{0,2}\d){6,14})(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_LEAST_DIGITS, _MOST_DIGITS = 9, 15  # at most: ITU-T E.164
_OTHER_NUMBER = re.compile(r"(?:isbn(?:-1[03])?|issn|doi|version|arxiv|rfc)\W{0,3}\Z", re.IGNORECASE)
_DECIMAL = re.compile(r"\A\+\d+\.\d+\Z")
_DATE = re.compile(r"\A\d{1,4}([./-])\d{1,2}\1\d{2,4}\b")


def masked(text: str, mark: str, code: bool = False) -> str:
    """The text with `mark` in the place of each number; in code only where a number is the whole of a quoted string,
    since code is full of other numbers.
    """

    def put(found: re.Match[str]) -> str:
        return mark if _is_number(found) and (not code or _is_quoted(found)) else found[0]

    text = _FORMS.sub(put, text)
    return text if code else _NAMED.sub(lambda found: _named(found, mark), text)


def _is_number(found: re.Match[str]) -> bool:
    digits = sum(map(str.isdigit, found[0]))
    before = found.string[max(0, found.start() - 12) : found.start()]
    plausible = _LEAST_DIGITS <= digits <= _MOST_DIGITS and not _DATE.match(found[0]) and not _DECIMAL.match(found[0])
    return plausible and not _OTHER_NUMBER.search(before)


def _is_quoted(found: re.Match[str]) -> bool:
    text, start, end = found.string, found.start(), found.end()
    return start > 0 and end < len(text) and text[start - 1] == text[end] and text[end] in "\"'`"


def _named(found: re.Match[str], mark: str) -> str:
    return found[0][: found.start("number") - found.start()] + mark
