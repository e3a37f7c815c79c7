"""Which judges said how much, of what: what a page offers, and how it knows that nothing is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.tables import Contestant, Judgment, Question


@dataclass(frozen=True)
class JudgedPart:
    """What one judge (fingerprint and name) said in one form of one set of questions; `set` is None for battles.

    `done` and `failed` count judgments, `attempts` all that was asked for them, and `newest` is when the latest came:
    two equal parts hold the same judgments.
    """

    judge: str
    judge_name: str
    form: str
    set: str | None
    done: int
    failed: int
    attempts: int
    newest: datetime


def judged_parts(session: Session) -> Sequence[JudgedPart]:
    """All there are, the one with the most judgments first."""
    done = func.sum(case((Judgment.status == "done", 1), else_=0))
    rows = (
        select(
            Judgment.judge,
            Contestant.name,
            Judgment.form,
            Question.set,
            done,
            func.count() - done,
            func.sum(Judgment.attempts),
            func.max(Judgment.created_at),
        )
        .join(Contestant, Contestant.fingerprint == Judgment.judge)
        .outerjoin(Question, Question.id == Judgment.question_id)
        .group_by(Judgment.judge, Contestant.name, Judgment.form, Question.set)
        .order_by(done.desc(), Judgment.judge, Judgment.form, Question.set)
    )
    return [JudgedPart(*row) for row in session.execute(rows)]
