from __future__ import annotations

import re
from string import Formatter
from typing import get_args

import pytest

from arena.prompts import PromptError, clean_prompt
from arena.settings import Settings
from arena.ui.notices import what_is_stored
from arena.ui.tables import DATATYPES, SPEED_DATATYPES
from arena.ui.texts import ABOUT, TEXTS, Language, language_of, say
from db.outcome import Outcome, Refusal
from db.tables import BattleStatus

LANGUAGES: tuple[Language, ...] = get_args(Language)
OTHERS = [language for language in LANGUAGES if language != "en"]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_there_in_every_language_and_takes_the_same_values(language: Language) -> None:
    assert TEXTS[language].keys() == TEXTS["en"].keys()
    for key, text in TEXTS["en"].items():
        assert placeholders(TEXTS[language][key]) == placeholders(text), key
    assert placeholders(ABOUT[language]) == placeholders(ABOUT["en"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty_or_left_in_english(language: Language) -> None:
    for key, text in TEXTS[language].items():
        assert text.strip() == text, key
        assert text, key
        assert language != "zh" or re.search(r"[\u4e00-\u9fff]", text), key


def needed() -> list[str]:
    """Every key that the pages make up from a value."""
    statuses = ("idle", "waiting", *get_args(BattleStatus))
    return [
        *(f"hint_{status}" for status in statuses),
        *(f"refused_{reason}" for reason in Refusal),
        *(f"vote_{outcome}" for outcome in Outcome),
        *(f"result_{outcome}" for outcome in Outcome),
        *(f"error_{reason}" for reason in sorted(prompt_errors())),
        *(f"example_{number}" for number in range(1, 5)),
        "model_a",
        "model_b",
    ]


def prompt_errors() -> set[str]:
    reasons = set()
    for prompt in ("", "xx"):
        with pytest.raises(PromptError) as raised:
            clean_prompt(prompt, 1)
        reasons.add(raised.value.reason)
    return reasons


@pytest.mark.parametrize("key", needed())
def test_every_outcome_status_and_refusal_has_its_sentence(key: str) -> None:
    assert all(key in TEXTS[language] for language in LANGUAGES)


@pytest.mark.parametrize(("key", "count"), [("columns", len(DATATYPES)), ("speed_columns", len(SPEED_DATATYPES))])
def test_every_column_of_a_table_has_a_heading(key: str, count: int) -> None:
    assert {len(TEXTS[language][key].split("|")) for language in LANGUAGES} == {count}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_about_page_can_be_filled_in(language: Language) -> None:
    text = ABOUT[language].format(hours=2.0, regenerations=2, provisional=30, pace="", undo="")
    assert "{" not in text
    assert "30" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_stored_is_told_as_the_arena_is_set_up(language: Language) -> None:
    def told(*, elsewhere: bool = False, code: str | None = None, **settings: object) -> str:
        return what_is_stored(language, Settings.model_validate(settings), elsewhere=elsewhere, code=code)

    plain, full = told(), told(
        elsewhere=True, code="c0de", guard="on", moderation="house:look", retention_days=90, admin_token="x" * 16
    )  # fmt: skip
    conditional = ("stored_network", "stored_elsewhere", "stored_checked", "stored_for", "stored_code")
    for key in conditional:
        sentence = say(language, key, days=90, code="c0de")
        assert sentence in full
        assert sentence not in plain
    for key in ("stored", "stored_published", "stored_advice"):
        assert say(language, key) in plain
        assert say(language, key) in full
    assert say(language, "stored_for_good") in plain
    assert say(language, "stored_for_good") not in full


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5", "en"),
        ("ZH-tw", "zh"),
        ("fr", "en"),
        ("*", "en"),
        (",;q=,\x00", "en"),
    ],
)
def test_the_first_language_is_taken_where_we_speak_it(header: str, language: Language) -> None:
    assert language_of(header) == language


def test_a_sentence_is_said_with_its_values() -> None:
    assert say("en", "error_too_long", limit=4000) == "The prompt is too long; at most 4000 characters fit."
