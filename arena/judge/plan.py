"""Which judgments there are to be: contestants × questions × orders, each under the key that pays it once.

Pure: takes rows that were read, asks no database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from arena.judge.named import ordered
from arena.judge.verdict import First, Form
from arena.judge.wordings import Shown, Wording, wording_for
from db.judged_battles import key_of as key_of
from db.tables import Answer, Question
from models.chat import Message

# Two contestants, the smaller fingerprint first; or one, for a form that looks at one answer alone.
Whom = tuple[str, str | None]


@dataclass(frozen=True)
class Comparison:
    """What a judge is shown, wherever it comes from: prompts, what contestants said, a reference where there is one.

    `a` and `b` are fingerprints, `a` the smaller one; `b` is None where one answer is looked at alone.
    `said_a` and `said_b` have a text for each of `turns`. `battle_mark` stands for all that was shown in a battle.
    """

    a: str
    b: str | None
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] | None
    said_a: tuple[str, ...]
    said_b: tuple[str, ...]
    question_id: str | None = None
    answer_a: str | None = None
    answer_b: str | None = None
    battle_id: str | None = None
    battle_mark: str | None = None


@dataclass(frozen=True)
class Task:
    """One judgment to ask for; `first` is whose answer is shown first."""

    key: str
    form: Form
    wording: Wording
    comparison: Comparison
    first: First

    def messages(self) -> tuple[Message, ...]:
        """What the judge is asked."""
        of = self.comparison
        first, second = (of.said_a, of.said_b) if self.first == "a" else (of.said_b, of.said_a)
        return self.wording.messages(Shown(of.turns, first, second, of.reference or ()))


@dataclass(frozen=True)
class Plan:
    """`missing`: numbers of the questions that a contestant has no finished answer to, by fingerprint."""

    tasks: tuple[Task, ...]
    missing: Mapping[str, tuple[str, ...]]


def tasks_of(judge: str, form: Form, comparison: Comparison, *, both_orders: bool) -> tuple[Task, ...]:
    """The judgments of one comparison. In one order alone, a hash of it decides whose answer comes first.

    So neither contestant has the better place in more than about half of the comparisons.
    """
    wording = wording_for(form, comparison.category, has_reference=comparison.reference is not None)
    of = [comparison.answer_a, comparison.answer_b]
    if comparison.battle_id:
        of = [comparison.battle_id, comparison.battle_mark]
    orders: tuple[First, ...] = ("a", "b")
    if form == "single":
        orders = ("a",)
    elif not both_orders:
        coin = hashlib.sha256(json.dumps(of).encode()).digest()[0] % 2
        orders = orders[coin : coin + 1]
    return tuple(
        Task(key_of(judge, form, wording.name, of, first), form, wording, comparison, first) for first in orders
    )


def plan(
    judge: str,
    form: Form,
    whom: Sequence[Whom],
    questions: Sequence[Question],
    answers: Iterable[Answer],
    *,
    both_orders: bool = True,
) -> Plan:
    """Every judgment of these contestants, question by question, so that a run that ends early has whole questions.

    `judge` is its fingerprint. A question that one of two has not answered is left out for this pair and `missing`.
    """
    finished = {(row.question_id, row.contestant): row for row in answers if row.status == "finished"}
    tasks: list[Task] = []
    for question in questions:
        for a, b in whom:
            if comparison := _compared(question, a, b, finished):
                tasks += tasks_of(judge, form, comparison, both_orders=both_orders)
    everybody = sorted({one for pair in whom for one in pair if one})
    missing = {
        one: numbers
        for one in everybody
        if (numbers := tuple(question.number for question in questions if (question.id, one) not in finished))
    }
    return Plan(tuple(tasks), missing)


def pairs_among(contestants: Collection[str], baseline: str | None = None) -> list[Whom]:
    """All pairs of these contestants, or those of the baseline with each other one."""
    if baseline is None:
        return [ordered(a, b) for a, b in combinations(sorted(contestants), 2)]
    return [ordered(baseline, other) for other in sorted(contestants) if other != baseline]


def _compared(
    question: Question, a: str, b: str | None, finished: Mapping[tuple[str, str], Answer]
) -> Comparison | None:
    """None where an answer is not there."""
    answer_a = finished.get((question.id, a))
    answer_b = finished.get((question.id, b)) if b else None
    if answer_a is None or (b and answer_b is None):
        return None
    return Comparison(
        a=a,
        b=b,
        category=question.category,
        turns=tuple(question.turns),
        reference=tuple(question.reference) if question.reference else None,
        said_a=tuple(answer_a.turns),
        said_b=tuple(answer_b.turns) if answer_b else (),
        question_id=question.id,
        answer_a=answer_a.id,
        answer_b=answer_b.id if answer_b else None,
    )
