"""Personal data and secrets in texts: found by their form, then masked, or the conversation dropped.

What a form can tell is told (a card's check digit, an IBAN's, a country's length); a name or an address has no form
and is not found. Documentation's own examples (user@example.com, AKIAIOSFODNN7EXAMPLE) are nobody's and stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from models.distill.clean import telephone
from models.distill.clean.fences import pieces
from models.distill.clean.rule import Dropped, Rule, Verdict, with_texts
from models.distill.conversation import Conversation

Kind: TypeAlias = Literal["key", "email", "iban", "card", "ip", "telephone"]
# In the order in which they are sought: what one has masked, none after it sees. Telephone numbers come last: other
# numbers beside them hide that they are some.
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# An IP address looks like a version of four numbers and is mostly a server's, so that it is sought only when asked for.
USUAL: Final[frozenset[Kind]] = frozenset(KINDS) - {"ip"}


def mask(kinds: Collection[Kind] = USUAL) -> Callable[[Conversation], Conversation]:
    """Puts [email], [telephone], [key], [card], [iban] or [ip] in the place of each; drops nothing."""
    return lambda conversation: with_texts(conversation, lambda text: masked(text, kinds)[0])


def drop(kinds: Collection[Kind] = USUAL) -> Rule:
    """Drops a conversation with any of them; the detail says which and where, and does not repeat it."""

    def rule(conversation: Conversation) -> Verdict:
        for number, message in enumerate(conversation.messages, start=1):
            if found := masked(message.text, kinds)[1]:
                return Dropped("personal data", f"message {number}: {', '.join(found)}")
        return conversation

    return rule


def masked(text: str, kinds: Collection[Kind]) -> tuple[str, list[Kind]]:
    """The text with every find of `kinds` masked, and the kinds that were found."""
    found = []
    for kind in KINDS:
        hidden = _FINDERS[kind](text, f"[{kind}]") if kind in kinds else text
        if hidden != text:
            found.append(kind)
            text = hidden
    return text, found


class _Form(NamedTuple):
    """What to look for, and what else must hold of a find. A group named "secret" is all that is masked of it."""

    pattern: re.Pattern[str]
    holds: Callable[[str], bool]
    hints: tuple[str, ...]  # one of them is in every text that has a find, so that others need no search

    def masked(self, text: str, mark: str) -> str:
        if not any(hint in text for hint in self.hints):
            return text
        secret = "secret" if "secret" in self.pattern.groupindex else 0

        def put(found: re.Match[str]) -> str:
            if not self.holds(found[secret]):
                return found[0]
            start, end = (place - found.start() for place in found.span(secret))
            return found[0][:start] + mark + found[0][end:]

        return self.pattern.sub(put, text)


def _finder(*forms: _Form) -> Callable[[str, str], str]:
    def masked(text: str, mark: str) -> str:
        for form in forms:
            text = form.masked(text, mark)
        return text

    return masked


def _form(hints: str, pattern: str, holds: Callable[[str], bool] = bool, flags: int = 0) -> _Form:
    return _Form(re.compile(pattern, re.ASCII | flags), holds, tuple(hints.split()) or ("",))


# Last parts of a name that make it a file's (icon@2x.png) and no host's.
_FILE = re.compile(r"\.(?:bmp|cpp|css|csv|exe|gif|gz|html|ico|jpe?g|jsx?|json|md|mp4|pdf|png|py|svg|tsx?|txt|webp)\Z")
# Set aside for examples by RFC 2606.
_EXAMPLES = re.compile(r"(?:\A|\.)(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|local)\Z", re.IGNORECASE)


def _is_somebodys(address: str) -> bool:
    user, _, host = address.lower().rpartition("@")
    return user != "git" and not _FILE.search(host) and not _EXAMPLES.search(host)


def _is_mixed(key: str) -> bool:
    """Drawn at random, so that letters of both cases and digits are in it; a name in code has none of that."""
    return any(map(str.isdigit, key)) and any(map(str.isupper, key)) and any(map(str.islower, key))


def _is_password(text: str) -> bool:
    return not re.search(r"[${}<>*\[\]]", text) and text.lower() not in ("pass", "password", "passwd", "pwd", "secret")


def _is_iban(text: str) -> bool:
    """ISO 13616: its first four characters put last and letters read as 10 to 35, it is 1 modulo 97."""
    text = text.replace(" ", "")
    digits = "".join(str(int(letter, 36)) for letter in text[4:] + text[:4])
    return 15 <= len(text) <= 34 and int(digits) % 97 == 1


def _is_card(text: str) -> bool:
    """The length and first digits of a network (Visa, Mastercard, American Express, Discover, JCB, UnionPay), and the
    check digit by Luhn (ISO/IEC 7812-1).
    """
    digits = [int(digit) for digit in text if digit.isdigit()]
    known = {13: "4", 15: "34|37", 16: r"4|5[1-5]|2[2-7]|6011|64[4-9]|65|35|62", 17: "62", 18: "62", 19: "4|62"}
    if not re.match(known.get(len(digits), r"\Z"), "".join(map(str, digits))):
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_public(text: str) -> bool:
    if ":" in text and text.count(":") < 3:  # a::b is more likely a name in C++
        return False
    try:
        return ip_address(text).is_global
    except ValueError:
        return False


def _find_telephones(text: str, mark: str) -> str:
    return "".join(telephone.masked(piece.text, mark, piece.code) for piece in pieces(text))


_PEM = r"PRIVATE KEY(?: BLOCK)?-----"
_SPACE = r"(?:\\[rn]|\s)*+"
_KEYS = _finder(
    _form(
        "-----BEGIN",
        rf"-----BEGIN [A-Z ]{{0,20}}{_PEM}(?:{_SPACE}[A-Za-z-]{{1,30}}: [^\n\\]{{0,200}}){{0,5}}"
        rf"(?:{_SPACE}[A-Za-z0-9+/=]{{24,}}+)++"
        rf"(?:{_SPACE}[A-Za-z0-9+/]{{0,22}}={{0,2}}{_SPACE}-----END [A-Z ]{{0,20}}{_PEM}"
        rf"|{_SPACE}[A-Za-z0-9+/]{{1,22}}={{1,2}})?",
    ),
    # OpenAI, Anthropic and whoever else begins its keys so.
    _form("sk-", r"(?<![\w-])sk-[A-Za-z0-9_-]{20,250}(?![\w-])", _is_mixed),
    _form(
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat-",
        r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64})(?!\w)",
    ),
    _form("hf_", r"(?<!\w)hf_[A-Za-z0-9]{30,64}(?!\w)", lambda key: key[3:] != key[3:].lower()),
    _form("AKIA ASIA", r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)", lambda key: not key.endswith("EXAMPLE")),
    _form(
        "aws AWS",
        r"aws_?secret_?(?:access_?)?key[\"']?\s{0,3}[=:]\s{0,3}[\"']?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        lambda key: not key.endswith("EXAMPLEKEY"),
        re.IGNORECASE,
    ),
    # Google, Slack, Stripe, SendGrid, npm, PyPI, Telegram, and JSON Web Tokens.
    _form("AIza", r"(?<!\w)AIza[A-Za-z0-9_-]{35}(?![\w-])"),
    _form("xox", r"(?<!\w)xox[abeprs]-[A-Za-z0-9-]{10,250}(?!\w)", lambda key: any(map(str.isdigit, key))),
    _form("_live_", r"(?<!\w)(?:sk|rk)_live_[A-Za-z0-9]{16,250}(?!\w)"),
    _form("SG.", r"(?<!\w)SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?!\w)"),
    _form("npm_", r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)", _is_mixed),
    _form("pypi-", r"(?<!\w)pypi-[A-Za-z0-9_-]{60,250}(?!\w)"),
    _form(":AA", r"(?<!\w)\d{8,10}:AA[A-Za-z0-9_-]{33}(?![\w-])"),
    _form("eyJ", r"(?<!\w)eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}(?![\w-])"),
    _form("://", r"(?<=://)[^\s:/@]{1,64}:(?P<secret>[^\s:/@]{1,128})@", _is_password),
)
_FINDERS: Final[dict[Kind, Callable[[str, str], str]]] = {
    "key": _KEYS,
    "email": _finder(
        _form(
            "@",
            r"(?<![A-Za-z0-9._%+\]-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,8}"
            r"[A-Za-z]{2,24}(?![A-Za-z0-9@-])",
            _is_somebodys,
        )
    ),
    "iban": _finder(_form("", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", _is_iban)),
    "card": _finder(
        _form(
            "",
            r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)",
            _is_card,
        )
    ),
    "telephone": _find_telephones,
    "ip": _finder(
        _form(".", r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", _is_public),
        _form(":", r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])", _is_public),
    ),
}
