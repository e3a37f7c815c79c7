from __future__ import annotations

import pytest

from arena.labels import language_of
from models.chat import Message
from models.distill.clean.languages import only
from models.distill.clean.rule import Dropped
from models.distill.conversation import Conversation

ENGLISH = "Could you please tell me how the weather will be in the mountains tomorrow?"
GERMAN = "Kannst du mir bitte sagen, wie das Wetter morgen in den Bergen wird, und was ich anziehen soll?"
CHINESE = "请告诉我明天山里的天气怎么样，我应该穿什么衣服？"
JAPANESE = "明日の山の天気はどうなりますか。何を着ればいいでしょうか。"


def conversation(*texts: str) -> Conversation:
    return Conversation(
        "c", tuple(Message("assistant" if number % 2 else "user", text) for number, text in enumerate(texts))
    )


@pytest.mark.parametrize(
    ("texts", "languages", "kept"),
    [
        ((ENGLISH, "It will be sunny, so take something for your head."), {"en"}, True),
        ((ENGLISH, "It will be sunny."), {"zh"}, False),
        ((GERMAN, "Es wird sonnig, nimm etwas für den Kopf mit."), {"en", "zh"}, False),
        ((GERMAN, "Es wird sonnig, nimm etwas für den Kopf mit."), {"de"}, True),
        ((CHINESE, "明天晴天，请带上帽子。"), {"en", "zh"}, True),
        ((JAPANESE, "晴れるでしょう。帽子を持っていってください。"), {"en", "zh"}, False),
        (("hi", JAPANESE * 4), {"en"}, False),
    ],
)
def test_a_conversation_is_kept_in_the_languages_that_are_wanted(
    texts: tuple[str, ...], languages: set[str], kept: bool
) -> None:
    given = conversation(*texts)
    assert (only(languages, language_of)(given) is given) is kept


def test_what_is_dropped_names_the_language() -> None:
    assert only({"en"}, language_of)(conversation(GERMAN)) == Dropped("language not wanted", "de")


def test_code_says_nothing_about_the_language() -> None:
    comment = "```python\n# " + GERMAN + "\nprint(1)\n```\n"
    given = conversation(ENGLISH, comment * 30 + "That is how you do it, and this is the end of it.")
    assert only({"en"}, language_of)(given) is given


@pytest.mark.parametrize("texts", [("2+2", "4"), ("```\nx = 1\n```", "```\nwhile True: do_something_else()\n```")])
def test_what_is_in_no_language_is_not_in_a_wrong_one(texts: tuple[str, ...]) -> None:
    given = conversation(*texts)
    assert only({"en"}, language_of)(given) is given


def test_a_short_question_does_not_vanish_beside_a_long_answer() -> None:
    asked: list[str] = []

    def detect(text: str) -> str:
        asked.append(text)
        return "en"

    only({"en"}, detect)(conversation("x" * 100_000, "the answer", "y" * 100_000, "the second answer"))
    assert "the answer" in asked[0]
    assert "the second answer" in asked[0]
    assert len(asked[0]) <= 4010
