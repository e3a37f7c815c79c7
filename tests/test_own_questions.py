"""Our own 80 questions, and that every reference is right: its code is run, its figures are reckoned anew."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from arena.judge.questions import Question, chosen, own_questions

LANGUAGES = ("en", "zh")
COUNTS = {
    "generic": 10,
    "knowledge": 10,
    "roleplay": 10,
    "common-sense": 10,
    "fermi": 10,
    "counterfactual": 10,
    "coding": 7,
    "math": 3,
    "writing": 10,
}
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
OURS = {(question.number, question.language): question for question in own_questions()}
# Fermi: the estimate redone, the one that is stated, the range, and the range in words.
FERMI: Mapping[str, tuple[float, float, float, float, str, str]] = {
    "41": (2 * 65 / 0.02 * 365, 2.4e6, 1e6, 1e7, "1 to 10 million grains", "100万到1000万粒"),
    "42": (0.5 * 3e6 * (80 / 3.6) ** 2 / (0.25 * 4200 * 80), 8600, 1e3, 1e5, "1,000 to 100,000 cups", "1000到10万杯"),
    "43": (1e6 * 0.4 * 4 / 0.003, 5e8, 5e7, 5e9, "50 million to 5 billion leaves", "5000万到50亿片"),
    "44": (8e9 * 15 * 3 / 86400, 4e6, 5e5, 5e7, "0.5 to 50 million people", "50万到5000万人"),
    "45": (40e-6 * 1e6, 40, 10, 200, "10 to 200 t", "10到200吨"),
    "46": (80 * 60 * 8, 38000, 1e4, 1e5, "10,000 to 100,000 key strokes", "1万到10万次"),
    "47": (100 * 15 * 240 * 1e-4, 36, 5, 200, "5 to 200 m", "5到200米"),
    "48": (25 * 10 * 1.5 * 1000 / 7200, 52, 25, 150, "25 to 150 days", "25到150天"),
    "49": (2 * 200 * 12 * 13 / 1000, 62, 10, 300, "10 to 300 km", "10到300公里"),
    "50": (15 * 3600 / (70 * 9.8 * 3), 26, 12, 60, "12 to 60 floors", "12到60层"),
}


def reference(number: int, language: str) -> str:
    found = OURS[str(number), language].reference
    assert found is not None
    (text,) = found
    return text


def code_of(text: str) -> str:
    (block,) = CODE.findall(text)
    return str(block)


def loaded(source: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(source, "<reference>", "exec"), space)  # noqa: S102 - our own file, and to run it is the proof
    return space


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_eighty_in_nine_categories_each_in_both_languages() -> None:
    for language in LANGUAGES:
        questions = chosen(own_questions(), language)
        assert [question.number for question in questions] == [str(number) for number in range(1, 81)]
        assert Counter(question.category for question in questions) == COUNTS
        assert len({question.turns for question in questions}) == 80
    assert len({question.id for question in own_questions()}) == 160
    assert {question.set for question in own_questions()} == {"paddock"}


def test_those_with_a_right_answer_and_no_other_have_a_reference() -> None:
    with_one = {question.category for question in own_questions() if question.reference}
    without = {question.category for question in own_questions() if not question.reference}
    assert with_one == {"coding", "math", "fermi"}
    assert with_one & without == set()


def test_each_language_is_written_in_its_own_letters_and_marks() -> None:
    for question in own_questions():
        for text in (*question.turns, *(question.reference or ())):
            prose = CODE.sub("", text)
            if question.language == "zh":
                assert re.search("[，。？]", prose), question.number
                assert not re.search(r"[\u4e00-\u9fff][,.?!:;]", prose), question.number
            else:
                assert not re.search(r"[\u3000-\u9fff]", prose), question.number


def shared_words(one: Question, words: frozenset[str]) -> float:
    """The share of a question's words of five letters and more that are among these."""
    ours = content(one.turns[0])
    return len(ours & words) / len(ours)


def content(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]{5,}", text.lower()))


def test_none_is_taken_from_vicuna_s_set(shared_data: Any) -> None:
    lines = (shared_data / "vicuna-eval" / "question.jsonl").read_text(encoding="utf-8").splitlines()
    theirs = [content(json.loads(line)["text"]) for line in lines]
    ours = chosen(own_questions(), "en")
    most = max((shared_words(one, words), one.number) for one in ours for words in theirs)
    assert most[0] < 0.35, most


# -- code ------------------------------------------------------------------------------------------


def test_61_free_slots(language: str) -> None:
    find = loaded(code_of(reference(61, language)))["free_slots"]
    assert find([], 0, 60, 1) == [(0, 60)]
    assert find([(50, 70), (10, 20), (15, 30)], 0, 60, 10) == [(0, 10), (30, 50)]
    assert find([(0, 60)], 0, 60, 1) == []
    rng = random.Random(61)
    for _ in range(2000):
        day = (rng.randint(0, 10), rng.randint(11, 30))
        starts = [rng.randint(-5, 34) for _ in range(rng.randint(0, 5))]
        busy = [(start, start + rng.randint(1, 12)) for start in starts]
        least = rng.randint(1, 5)
        given = list(busy)
        assert find(busy, *day, least) == free_by_minutes(busy, *day, least)
        assert busy == given


def free_by_minutes(busy: list[tuple[int, int]], start: int, end: int, least: int) -> list[tuple[int, int]]:
    taken = {minute for one, other in busy for minute in range(one, other)}
    found, begun = [], None
    for minute in range(start, end + 1):
        if minute < end and minute not in taken:
            begun = minute if begun is None else begun
        elif begun is not None:
            found += [(begun, minute)] if minute - begun >= least else []
            begun = None
    return found


def test_62_a_shared_default_and_a_loop_that_skips(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    loaded(code_of(OURS["62", language].turns[0]))
    printed = capsys.readouterr().out
    assert printed == "{'Ana': [7, -2], 'Bo': [4]}\n"
    assert printed.strip() in reference(62, language)
    add = loaded(code_of(reference(62, language)))["add_scores"]
    assert add("Ana", [7, -1, -2]) == {"Ana": [7]}
    assert add("Bo", [4]) == {"Bo": [4]}
    table: dict[str, list[int]] = {}
    scores = [1, -1, 0]
    assert add("Bo", scores, table) is table
    assert add("Bo", [2], table) == {"Bo": [1, 0, 2]}
    assert scores == [1, -1, 0]


def test_63_columns_of_a_terminal(language: str) -> None:
    columns = loaded(code_of(reference(63, language)))["format_columns"]
    assert columns([]) == []
    assert columns([["茶", "x"], ["tea", "yy"]]) == ["茶   x", "tea  yy"]
    assert columns([["ａ", "b", ""], ["c", "日本", "d"]]) == ["ａ  b", "c   日本  d"]


def test_64_a_limit_of_calls(language: str) -> None:
    make = loaded(code_of(reference(64, language)))["RateLimiter"]
    limiter = make(2, 10)
    calls = [("a", 0), ("a", 1), ("a", 2), ("b", 2), ("a", 10), ("a", 10), ("a", 11)]
    assert [limiter.allow(*call) for call in calls] == [True, True, False, True, True, False, True]
    rng = random.Random(64)
    for _ in range(200):
        limit, window = rng.randint(1, 4), rng.randint(1, 8)
        limiter, now = make(limit, window), 0
        allowed: list[int] = []
        for _ in range(60):
            now += rng.choice([0, 0, 1, 2, 5])
            free = sum(now - window < time <= now for time in allowed) < limit
            assert limiter.allow("u", now) is free
            allowed += [now] if free else []
            assert len(limiter.allowed["u"]) <= limit


def test_65_who_owes_what(language: str) -> None:
    balances = loaded(code_of(reference(65, language)))["balances"]
    assert balances([]) == {}
    assert balances([("Ana", 100, ["Cy", "Bo", "Ana"])]) == {"Ana": 66, "Bo": -33, "Cy": -33}
    assert balances([("Ana", 1, ["Cy", "Bo"])]) == {"Ana": 1, "Bo": -1, "Cy": 0}
    rng = random.Random(65)
    for _ in range(500):
        bills = [(rng.choice("abcde"), rng.randint(0, 999), rng.sample("abcde", rng.randint(1, 5))) for _ in range(6)]
        found = balances(bills)
        assert sum(found.values()) == 0
        assert {type(cents) for cents in found.values()} == {int}
        assert set(found) == {name for payer, _, names in bills for name in [payer, *names]}


def test_66_durations(language: str) -> None:
    parse = loaded(code_of(reference(66, language)))["parse_duration"]
    good = {"2d": 172800, "1h30m": 5400, "90s": 90, "1d2h3m4s": 93784, "0s": 0, "90m": 5400, "007s": 7}
    assert {text: parse(text) for text in good} == good
    for text in (
        "",
        "5",
        "h",
        "30m1h",
        "1h1h",
        "-1h",
        "+1h",
        "1.5h",
        " 1h",
        "1h ",
        "1h\n",
        "１h",
        "1H",
        "1h 2m",
        "1h2",
    ):
        with pytest.raises(ValueError):
            parse(text)


def test_67_counting_in_linear_time(language: str) -> None:
    slow: Callable[[list[int], int], int] = loaded(code_of(OURS["67", language].turns[0]))["count_rises"]
    fast: Callable[[list[int], int], int] = loaded(code_of(reference(67, language)))["count_rises"]
    rng = random.Random(67)
    for _ in range(2000):
        values = [rng.randint(-4, 4) for _ in range(rng.randint(0, 9))]
        rise = rng.randint(-5, 5)
        assert fast(values, rise) == slow(values, rise)
    assert fast([1] * 100_000, 0) == 100_000 * 99_999 // 2


# -- figures ---------------------------------------------------------------------------------------


def test_68_the_clock_that_is_fast(language: str) -> None:
    minutes = Fraction(8 * 60 * 60, 64)  # the clock shows 64 minutes for every 60
    assert minutes == 450
    assert divmod(12 * 60 + int(minutes), 60) == (19, 30)
    assert "19:30" in reference(68, language)


def test_69_the_gloves(language: str) -> None:
    orders = list(permutations("RRRBB"))
    draws = [2 if order[0] == order[1] else 3 for order in orders]
    red = [order[:drawn].count("R") == 2 for order, drawn in zip(orders, draws, strict=True)]
    assert Fraction(sum(draws), len(orders)) == Fraction("2.6")
    assert Fraction(sum(red), len(orders)) == Fraction(7, 10)
    assert "2.6" in reference(69, language)
    assert "7/10" in reference(69, language)


def test_70_falling_digits(language: str) -> None:
    found = [number for number in range(100, 1000) if number % 3 == 0 and falling(str(number))]
    assert len(found) == 42
    assert 741 in found
    assert "42" in reference(70, language)


def falling(digits: str) -> bool:
    return digits[0] > digits[1] > digits[2]


@pytest.mark.parametrize("number", FERMI)
def test_an_estimate_s_steps_lead_to_what_it_states_and_into_its_range(number: str) -> None:
    redone, stated, low, high, english, chinese = FERMI[number]
    assert math.isclose(redone, stated, rel_tol=0.08)
    assert low < redone < high
    assert english in reference(int(number), "en")
    assert chinese in reference(int(number), "zh")
