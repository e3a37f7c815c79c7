"""The row of filters above the leaderboard, and the selection that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, get_args
from urllib.parse import urlencode

import gradio as gr

from arena.boards.selection import Draws, Selection, Turns
from arena.ui.texts import TEXTS, Language, say

DAYS = (7, 30, 90)
# Names of languages in their own words need no translation.
LANGUAGES = {
    "ar": "العربية", "bg": "Български", "bn": "বাংলা", "cs": "Čeština", "da": "Dansk", "de": "Deutsch",
    "el": "Ελληνικά", "en": "English", "es": "Español", "fa": "فارسی", "fi": "Suomi", "fr": "Français",
    "he": "עברית", "hi": "हिन्दी", "hu": "Magyar", "id": "Bahasa Indonesia", "it": "Italiano", "ja": "日本語",
    "ko": "한국어", "nl": "Nederlands", "no": "Norsk", "pl": "Polski", "pt": "Português", "ro": "Română",
    "ru": "Русский", "sv": "Svenska", "th": "ไทย", "tr": "Türkçe", "uk": "Українська", "vi": "Tiếng Việt",
    "zh": "中文",
}  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """The components, in the order in which handlers get their values."""

    category: gr.Dropdown
    language: gr.Dropdown
    since: gr.Dropdown
    turns: gr.Dropdown
    ties: gr.Dropdown
    both_bad: gr.Dropdown
    style: gr.Dropdown
    verified: gr.Dropdown

    def all(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]


def build_filters(i18n: gr.I18n, *, sign_in: bool) -> Filters:
    """Who is verified is a question only where voters can sign in."""
    with gr.Row(elem_id="filters"):
        made = {
            field.name: gr.Dropdown(
                label=i18n(f"filter_{field.name}"), choices=[""], value="", filterable=False, min_width=130,
                elem_id=f"filter-{field.name.replace('_', '-')}", interactive=True,
                visible=sign_in or field.name != "verified",
            )
            for field in fields(Filters)
        }  # fmt: skip
    return Filters(**made)


def choices(categories: Sequence[str], languages: Sequence[str], language: Language) -> list[Any]:
    """An update for each filter: what there is to choose, the default chosen."""
    everything = (say(language, "all"), "")
    offered: list[list[tuple[str, str]]] = [
        [everything, *_sorted((_category(one, language), one) for one in categories if one)],
        [everything, *_sorted((_tongue(one, language), one) for one in languages if one)],
        [everything, *((say(language, "days", days=days), str(days)) for days in DAYS)],
        [everything, *((say(language, f"turns_{turns}"), turns) for turns in get_args(Turns) if turns != "all")],
        [(say(language, f"ties_{draws}"), "" if draws == "half" else draws) for draws in get_args(Draws)],
        [(say(language, f"both_bad_{draws}"), "" if draws == "half" else draws) for draws in get_args(Draws)],
        [(say(language, "style_off"), ""), (say(language, "style_on"), "true")],
        [everything, (say(language, "verified_only"), "true")],
    ]
    return [gr.update(choices=one, value="") for one in offered]


def selection_of(values: Sequence[str], today: date) -> Selection:
    """What the filters' values select; `since` counts days back from `today`. Raises `SelectionError`."""
    given = dict(zip((field.name for field in fields(Filters)), values, strict=True))
    if given["since"].isdecimal():
        given["since"] = (today - timedelta(days=int(given["since"][:4]))).isoformat()
    return Selection.read(given)


def query_of(selection: Selection) -> str:
    """The selection as the query of an address, "?" included; "" where everything is as by default."""
    plain = Selection()
    given = {field.name: getattr(selection, field.name) for field in fields(Selection)}
    changed = {name: str(value).lower() for name, value in given.items() if value != getattr(plain, name)}
    return f"?{urlencode(changed)}" if changed else ""


def _sorted(offered: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """By what is read, "other" last."""
    return sorted(offered, key=lambda one: (one[1] == "other", one[0].casefold()))


def _category(name: str, language: Language) -> str:
    key = f"category_{name}"
    return say(language, key) if key in TEXTS[language] else name


def _tongue(code: str, language: Language) -> str:
    return say(language, "category_other") if code == "other" else LANGUAGES.get(code, code)
