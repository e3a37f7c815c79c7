"""What a student may be used for: what the license of its data, and the terms of whoever taught it, forbid.

A mark is a warning to read those terms, no legal advice: it is set rather once too often. `TERMS` says where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, Literal, NamedTuple

from models.distill.conversation import Origin

Restriction = Literal["non-commercial", "no-competing", "share-alike", "unknown"]

# What people read; these words in a license are understood too, so that a student who teaches hands its marks on.
WORDS: Final[Mapping[Restriction, str]] = {
    "non-commercial": "non-commercial",
    "no-competing": "no competing models",
    "share-alike": "share-alike",
    "unknown": "unknown license",
}
_REASONS_SHOWN = 3
_LETTERS_SHOWN = 60
_DATA = "; data: "


class Terms(NamedTuple):
    """Terms that bind whoever trains on what they cover: `pattern` finds it by the name of a license or a teacher."""

    pattern: str
    restriction: Restriction
    title: str
    url: str


# The terms of services and models as they were read, in part through quotations, in November 2026: yours to check.
# "Use Output to develop models that compete" is forbidden by each service; Meta's license before Llama 3.1 forbade to
# improve any other model; Gemma's terms and Meta's later licenses go along with whatever was taught on the outputs.
TERMS: Final[tuple[Terms, ...]] = (
    Terms(
        r"gpt-?[345]|chatgpt|davinci-00\d|^(.*/)?o[1-9](-|$)|^openai$|openai('s)?-(api|terms|service|proprietary)",
        "no-competing", "OpenAI, Terms of Use", "https://openai.com/policies/terms-of-use/",
    ),
    Terms(
        r"claude|anthropic",
        "no-competing", "Anthropic, Commercial Terms", "https://www.anthropic.com/legal/commercial-terms",
    ),
    Terms(
        r"gemini|\bbard\b|\bpalm\b",
        "no-competing", "Google, Gemini API Additional Terms", "https://ai.google.dev/gemini-api/terms",
    ),
    Terms(
        r"\bbing\b|copilot",
        "no-competing", "Microsoft, Services Agreement", "https://www.microsoft.com/servicesagreement",
    ),
    Terms(r"\bgrok\b", "no-competing", "xAI, Terms of Service", "https://x.ai/legal/terms-of-service-enterprise"),
    Terms(
        r"(?<!open-)\bllama-?[23](?![.\db])|code-?llama",
        "no-competing", "Meta, Llama 2 and 3 Community License", "https://www.llama.com/llama3/license/",
    ),
    Terms(
        r"\bllama-?(3\.[1-9]|4)\b",
        "share-alike", "Meta, Llama 3.1 Community License", "https://www.llama.com/llama3_1/license/",
    ),
    Terms(r"\bgemma", "share-alike", "Google, Gemma Terms of Use", "https://ai.google.dev/gemma/terms"),
)  # fmt: skip

# Other licenses by their SPDX id or their usual name, in lower case with - for spaces.
_LICENSES: Final[tuple[tuple[str, Restriction], ...]] = (
    (r"\bcc-by-nc\b|non-?commercial|\bresearch\b", "non-commercial"),
    (r"\bcc-by(-nc)?-sa\b|share-?alike|\b[al]?gpl\b|\bodbl\b|\bcdla-sharing\b", "share-alike"),
    (r"no-competing-models", "no-competing"),
    (r"\bcc-by(-nc)?-nd\b|unknown-license", "unknown"),
)
_FREE = re.compile(
    r"apache(-license)?,?-?(2|2\.0)|mit(-0|-license)?|cc-by(-[\d.]+)?|public-domain"
    r"|(0?bsd|isc|zlib|unlicense|wtfpl|cc0|pddl|odc-by|cdla-permissive)"
    r"(-v?[\d.]+|-clause|-clear|-patent|-new|-simplified|-universal|-license)*"
)
_UP_TO_THE_TEACHER = "proprietary"


def restrictions(origin: Origin) -> frozenset[Restriction]:
    """What the license of a conversation and the terms of its teacher forbid; empty: nothing that we know of.

    "unknown": no license is stated, or none that we know. "proprietary" says no more than the teacher's terms do.
    """
    return frozenset(restriction for restriction, _ in _marks(origin))


def student_license(base: str, origins: Iterable[Origin]) -> str:
    """The license of a student in a line: that of its `base`, then what its data adds, and why.

    As in 'Apache-2.0; data: non-commercial (CC-BY-NC-4.0), no competing models (taught by gpt-3.5-turbo)'; the base's
    alone where nothing restricts.
    """
    why: dict[Restriction, set[str]] = {}
    for origin in frozenset(origins):
        for restriction, reason in _marks(origin):
            why.setdefault(restriction, set()).add(reason)
    said = [f"{words} ({_listed(why[restriction])})" for restriction, words in WORDS.items() if restriction in why]
    new = [one for one in said if one not in base]
    return f"{base}{_DATA}{', '.join(new)}" if new else base


def notes(origins: Iterable[Origin]) -> tuple[str, ...]:
    """The terms that bind a student, one "title: what they restrict (address)" each, sorted; for its model card."""
    found = chain.from_iterable((*_terms(one.teacher), *_terms(one.license)) for one in frozenset(origins))
    return tuple(sorted({f"{one.title}: {WORDS[one.restriction]} ({one.url})" for one in found}))


def _marks(origin: Origin) -> Iterator[tuple[Restriction, str]]:
    """Each restriction with what brings it along."""
    taught = _terms(origin.teacher)
    for terms in taught:
        yield terms.restriction, f"taught by {origin.teacher}"
    stated, _, handed_on = origin.license.partition(_DATA)
    if taught and _plain(stated) == _UP_TO_THE_TEACHER:
        return
    for restriction in _of_license(origin.license):
        # A teacher who was a student brings a whole line of marks: its name says enough.
        by_name = handed_on and origin.teacher
        yield restriction, f"taught by {origin.teacher}" if by_name else stated or f"of {origin.source or 'the data'}"


def _of_license(name: str) -> frozenset[Restriction]:
    plain = _plain(name)
    found = {terms.restriction for terms in _terms(name)}
    found |= {restriction for pattern, restriction in _LICENSES if re.search(pattern, plain)}
    if not found and not _FREE.fullmatch(plain):
        found = {"unknown"}
    return frozenset(found)


def _terms(name: str) -> tuple[Terms, ...]:
    return tuple(terms for terms in TERMS if re.search(terms.pattern, _plain(name)))


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.strip().lower())


def _listed(reasons: set[str]) -> str:
    ordered = sorted({" ".join(reason.split())[:_LETTERS_SHOWN] for reason in reasons})
    left = len(ordered) - _REASONS_SHOWN
    return ", ".join(ordered[:_REASONS_SHOWN]) + (f" and {left} more" if left > 0 else "")
