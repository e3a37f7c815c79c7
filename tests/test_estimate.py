"""What a run will take, before it takes it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from test_plan import ANT, BEE, JUDGE, answers, question

from arena.judge.estimate import MESSAGE_TOKENS, REPLY_TOKENS, estimate, tokens_in, tokens_read
from arena.judge.plan import plan
from models.chat import Message
from models.prices import FREE, Price

PRICE = Price(2.5, 10.0, date(2026, 5, 27), "the invoice")
TASKS = plan(JUDGE, "score", [(ANT, BEE)], [question("1"), question("2")], answers("12", ANT, BEE)).tasks


def test_tokens_are_reckoned_from_letters_of_either_kind() -> None:
    assert tokens_in("a" * 400) == 100
    assert tokens_in("评分" * 50) == 100
    assert tokens_in("评分" * 50 + "a" * 400) == 200
    assert tokens_read([Message("user", "a" * 400)]) == 100 + MESSAGE_TOKENS


def test_money_is_the_prompts_and_the_usual_reply_at_the_price() -> None:
    found = estimate(TASKS, PRICE, most_tokens=512)
    assert found.requests == 4
    assert found.tokens == 4 * REPLY_TOKENS
    assert found.prompt_tokens == sum(tokens_read(task.messages()) for task in TASKS)
    assert found.dollars == pytest.approx((found.prompt_tokens * 2.5 + found.tokens * 10) / 1e6)
    assert "yours to check" in found.sentence(PRICE)
    assert "2026-05-27" in found.sentence(PRICE)


def test_no_reply_is_reckoned_longer_than_the_judge_may_write() -> None:
    assert estimate(TASKS, PRICE, most_tokens=50).tokens == 200


def test_an_unknown_price_is_said_and_a_judge_of_our_own_costs_no_dollars() -> None:
    unknown = estimate(TASKS, None, 512)
    assert unknown.dollars is None
    assert "not known" in unknown.sentence(None)
    assert estimate(TASKS, FREE, 512).dollars == 0
    assert "no dollars" in estimate(TASKS, FREE, 512).sentence(FREE)


def test_the_usual_reply_is_longer_than_most_published_reviews(shared_data: Path) -> None:
    texts = [
        json.loads(line)["text"]
        for file in sorted((shared_data / "vicuna-eval").rglob("review/*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len(texts) == 320
    lengths = sorted(tokens_in(text) for text in texts)
    assert sum(lengths) / len(lengths) == pytest.approx(167, abs=2)
    assert lengths[len(lengths) * 3 // 4] < REPLY_TOKENS < lengths[-1]
