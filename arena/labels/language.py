"""What language a prompt is in: by its script, and among Latin alphabets by frequent words (languages.toml)."""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

_MOST_CHARS = 4000
_CODE = re.compile(r"(```|~~~).*?(?:\1|\Z)|`[^`\n]{1,200}`|https?://\S{1,300}|\$[^$\n]{1,300}\$|\\[a-z]+", re.DOTALL)
_WORD = re.compile(r"(?<!\w)(?:[cdjlmnst]|qu)'(?=\w)|[^\W\d_]+(?:'[^\W\d_]+)?|[¿¡]")

# A Chinese, Japanese or Korean letter says about as much as three Latin ones.
_DENSE = 3
# The share of kana from which a text with Chinese letters is Japanese; Chinese quotes a の now and then.
_JAPANESE = 0.1
# What a word of one letter weighs, which may be a variable or an item of a list as well.
_LONE = 0.25

# First and last code point of each script, from the Unicode blocks.
_SCRIPTS = (
    ("latin", 0x0041, 0x024F),
    ("el", 0x0370, 0x03FF),
    ("cyrillic", 0x0400, 0x052F),
    ("hy", 0x0530, 0x058F),
    ("he", 0x0590, 0x05FF),
    ("arabic", 0x0600, 0x077F),
    ("hi", 0x0900, 0x097F),
    ("bn", 0x0980, 0x09FF),
    ("pa", 0x0A00, 0x0A7F),
    ("gu", 0x0A80, 0x0AFF),
    ("ta", 0x0B80, 0x0BFF),
    ("te", 0x0C00, 0x0C7F),
    ("kn", 0x0C80, 0x0CFF),
    ("ml", 0x0D00, 0x0D7F),
    ("si", 0x0D80, 0x0DFF),
    ("th", 0x0E00, 0x0E7F),
    ("lo", 0x0E80, 0x0EFF),
    ("my", 0x1000, 0x109F),
    ("ka", 0x10A0, 0x10FF),
    ("ko", 0x1100, 0x11FF),
    ("am", 0x1200, 0x137F),
    ("km", 0x1780, 0x17FF),
    ("latin", 0x1E00, 0x1EFF),
    ("kana", 0x3040, 0x30FF),
    ("han", 0x3400, 0x9FFF),
    ("ko", 0xAC00, 0xD7AF),
    ("arabic", 0xFB50, 0xFDFF),
    ("han", 0x20000, 0x323AF),
)
# Letters that one language of a script has and the others don't; the first that is found decides.
_MARKS = {
    "cyrillic": (("uk", "іїєґ"), ("be", "ў"), ("sr", "ђјљњћџ"), ("mk", "ѓќѕ"), ("ru", "ыэё")),
    "arabic": (("ur", "ٹڈڑںے"), ("fa", "پچژگکی")),
}
_WITHOUT_MARKS = {"cyrillic": "ru", "arabic": "ar"}


def language_of(prompt: str) -> str:
    """The ISO 639-1 code of the language most of a prompt is in; "other" where nothing tells it.

    Code, formulas and addresses don't count. The text decides, not the instruction: a request in English to translate
    a long German letter is German. Reads the first 4,000 characters.
    """
    text = _CODE.sub(" ", prompt[:_MOST_CHARS]).lower()
    scripts = _scripts(text)
    kana, han = scripts.pop("kana", 0), scripts.pop("han", 0)
    scripts["ja" if kana > _JAPANESE * han else "zh"] = kana + han
    script = max(scripts, key=scripts.__getitem__)
    if not scripts[script]:
        return "other"
    return _by_words(text) if script == "latin" else _by_marks(script, text)


def _scripts(text: str) -> dict[str, int]:
    """How much of a text is of each script, in letters of an alphabet."""
    found: dict[str, int] = {}
    for letter, times in Counter(text).items():
        if letter.isalpha() and (script := _script(ord(letter))):
            found[script] = found.get(script, 0) + times * (_DENSE if script in ("han", "kana", "ko") else 1)
    return found


def _script(point: int) -> str | None:
    return next((script for script, first, last in _SCRIPTS if first <= point <= last), None)


def _by_marks(script: str, text: str) -> str:
    letters = set(text)
    for language, marks in _MARKS.get(script, ()):
        if letters & set(marks):
            return language
    return _WITHOUT_MARKS.get(script, script)


def _by_words(text: str) -> str:
    scores = dict.fromkeys(_LANGUAGES, 0.0)
    for word in _WORD.findall(text.replace("’", "'")):
        weight = 1 if len(word) > 1 else _LONE
        for told in (_WORDS.get(word, ()), *(_LETTERS.get(letter, ()) for letter in set(word))):
            for language in told:
                scores[language] += weight / len(told)
    best = max(_LANGUAGES, key=scores.__getitem__)
    return best if scores[best] else "other"


def _languages_by(told: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Which languages have a word, or a letter."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for language, entries in told.items():
        for entry in dict.fromkeys(entries):
            found[entry].append(language)
    return {entry: tuple(languages) for entry, languages in found.items()}


_TOLD = tomllib.loads(Path(__file__).with_name("languages.toml").read_text(encoding="utf-8"))
_LANGUAGES = tuple(_TOLD["words"])
_WORDS = _languages_by({language: words.split() for language, words in _TOLD["words"].items()})
_LETTERS = _languages_by(_TOLD["letters"])
# Every code that `language_of` may give; a script with a code of its own is a language.
KNOWN_LANGUAGES = frozenset(
    {"ja", "zh"}
    | {code for code, _, _ in _SCRIPTS if len(code) == 2}
    | {code for marks in _MARKS.values() for code, _ in marks}
    | set(_WITHOUT_MARKS.values())
    | set(_LANGUAGES)
)
