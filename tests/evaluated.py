"""Judges that said this and that of two contestants, for tests of the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Callable

from arenas import ready_battle, vote
from judged_rows import A, B, answer, judge, judgment, of_battle, question
from sqlalchemy.orm import Session

from db.judging import add_questions, record_answer, record_judgment
from db.outcome import Outcome
from db.tables import Judgment

CAREFUL, SENSELESS = "c" * 64, "d" * 64
CATEGORIES = ("coding", "writing", "math", "roleplay")
QUESTIONS = 24
# How each question goes: who wins, a tie, orders that disagree, an order that failed.
WAYS = ("a", "a", "b", "tie", "disagree", "a")
FAILED = 7


def evaluate_pair(session: Session, text: Callable[[int], str] = "Answer {}.".format) -> None:
    """Two judges score 24 answers of The Ant and The Bee in both orders: one reads them, one likes the first place."""
    session.add_all([judge(CAREFUL, "Careful"), judge(SENSELESS, "Senseless")])
    session.flush()
    for number in range(QUESTIONS):
        category = CATEGORIES[number % len(CATEGORIES)]
        add_questions(session, [question(number, category=category, reference=["Right is 7."])])
        record_answer(session, answer(number, A, text(number)))
        record_answer(session, answer(number, B, text(number) * 2))
        for first in "ab":
            record_judgment(session, _careful(number, first))
            record_judgment(session, _senseless(number, first))


def grade(session: Session) -> None:
    """The careful judge also grades each answer alone, The Ant's by 8, The Bee's by 5."""
    for number in range(QUESTIONS):
        for contestant, score in ((A, 8.0), (B, 5.0)):
            row = judgment(
                number, key=f"single {number} {contestant[:8]}", judge=CAREFUL, form="single",
                wording="single/general/1", contestant_a=contestant, contestant_b=None, score_a=score, score_b=None,
                answer_a=f"{contestant[:8]} to {number}", answer_b=None, outcome=None, reply=f"[[{score:g}]]",
            )  # fmt: skip
            record_judgment(session, row)


def judge_battles(session: Session, battles: int = 12) -> None:
    """People vote for A's side, mostly; the careful judge says the same of three in four."""
    for number in range(battles):
        name = f"battle {number}"
        ready_battle(session, name, voter=f"voter {number}")
        vote(session, name, Outcome.B if number % 3 == 0 else Outcome.A, voter=f"voter {number}")
        record_judgment(session, of_battle(name, judge=CAREFUL, outcome="a" if number % 4 else "b"))


def _careful(number: int, first: str) -> Judgment:
    way = WAYS[number % len(WAYS)]
    outcome = first if way == "disagree" else way
    score_a, score_b = {"a": (8.0, 6.5), "b": (5.0, 7.0), "tie": (6.0, 6.0)}[outcome]
    reply = json.dumps({"explanation": f"Of {number} I found {outcome}.", "score_1": score_a, "score_2": score_b})
    said = {"outcome": outcome, "score_a": score_a, "score_b": score_b, "reply": reply}
    if (number, first) == (FAILED, "b"):
        said = {"status": "failed", "failure": "the reply holds no verdict", "reply": "I can't say."}
        said |= dict.fromkeys(("outcome", "score_a", "score_b"))
    return judgment(number, first, key=f"careful {number} {first}", judge=CAREFUL, **said)


def _senseless(number: int, first: str) -> Judgment:
    return judgment(
        number, first, key=f"senseless {number} {first}", judge=SENSELESS, form="pairwise",
        wording="pairwise/general/1", outcome=first, score_a=None, score_b=None, reply="A",
    )  # fmt: skip
