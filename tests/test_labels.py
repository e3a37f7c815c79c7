from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_prompts import DEVELOPMENT, HELD_OUT, Labelled

from arena.labels import CATEGORIES, Style, category_of, language_of, style_of

MOST_SECONDS = 5.0

# Vicuna's names of categories and ours. "generic" asks for advice and explanations; so does "common-sense", which asks
# how one would judge something in everyday life, without a puzzle to solve. This was decided after they had been seen.
VICUNA = {
    "coding": "coding",
    "math": "mathematics",
    "writing": "writing",
    "roleplay": "role_play",
    "knowledge": "knowledge",
    "generic": "knowledge",
    "common-sense": "knowledge",
    "fermi": "reasoning",
    "counterfactual": "reasoning",
}


def accuracy(rows: Labelled) -> float:
    return sum(category_of(prompt) == category for category, prompt in rows) / len(rows)


@pytest.fixture
def vicuna(shared_data: Path) -> list[dict[str, str]]:
    """The 80 questions of Vicuna's evaluation (FastChat, Apache-2.0)."""
    with (shared_data / "vicuna-eval" / "question.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# -- category ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [DEVELOPMENT, HELD_OUT])
def test_both_halves_of_the_labelled_prompts_have_every_category_in_both_languages(rows: Labelled) -> None:
    assert len(rows) > 100
    assert {category for category, _ in rows} == set(CATEGORIES)
    chinese = Counter(category for category, prompt in rows if any("一" <= letter <= "鿿" for letter in prompt))
    assert all(chinese[category] >= 3 for category in CATEGORIES if category != "other")


def test_nine_tenths_of_our_own_held_out_prompts_get_the_category_they_were_written_for() -> None:
    assert accuracy(DEVELOPMENT) >= 0.98
    assert (
        accuracy(HELD_OUT) >= 0.94
    )  # measured: 104 of 107, before and after the rules were fitted to questions of others


def test_no_category_of_held_out_prompts_is_mostly_missed() -> None:
    for category in CATEGORIES:
        rows = tuple(row for row in HELD_OUT if row[0] == category)
        assert accuracy(rows) >= 0.7, category


def test_vicuna_s_questions_that_rules_were_fitted_to_get_the_category_vicuna_gave(
    vicuna: list[dict[str, str]],
) -> None:
    rows = tuple((VICUNA[question["category"]], question["text"]) for question in vicuna)
    assert len(rows) == 80
    assert accuracy(rows) >= 0.93  # measured: 78 of 80; 64 before the rules were fitted to them


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("用Python写一个冒泡排序", "coding"),  # no word boundary stands between 用 and Python
        ("HELLO!", "conversation"),
        ("hi, what is the capital of France?", "knowledge"),
        ("1+1=?", "mathematics"),  # full-width
        ("What is x² if x = 3?", "mathematics"),
        ("计算机的历史", "knowledge"),  # 计算机 is a computer, 计算 a calculation
        ("写一份收入证明", "writing"),  # 证明 is a certificate here, elsewhere a proof
        ("证明根号2是无理数", "mathematics"),
        ("Act as a poet and write a poem", "role_play"),
        ("how to say no politely", "knowledge"),
        ("As a beginner, how do I learn the guitar?", "knowledge"),
        ("Imagine you are writing a blog post about cats. Draft its outline.", "writing"),
        ("Now you are a tax adviser. What is a deduction?", "role_play"),
        ("", "other"),
        ("🙂", "other"),
    ],
)
def test_what_is_easily_mistaken_is_not(prompt: str, category: str) -> None:
    assert category_of(prompt) == category


def test_of_a_long_prompt_the_beginning_and_the_end_decide() -> None:
    filler = "lorem dolor amet " * 2000
    assert category_of(f"Translate into English:\n{filler}") == "translation"
    assert category_of(f"{filler}\nSummarize the text above.") == "writing"
    assert category_of(f"{filler}\nSummarize the text above.\n{filler}") == "other"


# -- language ------------------------------------------------------------------------------------

LANGUAGES = [
    ("en", "hi"),
    ("en", "What is the best way to learn how to cook?"),
    ("en", "write a haiku about snow"),
    ("zh", "你好"),
    ("zh", "帮我写一封辞职信,语气要客气"),
    ("zh", "用Python写一个冒泡排序"),
    ("zh", "請問臺北到高雄要多久?"),
    ("ja", "こんにちは"),
    ("ja", "東京の人口は何人ですか"),
    ("ja", "コンピュータ"),
    ("ko", "한국의 수도는 어디입니까?"),
    ("ru", "Почему небо голубое?"),
    ("ru", "привет"),
    ("uk", "Чому небо блакитне і що це означає?"),
    ("ar", "ما هي عاصمة مصر؟"),
    ("fa", "پایتخت ایران کجاست و چند نفر جمعیت دارد؟"),
    ("he", "מה בירת ישראל?"),
    ("el", "Ποια είναι η πρωτεύουσα της Ελλάδας;"),
    ("hi", "भारत की राजधानी क्या है?"),
    ("th", "เมืองหลวงของประเทศไทยคืออะไร"),
    ("ta", "இந்தியாவின் தலைநகரம் எது?"),
    ("de", "Erkläre mir bitte, wie ein Motor funktioniert."),
    ("de", "hallo"),
    ("de", "Schreib ein Gedicht über den Herbst"),
    ("fr", "Explique-moi comment fonctionne un moteur."),
    ("fr", "Qu'est-ce que l'inflation ?"),
    ("fr", "bonjour"),
    ("es", "¿Cómo funciona un motor?"),
    ("es", "Escribe una carta de agradecimiento para mi jefe"),
    ("pt", "Como funciona um motor a combustão?"),
    ("pt", "Escreva uma carta de agradecimento para o meu chefe"),
    ("it", "Come funziona un motore a scoppio?"),
    ("it", "Scrivi una lettera di ringraziamento per il mio capo"),
    ("nl", "Hoe werkt een motor en waarom wordt hij warm?"),
    ("pl", "Jak działa silnik i dlaczego się nagrzewa?"),
    ("tr", "Bir motor nasıl çalışır ve neden ısınır?"),
    ("sv", "Hur fungerar en motor och varför blir den varm?"),
    ("da", "Hvordan virker en motor, og hvad bliver den varm af?"),
    ("no", "Hvordan virker en motor, og hva blir den varm av?"),
    ("fi", "Miten moottori toimii ja miksi se kuumenee?"),
    ("cs", "Jak funguje motor a proč se zahřívá?"),
    ("hu", "Hogyan működik a motor, és miért melegszik fel?"),
    ("ro", "Cum funcționează un motor și de ce se încălzește?"),
    ("vi", "Động cơ hoạt động như thế nào?"),
    ("id", "Bagaimana cara kerja mesin dan mengapa menjadi panas?"),
    ("other", ""),
    ("other", "12*17-40"),
    ("other", "asdfghjkl"),
    ("other", "?!"),
]


@pytest.mark.parametrize(("language", "prompt"), LANGUAGES)
def test_a_prompt_s_language_is_told_by_its_script_and_its_frequent_words(language: str, prompt: str) -> None:
    assert language_of(prompt) == language


def test_code_formulas_and_addresses_have_no_language() -> None:
    assert language_of("Was macht das?\n```python\nfor the_word in with_this: print('what is it for')\n```") == "de"
    assert language_of("```\nif it is what we have\n```") == "other"
    assert language_of("Warum ist $the = of + and$ falsch?") == "de"
    assert language_of("¿Qué es https://the.example/what-is-this-and-that?") == "es"
    assert language_of("解释一下 `public static void main` 是什么意思") == "zh"


def test_a_translation_is_in_the_language_of_most_of_its_text() -> None:
    assert language_of("Translate: 活到老学到老,一辈子都学不完,做人要谦虚") == "zh"
    assert language_of("Please translate this for me into Chinese, I need it today: 你好") == "en"


def test_real_questions_in_english_are_english(vicuna: list[dict[str, str]]) -> None:
    assert Counter(language_of(question["text"]) for question in vicuna) == {"en": 80}


# -- style ---------------------------------------------------------------------------------------

ANSWER = """<think>
# not shown
</think>
# Title

Some **bold** and __more bold__, 2 ** 3 ** 4, snake__case__name and *italics*.

- one
* two
  + three
1. four
2) five
-not an item
1.5 is none either
#hashtag

```python
# a comment
- **no** item
```
## End
"""


def test_style_is_counted_in_what_visitors_see_outside_of_code() -> None:
    visible = ANSWER[ANSWER.index("# Title") :]
    assert style_of(ANSWER) == Style(length=len(visible), headings=2, lists=5, bold=2)
    assert style_of("") == Style(0, 0, 0, 0)
    assert style_of("一二三 **四**") == Style(length=9, headings=0, lists=0, bold=1)


def test_a_fence_closes_with_as_many_marks_of_its_kind_or_never() -> None:
    assert style_of("````\n```\n# code\n````\n# Title").headings == 1
    assert style_of("~~~\n```\n# code\n~~~\n# Title").headings == 1
    assert style_of("```\n# code\n```python\n# code").headings == 0


# -- hostile -------------------------------------------------------------------------------------

HOSTILE = [
    "1 ", "1a", "a1 ", "1?", " ", "a", "a ", "\n", "\t", "how many ", "father's ", "1 brothers ", "if ", "write a ",
    "用", "写", "如果", "儿子", "(", "[", "{", "`", "```", "~~~\n", "ﷺ", "$x", "$^", "\\a", "as a ",
    "than taller than ", "a.b", "a.", "error", "how to say ", "²", "for x, y in ",
    "select a ", "'", "l'",
    "𝒳", "İ", "ß", "*", "**", "**a", "__", "__a", "- ", "1. ", "#", "<think>", "</think>", "http://", "\u0301",
    "\u200b",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_keeps_the_rules_busy(piece: str) -> None:
    text = (piece * 15_000)[:15_000]
    start = time.monotonic()
    assert category_of(text) in CATEGORIES
    assert language_of(text)
    assert style_of(text).length <= len(text)
    assert time.monotonic() - start < MOST_SECONDS


@given(st.text(max_size=300))
def test_any_text_gets_labels(text: str) -> None:
    assert category_of(text) in CATEGORIES
    assert 2 <= len(language_of(text)) <= 5
    style = style_of(text)
    assert 0 <= style.length <= len(text)
    assert min(style.headings, style.lists, style.bold) >= 0
