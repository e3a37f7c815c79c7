"""Judgments → what a judge says of two contestants on one question, its orders together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from arena.judge.verdict import Outcome, Place, Verdict, joined
from arena.ratings.tally import Floats, Integers
from db.judging import JudgedRow

UNKNOWN_CATEGORY = "–"
BATTLES = "battles"
_POINTS = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class Compared:
    """Two contestants (fingerprints, `a` the smaller) on one question or in one battle, by one judge in one form.

    `orders` are its judgments, one for each order asked; `verdict` is None where one of them failed. `cluster` is what
    is drawn as one where figures are drawn again: the languages of a question are no questions of their own.
    """

    question: str
    cluster: str
    number: str
    category: str
    a: str
    b: str
    name_a: str
    name_b: str
    orders: tuple[JudgedRow, ...]
    verdict: Verdict | None

    @property
    def lengths(self) -> tuple[int, int]:
        """Characters of a's and of b's answer."""
        return self.orders[0].length_a, self.orders[0].length_b

    @property
    def points(self) -> float:
        """What `a` gets: 1, 0, or half a point for a tie; only where there is a verdict."""
        return points(self.verdict.outcome if self.verdict else None)


def current(rows: Iterable[JudgedRow]) -> list[JudgedRow]:
    """The judgments of one set without those of a question whose text has changed since, by pair.

    Rows come with the versions of a question in their order: of each number and language the last one counts.
    """
    rows = list(rows)
    latest = {_versions(row): row.question_id for row in rows}
    return [row for row in rows if row.question_id == latest[_versions(row)]]


def compared(rows: Iterable[JudgedRow]) -> list[Compared]:
    """Judgments of pairs by one judge in one form, joined by question and pair, in the order of the rows.

    Of two judgments in the same order (its wording changed since), one that is done counts, and of these the later.
    """
    orders: dict[tuple[str, str, str], dict[str, JudgedRow]] = {}
    for row in rows:
        if row.b is not None:
            known = orders.setdefault((unit(row), row.a, row.b), {})
            if row.first not in known or row.status == "done" or known[row.first].status != "done":
                known[row.first] = row
    return [_joined(question, tuple(by_order.values())) for (question, _, _), by_order in orders.items()]


def place_of(row: JudgedRow) -> Place:
    """Which place a judgment that is done is for."""
    if row.outcome == "tie":
        return "tie"
    return "first" if row.outcome == row.first else "second"


def points(outcome: str | None) -> float:
    """Points of `a`. Raises `ValueError` without an outcome: a failure is no tie."""
    if outcome is None:
        raise ValueError("there is no outcome")
    return _POINTS[outcome]


def unit(row: JudgedRow) -> str:
    """What was judged: the question's id, or the battle's."""
    return str(row.question_id or row.battle_id)


def cluster_of(row: JudgedRow) -> str:
    """The question's number within its set, whatever the language; or the battle's id."""
    return row.number or unit(row)


def category_of(row: JudgedRow) -> str:
    return row.category or UNKNOWN_CATEGORY


def numbered(names: Sequence[Hashable]) -> Integers:
    """(n,) a number for each name, from 0 in the order in which they come; the same for the same."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def summed(values: Sequence[float], clusters: Sequence[str]) -> Floats:
    """(clusters,) what `values` come to in each cluster."""
    return np.bincount(numbered(clusters), values).astype(np.float64)


def _versions(row: JudgedRow) -> tuple[str | None, ...]:
    """What all versions of one question have in common, for two contestants."""
    return (row.number or row.question_id, row.language, row.a, row.b) if row.question_id else (row.battle_id,)


def _joined(question: str, orders: tuple[JudgedRow, ...]) -> Compared:
    row = orders[0]
    return Compared(
        question=question,
        cluster=cluster_of(row),
        number=row.number or question[:8],
        category=category_of(row),
        a=row.a,
        b=str(row.b),
        name_a=row.name_a,
        name_b=str(row.name_b),
        orders=orders,
        verdict=joined([_verdict(order) for order in orders]),
    )


def _verdict(row: JudgedRow) -> Verdict | None:
    if row.status != "done":
        return None
    return Verdict(row.score_a, row.score_b, cast("Outcome | None", row.outcome))
