"""Tasks that a model invents: reading its list, and telling which are of no use."""

from __future__ import annotations

import pytest

from models.distill.collect.seeds import own_seeds
from models.distill.collect.tasks import LANGUAGES, SUBJECTS, Language, can_be_shown, fault, listed, wording

LISTS = [
    ("5. Name three birds.\n6. Why is the sky blue?", ["Name three birds.", "Why is the sky blue?"]),
    ("Sure! Here are some:\n\n1. Name three birds.\n\n2. Why?", ["Name three birds.", "Why?"]),
    ("**5.** Name **three** birds.\n**6.** Why?", ["Name three birds.", "Why?"]),
    ("### 5. Name three birds.\n### 6) Why?", ["Name three birds.", "Why?"]),
    ("Task 5: Name three birds.\nTask 6: Why?", ["Name three birds.", "Why?"]),
    ('5. "Name three birds."\n6. Say "yes" or "no"', ["Name three birds.", 'Say "yes" or "no"']),
    ("5. Sort these:\n1. b\n2. a\n6. Why?", ["Sort these:\n1. b\n2. a", "Why?"]),
    ("5. Mend this:\n\n```python\nx = 1.\n```\n6. Why?", ["Mend this:\n\n```python\nx = 1.\n```", "Why?"]),
    ("5\u3001\u5199\u4e00\u9996\u8bd7\u3002\n6\uff0e\u4e3a\u4ec0\u4e48\uff1f",
     ["\u5199\u4e00\u9996\u8bd7\u3002", "\u4e3a\u4ec0\u4e48\uff1f"]),
    ("\u4efb\u52a15\uff1a\u201c\u5199\u4e00\u9996\u8bd7\u3002\u201d", ["\u5199\u4e00\u9996\u8bd7\u3002"]),
    ("5. Task 1: Name three birds.\n6. Task 2: Why?", ["Name three birds.", "Why?"]),
    ("7. Not the next number.\n10:30 is a time.", []),
    ("Nothing that looks like a list.", []),
    ("", []),
]  # fmt: skip

FAULTS: list[tuple[Language, str, str]] = [
    ("en", "Name three birds that can't fly.", ""),
    ("en", "Explain birds.", "too short"),
    ("en", "word " * 151, "too long"),
    ("en", "\u8bf7\u4ecb\u7ecd\u4e00\u79cd\u9e1f\u7c7b Python code", "another language"),
    ("en", 'Translate "\u4f60\u597d" into English and explain when one says it.', ""),
    ("en", "Describe what you see in the picture of a bird.", "more than text"),
    ("en", "Summarise the article at https://example.org in a sentence.", "more than text"),
    ("en", "Which imagery does a poem about autumn use?", ""),
    ("en", "Name two birds.\nAnswer: the owl and the rook.", "answered already"),
    ("en", "Summarise the following article in one sentence.", "its text is missing"),
    ("en", "Correct the grammar of this sentence.", "its text is missing"),
    ("en", "Correct the grammar of this sentence: he go home.", ""),
    ("en", "Sort the list below by length.\n- bb\n- a", ""),
    ("zh", "\u8bf7\u4ecb\u7ecd\u4e00\u79cd\u4e0d\u4f1a\u98de\u7684\u9e1f\u3002", ""),
    ("zh", "\u4ecb\u7ecd\u9e1f", "too short"),
    ("zh", "Name three birds that can't fly.", "another language"),
    ("zh", "\u5b57" * 301, "too long"),
    ("zh", "\u8bf7\u63cf\u8ff0\u8fd9\u5f20\u56fe\u7247\u91cc\u7684\u5185\u5bb9\u3002", "more than text"),
    ("zh", "\u8bf7\u6982\u62ec\u4e0b\u9762\u8fd9\u7bc7\u6587\u7ae0\u7684\u5927\u610f\u3002", "its text is missing"),
    (
        "zh",
        "\u8bf7\u628a\u4e0b\u9762\u7684\u53e5\u5b50\u6539\u6210\u5426\u5b9a\u53e5\uff1a\u4ed6\u6765\u4e86\u3002",
        "",
    ),
    ("zh", "\u7528Python\u5199\u4e00\u4e2a\u51fd\u6570 def f(a, b): pass", ""),
]


@pytest.mark.parametrize(("reply", "tasks"), LISTS)
def test_the_tasks_of_a_list_are_found_however_a_model_numbers_them(reply: str, tasks: list[str]) -> None:
    assert listed(reply, first=5) == tasks


@pytest.mark.parametrize(("language", "task", "reason"), FAULTS)
def test_a_task_of_no_use_is_told_with_its_reason(language: Language, task: str, reason: str) -> None:
    assert fault(task, language) == reason


def test_hardly_one_of_our_own_seeds_would_be_dropped() -> None:
    dropped = {
        seed.id: reason
        for seed in own_seeds()
        for one in LANGUAGES
        if one == seed.language and (reason := fault(seed.text, one))
    }
    assert set(dropped.values()) <= {"more than text", "its text is missing"}, dropped
    assert len(dropped) <= 3


def test_what_is_asked_shows_the_examples_as_a_list_and_says_where_to_go_on() -> None:
    for language in LANGUAGES:
        text = wording(["Name {three} birds.", "Why?"], language, 8, SUBJECTS[language][:2])
        assert all(subject in text for subject in SUBJECTS[language][:2])
        assert "\n\n1. Name {three} birds.\n2. Why?\n\n" in text
        assert "8" in text
        assert "3" in text


def test_only_a_short_line_is_an_example() -> None:
    assert can_be_shown("Why is the sky blue?")
    assert not can_be_shown("Which is right?\n1. One.\n2. Two.")
    assert not can_be_shown("x" * 201)
