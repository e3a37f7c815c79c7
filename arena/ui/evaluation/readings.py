"""The judgments of a pair as one reads them: each question with what was said of it in both orders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from arena.judge.joined import Compared, category_of, compared
from db.judging import JudgedRow

# How a question went for the pair; of the single form there are only "graded" and "failed".
Way = Literal["model", "baseline", "tie", "disagree", "failed", "graded"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True)
class Reading:
    """One question or battle with the judgments of its orders, and what they come to together.

    Scores are averaged over the orders; None where the form has none, or an order failed. In the single form the
    model is who was graded, and there is no baseline.
    """

    orders: tuple[JudgedRow, ...]
    category: str
    way: Way
    score_model: float | None = None
    score_baseline: float | None = None


def readings_of(rows: Iterable[JudgedRow], model: str, baseline: str | None) -> tuple[Reading, ...]:
    """Those of one pair (fingerprints), or of one contestant in the single form; in the order of `rows`.

    Without those of battles that nobody voted on: what is read here is public, and exports leave them out too.
    """
    rows = [row for row in rows if not row.unvoted]
    if baseline is None:
        return tuple(_graded(row) for row in rows if row.a == model and row.b is None)
    pair = [row for row in rows if {row.a, row.b} == {model, baseline}]
    return tuple(_compared(one, model) for one in compared(pair))


def chosen(readings: Sequence[Reading], category: str, way: str) -> list[Reading]:
    """Those of a category and an outcome; "" stands for all."""
    return [one for one in readings if category in ("", one.category) and way in ("", one.way)]


def explanation_of(reply: str) -> str:
    """What a judge's reply says in words: of a JSON object its explanation, else the whole."""
    try:
        read = json.loads(reply)
    except (ValueError, RecursionError):
        return reply.strip()
    said = read.get("explanation") if isinstance(read, dict) else None
    return said.strip() if isinstance(said, str) else reply.strip()


def _graded(row: JudgedRow) -> Reading:
    done = row.status == "done"
    return Reading((row,), category_of(row), "graded" if done else "failed", row.score_a if done else None)


def _compared(one: Compared, model: str) -> Reading:
    if one.verdict is None:
        return Reading(one.orders, one.category, "failed")
    model_is_a = one.a == model
    scores = (one.verdict.score_a, one.verdict.score_b)
    return Reading(
        one.orders, one.category, _way(one, model_is_a=model_is_a), *(scores if model_is_a else scores[::-1])
    )


def _way(one: Compared, *, model_is_a: bool) -> Way:
    outcomes = {row.outcome for row in one.orders}
    if len(outcomes) > 1:
        return "disagree"
    if outcomes == {"tie"}:
        return "tie"
    return "model" if (outcomes == {"a"}) is model_is_a else "baseline"
